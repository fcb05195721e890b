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
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.PredictedPrefill;
import io.github.kvp4j.predictor.Refinement;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.LayerListener;
import org.jspecify.annotations.Nullable;

/** Prediction whose rows are made exact between the tokens of the answer. For one thread. */
public final class RefinedPrefill implements CacheQuality.Prefill {
  private final PredictedPrefill prediction;
  private final Anchors anchors;
  private final int chunk;
  private @Nullable Refinement rest; // of the prompt that was read last

  /**
   * Refines a prediction.
   *
   * @param chunk prompt tokens that become exact between two tokens, at least 1
   */
  public RefinedPrefill(PredictedPrefill prediction, Anchors anchors, int chunk) {
    this.prediction = prediction;
    this.anchors = anchors;
    this.chunk = chunk;
  }

  @Override
  public float[] read(int[] prompt, KvCache cache) {
    PredictedPrefill.Refinable refinable =
        prediction.refinable(prompt, 0, anchors, cache, LayerListener.NONE, Cancellation.NEVER);
    rest = refinable.rest();
    return refinable.last();
  }

  @Override
  public void between(KvCache cache) {
    Refinement left = rest;
    if (left == null || left.isDone()) {
      return;
    }
    int from = left.exact();
    left.advance(chunk, Cancellation.NEVER);
    left.copy(from, left.exact(), cache);
  }
}
