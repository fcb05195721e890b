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

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.kvp4j.evaluation.AnswerRules;
import io.github.kvp4j.evaluation.PassAtK;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Scores are those of the official scripts: {@code it/reference/answer_metrics.py} writes what they
 * give, {@code official_metrics.py} holds it against them.
 */
class OfficialMetricsTest {
  private static JsonNode golden(String name) throws IOException {
    try (InputStream in =
        Objects.requireNonNull(
            OfficialMetricsTest.class.getResourceAsStream("/golden/answer-metrics.json"))) {
      JsonNode items = new ObjectMapper().readTree(in).path(name);
      assertThat(items.size()).isGreaterThanOrEqualTo(200);
      return items;
    }
  }

  @ParameterizedTest
  @EnumSource
  void answersScoreAsInTheOfficialScript(AnswerRules rules) throws IOException {
    for (JsonNode item : golden(rules.name())) {
      String answer = item.path("answer").textValue();
      List<String> references = new ArrayList<>();
      item.path("references").forEach(r -> references.add(r.textValue()));
      assertThat(rules.normalise(answer)).as(answer).isEqualTo(item.path("normalised").textValue());
      assertThat(rules.exactMatch(answer, references) ? 1.0 : 0.0)
          .as("%s in %s", answer, references)
          .isEqualTo(item.path("exact_match").doubleValue());
      assertThat(rules.f1(answer, references))
          .as("%s of %s", answer, references)
          .isCloseTo(item.path("f1").doubleValue(), within(1e-12));
    }
  }

  @Test
  void finalNumbersAreThoseOfTheOfficialScript() throws IOException {
    for (JsonNode item : golden("gsm8k")) {
      String answer = item.path("answer").textValue();
      assertThat(Gsm8kTask.score(answer, item.path("reference").textValue()).get("exact_match"))
          .as(answer)
          .isEqualTo(item.path("exact_match").doubleValue());
    }
  }

  @Test
  void passAtKIsTheUnbiasedEstimator() throws IOException {
    for (JsonNode item : golden("pass_at_k")) {
      int n = item.path("n").intValue();
      int c = item.path("c").intValue();
      int k = item.path("k").intValue();
      assertThat(PassAtK.estimate(n, c, k))
          .as("n %d, c %d, k %d", n, c, k)
          .isCloseTo(item.path("value").doubleValue(), within(1e-12));
    }
  }

  @Test
  void theLastNumberCountsWhereNoneIsMarked() {
    assertThat(Gsm8kTask.score("It is 3 + 4 = $1,007.", "#### 1007"))
        .containsEntry("exact_match", 0.0)
        .containsEntry("last_number", 1.0);
    assertThat(Gsm8kTask.score("#### 7\nor 8", "#### 8")).containsEntry("last_number", 0.0);
  }

  @Test
  void twoEmptyAnswersAreAlikeThoughTheyShareNoWord() {
    assertThat(AnswerRules.SQUAD.f1("", "the")).isZero();
    assertThat(AnswerRules.SQUAD.fidelity("", "the")).isEqualTo(1);
    assertThat(AnswerRules.SQUAD.fidelity("one two", "two three")).isEqualTo(0.5);
  }
}
