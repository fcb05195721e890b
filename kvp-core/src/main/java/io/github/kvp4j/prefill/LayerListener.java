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
package io.github.kvp4j.prefill;

/**
 * Told of each layer whose keys and values are complete, in ascending order, before the next layer
 * begins: the moment to hand them on when the cache is a rolling one.
 */
@FunctionalInterface
public interface LayerListener {
  /** Does nothing. */
  LayerListener NONE = layer -> {};

  /**
   * A layer is about to run: the moment to fill in its reused rows, if a rolling cache is to hold
   * them.
   *
   * @param layer its number
   */
  default void layerBegins(int layer) {}

  /**
   * A layer is complete for all of the prompt.
   *
   * @param layer its number
   */
  void layerDone(int layer);
}
