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
package io.github.kvp4j.jlama;

import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.PredictedPrefill;
import org.jspecify.annotations.Nullable;

/**
 * How a prompt is read, and why.
 *
 * @param mode never {@link KvpMode#AUTO}
 * @param reason one sentence
 * @param prediction null unless the mode predicts
 */
record PrefillPlan(KvpMode mode, String reason, @Nullable PredictedPrefill prediction) {
  /** How many source layers' features a prediction keeps; 0 where there is none. */
  int sources() {
    return prediction != null
            && prediction.predictor().auxiliary() instanceof Auxiliary.Prefix prefix
        ? prefix.sources().size()
        : 0;
  }

  /**
   * What an auxiliary with a cache of its own keeps: that cache, its residual stream, and the rows
   * of several layers side by side where they are read so.
   */
  long auxiliaryBytes(ModelShape base, int positions) {
    if (prediction != null
        && prediction.predictor().auxiliary() instanceof Auxiliary.Separate separate) {
      ModelShape own = separate.shape(base);
      int width = separate.map().width();
      long rows = own.layers() + (width > 1 ? (long) width : 0);
      return (2L * rows * own.kvLength() + own.hidden()) * Float.BYTES * positions;
    }
    return 0;
  }

  /** The first layer that is refined afterwards; {@code layers} where none is. */
  int refinedFrom(int layers) {
    return prediction != null && mode == KvpMode.PREDICT_AND_REFINE
        ? prediction.firstInexact()
        : layers;
  }
}
