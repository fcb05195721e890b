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

import io.github.kvp4j.kernel.Kernels;
import io.github.kvp4j.model.ModelShape;
import java.util.Arrays;

/**
 * Adds up how much attention each prompt position receives from the prompt's tail, over all layers
 * and heads that run while it is attached: what the {@code top} anchors are chosen by.
 */
public final class AttentionMass {
  private final int firstQuery;
  private final float[] mass; // (position)

  /**
   * Watches the queries from a position on.
   *
   * @param length prompt positions
   * @param firstQuery the first position whose attention counts
   */
  public AttentionMass(int length, int firstQuery) {
    this.firstQuery = firstQuery;
    this.mass = new float[length];
  }

  /** Attention received so far, {@code (position)}: the array itself. */
  public float[] mass() {
    return mass;
  }

  /**
   * Adds the softmax of one layer.
   *
   * @param q {@code [m][heads * headSize]}, rotated
   * @param positions {@code [m]}
   * @param keys {@code [position][kvHeads * headSize]}, rotated
   */
  void observe(Kernels kernels, ModelShape shape, int m, float[] q, int[] positions, float[] keys) {
    int first = 0;
    while (first < m && positions[first] < firstQuery) {
      first++;
    }
    if (first < m) {
      kernels.attentionMass(
          m - first,
          q,
          first * shape.attentionLength(),
          first == 0 ? positions : Arrays.copyOfRange(positions, first, m),
          keys,
          shape.heads(),
          shape.kvHeads(),
          shape.headSize(),
          shape.attentionScale(),
          mass);
    }
  }
}
