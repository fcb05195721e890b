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
package io.github.kvp4j.kernel;

import static io.github.kvp4j.kernel.Simd.FLOATS;
import static io.github.kvp4j.kernel.Simd.INTS;
import static io.github.kvp4j.kernel.Simd.LANES;

import io.github.kvp4j.model.Weight;
import io.github.kvp4j.model.WeightType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Reads parts of rows of a weight. Two 16-bit numbers are read as one 32-bit word and taken apart
 * by shifts, the even column from its low half and the odd one from its high half: that needs no
 * movement between lanes.
 */
final class WeightDecoder {
  private static final ValueLayout.OfFloat FLOAT_LE =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort SHORT_LE =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** As many bytes as a vector has floats; there is no such vector of 4. */
  private static final VectorSpecies<Byte> BYTES =
      LANES == 16 ? ByteVector.SPECIES_128 : ByteVector.SPECIES_64;

  private static final boolean HAS_BYTES = LANES == 8 || LANES == 16;

  private static final int BLOCK = WeightType.BLOCK;

  private WeightDecoder() {}

  /**
   * Whether rows of this type are decoded in split order: of every two vectors of columns the even
   * ones come first, then the odd ones.
   */
  static boolean isSplit(WeightType type) {
    return type == WeightType.BF16 || type == WeightType.F16;
  }

  /**
   * Columns {@code [column, column + count)} of a row as floats into {@code out[at ..]}, with the
   * count rounded up to two vectors by zeros, in split order if the type {@link #isSplit}.
   *
   * @param column a multiple of 32
   */
  static void row(Weight w, int row, int column, int count, float[] out, int at, Scratch scratch) {
    switch (w.type()) {
      case F32 -> {
        long first = ((long) row * w.columns() + column) * 4;
        MemorySegment.copy(w.data(), FLOAT_LE, first, out, at, count);
        Arrays.fill(out, at + count, at + Simd.roundUp(count, 2 * LANES), 0);
      }
      case BF16 -> {
        int words = words(w, row, column, count, scratch.words, 0);
        bfloatWordsToFloats(scratch.words, words, out, at);
      }
      case F16 -> {
        int words = words(w, row, column, count, scratch.words, 0);
        halfWordsToFloats(scratch.words, words, out, at);
      }
      case Q8 -> {
        bytes(w, row, column, count, 1, scratch);
        bytesToFloats(count / BLOCK, scratch, out, at);
      }
      case Q4 -> {
        bytes(w, row, column, count, 2, scratch);
        nibblesToFloats(count / BLOCK, scratch, out, at);
      }
    }
  }

  /**
   * The words of columns {@code [column, column + count)} of a row of 16-bit numbers, as bits in
   * {@code out[at ..]}, padded by zeros to a vector: two numbers a word, the even column in the low
   * half.
   *
   * @return the number of words, padding included
   */
  static int words(Weight w, int row, int column, int count, float[] out, int at) {
    MemorySegment data = w.data();
    long first = ((long) row * w.columns() + column) * 2;
    int words = count / 2;
    MemorySegment.copy(data, FLOAT_LE, first, out, at, words);
    int padded = Simd.roundUp(count, 2 * LANES) / 2;
    Arrays.fill(out, at + words, at + padded, 0);
    if (count % 2 == 1) {
      // a word of which only the lower half is there
      int last = data.get(SHORT_LE, first + 4L * words) & 0xffff;
      out[at + words] = Float.intBitsToFloat(last);
    }
    return padded;
  }

  /**
   * Copies a row of a source, padded by zeros to two vectors; {@code split} puts the even columns
   * of every two vectors before the odd ones.
   */
  static void split(float[] in, int from, int count, boolean split, float[] out, int at) {
    int padded = Simd.roundUp(count, 2 * LANES);
    if (!split) {
      System.arraycopy(in, from, out, at, count);
      Arrays.fill(out, at + count, at + padded, 0);
      return;
    }
    for (int i = 0; i < padded; i += 2 * LANES) {
      int pairs = Math.min(LANES, (count - i) / 2);
      for (int j = 0; j < pairs; j++) {
        out[at + i + j] = in[from + i + 2 * j];
        out[at + i + LANES + j] = in[from + i + 2 * j + 1];
      }
      for (int j = Math.max(pairs, 0); j < LANES; j++) {
        int even = i + 2 * j;
        out[at + i + j] = even < count ? in[from + even] : 0;
        out[at + i + LANES + j] = 0;
      }
    }
  }

