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

import io.github.kvp4j.KvpException;
import io.github.kvp4j.evaluation.AnswerRules;
import io.github.kvp4j.evaluation.DataFile;
import io.github.kvp4j.evaluation.EvaluationItem;
import io.github.kvp4j.evaluation.EvaluationTask;
import io.github.kvp4j.evaluation.TaskSettings;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/**
 * Reading comprehension from a file in SQuAD 1.1 format: worked examples, then passage, question
 * and {@code Answer:}, as plain text to complete. The answer lies far back in the prompt.
 */
public final class SquadTask implements EvaluationTask {
  @Override
  public String name() {
    return "squad";
  }

  @Override
  public String description() {
    return "reading comprehension (SQuAD 1.1 JSON): exact match and F1";
  }

  private record Document(List<Article> data) {}

  private record Article(List<Paragraph> paragraphs) {}

  private record Paragraph(String context, List<Query> qas) {}

  private record Query(String question, List<Answer> answers) {}

  private record Answer(String text) {}

  private record Question(int number, String passage, String question, List<String> answers) {
    String block() {
      return "Passage: " + passage + "\nQuestion: " + question + "\nAnswer:";
    }
  }

  @Override
  public List<EvaluationItem> items(TaskSettings settings) {
    List<Question> questions = questions(settings.requiredData());
    Random random = new Random(settings.seed());
    Collections.shuffle(questions, random);
    List<EvaluationItem> items = new ArrayList<>();
    for (Question q : questions.subList(0, Math.min(settings.limit(), questions.size()))) {
      StringBuilder prompt = new StringBuilder();
      for (int shot = 0; shot < settings.shots(); shot++) {
        Question example = questions.get(random.nextInt(questions.size()));
        while (example.passage.equals(q.passage)) {
          example = questions.get(random.nextInt(questions.size()));
        }
        prompt.append(example.block()).append(' ').append(example.answers.getFirst());
        prompt.append("\n\n");
      }
      items.add(
          EvaluationItem.question(
              "question-" + q.number,
              prompt.append(q.block()).toString(),
              answers -> Scores.exactAndF1(AnswerRules.SQUAD, answers, q.answers)));
    }
    return items;
  }

  private static List<Question> questions(Path file) {
    List<Question> out = new ArrayList<>();
    for (Article article : DataFile.json(file, Document.class).data) {
      for (Paragraph paragraph : article.paragraphs) {
        for (Query qa : paragraph.qas) {
          if (!qa.answers.isEmpty() && !paragraph.context.isEmpty()) {
            out.add(
                new Question(
                    out.size(),
                    paragraph.context.strip(),
                    qa.question.strip(),
                    qa.answers.stream().map(Answer::text).toList()));
          }
        }
      }
    }
    if (out.stream().map(Question::passage).distinct().count() < 2) {
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE,
          "The file '" + file + "' has questions on fewer than two passages; it is no SQuAD file.");
    }
    return out;
  }
}
