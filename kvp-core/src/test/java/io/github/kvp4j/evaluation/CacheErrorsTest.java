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
package io.github.kvp4j.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.github.kvp4j.TinyModels;
import io.github.kvp4j.kernel.ScalarKernels;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Errors of a cache are found where they are, and agreement is counted by token. */
class CacheErrorsTest {
  private static final ModelWeights WEIGHTS =
      TinyModels.random(TinyModels.shape(3, 16, 2, 1, 8), true, false, 1);
  private static final ModelShape SHAPE = WEIGHTS.shape();
  private static final PrefillEngine BASE = new PrefillEngine(WEIGHTS, new ScalarKernels());

  private static float[] exact(int[] prompt, KvCache cache) {
    return BASE.prefill(prompt, 0, cache, Cancellation.NEVER);
  }

  /** The values of one layer are off by a quarter from position 6 on. */
  private static float[] shifted(int[] prompt, KvCache cache) {
    float[] last = exact(prompt, cache);
    for (int i = 6 * SHAPE.kvLength(); i < prompt.length * SHAPE.kvLength(); i++) {
      cache.values(1)[i] += 0.25f;
    }
    return last;
  }

  private static CacheErrors errors() {
    CacheErrors errors = new CacheErrors(BASE, List.of("same", "shifted, once"), 10, 4);
    for (int seed = 0; seed < 2; seed++) {
      errors.add(
          TinyModels.tokens(10, SHAPE.vocabulary(), seed),
          List.of(CacheErrorsTest::exact, CacheErrorsTest::shifted));
    }
    return errors;
  }

  @Test
  void theErrorIsWhereItIs() {
    List<String> lines = errors().l1();
    assertThat(lines.getFirst()).isEqualTo(CacheErrors.L1_HEADER);
    // rows, parts, layers, stretches of three, three, three and one
    assertThat(lines).hasSize(1 + 2 * 2 * 3 * 4);
    for (String line : lines.subList(1, lines.size())) {
      List<String> cells = Csv.cells(line);
      boolean wrong =
          cells.get(0).equals("shifted, once")
              && cells.get(1).equals("V")
              && cells.get(2).equals("1")
              && Double.parseDouble(cells.get(3)) >= 6;
      assertThat(Double.parseDouble(cells.get(4)))
          .as(line)
          .isCloseTo(wrong ? 0.25 : 0, within(1e-5));
    }
  }

  @Test
  void theDensityIsOneAndLiesAtTheError() {
    Map<String, Double> mass = new HashMap<>();
    Map<String, Double> mean = new HashMap<>();
    List<String> lines = errors().density();
    double width = Double.parseDouble(Csv.cells(lines.get(2)).get(3));
    width -= Double.parseDouble(Csv.cells(lines.get(1)).get(3));
    double widthV = 0;
    String before = "";
    for (String line : lines.subList(1, lines.size())) {
      List<String> cells = Csv.cells(line);
      if (cells.get(1).equals("V") && widthV == 0 && !before.isEmpty()) {
        widthV = Double.parseDouble(cells.get(3)) - Double.parseDouble(before);
      }
      before = cells.get(1).equals("V") ? cells.get(3) : "";
      double w = cells.get(1).equals("V") ? widthV : width;
      String key = String.join(" ", cells.subList(0, 3));
      double density = Double.parseDouble(cells.get(4));
      mass.merge(key, density * w, Double::sum);
      mean.merge(key, density * w * Double.parseDouble(cells.get(3)), Double::sum);
    }
    assertThat(mass.get("same K 0")).isCloseTo(1, within(1e-3));
    assertThat(mean.get("same V 1")).isCloseTo(0, within(1e-6));
    // four positions of ten are off by a quarter
    assertThat(mean.get("shifted, once V 1")).isCloseTo(0.1, within(0.03));
  }

  @Test
  void aPromptOfAnotherLengthIsRefused() {
    CacheErrors errors = new CacheErrors(BASE, List.of("same"), 10, 4);
    assertThatThrownBy(() -> errors.add(new int[] {1}, List.of(CacheErrorsTest::exact)))
        .hasMessage("The prompt has 1 tokens and is read in 1 ways; they must be 10 and 1.");
  }

  @Test
  void agreementIsCountedByToken() {
    EvaluationRow exact = new ExactRow(BASE);
    EvaluationRow pruned = new RandomPruningRow(BASE, 0.2, 1);
    AgreementCourse course = new AgreementCourse(exact, List.of(exact, pruned), 5);
    for (int seed = 0; seed < 8; seed++) {
      course.add(
          new Continuation(
              TinyModels.tokens(20, SHAPE.vocabulary(), seed),
              TinyModels.tokens(6, SHAPE.vocabulary(), 50 + seed)));
    }
    List<String> lines = course.csv();
    assertThat(lines).hasSize(11).startsWith(AgreementCourse.HEADER, "exact,1,1.00000,8");
    assertThat(lines.subList(1, 6)).allMatch(l -> l.endsWith(",1.00000,8"));
    assertThat(lines.subList(6, 11)).anyMatch(l -> !l.endsWith(",1.00000,8"));
  }

  @Test
  void csvCellsComeBack() {
    for (String text : List.of("plain", "a,b", "say \"x\", y", "")) {
      assertThat(Csv.cells(Csv.cell(text) + ",1")).containsExactly(text, "1");
    }
  }
}
