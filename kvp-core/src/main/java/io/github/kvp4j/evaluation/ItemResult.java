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

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What came of one item: a line of a run's record.
 *
 * @param item the item's id
 * @param promptTokens of its prompt
 * @param rows one a row, in the run's order
 */
public record ItemResult(String item, int promptTokens, List<Row> rows) {
  /** Copies the list. */
  public ItemResult {
    rows = List.copyOf(rows);
  }

  /**
   * This item with what other rows answered later.
   *
   * @param later of the same item; its first row is this one's again and not taken over
   * @param order names of rows; those that are not among them come last
   */
  public ItemResult with(ItemResult later, List<String> order) {
    Map<String, Row> all = new LinkedHashMap<>();
    Stream.concat(rows.stream(), later.rows.stream()).forEach(r -> all.putIfAbsent(r.row, r));
    List<Row> sorted = new ArrayList<>();
    order.forEach(name -> Optional.ofNullable(all.remove(name)).ifPresent(sorted::add));
    sorted.addAll(all.values());
    return new ItemResult(item, promptTokens, sorted);
  }

  /** The names of the rows. */
  public Set<String> names() {
    return rows.stream().map(Row::row).collect(Collectors.toSet());
  }

  /**
   * What came of one row.
   *
   * @param row the row's name
   * @param relativeFlops prefill FLOPs as a share of the exact row's
   * @param ttftMillis from text to first token, tokenizer included; for an item with a given
   *     continuation to the logits of the first token
   * @param firstTtftMillis that of the first row when this one was asked: a row that a run gone on
   *     with asked later was timed beside another reading than the one in {@link ItemResult#rows};
   *     0 in records of versions that did not keep it
   * @param millisPerToken mean time of each further token of the greedy answer; 0 where there was
   *     none
   * @param answer the greedy answer, empty where nothing was asked
   * @param metrics by name
   */
  public record Row(
      String row,
      double relativeFlops,
      double ttftMillis,
      double firstTtftMillis,
      double millisPerToken,
      String answer,
      Map<String, Double> metrics) {
    /** Copies the map, in its order. */
    public Row {
      metrics = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(metrics));
    }
  }
}
