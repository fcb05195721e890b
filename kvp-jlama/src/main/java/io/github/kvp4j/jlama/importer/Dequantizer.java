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
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * ggml's block formats as floats, step for step like {@code ggml-quants.c}, so that the values are
 * the same to the last bit.
 *
 * <p>In a block of 32, {@code d} is the scale and {@code m} the minimum; in one of 256 (the K
 * types) there are 8 or 16 sub-blocks with small scales of their own.
 */
final class Dequantizer {
  private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** Values in a block of the K types. */
  private static final int K = 256;

  private Dequantizer() {}

  static void f32(MemorySegment data, long offset, int values, float[] into) {
    for (int i = 0; i < values; i++) {
      into[i] = data.get(FLOAT, offset + 4L * i);
    }
  }

  static void f16(MemorySegment data, long offset, int values, float[] into) {
    for (int i = 0; i < values; i++) {
      into[i] = half(data, offset + 2L * i);
    }
  }

  static void bf16(MemorySegment data, long offset, int values, float[] into) {
    for (int i = 0; i < values; i++) {
      into[i] = Float.intBitsToFloat(data.get(SHORT, offset + 2L * i) << 16);
    }
  }

  /** {@code d, 16 bytes of two 4-bit values}; a value is {@code d * (q - 8)}. */
  static void q4v0(MemorySegment data, long offset, int values, float[] into) {
    long at = offset;
    for (int o = 0; o < values; o += 32, at += 18) {
      float d = half(data, at);
      for (int j = 0; j < 16; j++) {
        int q = data.get(BYTE, at + 2 + j);
        into[o + j] = ((q & 0xF) - 8) * d;
        into[o + j + 16] = (((q >> 4) & 0xF) - 8) * d;
      }
    }
  }

  /** {@code d, m, 16 bytes of two 4-bit values}; a value is {@code d * q + m}. */
  static void q4v1(MemorySegment data, long offset, int values, float[] into) {
    long at = offset;
    for (int o = 0; o < values; o += 32, at += 20) {
      float d = half(data, at);
      float m = half(data, at + 2);
      for (int j = 0; j < 16; j++) {
        int q = data.get(BYTE, at + 4 + j);
        into[o + j] = (q & 0xF) * d + m;
        into[o + j + 16] = ((q >> 4) & 0xF) * d + m;
      }
    }
  }

  /** {@code d, 32 fifth bits, 16 bytes of two low parts}; a value is {@code d * (q - 16)}. */
  static void q5v0(MemorySegment data, long offset, int values, float[] into) {
    long at = offset;
    for (int o = 0; o < values; o += 32, at += 22) {
      float d = half(data, at);
      int high = data.get(INT, at + 2);
      for (int j = 0; j < 16; j++) {
        int q = data.get(BYTE, at + 6 + j);
        into[o + j] = (((q & 0xF) | ((high >>> j) & 1) << 4) - 16) * d;
        into[o + j + 16] = ((((q >> 4) & 0xF) | ((high >>> (j + 16)) & 1) << 4) - 16) * d;
      }
    }
  }

  /** {@code d, m, 32 fifth bits, 16 bytes of two low parts}; a value is {@code d * q + m}. */
  static void q5v1(MemorySegment data, long offset, int values, float[] into) {
    long at = offset;
    for (int o = 0; o < values; o += 32, at += 24) {
      float d = half(data, at);
      float m = half(data, at + 2);
      int high = data.get(INT, at + 4);
      for (int j = 0; j < 16; j++) {
        int q = data.get(BYTE, at + 8 + j);
        into[o + j] = ((q & 0xF) | ((high >>> j) & 1) << 4) * d + m;
        into[o + j + 16] = (((q >> 4) & 0xF) | ((high >>> (j + 16)) & 1) << 4) * d + m;
      }
    }
  }

  /** {@code d, 32 bytes}; a value is {@code d * q}. */
  static void q8v0(MemorySegment data, long offset, int values, float[] into) {
    long at = offset;
    for (int o = 0; o < values; o += 32, at += 34) {
      float d = half(data, at);
      for (int j = 0; j < 32; j++) {
        into[o + j] = data.get(BYTE, at + 2 + j) * d;
      }
    }
  }

