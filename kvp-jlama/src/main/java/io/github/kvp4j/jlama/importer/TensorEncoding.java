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

import com.github.tjake.jlama.safetensors.DType;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/** The types that weights are written in, which are those that Jlama computes with. */
enum TensorEncoding {
  BF16(DType.BF16, 2),
  F32(DType.F32, 4);

  private static final int EXPONENT = 0x7F80;

  private final DType dtype;
  private final int bytes;

  TensorEncoding(DType dtype, int bytes) {
    this.dtype = dtype;
    this.bytes = bytes;
  }

  static @Nullable TensorEncoding of(DType dtype) {
    for (TensorEncoding encoding : values()) {
      if (encoding.dtype == dtype) {
        return encoding;
      }
    }
    return null;
  }

  /** Bytes of a value. */
  int bytes() {
    return bytes;
  }

  /**
   * Writes {@code count} values to {@code out}.
   *
   * @return the index of the first value that is not finite or too large for this type, or -1
   */
  int encode(float[] values, int count, ByteBuffer out) {
    return this == F32 ? encodeF32(values, count, out) : encodeBf16(values, count, out);
  }

  private static int encodeF32(float[] values, int count, ByteBuffer out) {
    for (int i = 0; i < count; i++) {
      if (!Float.isFinite(values[i])) {
        return i;
      }
      out.putFloat(values[i]);
    }
    return -1;
  }

  private static int encodeBf16(float[] values, int count, ByteBuffer out) {
    for (int i = 0; i < count; i++) {
      int rounded = toBf16(values[i]);
      if ((rounded & EXPONENT) == EXPONENT) {
        return i;
      }
      out.putShort((short) rounded);
    }
    return -1;
  }

  /** The nearest BF16 value, the even one of two; not for NaN. */
  static int toBf16(float value) {
    int bits = Float.floatToRawIntBits(value);
    if ((bits & 0x7F80_0000) == 0x7F80_0000) {
      return EXPONENT;
    }
    return (bits + 0x7FFF + ((bits >>> 16) & 1)) >>> 16;
  }
}
