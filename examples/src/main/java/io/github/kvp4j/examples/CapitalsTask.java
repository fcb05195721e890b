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
package io.github.kvp4j.examples;

import io.github.kvp4j.evaluation.AnswerRules;
import io.github.kvp4j.evaluation.EvaluationItem;
import io.github.kvp4j.evaluation.EvaluationTask;
import io.github.kvp4j.evaluation.TaskSettings;
import java.util.List;
import java.util.Map;

/**
 * A task of one's own for {@code kvp eval}: this class, and its name in {@code
 * META-INF/services/io.github.kvp4j.evaluation.EvaluationTask}.
 *
 * <pre>
 * KVP_CLASSPATH=examples/target/classes ./kvp eval --task capitals
 * </pre>
 */
public final class CapitalsTask implements EvaluationTask {
  private static final Map<String, String> CAPITALS =
      Map.of(
          "France", "Paris", "Italy", "Rome", "Spain", "Madrid", "Japan", "Tokyo", "Egypt", "Cairo",
          "Norway", "Oslo", "Greece", "Athens", "Cuba", "Havana", "Peru", "Lima", "Kenya",
          "Nairobi");

  @Override
  public String name() {
    return "capitals";
  }

  @Override
  public String description() {
    return "ten capitals: exact match";
  }

  @Override
  public List<EvaluationItem> items(TaskSettings settings) {
    return settings.chosen(CAPITALS.keySet().stream().sorted().toList()).stream()
        .map(country ->
            EvaluationItem.question(
                country,
                "The capital of Germany is: Berlin\nThe capital of " + country + " is:",
                answers ->
                    Map.of(
                        "exact_match",
                        AnswerRules.SQUAD.exactMatch(
                                answers.greedy(), List.of(CAPITALS.getOrDefault(country, "")))
                            ? 1.0
                            : 0.0)))
        .toList();
  }
}
