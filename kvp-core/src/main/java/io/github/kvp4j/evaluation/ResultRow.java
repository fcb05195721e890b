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

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.DoubleUnaryOperator;

/**
 * A line of a run's table: one metric of one row.
 *
 * @param row the row's name
 * @param task the task's name
 * @param metric the metric's name
 * @param value over all items
 * @param low lower end of the 95 % confidence interval
 * @param high upper end
 * @param items how many have the metric
 * @param relativeFlops prefill FLOPs as a share of the exact row's, mean over all items
 * @param ttftMillis time to first token in milliseconds, median over all items
 * @param relativeTtft that median as a share of the first row's over the same items, read in the
 *     same run
 * @param millisPerToken time of each further token in milliseconds, median over the items that have
 *     one; 0 where none has
 */
public record ResultRow(
    @JsonProperty("row") String row,
    @JsonProperty("task") String task,
    @JsonProperty("metric") String metric,
    @JsonProperty("value") double value,
    @JsonProperty("low") double low,
    @JsonProperty("high") double high,
    @JsonProperty("items") int items,
    @JsonProperty("relative_flops") double relativeFlops,
    @JsonProperty("ttft_ms") double ttftMillis,
    @JsonProperty("relative_ttft") double relativeTtft,
    @JsonProperty("ms_per_token") double millisPerToken) {

  /** What of the first row's score a row has, over the items of both: 1 is all of it. */
  public static final String KEPT = "kept";

  /** The score that {@link #KEPT} is of: the first of these that a task has. */
  private static final List<String> SCORES = List.of("f1", "pass@1", "exact_match");

  /**
   * The table of a run.
   *
   * @param task the task's name
   * @param results at least one; a row that only some of them have is shown over those
   * @param seed of the bootstrap
   */
  public static List<ResultRow> table(String task, List<ItemResult> results, long seed) {
    List<ResultRow> out = new ArrayList<>();
    Map<String, List<ItemResult.Row>> byName = new LinkedHashMap<>();
    IdentityHashMap<ItemResult.Row, ItemResult.Row> firsts = new IdentityHashMap<>();
    for (ItemResult result : results) {
      for (ItemResult.Row r : result.rows()) {
        byName.computeIfAbsent(r.row(), n -> new ArrayList<>()).add(r);
        firsts.put(r, result.rows().getFirst());
      }
    }
    for (List<ItemResult.Row> of : byName.values()) {
      Map<String, List<Double>> values = new LinkedHashMap<>();
      for (ItemResult.Row row : of) {
        row.metrics()
            .forEach((name, v) -> values.computeIfAbsent(name, n -> new ArrayList<>()).add(v));
      }
      double flops = of.stream().mapToDouble(ItemResult.Row::relativeFlops).sum() / of.size();
      double ttft = median(of.stream().mapToDouble(ItemResult.Row::ttftMillis).toArray());
      double firstTtft =
          median(
              of.stream()
                  .mapToDouble(r ->
                      r.firstTtftMillis() > 0
                          ? r.firstTtftMillis()
                          : Objects.requireNonNull(firsts.get(r)).ttftMillis())
                  .toArray());
      double each =
          median(
              of.stream().mapToDouble(ItemResult.Row::millisPerToken).filter(t -> t > 0).toArray());
      Line add =
          (name, b, items) ->
              out.add(
                  new ResultRow(
                      of.getFirst().row(),
                      task,
                      name,
                      b.value(),
                      b.low(),
                      b.high(),
                      items,
                      flops,
                      ttft,
                      firstTtft > 0 ? ttft / firstTtft : 0,
                      each));
      values.forEach((name, list) -> {
        boolean loss = name.equals(Evaluation.LOG_LOSS);
        DoubleUnaryOperator shown = loss ? Math::exp : DoubleUnaryOperator.identity();
        double[] array = list.stream().mapToDouble(Double::doubleValue).toArray();
        Bootstrap b = Bootstrap.of(array, shown, seed);
        add.accept(loss ? Evaluation.PERPLEXITY : name, b, array.length);
      });
      SCORES.stream()
          .filter(values::containsKey)
          .findFirst()
          .flatMap(score -> kept(score, of, firsts, seed))
          .ifPresent(b -> add.accept(KEPT, b, of.size()));
    }
    return out;
  }

  /** Makes a line of a row's table. */
  @FunctionalInterface
  private interface Line {
    void accept(String metric, Bootstrap value, int items);
  }

  private static Optional<Bootstrap> kept(
      String score,
      List<ItemResult.Row> of,
      IdentityHashMap<ItemResult.Row, ItemResult.Row> firsts,
      long seed) {
    double[] own = new double[of.size()];
    double[] first = new double[of.size()];
    for (int i = 0; i < own.length; i++) {
      own[i] = of.get(i).metrics().getOrDefault(score, 0.0);
      ItemResult.Row reference = Objects.requireNonNull(firsts.get(of.get(i)));
      first[i] = reference.metrics().getOrDefault(score, 0.0);
    }
    return Bootstrap.ofRatio(own, first, seed);
  }

  private static double median(double[] values) {
    if (values.length == 0) {
      return 0;
    }
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    int half = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  }
}
