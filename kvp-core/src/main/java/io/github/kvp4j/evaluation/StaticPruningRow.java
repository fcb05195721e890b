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

import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.predictor.PrefillCost;
import io.github.kvp4j.prefill.AttentionMass;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.LayerRun;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.prefill.PrefillScratch;
import java.util.Map;

/**
 * A prompt that is pruned once, before it is read: first only some layers look at it, then the
 * tokens that its last token attended to most there, all heads and these layers added up, are read
 * by the whole base, each at its own position (the static pruning that LazyLLM, arXiv 2407.14057,
 * compares itself with). What was dropped is in no layer's cache.
 */
public final class StaticPruningRow implements EvaluationRow {
  private final PrefillEngine base;
  private final int layers;
  private final double keep;

  /**
   * Prunes by a look.
   *
   * @param layers how many of the first layers look, at least 1 and less than the base has
   * @param keep the share of the tokens that stays, above 0 and at most 1
   */
  public StaticPruningRow(PrefillEngine base, int layers, double keep) {
    this.base = base;
    this.layers = PruningShares.checkLayer("number of layers that look", layers, base);
    this.keep = PruningShares.check(keep);
  }

  @Override
  public String name() {
    return PruningShares.name("static pruning", keep);
  }

  @Override
  public Reading read(int[] prompt, int room, Cancellation cancellation) {
    PrunedReading reading = new PrunedReading(base, prompt, room, cancellation);
    reading.keep(
        PrunedReading.top(look(prompt, cancellation), PruningShares.count(keep, prompt.length)));
    reading.runTo(base.weights().shape().layers());
    return reading;
  }

  /** What the last token attends to, {@code (position)}. */
  private float[] look(int[] prompt, Cancellation cancellation) {
    int n = prompt.length;
    ModelShape shape = base.weights().shape();
    float[] x = new float[Math.multiplyExact(n, shape.hidden())]; // (row, hidden)
    base.embed(prompt, 0, n, x);
    KvCache cache = KvCache.rolling(shape, n);
    PrefillScratch scratch = new PrefillScratch(shape, Math.min(PrefillEngine.CHUNK, n));
    AttentionMass mass = new AttentionMass(n, n - 1);
    for (int layer = 0; layer < layers; layer++) {
      base.runLayer(
          new LayerRun(
              layer,
              layer + 1,
              n,
              PrefillEngine.range(0, n),
              layer == layers - 1 ? 1 : n,
              cache,
              Map.of(),
              null,
              mass,
              cancellation),
          x,
          scratch);
    }
    return mass.mass();
  }

  @Override
  public double flops(int promptTokens) {
    ModelShape shape = base.weights().shape();
    return PrefillCost.look(shape, layers, promptTokens)
        + PrefillCost.exact(shape, PruningShares.count(keep, promptTokens));
  }
}
