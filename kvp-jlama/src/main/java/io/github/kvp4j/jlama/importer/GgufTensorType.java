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
package io.github.kvp4j.jlama.importer;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The types of GGUF tensors: how many values a block holds, and in how many bytes.
 *
 * <p>All types of ggml are here, so that a file's layout can be checked; those that are readable
 * can be turned into floats. The layouts are those of {@code ggml-common.h}.
 */
enum GgufTensorType {
  F32(0, 1, 4, true),
  F16(1, 1, 2, true),
  Q4_0(2, 32, 18, true),
  Q4_1(3, 32, 20, true),
  Q5_0(6, 32, 22, true),
  Q5_1(7, 32, 24, true),
  Q8_0(8, 32, 34, true),
  Q8_1(9, 32, 36, false),
  Q2_K(10, 256, 84, false),
  Q3_K(11, 256, 110, false),
  Q4_K(12, 256, 144, true),
  Q5_K(13, 256, 176, true),
  Q6_K(14, 256, 210, true),
  Q8_K(15, 256, 292, false),
  IQ2_XXS(16, 256, 66, false),
  IQ2_XS(17, 256, 74, false),
  IQ3_XXS(18, 256, 98, false),
  IQ1_S(19, 256, 50, false),
  IQ4_NL(20, 32, 18, false),
  IQ3_S(21, 256, 110, false),
  IQ2_S(22, 256, 82, false),
  IQ4_XS(23, 256, 136, false),
  I8(24, 1, 1, false),
  I16(25, 1, 2, false),
  I32(26, 1, 4, false),
  I64(27, 1, 8, false),
  F64(28, 1, 8, false),
  IQ1_M(29, 256, 56, false),
  BF16(30, 1, 2, true),
  TQ1_0(34, 256, 54, false),
  TQ2_0(35, 256, 66, false),
  MXFP4(39, 32, 17, false);

  private static final GgufTensorType[] VALUES = values();

  private final int id;
  private final int blockValues;
  private final int blockBytes;
  private final boolean readable;

  GgufTensorType(int id, int blockValues, int blockBytes, boolean readable) {
    this.id = id;
    this.blockValues = blockValues;
    this.blockBytes = blockBytes;
    this.readable = readable;
  }

  static @Nullable GgufTensorType byId(int id) {
    for (GgufTensorType type : VALUES) {
      if (type.id == id) {
        return type;
      }
    }
    return null;
  }

  int id() {
    return id;
  }

  /** Values in a block. */
  int blockValues() {
    return blockValues;
  }

  /** Bytes of a block. */
  int blockBytes() {
    return blockBytes;
  }

  /** Bytes of a row; {@code columns} must be whole blocks. */
  long rowBytes(long columns) {
    return Math.multiplyExact(columns / blockValues, (long) blockBytes);
  }

  /** Whether values of this type can be turned into floats. */
  boolean readable() {
    return readable;
  }

  /**
   * Turns values of this type, whole blocks, into floats.
   *
   * @param offset the byte in {@code data} where the first block starts
   * @param values how many; a multiple of {@link #blockValues}
   * @param into filled from index 0
   */
  void decode(MemorySegment data, long offset, int values, float[] into) {
    switch (this) {
      case F32 -> Dequantizer.f32(data, offset, values, into);
      case F16 -> Dequantizer.f16(data, offset, values, into);
      case BF16 -> Dequantizer.bf16(data, offset, values, into);
      case Q4_0 -> Dequantizer.q4v0(data, offset, values, into);
      case Q4_1 -> Dequantizer.q4v1(data, offset, values, into);
      case Q5_0 -> Dequantizer.q5v0(data, offset, values, into);
      case Q5_1 -> Dequantizer.q5v1(data, offset, values, into);
      case Q8_0 -> Dequantizer.q8v0(data, offset, values, into);
      case Q4_K -> Dequantizer.q4k(data, offset, values, into);
      case Q5_K -> Dequantizer.q5k(data, offset, values, into);
      case Q6_K -> Dequantizer.q6k(data, offset, values, into);
      default -> throw new IllegalStateException(this + " can't be read");
    }
  }
}
