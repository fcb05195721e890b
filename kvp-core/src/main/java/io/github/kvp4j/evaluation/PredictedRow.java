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
import io.github.kvp4j.predictor.PrefillCost;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;

/** A predictor reads the prompt; the anchors stay exact. */
public final class PredictedRow implements EvaluationRow {
  static final String PREDICT = "predict ";

  private final String name;
  private final PrefillEngine base;
  private final PredictedPrefill prediction;
  private final Anchors anchors;

  /**
   * Reads with a predictor.
   *
   * @param predictor what the predictor is called
   */
  public PredictedRow(
      String predictor, PrefillEngine base, PredictedPrefill prediction, Anchors anchors) {
    this.name = PREDICT + predictor + " " + anchors;
    this.base = base;
    this.prediction = prediction;
    this.anchors = anchors;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public Reading read(int[] prompt, int room, Cancellation cancellation) {
    KvCache cache = new KvCache(base.weights().shape(), prompt.length + room);
    float[] last = prediction.prefill(prompt, 0, anchors, cache, cancellation);
    return new CachedReading(base, cache, last, prompt.length, cancellation);
  }

  @Override
  public double flops(int promptTokens) {
    return PrefillCost.predicted(
        base.weights().shape(), prediction.predictor(), anchors, promptTokens);
  }
}
