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

import io.github.kvp4j.predictor.PrefillCost;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * A prompt of which a random part is read, each token at its own position: the weakest baseline of
 * KV Prediction (arXiv 2410.08391). The first token, begin-of-sequence, and the last are kept.
 */
public final class RandomPruningRow implements EvaluationRow {
  private final PrefillEngine base;
  private final double keep;
  private final long seed;

  /**
   * Drops tokens.
   *
   * @param keep the share that stays, above 0 and at most 1
   * @param seed of the choice; the same prompt always loses the same tokens
   */
  public RandomPruningRow(PrefillEngine base, double keep, long seed) {
    this.base = base;
    this.keep = PruningShares.check(keep);
    this.seed = seed;
  }

  @Override
  public String name() {
    return PruningShares.name("random pruning", keep);
  }

  @Override
  public Reading read(int[] prompt, int room, Cancellation cancellation) {
    int n = prompt.length;
    PrunedReading reading = new PrunedReading(base, prompt, room, cancellation);
    SplittableRandom random = new SplittableRandom(seed + Arrays.hashCode(prompt));
    float[] lots = new float[n];
    for (int i = 0; i < n; i++) {
      lots[i] = i == 0 ? Float.POSITIVE_INFINITY : (float) random.nextDouble();
    }
    reading.keep(PrunedReading.top(lots, PruningShares.count(keep, n)));
    reading.runTo(base.weights().shape().layers());
    return reading;
  }

  @Override
  public double flops(int promptTokens) {
    return PrefillCost.exact(base.weights().shape(), PruningShares.count(keep, promptTokens));
  }
}
