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

/** How a prompt is read. */
public enum KvpMode {
  /** Jlama's own prefill. */
  OFF,
  /** This project's prefill engine, whole base. */
  EXACT,
  /** The auxiliary reads the prompt and the base's cache is predicted. */
  PREDICT,
  /**
   * {@link #PREDICT}, and after the first token the rest of the exact prefill is done piece by
   * piece between the tokens of the answer, until the prompt's cache is that of {@link #EXACT}.
   */
  PREDICT_AND_REFINE,
  /**
   * {@link #PREDICT} where a fitting predictor is at hand and the prompt is long enough to gain.
   */
  AUTO
}
