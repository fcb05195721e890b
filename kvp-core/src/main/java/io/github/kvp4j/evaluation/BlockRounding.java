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
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.model.WeightType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Weights rounded to 8 or 4 bits in blocks of {@link WeightType#BLOCK} columns, number by number as
 * Jlama rounds them: 8 bits by the largest magnitude over 127, 4 bits by the number of largest
 * magnitude, sign kept, over -8.
 */
public final class BlockRounding {
  private static final ValueLayout.OfFloat FLOAT_LE =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private BlockRounding() {}

  /**
   * A model whose layers' matrices are rounded, and its head where that is no embedding too: an
   * embedding stays as it is, and so do norms and biases.
   */
  public static ModelWeights of(ModelWeights weights, WeightType type) {
    return new ModelWeights(
        weights.shape(),
        weights.rope(),
        weights.embedding(),
        weights.layers().stream().map(w -> w.withMatrices(m -> of(m, type))).toList(),
        weights.finalNorm(),
        weights.head().data().equals(weights.embedding().data())
            ? weights.head()
            : of(weights.head(), type));
  }

  /**
   * A matrix rounded, on the heap; itself if its width is no whole blocks.
   *
   * @param type {@link WeightType#Q8} or {@link WeightType#Q4}
   */
  public static Weight of(Weight w, WeightType type) {
    if (!type.isBlockQuantised()) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The type to round to is " + type + "; it must be Q8 or Q4.");
    }
    int block = WeightType.BLOCK;
    int columns = w.columns();
    if (columns % block != 0) {
      return w;
    }
    byte[] data = new byte[Math.toIntExact(w.rows() * type.bytes(columns))];
    float[] row = new float[columns];
    int blocks = columns / block;
    MemorySegment scales =
        MemorySegment.ofArray(new byte[Math.multiplyExact(w.rows() * blocks, Float.BYTES)]);
    for (int r = 0; r < w.rows(); r++) {
      w.row(r, row, 0);
      for (int b = 0; b < blocks; b++) {
        int number = r * blocks + b;
        float scale =
            type == WeightType.Q8
                ? eight(row, b * block, data, number * block)
                : four(row, b * block, data, number * block / 2);
        scales.set(FLOAT_LE, (long) number * Float.BYTES, scale);
      }
    }
    return new Weight(type, w.rows(), columns, MemorySegment.ofArray(data), scales);
  }

  private static float eight(float[] row, int from, byte[] data, int at) {
    float magnitude = Math.abs(largest(row, from));
    float inverse = magnitude == 0 ? 0 : Byte.MAX_VALUE / magnitude;
    for (int i = 0; i < WeightType.BLOCK; i++) {
      data[at + i] = (byte) Math.round(row[from + i] * inverse);
    }
    return magnitude == 0 ? 0 : 1 / inverse;
  }

  private static float four(float[] row, int from, byte[] data, int at) {
    float scale = largest(row, from) / -8;
    float inverse = scale == 0 ? 0 : 1 / scale;
    int half = WeightType.BLOCK / 2;
    for (int i = 0; i < half; i++) {
      int low = Math.min(15, (int) (row[from + i] * inverse + 8.5f));
      int high = Math.min(15, (int) (row[from + half + i] * inverse + 8.5f));
      data[at + i] = (byte) (low | high << 4);
    }
    return scale;
  }

  /** The number of largest magnitude in a block, with its sign; the first of several. */
  private static float largest(float[] row, int from) {
    float largest = 0;
    for (int i = from; i < from + WeightType.BLOCK; i++) {
      largest = Math.abs(row[i]) > Math.abs(largest) ? row[i] : largest;
    }
    return largest;
  }
}
