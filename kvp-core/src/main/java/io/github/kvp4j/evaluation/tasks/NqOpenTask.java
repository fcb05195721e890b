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
import java.util.List;
import java.util.Map;

/** Natural Questions without their documents. */
public final class NqOpenTask implements EvaluationTask {
  @Override
  public String name() {
    return "nq-open";
  }

  @Override
  public String description() {
    return "Natural Questions, closed book ({\"question\", \"answer\": […]} a line): exact match and"
        + " F1";
  }

  @Override
  public Map<String, String> options() {
    return ClosedBook.options();
  }

  private record Line(String question, List<String> answer) {}

  @Override
  public List<EvaluationItem> items(TaskSettings settings) {
    return ClosedBook.items(
        settings,
        AnswerRules.NQ_OPEN,
        DataFile.jsonLines(
            settings.requiredData(),
            Line.class,
            line -> new ClosedBook(line.question, line.answer)));
  }
}
