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
package io.github.kvp4j.training;

import io.github.kvp4j.evaluation.Continuation;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.LayerRun;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.prefill.PrefillScratch;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What the base itself makes of an item: what the prediction is held against.
 *
 * @param cache keys before RoPE and values of the prompt
 * @param logits {@code (following, vocabulary)}: row i is what predicts {@code following[i]}
 * @param entering by layer: the residual stream {@code (row, hidden)} that enters it, of the prompt
 *     and all of what follows but the last token
 */
record ExactPrefill(KvCache cache, float[] logits, Map<Integer, float[]> entering) {
  /**
   * Runs the base on an item.
   *
   * @param kept layers whose entering stream is wanted
   */
  static ExactPrefill of(PrefillEngine base, Continuation item, Set<Integer> kept) {
    ModelShape shape = base.weights().shape();
    int n = item.prompt().length;
    int m = item.following().length;
    KvCache cache = new KvCache(shape, n + m);
    Map<Integer, float[]> entering = new HashMap<>();
    float[] x = embed(base, item);
    run(base, item, shape.layers(), cache, Map.of(), null, x, kept, entering);
    float[] last = Arrays.copyOfRange(x, (n - 1) * shape.hidden(), x.length); // (following, hidden)
    float[] logits = new float[m * shape.vocabulary()];
    base.logits(m, last, logits);
    base.unrotateKeys(cache, n);
    return new ExactPrefill(cache, logits, entering);
  }

  /**
   * What the layers of a PREFIX auxiliary leave: the streams that enter its sources before some
   * layer, and that layer.
   *
   * @param end the layer, N at most
   * @param exactRows {@code [row]} rows that keep the real feed-forward network
   */
  Map<Integer, float[]> auxiliary(
      PrefillEngine base,
      Continuation item,
      Auxiliary.Prefix prefix,
      int end,
      boolean[] exactRows) {
    if (prefix.linearised().keySet().stream().allMatch(layer -> layer >= end)) {
      return entering; // so far it is the base
    }
    Map<Integer, float[]> streams = new HashMap<>();
    int rows = exactRows.length;
    run(
        base,
        item,
        end,
        new KvCache(base.weights().shape(), rows),
        prefix.linearised(),
        exactRows,
        embed(base, item),
        kept(prefix, end),
        streams);
    return streams;
  }

  /** The sources of a PREFIX predictor before some layer, and that layer. */
  static Set<Integer> kept(Auxiliary.Prefix prefix, int end) {
    Set<Integer> kept = new HashSet<>(prefix.sources());
    kept.removeIf(source -> source > end);
    kept.add(end);
    return kept;
  }

  private static float[] embed(PrefillEngine base, Continuation item) {
    int hidden = base.weights().shape().hidden();
    int n = item.prompt().length;
    int m = item.following().length;
    float[] x = new float[(n + m - 1) * hidden]; // (row, hidden)
    base.embed(item.prompt(), 0, n, x);
    float[] after = new float[(m - 1) * hidden]; // (row, hidden)
    base.embed(item.following(), 0, m - 1, after);
    System.arraycopy(after, 0, x, n * hidden, after.length);
    return x;
  }

  private static void run(
      PrefillEngine base,
      Continuation item,
      int to,
      KvCache cache,
      Map<Integer, LinearMap> linearised,
      boolean @Nullable [] exactRows,
      float[] x,
      Set<Integer> kept,
      Map<Integer, float[]> entering) {
    ModelShape shape = base.weights().shape();
    int rows = x.length / shape.hidden();
    PrefillScratch scratch = new PrefillScratch(shape, Math.min(PrefillEngine.CHUNK, rows));
    int[] positions = PrefillEngine.range(0, rows);
    for (int layer = 0; layer < to; layer++) {
      if (kept.contains(layer)) {
        entering.put(layer, x.clone());
      }
      int outputs = layer == shape.layers() - 1 ? item.following().length : rows;
      base.runLayer(
          new LayerRun(
              layer,
              layer + 1,
              rows,
              positions,
              outputs,
              cache,
              linearised,
              exactRows,
              null,
              Cancellation.NEVER),
          x,
          scratch);
    }
    if (kept.contains(to)) {
      entering.put(to, x);
    }
  }
}
