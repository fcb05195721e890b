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
import io.github.kvp4j.predictor.Refinement;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.LayerListener;
import io.github.kvp4j.prefill.PrefillEngine;

/** A prediction that is made exact, piece by piece, between the tokens of the answer. */
public final class RefinedRow implements EvaluationRow {
  private final String name;
  private final PrefillEngine base;
  private final PredictedPrefill prediction;
  private final Anchors anchors;
  private final int chunk;

  /**
   * Reads with a predictor and refines.
   *
   * @param predictor what the predictor is called
   * @param chunk prompt tokens that become exact between two tokens, at least 1
   */
  public RefinedRow(
      String predictor,
      PrefillEngine base,
      PredictedPrefill prediction,
      Anchors anchors,
      int chunk) {
    this.name = "refine " + predictor + " " + anchors + " by " + chunk;
    this.base = base;
    this.prediction = prediction;
    this.anchors = anchors;
    this.chunk = chunk;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public Reading read(int[] prompt, int room, Cancellation cancellation) {
    KvCache cache = new KvCache(base.weights().shape(), prompt.length + room);
    PredictedPrefill.Refinable read =
        prediction.refinable(prompt, 0, anchors, cache, LayerListener.NONE, cancellation);
    Refinement rest = read.rest();
    return new CachedReading(base, cache, read.last(), prompt.length, cancellation) {
      @Override
      public float[] next(int token) {
        if (!rest.isDone()) {
          int from = rest.exact();
          rest.advance(chunk, cancellation);
          rest.copy(from, rest.exact(), cache());
        }
        return super.next(token);
      }

      @Override
      public float[] follow(int[] tokens) {
        return oneByOne(tokens);
      }
    };
  }

  /** To the first token; what refinement does comes after it. */
  @Override
  public double flops(int promptTokens) {
    return PrefillCost.predicted(
        base.weights().shape(), prediction.predictor(), anchors, promptTokens);
  }
}
