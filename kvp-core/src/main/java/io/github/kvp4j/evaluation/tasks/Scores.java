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
import io.github.kvp4j.evaluation.Answers;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Scores that several tasks have. */
final class Scores {
  private Scores() {}

  /** Exact match and F1 of the greedy answer. */
  static Map<String, Double> exactAndF1(
      AnswerRules rules, Answers answers, List<String> references) {
    Map<String, Double> scores = new LinkedHashMap<>();
    scores.put("exact_match", rules.exactMatch(answers.greedy(), references) ? 1.0 : 0.0);
    scores.put("f1", rules.f1(answers.greedy(), references));
    return scores;
  }
}
