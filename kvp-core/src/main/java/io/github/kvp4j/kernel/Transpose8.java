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
import static io.github.kvp4j.kernel.Simd.LANES;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;

/**
 * Transposes eight rows in 256-bit registers, by three rounds of exchanges between two rows, at the
 * distances 1, 2 and 4. {@link #near} does the first two on four rows that lie together, the others
 * the last one on two rows that lie four apart: all three at once would need more than the sixteen
 * registers, and takes more than twice as long. AVX2 has no exchange between two registers by an
 * index; neighbours are exchanged by shifts of their pairs, others by swapping within a row and
 * blending. The bits are moved as they are, whatever they mean.
 */
final class Transpose8 {
  private static final VectorShuffle<Float> SWAP2 = swap(2);
  private static final VectorShuffle<Float> SWAP4 = swap(4);
  private static final VectorMask<Float> UPPER2 = upper(2);
  private static final VectorMask<Float> UPPER4 = upper(4);

  private static final int HIGH_HALF = 0xffff0000;
  private static final long LOW_WORD = 0xffffffffL;

  private Transpose8() {}

  /** Whether this machine has vectors of eight floats. */
  static boolean isThere() {
    return LANES == 8;
  }

  /**
   * The first two rounds, for four rows in place.
   *
   * @param depth numbers in a row, a multiple of 8
   */
  static void near(float[] rows, int at, int stride, int depth) {
    int at1 = at + stride;
    int at2 = at + 2 * stride;
    int at3 = at + 3 * stride;
    for (int p = 0; p < depth; p += 8) {
      LongVector r0 = FloatVector.fromArray(FLOATS, rows, at + p).reinterpretAsLongs();
      LongVector r1 = FloatVector.fromArray(FLOATS, rows, at1 + p).reinterpretAsLongs();
      LongVector r2 = FloatVector.fromArray(FLOATS, rows, at2 + p).reinterpretAsLongs();
      LongVector r3 = FloatVector.fromArray(FLOATS, rows, at3 + p).reinterpretAsLongs();
      FloatVector s0 = lower(r0, r1);
      FloatVector s1 = upper(r0, r1);
      FloatVector s2 = lower(r2, r3);
      FloatVector s3 = upper(r2, r3);
      s0.blend(s2.rearrange(SWAP2), UPPER2).intoArray(rows, at + p);
      s1.blend(s3.rearrange(SWAP2), UPPER2).intoArray(rows, at1 + p);
      s0.rearrange(SWAP2).blend(s2, UPPER2).intoArray(rows, at2 + p);
      s1.rearrange(SWAP2).blend(s3, UPPER2).intoArray(rows, at3 + p);
    }
  }

  /**
   * The last round, for the rows 0 and 4 from {@code inAt} on, 8 columns in every {@code step}:
   * column {@code p} of them, for one p in four, goes to row {@code p} of {@code panel}.
   *
   * @param depth columns, a multiple of {@code step}
   * @param width from row to row of the panel, 8 floats of which are written
   * @param skip how many times the width lie between the rows of neighbouring columns
   */
  static void far(
      float[] in,
      int inAt,
      int inStride,
      int depth,
      int step,
      float[] panel,
      int panelAt,
      int width,
      int skip) {
    int in4 = inAt + 4 * inStride;
    int rowStep = 4 * skip * width;
    for (int p = 0; p < depth; p += step) {
      FloatVector r0 = FloatVector.fromArray(FLOATS, in, inAt + p);
      FloatVector r4 = FloatVector.fromArray(FLOATS, in, in4 + p);
      int to = panelAt + p * width;
      r0.blend(r4.rearrange(SWAP4), UPPER4).intoArray(panel, to);
      r0.rearrange(SWAP4).blend(r4, UPPER4).intoArray(panel, to + rowStep);
    }
  }

  /**
   * The last round for words of two bfloat16 numbers, for the rows 0 and 4 from {@code inAt} on:
   * the numbers of word {@code p} go to the rows {@code 2p} and {@code 2p + 1} of {@code panel},
   * for one p in four.
   *
   * @param words in a row, a multiple of 8
   * @param width from row to row of the panel, 8 floats of which are written
   */
  static void farWords(
      float[] in, int inAt, int inStride, int words, float[] panel, int panelAt, int width) {
    int in4 = inAt + 4 * inStride;
    for (int p = 0; p < words; p += 8) {
      FloatVector r0 = FloatVector.fromArray(FLOATS, in, inAt + p);
      FloatVector r4 = FloatVector.fromArray(FLOATS, in, in4 + p);
      IntVector s0 = r0.blend(r4.rearrange(SWAP4), UPPER4).reinterpretAsInts();
      IntVector s4 = r0.rearrange(SWAP4).blend(r4, UPPER4).reinterpretAsInts();
      int to = panelAt + 2 * p * width;
      s0.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().intoArray(panel, to);
      s0.and(HIGH_HALF).reinterpretAsFloats().intoArray(panel, to + width);
      to += 8 * width;
      s4.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().intoArray(panel, to);
      s4.and(HIGH_HALF).reinterpretAsFloats().intoArray(panel, to + width);
    }
  }

  /** The lower number of each pair of {@code a}, then that of {@code b}. */
  private static FloatVector lower(LongVector a, LongVector b) {
    return a.and(LOW_WORD).or(b.lanewise(VectorOperators.LSHL, 32)).reinterpretAsFloats();
  }

  /** The upper number of each pair of {@code a}, then that of {@code b}. */
  private static FloatVector upper(LongVector a, LongVector b) {
    return a.lanewise(VectorOperators.LSHR, 32).or(b.and(~LOW_WORD)).reinterpretAsFloats();
  }

  private static VectorShuffle<Float> swap(int distance) {
    return VectorShuffle.fromOp(FLOATS, j -> (j ^ distance) % LANES);
  }

  /** The lanes whose index has the bit {@code distance}. */
  private static VectorMask<Float> upper(int distance) {
    boolean[] is = new boolean[LANES];
    for (int j = 0; j < LANES; j++) {
      is[j] = (j & distance) != 0;
    }
    return VectorMask.fromArray(FLOATS, is, 0);
  }
}
