/*
 * Copyright 2026 The KVP4J authors
 *
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
 * in compliance with the License. You may obtain a copy of the License at
 *
 *     http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software distributed under the License
 * is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
 * or implied. See the License for the specific language governing permissions and limitations under
 * the License.
 */
package io.github.kvp4j.evaluation.tasks;

import io.github.kvp4j.evaluation.AnswerRules;
import io.github.kvp4j.evaluation.DataFile;
import io.github.kvp4j.evaluation.EvaluationItem;
import io.github.kvp4j.evaluation.EvaluationTask;
import io.github.kvp4j.evaluation.TaskSettings;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** TriviaQA without its documents, in the tab-separated form of its open-domain splits. */
public final class TriviaQaTask implements EvaluationTask {
  @Override
  public String name() {
    return "triviaqa";
  }

  @Override
  public String description() {
    return "TriviaQA, closed book (question TAB ['alias', …] a line): exact match and F1";
  }

  @Override
  public Map<String, String> options() {
    return ClosedBook.options();
  }

  @Override
  public List<EvaluationItem> items(TaskSettings settings) {
    return ClosedBook.items(
        settings,
        AnswerRules.TRIVIA_QA,
        DataFile.lines(settings.requiredData(), TriviaQaTask::question));
  }

  /** One line: two fields, each of which may be quoted as in CSV. */
  static ClosedBook question(String line) {
    List<String> fields = fields(line);
    if (fields.size() != 2) {
      throw new IllegalArgumentException(
          "it has " + fields.size() + " fields between tabs; there must be two");
    }
    return new ClosedBook(unquoted(fields.get(0)), PythonList.parse(fields.get(1)));
  }

  /** Some questions are quoted twice over, in the official file as well. */
  private static String unquoted(String question) {
    if (question.length() < 2 || !question.startsWith("\"") || !question.endsWith("\"")) {
      return question;
    }
    String inner = question.substring(1, question.length() - 1);
    boolean doubled = !inner.replace("\"\"", "").contains("\"");
    return doubled ? inner.replace("\"\"", "\"") : question;
  }

  private static List<String> fields(String line) {
    List<String> fields = new ArrayList<>();
    int at = 0;
    while (at <= line.length()) {
      if (!line.startsWith("\"", at)) {
        int tab = line.indexOf('\t', at);
        int end = tab < 0 ? line.length() : tab;
        fields.add(line.substring(at, end));
        at = end + 1;
        continue;
      }
      StringBuilder field = new StringBuilder();
      int i = at + 1;
      while (true) {
        int quote = line.indexOf('"', i);
        if (quote < 0) {
          throw new IllegalArgumentException("a quoted field does not end");
        }
        field.append(line, i, quote);
        if (!line.startsWith("\"\"", quote)) {
          at = quote + 1;
          break;
        }
        field.append('"');
        i = quote + 2;
      }
      if (at < line.length() && line.charAt(at) != '\t') {
        throw new IllegalArgumentException("a quoted field is followed by more than a tab");
      }
      fields.add(field.toString());
      at++;
    }
    return fields;
  }
}
