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
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.LayerRun;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.prefill.PrefillScratch;

/**
 * What the base itself makes of an item: what the prediction is held against.
 *
 * @param cache keys before RoPE and values of the prompt
 * @param logits {@code (following, vocabulary)}: row i is what predicts {@code following[i]}
 */
record ExactPrefill(KvCache cache, float[] logits) {
  static ExactPrefill of(PrefillEngine base, Continuation item) {
    ModelShape shape = base.weights().shape();
    int hidden = shape.hidden();
    int n = item.prompt().length;
    int m = item.following().length;
    KvCache cache = new KvCache(shape, n + m);
    float[] streams = new float[m * hidden]; // (row, hidden)
    System.arraycopy(
        base.prefill(item.prompt(), 0, cache, Cancellation.NEVER), 0, streams, 0, hidden);
    if (m > 1) {
      float[] x = new float[(m - 1) * hidden]; // (row, hidden)
      base.embed(item.following(), 0, m - 1, x);
      base.runLayers(
          LayerRun.plain(
              0, shape.layers(), PrefillEngine.range(n, n + m - 1), cache, Cancellation.NEVER),
          x,
          new PrefillScratch(shape, m - 1));
      System.arraycopy(x, 0, streams, hidden, x.length);
    }
    float[] logits = new float[m * shape.vocabulary()];
    base.logits(m, streams, logits);
    base.unrotateKeys(cache, n);
    return new ExactPrefill(cache, logits);
  }
}
