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

import io.github.kvp4j.KvpException;

/**
 * The loss of KV Prediction (arXiv 2410.08391, section 3.3): {@code base · L_base + auxiliary ·
 * CE_auxiliary + consistency · mean over predicted layers (L1(K) + L1(V))}, each L1 a mean over the
 * numbers of the predicted rows, keys before RoPE.
 *
 * @param target what the base on the predicted cache is held against
 * @param base weight of that term, a mean over the tokens after the prompt
 * @param auxiliary weight of the auxiliary's own cross entropy, a mean over the prompt's tokens; it
 *     counts where the auxiliary learns
 * @param consistency weight of the third term
 */
public record LossWeights(Target target, double base, double auxiliary, double consistency) {
  /** What the base on the predicted cache is held against. */
  public enum Target {
    /** The text itself: cross entropy, as in the paper. */
    TEXT,
    /** The base on the exact cache: KL divergence from its distribution. */
    EXACT
  }

  /** Checks that the weights are finite, not negative, and not all nothing. */
  public LossWeights {
    for (double weight : new double[] {base, auxiliary, consistency}) {
      if (!(weight >= 0) || !Double.isFinite(weight)) {
        throw new KvpException(
            KvpException.Kind.BAD_ARGUMENT,
            "A weight of the loss is " + weight + "; it must be a number of 0 at least.");
      }
    }
    if (base + consistency == 0) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The weights of the base's and the consistency term are both 0; nothing would be"
              + " learned.");
    }
  }
}
