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

/**
 * The loss and its terms, each before its weight.
 *
 * @param total the weighted sum
 * @param base of the base on the predicted cache: cross entropy or KL, in nats a token
 * @param auxiliary cross entropy of the auxiliary, in nats a token; 0 where it does not learn
 * @param consistency mean absolute error of a key's number plus that of a value's, over layers
 */
public record LossTerms(double total, double base, double auxiliary, double consistency) {
  /** Nothing yet. */
  static final LossTerms ZERO = new LossTerms(0, 0, 0, 0);

  /** The sum of both, with a share of the other. */
  LossTerms plus(LossTerms o, double share) {
    return new LossTerms(
        total + share * o.total,
        base + share * o.base,
        auxiliary + share * o.auxiliary,
        consistency + share * o.consistency);
  }
}
