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
package io.github.kvp4j.kernel;

/**
 * How much attention each key receives, summed over queries and heads; see {@link
 * Kernels#attentionMass}.
 *
 * <p>The scores of one key head's queries are computed key by key, so that a key is read once for
 * all of them; every task sums into a row of its own, and the rows are added in order, so that the
 * result does not depend on which thread was faster.
 */
record VectorAttentionMass(
    int m,
    float[] q,
    int qOffset,
    int[] positions,
    float[] k,
    int heads,
    int kvHeads,
    int headSize,
    float scale,
    float[] mass) {

  /** Queries in a task. */
  private static final int QUERIES = 16;

  void run(Workers workers) {
    int keys = positions[m - 1] + 1;
    int tiles = (m + QUERIES - 1) / QUERIES;
    float[][] sums = new float[kvHeads * tiles][]; // [task](key)
    workers.forEach(
        sums.length,
        task -> {
          int from = task / kvHeads * QUERIES;
          sums[task] = tile(task % kvHeads, from, Math.min(m, from + QUERIES));
        });
    for (float[] sum : sums) {
      VectorMath.add(mass, sum, 0, Math.min(keys, sum.length));
    }
  }

  private float[] tile(int kvHead, int from, int to) {
    int group = heads / kvHeads;
    int keys = positions[to - 1] + 1;
    int stride = Simd.roundUp(keys, Simd.LANES);
    int rows = (to - from) * group;
    float[] scores = new float[rows * stride]; // (query and head, key)
    float factor = scale * VectorMath.LOG2_E;
    for (int p = 0; p < keys; p++) {
      int kAt = (p * kvHeads + kvHead) * headSize;
      for (int r = 0; r < rows; r++) {
        int query = from + r / group;
        if (p <= positions[query]) {
          int qAt = qOffset + (query * heads + kvHead * group + r % group) * headSize;
          scores[r * stride + p] = factor * VectorMath.dot(q, qAt, k, kAt, headSize);
        }
      }
    }
    float[] sum = new float[stride];
    for (int r = 0; r < rows; r++) {
      int seen = positions[from + r / group] + 1;
      float max = VectorMath.max(scores, r * stride, seen, Float.NEGATIVE_INFINITY);
      float total = VectorMath.exp2Sum(scores, r * stride, seen, max);
      VectorMath.addScaled(sum, 0, scores, r * stride, seen, 1 / total);
    }
    return sum;
  }
}
