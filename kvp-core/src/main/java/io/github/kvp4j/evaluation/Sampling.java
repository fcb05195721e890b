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

import io.github.kvp4j.KvpException;

/**
 * How answers are drawn beside the greedy one.
 *
 * @param samples how many, 0 = none
 * @param temperature above 0
 * @param topP the share of probability that is drawn from, above 0, at most 1
 */
public record Sampling(int samples, float temperature, float topP) {
  /** The greedy answer alone. */
  public static final Sampling NONE = new Sampling(0, 1, 1);

  /** Checks the bounds. */
  public Sampling {
    if (samples < 0 || !(temperature > 0) || !(topP > 0 && topP <= 1)) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The sampling is "
              + samples
              + " samples at temperature "
              + temperature
              + " and top-p "
              + topP
              + "; it must be at least 0, above 0, and above 0 to 1.");
    }
  }
}
