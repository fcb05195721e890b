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
package io.github.kvp4j.prefill;

import io.github.kvp4j.kernel.Kernels;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.LayerWeights;
import io.github.kvp4j.model.ModelShape;
import java.util.List;

/**
 * Takes a token into each of several sequences in one pass: the tokens are stacked for the matrix
 * products, so that the weights are read once for all of them, and each attends to its own cache.
 *
 * <p>What comes of a sequence does not depend on the others: fewer than {@link
 * Kernels#steadyRows()} are padded to as many. For one thread.
 */
public final class StackedDecoding {
  private final PrefillEngine engine;
  private final ModelShape shape;
  private final Kernels kernels;
  private final PrefillScratch scratch;
  private final float[] x; // (row, hidden)
  private final float[] narrow; // (row, kvHeads * headSize)

  /**
   * Decodes with an engine.
   *
   * @param most lanes of one step, at most {@link PrefillEngine#CHUNK}
   */
  public StackedDecoding(PrefillEngine engine, int most) {
    this.engine = engine;
    this.shape = engine.weights().shape();
    this.kernels = engine.kernels();
    int rows = Math.max(most, kernels.steadyRows());
    this.scratch = new PrefillScratch(shape, rows);
    this.x = new float[rows * shape.hidden()];
    this.narrow = new float[rows * shape.kvLength()];
  }

  /** How many logits a step needs room for: those of rows that pad it counted. */
  public static int logits(PrefillEngine engine, int lanes) {
    return Math.multiplyExact(
        Math.max(lanes, engine.kernels().steadyRows()), engine.weights().shape().vocabulary());
  }

  /**
   * One step.
   *
   * @param lanes of this engine, none twice
   * @param tokens {@code [lane]} what each takes in
   * @param logits {@code (lane, vocabulary)} of the tokens after those, at least as long as {@link
   *     #logits} says
   */
  public void next(List<Lane> lanes, int[] tokens, float[] logits, Cancellation cancellation) {
    int count = lanes.size();
    int rows = Math.max(count, kernels.steadyRows());
    int hidden = shape.hidden();
    engine.embed(tokens, 0, count, x);
    java.util.Arrays.fill(x, count * hidden, rows * hidden, 0);
    for (Lane lane : lanes) {
      lane.begin();
    }
    int[] positions = lanes.stream().mapToInt(Lane::position).toArray();
    for (int layer = 0; layer < shape.layers(); layer++) {
      cancellation.check();
      layer(layer, lanes, rows, positions);
    }
    engine.logits(rows, x, logits);
    lanes.forEach(Lane::end);
  }

  private void layer(int layer, List<Lane> lanes, int rows, int[] positions) {
    LayerWeights w = engine.weights().layers().get(layer);
    int count = lanes.size();
    int hidden = shape.hidden();
    int kv = shape.kvLength();
    int attention = shape.attentionLength();
    float epsilon = shape.normEpsilon();
    PrefillScratch s = scratch;
    kernels.rmsNorm(rows, hidden, x, 0, w.attentionNorm(), epsilon, s.normed, 0);

    float[][] keys = new float[count][];
    float[][] values = new float[count][];
    int[] last = new int[count]; // the cache row of each token
    kernels.gemm(rows, s.normed, 0, hidden, w.key(), w.keyBias(), narrow, 0, kv, false);
    kernels.rotate(count, shape.kvHeads(), narrow, 0, kv, positions, engine.weights().rope());
    for (int i = 0; i < count; i++) {
      KvCache cache = lanes.get(i).cache();
      keys[i] = cache.keys(layer);
      values[i] = cache.values(layer);
      last[i] = lanes.get(i).row(layer);
      System.arraycopy(narrow, i * kv, keys[i], last[i] * kv, kv);
      cache.mark(layer, last[i], last[i] + 1, KvCache.RowState.EXACT);
    }
    kernels.gemm(rows, s.normed, 0, hidden, w.value(), w.valueBias(), narrow, 0, kv, false);
    for (int i = 0; i < count; i++) {
      System.arraycopy(narrow, i * kv, values[i], last[i] * kv, kv);
    }

    kernels.gemm(rows, s.normed, 0, hidden, w.query(), w.queryBias(), s.query, 0, attention, false);
    kernels.rotate(count, shape.heads(), s.query, 0, attention, positions, engine.weights().rope());
    kernels.attentionOfEach(
        s.query,
        last,
        keys,
        values,
        shape.heads(),
        shape.kvHeads(),
        shape.headSize(),
        shape.attentionScale(),
        s.attended);
    java.util.Arrays.fill(s.attended, count * attention, rows * attention, 0);
    kernels.gemm(rows, s.attended, 0, attention, w.output(), null, x, 0, hidden, true);
    kernels.rmsNorm(rows, hidden, x, 0, w.feedForwardNorm(), epsilon, s.normed, 0);
    kernels.feedForward(rows, s.normed, w.gate(), w.up(), w.down(), x, 0, s.gate, s.up);
  }
}
