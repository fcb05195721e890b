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

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** The points that no other point beats in both cost and worth. */
final class ParetoFront {
  /**
   * A row in a figure.
   *
   * @param cost the less the better
   * @param worth the more the better, or the less where that is said
   */
  record Point(String row, double cost, double worth) {}

  private ParetoFront() {}

  /**
   * The front, by rising cost.
   *
   * @param less whether less worth is better, as with perplexity
   */
  static List<Point> of(List<Point> points, boolean less) {
    double sign = less ? -1 : 1;
    List<Point> sorted = new ArrayList<>(points);
    sorted.sort(
        Comparator.comparingDouble(Point::cost)
            .thenComparing(Comparator.comparingDouble((Point p) -> sign * p.worth()).reversed()));
    List<Point> out = new ArrayList<>();
    for (Point p : sorted) {
      if (out.isEmpty() || sign * p.worth() > sign * out.getLast().worth()) {
        out.add(p);
      }
    }
    return out;
  }
}
