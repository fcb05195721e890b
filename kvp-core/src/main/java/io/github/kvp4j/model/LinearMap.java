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
package io.github.kvp4j.model;

import io.github.kvp4j.KvpException;

/**
 * A linear map with bias, {@code y = W x + b}: what is learned, be it a projection into the base's
 * KV cache or the stand-in for a feed-forward network.
 *
 * @param weight {@code [outputs][inputs]}
 * @param bias {@code [outputs]}
 */
public record LinearMap(Weight weight, float[] bias) {
  /** Checks that the bias fits the weight. */
  public LinearMap {
    if (bias.length != weight.rows()) {
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE,
          "A linear map has " + weight.rows() + " outputs but a bias of " + bias.length + ".");
    }
  }

  /** Numbers that are learned. */
  public long parameters() {
    return (long) weight.rows() * weight.columns() + bias.length;
  }
}
