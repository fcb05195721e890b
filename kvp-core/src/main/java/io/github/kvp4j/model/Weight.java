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

import io.github.kvp4j.KvpException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/**
 * A matrix {@code [rows][columns]} as it lies in memory: a view, never a copy, of the bytes that
 * the model file was mapped to. Row {@code r} holds the weights of output {@code r}, so that {@code
 * y = x · Wᵀ}.
 *
 * @param type how a number is stored
 * @param rows outputs
 * @param columns inputs
 * @param data the numbers, row after row
 * @param scales one 32-bit float for each block of {@link WeightType#BLOCK} columns, row after row;
 *     null unless {@code type} is block-quantised
 */
public record Weight(
    WeightType type, int rows, int columns, MemorySegment data, @Nullable MemorySegment scales) {
  private static final ValueLayout.OfFloat FLOAT_LE =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort SHORT_LE =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** Checks that the memory holds what the shape says, once, so that kernels need not. */
  public Weight {
    if (rows < 1 || columns < 1) {
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE,
          "A weight of " + rows + " x " + columns + " is empty; both must be at least 1.");
    }
    if (type.isBlockQuantised() && columns % WeightType.BLOCK != 0) {
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE,
          "A " + type + " weight has " + columns + " columns, which is no multiple of 32.");
    }
    long need = (long) rows * type.bytes(columns);
    if (data.byteSize() < need) {
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE,
          "A weight of "
              + rows
              + " x "
              + columns
              + " "
              + type
              + " needs "
              + need
              + " bytes, but its memory has "
              + data.byteSize()
              + ".");
    }
    if (type.isBlockQuantised()) {
      long needScales = scaleBytes(rows, columns);
      if (scales == null || scales.byteSize() < needScales) {
        throw new KvpException(
            KvpException.Kind.MALFORMED_FILE,
            "A "
                + type
                + " weight of "
                + rows
                + " x "
                + columns
                + " needs "
                + needScales
                + " bytes of scales.");
      }
    }
  }

  private static long scaleBytes(int rows, int columns) {
    return (long) rows * (columns / WeightType.BLOCK) * Float.BYTES;
  }

  /** Bytes of scales, 0 unless the type is block-quantised. */
  public long scaleBytes() {
    return type.isBlockQuantised() ? scaleBytes(rows, columns) : 0;
  }

  /** A view of floats on the heap, {@code values} being {@code [rows][columns]}. */
  public static Weight of(float[] values, int rows, int columns) {
    return new Weight(WeightType.F32, rows, columns, MemorySegment.ofArray(values), null);
  }

  /** The number at {@code (row, column)}: slow, for tests, norms and the scalar kernels. */
  public float get(int row, int column) {
    long index = (long) row * columns + column;
    return switch (type) {
      case F32 -> data.get(FLOAT_LE, index * 4);
      case BF16 -> Float.intBitsToFloat(data.get(SHORT_LE, index * 2) << 16);
      case F16 -> Float.float16ToFloat(data.get(SHORT_LE, index * 2));
      case Q8 -> data.get(ValueLayout.JAVA_BYTE, index) * scale(index);
      case Q4 -> {
        int within = column % WeightType.BLOCK;
        long block = index / WeightType.BLOCK;
        int pair = data.get(ValueLayout.JAVA_BYTE, block * 16 + within % 16);
        int nibble = within < 16 ? pair & 15 : (pair >> 4) & 15;
        yield (nibble - 8) * scale(index);
      }
    };
  }

  /** Row {@code row} as floats into {@code out[outOffset ..]}. */
  public void row(int row, float[] out, int outOffset) {
    for (int c = 0; c < columns; c++) {
      out[outOffset + c] = get(row, c);
    }
  }

  /** All numbers as a new array {@code [rows * columns]}: for vectors such as norms and biases. */
  public float[] toArray() {
    float[] out = new float[Math.multiplyExact(rows, columns)];
    for (int r = 0; r < rows; r++) {
      row(r, out, r * columns);
    }
    return out;
  }

  /** Rows {@code [from, to)} as a view. */
  public Weight rows(int from, int to) {
    long bytes = type.bytes(columns);
    MemorySegment part = data.asSlice(from * bytes, (to - from) * bytes);
    MemorySegment partScales = null;
    if (scales != null) {
      long scaleBytes = (long) (columns / WeightType.BLOCK) * Float.BYTES;
      partScales = scales.asSlice(from * scaleBytes, (to - from) * scaleBytes);
    }
    return new Weight(type, to - from, columns, part, partScales);
  }

  private float scale(long index) {
    // the constructor holds that the block-quantised types have scales
    return scales == null ? 1f : scales.get(FLOAT_LE, index / WeightType.BLOCK * Float.BYTES);
  }
}
