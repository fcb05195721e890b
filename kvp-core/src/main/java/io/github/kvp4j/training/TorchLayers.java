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

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.nn.Activation;
import ai.djl.nn.core.Linear;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.RopeTable;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The operations of a layer, by PyTorch, with weights of {@link TorchArrays}. */
final class TorchLayers {
  private static final float HIDDEN_FROM = -1e30f;

  private final TorchArrays arrays;

  TorchLayers(TorchArrays arrays) {
    this.arrays = arrays;
  }

  /** Sines and cosines {@code (row, 1, halfHead)} of some rows. */
  record Turn(NDArray cos, NDArray sin) {
    Turn rows(long from, long to) {
      NDIndex index = new NDIndex("{}:{}", from, to);
      return new Turn(cos.get(index), sin.get(index));
    }
  }

  Turn turn(RopeTable rope, int[] positions) {
    int half = rope.halfHead();
    float[] cos = new float[positions.length * half]; // (row, halfHead)
    float[] sin = new float[positions.length * half];
    for (int i = 0; i < positions.length; i++) {
      System.arraycopy(rope.cos(), positions[i] * half, cos, i * half, half);
      System.arraycopy(rope.sin(), positions[i] * half, sin, i * half, half);
    }
    return new Turn(
        arrays.array(cos, positions.length, 1, half), arrays.array(sin, positions.length, 1, half));
  }

  /** {@code (query row, key row)}: 0 where the key is not after the query, else all but -∞. */
  NDArray mask(int[] positions) {
    int n = positions.length;
    float[] mask = new float[n * n];
    for (int q = 0; q < n; q++) {
      for (int k = 0; k < n; k++) {
        mask[q * n + k] = positions[k] <= positions[q] ? 0 : HIDDEN_FROM;
      }
    }
    return arrays.array(mask, n, n);
  }

  /** Some rows of a stream {@code (position, hidden)}. */
  NDArray pick(float[] stream, int hidden, int[] positions) {
    float[] rows = new float[positions.length * hidden]; // (row, hidden)
    for (int i = 0; i < positions.length; i++) {
      System.arraycopy(stream, positions[i] * hidden, rows, i * hidden, hidden);
    }
    return arrays.array(rows, positions.length, hidden);
  }

  /** Columns of several arrays of as many rows side by side. */
  static NDArray beside(List<NDArray> arrays) {
    return arrays.size() == 1 ? arrays.getFirst() : NDArrays.concat(new NDList(arrays), 1);
  }

  static NDArray rows(NDArray x, long from, long to) {
    return x.get(new NDIndex("{}:{}", from, to));
  }

  NDArray rmsNorm(NDArray x, @Nullable NDArray weight, ModelShape s) {
    NDArray root = x.square().mean(new int[] {-1}, true).add(arrays.number(s.normEpsilon())).sqrt();
    NDArray normed = x.div(root);
    return weight == null ? normed : normed.mul(weight);
  }

  /** A map by name, be it a matrix with or without bias, or a {@link LinearMap}. */
  NDArray linear(NDArray x, String name) {
    NDArray plain = arrays.optional(name);
    return plain == null
        ? linear(x, arrays.get(name + ".weight"), arrays.get(name + ".bias"))
        : linear(x, plain, arrays.optional(name + ".bias"));
  }

  static NDArray linear(NDArray x, NDArray weight, @Nullable NDArray bias) {
    return (bias == null ? Linear.linear(x, weight) : Linear.linear(x, weight, bias))
        .singletonOrThrow();
  }

  /** RoPE over {@code (row, heads * headSize)}. */
  static NDArray rotate(NDArray x, Turn turn, ModelShape s) {
    long rows = x.getShape().get(0);
    long width = x.getShape().get(1);
    long half = s.headSize() / 2;
    NDArray split = x.reshape(rows, width / s.headSize(), s.headSize());
    NDArray a = split.get(new NDIndex(":, :, :{}", half));
    NDArray b = split.get(new NDIndex(":, :, {}:", half));
    return a.mul(turn.cos)
        .sub(b.mul(turn.sin))
        .concat(a.mul(turn.sin).add(b.mul(turn.cos)), 2)
        .reshape(rows, width);
  }

  /**
   * Attention with its output map.
   *
   * @param normed {@code (row, hidden)}: who asks
   * @param keys {@code (key row, kvLength)} after RoPE
   * @param values {@code (key row, kvLength)}
   * @param mask {@code (row, key row)}
   */
  NDArray attention(
      String at,
      NDArray normed,
      NDArray keys,
      NDArray values,
      Turn turn,
      NDArray mask,
      ModelShape s) {
    long rows = normed.getShape().get(0);
    long all = keys.getShape().get(0);
    int group = s.heads() / s.kvHeads();
    int size = s.headSize();
    NDArray query =
        rotate(linear(normed, at + "query"), turn, s)
            .mul(arrays.number(s.attentionScale()))
            .reshape(rows, s.kvHeads(), group, size)
            .transpose(1, 2, 0, 3); // (kv head, group, row, size)
    NDArray k = keys.reshape(all, s.kvHeads(), 1, size).transpose(1, 2, 3, 0);
    NDArray v = values.reshape(all, s.kvHeads(), 1, size).transpose(1, 2, 0, 3);
    NDArray attended =
        query.matMul(k).add(mask).softmax(-1).matMul(v); // (kv head, group, row, size)
    NDArray merged = attended.transpose(2, 0, 1, 3).reshape(rows, s.attentionLength());
    return linear(merged, arrays.get(at + "output"), null);
  }

  NDArray feedForward(String at, NDArray normed) {
    NDArray gate = linear(normed, arrays.get(at + "gate"), null);
    NDArray silu = gate.mul(Activation.sigmoid(gate));
    return linear(
        silu.mul(linear(normed, arrays.get(at + "up"), null)), arrays.get(at + "down"), null);
  }
}