  /**
   * {@code d, dmin, 12 bytes of 8 6-bit scales and 8 6-bit minima, 128 bytes of two 4-bit values};
   * a value is {@code d * scale * q - dmin * minimum}.
   */
  static void q4k(MemorySegment data, long offset, int values, float[] into) {
    long at = offset;
    for (int o = 0; o < values; o += K, at += 144) {
      float d = half(data, at);
      float dmin = half(data, at + 2);
      long scales = at + 4;
      long quants = at + 16;
      for (int sub = 0; sub < 8; sub++) {
        float scale = d * scaleK(data, scales, sub);
        float minimum = dmin * minimumK(data, scales, sub);
        long q = quants + (sub / 2) * 32L;
        int shift = (sub % 2) * 4;
        for (int l = 0; l < 32; l++) {
          into[o + sub * 32 + l] = scale * ((data.get(BYTE, q + l) >> shift) & 0xF) - minimum;
        }
      }
    }
  }

  /** Like {@link #q4k}, with 32 bytes of fifth bits, bit {@code sub} of each, before the values. */
  static void q5k(MemorySegment data, long offset, int values, float[] into) {
    long at = offset;
    for (int o = 0; o < values; o += K, at += 176) {
      float d = half(data, at);
      float dmin = half(data, at + 2);
      long scales = at + 4;
      long high = at + 16;
      long quants = at + 48;
      for (int sub = 0; sub < 8; sub++) {
        float scale = d * scaleK(data, scales, sub);
        float minimum = dmin * minimumK(data, scales, sub);
        long q = quants + (sub / 2) * 32L;
        int shift = (sub % 2) * 4;
        for (int l = 0; l < 32; l++) {
          int low = (data.get(BYTE, q + l) >> shift) & 0xF;
          int fifth = ((data.get(BYTE, high + l) >> sub) & 1) << 4;
          into[o + sub * 32 + l] = scale * (low | fifth) - minimum;
        }
      }
    }
  }

  /**
   * {@code 128 bytes of low 4 bits, 64 bytes of high 2 bits, 16 signed scales, d}; a value is
   * {@code d * scale * (q - 32)}. Each half of 128 values is four rows of 32.
   */
  static void q6k(MemorySegment data, long offset, int values, float[] into) {
    long at = offset;
    for (int o = 0; o < values; o += K, at += 210) {
      float d = half(data, at + 208);
      for (int half = 0; half < 2; half++) {
        long low = at + half * 64L;
        long high = at + 128 + half * 32L;
        long scales = at + 192 + half * 8L;
        for (int row = 0; row < 4; row++) {
          for (int l = 0; l < 32; l++) {
            int lowBits = data.get(BYTE, low + (row % 2) * 32L + l) >> (row / 2 * 4) & 0xF;
            int highBits = data.get(BYTE, high + l) >> (row * 2) & 3;
            float scale = d * data.get(BYTE, scales + l / 16 + row * 2L);
            into[o + half * 128 + row * 32 + l] = scale * ((lowBits | highBits << 4) - 32);
          }
        }
      }
    }
  }

  /** The 6-bit scale of sub-block {@code sub}. */
  private static int scaleK(MemorySegment data, long scales, int sub) {
    if (sub < 4) {
      return data.get(BYTE, scales + sub) & 63;
    }
    return (data.get(BYTE, scales + sub + 4) & 0xF)
        | (data.get(BYTE, scales + sub - 4) & 0xC0) >> 2;
  }

  /** The 6-bit minimum of sub-block {@code sub}. */
  private static int minimumK(MemorySegment data, long scales, int sub) {
    if (sub < 4) {
      return data.get(BYTE, scales + sub + 4) & 63;
    }
    return (data.get(BYTE, scales + sub + 4) & 0xF0) >> 4
        | (data.get(BYTE, scales + sub) & 0xC0) >> 2;
  }

  private static float half(MemorySegment data, long offset) {
    return Float.float16ToFloat(data.get(SHORT, offset));
  }
}
