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

import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The matrices of one transformer layer. Norm weights are copied out as floats, since they are
 * small and read for every token; the matrices are views.
 *
 * @param attentionNorm {@code [hidden]}
 * @param query {@code [attentionLength][hidden]}
 * @param key {@code [kvLength][hidden]}
 * @param value {@code [kvLength][hidden]}
 * @param output {@code [hidden][attentionLength]}
 * @param queryBias {@code [attentionLength]} or null (QWEN2 has it)
 * @param keyBias {@code [kvLength]} or null
 * @param valueBias {@code [kvLength]} or null
 * @param feedForwardNorm {@code [hidden]}
 * @param gate {@code [feedForward][hidden]}
 * @param up {@code [feedForward][hidden]}
 * @param down {@code [hidden][feedForward]}
 */
public record LayerWeights(
    float[] attentionNorm,
    Weight query,
    Weight key,
    Weight value,
    Weight output,
    float @Nullable [] queryBias,
    float @Nullable [] keyBias,
    float @Nullable [] valueBias,
    float[] feedForwardNorm,
    Weight gate,
    Weight up,
    Weight down) {
  /** The same with every matrix in another form, norms and biases as they are. */
  public LayerWeights withMatrices(UnaryOperator<Weight> form) {
    return new LayerWeights(
        attentionNorm,
        form.apply(query),
        form.apply(key),
        form.apply(value),
        form.apply(output),
        queryBias,
        keyBias,
        valueBias,
        feedForwardNorm,
        form.apply(gate),
        form.apply(up),
        form.apply(down));
  }

  /** Numbers in this layer. */
  public long parameters() {
    long sum = (long) attentionNorm.length + feedForwardNorm.length;
    for (Weight w : List.of(query, key, value, output, gate, up, down)) {
      sum += (long) w.rows() * w.columns();
    }
    for (float @Nullable [] bias : Arrays.asList(queryBias, keyBias, valueBias)) {
      sum += bias == null ? 0 : bias.length;
    }
    return sum;
  }
}