  // a loop for each type in a method of its own: in one together the compiler runs out of room and
  // keeps vectors in memory

  private static void bfloatWordsToFloats(float[] words, int count, float[] out, int at) {
    for (int i = 0; i < count; i += LANES) {
      IntVector both = FloatVector.fromArray(FLOATS, words, i).reinterpretAsInts();
      FloatVector even = both.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      FloatVector odd = both.and(0xffff0000).reinterpretAsFloats();
      even.intoArray(out, at + 2 * i);
      odd.intoArray(out, at + 2 * i + LANES);
    }
  }

  private static void halfWordsToFloats(float[] words, int count, float[] out, int at) {
    for (int i = 0; i < count; i += LANES) {
      IntVector both = FloatVector.fromArray(FLOATS, words, i).reinterpretAsInts();
      fromHalf(both).intoArray(out, at + 2 * i);
      fromHalf(both.lanewise(VectorOperators.LSHR, 16)).intoArray(out, at + 2 * i + LANES);
    }
  }

  /** IEEE half precision in the low 16 bits to floats, subnormal numbers and infinity included. */
  private static FloatVector fromHalf(IntVector bits) {
    IntVector sign = bits.and(0x8000).lanewise(VectorOperators.LSHL, 16);
    IntVector rest = bits.and(0x7fff).lanewise(VectorOperators.LSHL, 13);
    // the exponents count from 15 and from 127; the largest, of infinity, stays the largest
    IntVector value = rest.add(112 << 23);
    value = value.blend(rest.add(224 << 23), rest.compare(VectorOperators.GE, 31 << 23));
    // the smallest has no hidden bit: put one before it and take it off as a number, since
    // subnormal floats are slow
    IntVector small = rest.add(113 << 23).reinterpretAsFloats().sub(0x1p-14f).reinterpretAsInts();
    value = value.blend(small, rest.compare(VectorOperators.LT, 1 << 23));
    return value.or(sign).reinterpretAsFloats();
  }

  private static void bytes(
      Weight w, int row, int column, int count, int perByte, Scratch scratch) {
    MemorySegment scales = w.scales();
    if (scales == null) {
      throw new IllegalStateException("A block-quantised weight has no scales.");
    }
    long first = (long) row * w.columns() + column;
    MemorySegment.copy(
        w.data(), ValueLayout.JAVA_BYTE, first / perByte, scratch.bytes, 0, count / perByte);
    MemorySegment.copy(
        scales, FLOAT_LE, first / BLOCK * Float.BYTES, scratch.scales, 0, count / BLOCK);
  }

  private static void bytesToFloats(int blocks, Scratch scratch, float[] out, int at) {
    byte[] bytes = scratch.bytes;
    for (int b = 0; b < blocks; b++) {
      float scale = scratch.scales[b];
      int from = b * BLOCK;
      if (HAS_BYTES) {
        for (int j = from; j < from + BLOCK; j += LANES) {
          IntVector v = ints(bytes, j);
          toFloats(v).mul(scale).intoArray(out, at + j);
        }
      } else {
        for (int j = from; j < from + BLOCK; j++) {
          out[at + j] = bytes[j] * scale;
        }
      }
    }
  }

  private static void nibblesToFloats(int blocks, Scratch scratch, float[] out, int at) {
    byte[] bytes = scratch.bytes;
    int half = BLOCK / 2;
    for (int b = 0; b < blocks; b++) {
      float scale = scratch.scales[b];
      int to = at + b * BLOCK;
      int from = b * half;
      if (HAS_BYTES) {
        for (int j = 0; j < half; j += LANES) {
          IntVector v = ints(bytes, from + j);
          toFloats(v.and(15).sub(8)).mul(scale).intoArray(out, to + j);
          IntVector high = v.lanewise(VectorOperators.LSHR, 4).and(15);
          toFloats(high.sub(8)).mul(scale).intoArray(out, to + half + j);
        }
      } else {
        for (int j = 0; j < half; j++) {
          out[to + j] = ((bytes[from + j] & 15) - 8) * scale;
          out[to + half + j] = (((bytes[from + j] >> 4) & 15) - 8) * scale;
        }
      }
    }
  }

  private static IntVector ints(byte[] bytes, int at) {
    return (IntVector)
        ByteVector.fromArray(BYTES, bytes, at).convertShape(VectorOperators.B2I, INTS, 0);
  }

  private static FloatVector toFloats(IntVector v) {
    return (FloatVector) v.convert(VectorOperators.I2F, 0);
  }
}
