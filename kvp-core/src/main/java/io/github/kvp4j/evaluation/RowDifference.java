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

import io.github.kvp4j.KvpException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.Collectors;

/**
 * By how much two rows differ in a metric over the items that both were asked. Items differ far
 * more than rows do, so the interval of the difference, item by item, is much narrower than those
 * of the two means.
 *
 * @param metric the metric's name, as each item has it
 * @param first mean of the first row
 * @param second mean of the second row
 * @param difference of the second from the first (second - first), with its 95 % interval
 * @param items how many have the metric in both rows
 */
public record RowDifference(
    String metric, double first, double second, Bootstrap difference, int items) {
  /** Seed of the bootstrap in what is shown, so that every command shows the same. */
  public static final long SEED = 1;

  /**
   * Compares.
   *
   * @param results of a run
   * @param first a row's name
   * @param second another's
   * @param seed of the bootstrap
   * @return one a metric that both rows have
   * @throws KvpException BAD_ARGUMENT where no item has both rows, naming those that there are
   */
  public static List<RowDifference> of(
      List<ItemResult> results, String first, String second, long seed) {
    Map<String, List<double[]>> pairs = new LinkedHashMap<>(); // (item): first, second
    for (ItemResult result : results) {
      Optional<ItemResult.Row> a = row(result, first);
      Optional<ItemResult.Row> b = row(result, second);
      if (a.isEmpty() || b.isEmpty()) {
        continue;
      }
      Map<String, Double> other = b.get().metrics();
      a.get()
          .metrics()
          .forEach((metric, value) -> {
            Double against = other.get(metric);
            if (against != null) {
              pairs
                  .computeIfAbsent(metric, m -> new ArrayList<>())
                  .add(new double[] {value, against});
            }
          });
    }
    if (pairs.isEmpty()) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "No item has both the row '"
              + first
              + "' and the row '"
              + second
              + "'; the run's rows are '"
              + results.stream()
                  .flatMap(result -> result.rows().stream())
                  .map(ItemResult.Row::row)
                  .distinct()
                  .collect(Collectors.joining("', '"))
              + "'.");
    }
    List<RowDifference> out = new ArrayList<>();
    pairs.forEach((metric, of) -> {
      double[] differences = of.stream().mapToDouble(p -> p[1] - p[0]).toArray();
      out.add(
          new RowDifference(
              metric,
              of.stream().mapToDouble(p -> p[0]).average().orElseThrow(),
              of.stream().mapToDouble(p -> p[1]).average().orElseThrow(),
              Bootstrap.of(differences, DoubleUnaryOperator.identity(), seed),
              of.size()));
    });
    return out;
  }

  private static Optional<ItemResult.Row> row(ItemResult result, String name) {
    return result.rows().stream().filter(row -> row.row().equals(name)).findFirst();
  }
}
