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
package io.github.kvp4j.predictor;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.model.LinearMap;

/**
 * The learned projection into one base layer's cache (arXiv 2410.08391, eq. 1): all heads merged,
 * one matrix for keys and one for values, with bias; keys come out before RoPE.
 *
 * @param layer base layer
 * @param key {@code [kvLength][features]}
 * @param value {@code [kvLength][features]}
 */
public record LinearProjection(int layer, LinearMap key, LinearMap value) {
  /** Checks that keys and values have the same sizes. */
  public LinearProjection {
    if (key.weight().rows() != value.weight().rows()
        || key.weight().columns() != value.weight().columns()) {
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE,
          "The projection of layer "
              + layer
              + " is "
              + key.weight().rows()
              + " x "
              + key.weight().columns()
              + " for keys but "
              + value.weight().rows()
              + " x "
              + value.weight().columns()
              + " for values.");
    }
  }
}
