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
package io.github.kvp4j.calibration;

import io.github.kvp4j.cluster.Cluster;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/**
 * Some of the texts of a fit, as one machine reads them.
 *
 * @param first number of the first among all, by which held-out texts are told
 * @param all how many there are in all parts
 * @param tokens {@code [text][token]}
 */
record TextPart(int first, int all, ArrayList<int[]> tokens) implements Serializable {
  /** All texts as one part. */
  static TextPart whole(List<int[]> texts) {
    return new TextPart(0, texts.size(), new ArrayList<>(texts));
  }

  /** In parts; twice as many as there are places, so that a slow or lost one leaves less behind. */
  static List<TextPart> of(Cluster cluster, List<int[]> texts) {
    List<TextPart> parts = new ArrayList<>();
    int count = Math.clamp(2L * cluster.width(), 1, Math.max(1, texts.size()));
    for (int p = 0; p < count; p++) {
      int from = (int) ((long) texts.size() * p / count);
      int to = (int) ((long) texts.size() * (p + 1) / count);
      parts.add(new TextPart(from, texts.size(), new ArrayList<>(texts.subList(from, to))));
    }
    return parts;
  }
}
