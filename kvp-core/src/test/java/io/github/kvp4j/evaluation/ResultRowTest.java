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

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ResultRowTest {
  /** What is kept is over the items that a row and the first one both have. */
  @Test
  void whatIsKeptIsOfTheSameItems() {
    List<ItemResult> results = new ArrayList<>();
    double[] exact = {1, 0.5, 0, 0.5};
    for (int i = 0; i < 4; i++) {
      List<ItemResult.Row> rows = new ArrayList<>();
      rows.add(new ItemResult.Row("exact", 1, 1, 1, 0, "", Map.of("f1", exact[i])));
      if (i % 2 == 0) {
        rows.add(new ItemResult.Row("half", 0.5, 1, 1, 0, "", Map.of("f1", i == 0 ? 0.75 : 0.0)));
      } else {
        rows.add(new ItemResult.Row("none", 0.5, 1, 1, 0, "", Map.of("f1", 0.0)));
      }
      results.add(new ItemResult("q" + i, 10, rows));
    }
    assertThat(ResultRow.table("t", results, 1))
        .filteredOn(r -> r.metric().equals(ResultRow.KEPT))
        .extracting(
            r -> r.row() + " " + r.value() + " " + r.low() + " " + r.high() + " " + r.items())
        .containsExactly("exact 1.0 1.0 1.0 4", "half 0.75 0.75 0.75 2", "none 0.0 0.0 0.0 2");
    assertThat(Bootstrap.ofRatio(new double[] {1, 1}, new double[] {0, 0}, 1)).isEmpty();
    Bootstrap many =
        Bootstrap.ofRatio(new double[] {1, 0, 1, 0, 1, 0}, new double[] {1, 1, 1, 1, 1, 1}, 1)
            .orElseThrow();
    assertThat(many.value()).isEqualTo(0.5);
    assertThat(many.low()).isBetween(0.0, 0.4);
    assertThat(many.high()).isBetween(0.6, 1.0);
  }

  /** A row that was asked later is as fast as it was beside the exact row then, not before. */
  @Test
  void timesAreComparedWithinARun() {
    ItemResult before =
        new ItemResult(
            "q",
            10,
            List.of(timed("exact", 100, 100), timed("half", 50, 100), timed("old", 80, 0)));
    ItemResult later =
        new ItemResult("q", 10, List.of(timed("exact", 400, 400), timed("added", 100, 400)));
    ItemResult all = before.with(later, List.of("exact", "half", "old", "added"));
    assertThat(ResultRow.table("t", List.of(all), 1))
        .filteredOn(r -> r.metric().equals("f1"))
        .extracting(r -> r.row() + " " + r.ttftMillis() + " " + r.relativeTtft())
        .containsExactly("exact 100.0 1.0", "half 50.0 0.5", "old 80.0 0.8", "added 100.0 0.25");
    assertThat(RunFolder.result(RunFolder.line(all))).isEqualTo(all);
  }

  private static ItemResult.Row timed(String name, double ttft, double first) {
    return new ItemResult.Row(name, 1, ttft, first, 0, "", Map.of("f1", 1.0));
  }
}
