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
package io.github.kvp4j.report;

import io.github.kvp4j.evaluation.CutRow;
import io.github.kvp4j.evaluation.ItemResult;
import io.github.kvp4j.evaluation.RefinedRow;
import io.github.kvp4j.evaluation.RowDifference;
import io.github.kvp4j.evaluation.RunFolder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A row less the prompt that was cut to its cost, over the items that both were asked: what a
 * shortcut has to beat.
 *
 * @param row the row's name
 * @param differences by metric
 */
record CutComparison(String row, Map<String, RowDifference> differences) {

  /**
   * Compares all rows that have a cut one beside them in the same run; where two runs have it, over
   * the one with more items.
   *
   * @param runs folders with answers item by item
   * @param metrics those of them that the rows have are compared
   */
  static List<CutComparison> of(Set<Path> runs, List<String> metrics) {
    Map<String, CutComparison> out = new LinkedHashMap<>(); // by row
    for (Path run : runs) {
      List<ItemResult> results = RunFolder.results(run);
      Set<String> rows = new LinkedHashSet<>();
      results.forEach(result -> result.rows().forEach(row -> rows.add(row.row())));
      List<Set<String>> asked = results.stream().map(ItemResult::names).toList(); // by item
      for (String row : rows) {
        // a refined row has its first token at the predicted one's cost
        String cut = CutRow.nameFor(RefinedRow.predictedFor(row).orElse(row));
        if (asked.stream().anyMatch(names -> names.contains(row) && names.contains(cut))) {
          Map<String, RowDifference> differences = new LinkedHashMap<>();
          RowDifference.of(results, cut, row, RowDifference.SEED).stream()
              .filter(d -> metrics.contains(d.metric()))
              .forEach(d -> differences.put(d.metric(), d));
          CutComparison compared = new CutComparison(row, differences);
          out.merge(row, compared, (a, b) -> a.items() < b.items() ? b : a);
        }
      }
    }
    return new ArrayList<>(out.values());
  }

  /** How many items were compared. */
  int items() {
    return differences.values().stream().mapToInt(RowDifference::items).max().orElse(0);
  }
}
