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

/** The kinds of auxiliary: what reads the prompt in the base's place. */
public enum AuxiliaryKind {
  /** The base's own first layers; only the layers above are predicted. */
  PREFIX,
  /** A smaller model with the same tokenizer (the paper's KVP-C). */
  SIBLING,
  /** The base itself with layers left out, trained or not (the paper's KVP-LP). */
  LAYER_PRUNED
}
