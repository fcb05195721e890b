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
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.Locale;

/** What the rows that drop tokens have in common. */
final class PruningShares {
  private PruningShares() {}

  static double check(double share) {
    if (!(share > 0 && share <= 1)) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The share of tokens to keep is " + share + "; it must be above 0 and at most 1.");
    }
    return share;
  }

  static int checkLayer(String what, int layer, PrefillEngine base) {
    int layers = base.weights().shape().layers();
    if (layer < 1 || layer >= layers) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The " + what + " is " + layer + "; it must be 1 to " + (layers - 1) + ".");
    }
    return layer;
  }

  /** How many of some tokens stay: the first and the last of two or more. */
  static int count(double share, int tokens) {
    return Math.max(Math.min(2, tokens), (int) Math.ceil(share * tokens - 1e-9));
  }

  static String name(String way, double share) {
    return String.format(Locale.ROOT, "%s %.2f", way, share);
  }
}
