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

/** What training may change; the base never is. */
public enum Learned {
  /** The projections into the base's cache. */
  PROJECTIONS,
  /** The maps of linearised layers of a PREFIX predictor. */
  LINEARISED,
  /**
   * The layers of a LAYER_PRUNED auxiliary, which begin as the base's own, or of a SIBLING, which
   * begin as that model's; embedding, final norm and head stay.
   */
  AUXILIARY
}
