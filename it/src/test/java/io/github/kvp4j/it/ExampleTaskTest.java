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
package io.github.kvp4j.it;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.kvp4j.evaluation.Answers;
import io.github.kvp4j.evaluation.EvaluationItem;
import io.github.kvp4j.evaluation.EvaluationTask;
import io.github.kvp4j.evaluation.TaskSettings;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The example's task is found by its name, asks and scores; ExamplesIT asks a model. */
class ExampleTaskTest {
  @Test
  void aTaskIsOneClass() {
    EvaluationTask task = EvaluationTask.named("capitals");
    List<EvaluationItem> items =
        task.items(
            new TaskSettings(null, 3, 1, 0, false, Map.of(), text -> text.chars().toArray()));
    assertThat(items).hasSize(3);
    EvaluationItem france =
        task
            .items(
                new TaskSettings(null, 99, 1, 0, false, Map.of(), text -> text.chars().toArray()))
            .stream()
            .filter(item -> item.id().equals("France"))
            .findFirst()
            .orElseThrow();
    assertThat(france.scorer().apply(new Answers(" Paris.", List.of())))
        .containsEntry("exact_match", 1.0);
    assertThat(france.scorer().apply(new Answers(" Rome", List.of())))
        .containsEntry("exact_match", 0.0);
  }
}
