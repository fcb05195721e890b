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

/** Which of a model's predictors is meant. */
public enum Quality {
  /** Answers kept, moderate gain. */
  FAITHFUL,
  /**
   * Between the two in work and in detail. Where a model has no such predictor, the faithful one
   * serves, or else the fast one, and the answer's reason of mode says so.
   */
  BALANCED,
  /** About half of the prefill work; detail that lies far back may be lost. */
  FAST
}
