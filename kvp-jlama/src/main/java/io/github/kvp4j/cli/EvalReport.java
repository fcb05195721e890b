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
package io.github.kvp4j.cli;

import io.github.kvp4j.bench.Origin;
import io.github.kvp4j.evaluation.ResultRow;
import io.github.kvp4j.jlama.KvpModel;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What {@code kvp eval} says in the end: to a file, and to who waits. */
final class EvalReport {
  private EvalReport() {}

  /**
   * What {@code results.json} holds.
   *
   * @param settings all that the results depend on
   * @param seed of the run
   */
  static Map<String, Object> of(
      List<ResultRow> table, Map<String, Object> settings, KvpModel loaded, long seed) {
    Map<String, Object> report = new LinkedHashMap<>();
    report.put("rows", table);
    report.put("settings", settings);
    report.put("model_type", loaded.jlama().getModelType().toString());
    report.putAll(Origin.current());
    report.put("seed", seed);
    return report;
  }

  static void print(List<ResultRow> table, int items, double length) {
    List<String> metrics =
        table.stream().map(ResultRow::metric).distinct().filter(m -> !m.contains(" ")).toList();
    System.out.printf(Locale.ROOT, "%n%d items of %.0f tokens on average%n%n", items, length);
    StringBuilder head = new StringBuilder();
    head.append(String.format(Locale.ROOT, "%-44s %6s %6s %8s", "row", "FLOPs", "TTFT", "TTFT ms"));
    metrics.forEach(m -> head.append(String.format(Locale.ROOT, " %21s", m)));
    System.out.println(head);
    Map<String, List<ResultRow>> rows = new LinkedHashMap<>();
    table.forEach(r -> rows.computeIfAbsent(r.row(), n -> new ArrayList<>()).add(r));
    rows.forEach((name, of) -> {
      StringBuilder line = new StringBuilder();
      line.append(
          String.format(
              Locale.ROOT,
              "%-44s %6.3f %6.3f %8.0f",
              name,
              of.getFirst().relativeFlops(),
              of.getFirst().relativeTtft(),
              of.getFirst().ttftMillis()));
      for (String metric : metrics) {
        String shown =
            of.stream()
                .filter(r -> r.metric().equals(metric))
                .findFirst()
                .map(r ->
                    String.format(Locale.ROOT, "%.3f [%.3f, %.3f]", r.value(), r.low(), r.high()))
                .orElse("-");
        line.append(String.format(Locale.ROOT, " %21s", shown));
      }
      System.out.println(line);
    });
    System.out.printf(
        Locale.ROOT,
        "%nFLOPs and TTFT are shares of the first row's. In brackets: 95 %% confidence intervals"
            + " (bootstrap).%n");
  }
}
