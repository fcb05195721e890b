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

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Transposes 16 rows in 512-bit registers, by four rounds of exchanges between two rows, at the
 * distances 1, 2, 4 and 8. {@link #near} does the first two on four rows that lie together, the
 * others the last two on four rows that lie four apart, so that registers suffice. The bits are
 * moved as they are, whatever they mean.
 */
final class Transpose16 {
  private static final int[] LOW1 = low(1);
  private static final int[] LOW2 = low(2);
  private static final int[] LOW4 = low(4);
  private static final int[] LOW8 = low(8);
  private static final int[] HIGH1 = high(1);
  private static final int[] HIGH2 = high(2);
  private static final int[] HIGH4 = high(4);
  private static final int[] HIGH8 = high(8);

  private static final int HIGH_HALF = 0xffff0000;

  private Transpose16() {}

  /** Whether this machine has vectors of 16 floats. */
  static boolean isThere() {
    return LANES == 16;
  }

  /**
   * The first half, for four rows in place.
   *
   * @param depth numbers in a row, a multiple of 16
   */
  static void near(float[] rows, int at, int stride, int depth) {
    IntVector low1 = IntVector.fromArray(INTS, LOW1, 0);
    IntVector low2 = IntVector.fromArray(INTS, LOW2, 0);
    IntVector high1 = IntVector.fromArray(INTS, HIGH1, 0);
    IntVector high2 = IntVector.fromArray(INTS, HIGH2, 0);
    int at1 = at + stride;
    int at2 = at + 2 * stride;
    int at3 = at + 3 * stride;
    for (int p = 0; p < depth; p += 16) {
      IntVector r0 = FloatVector.fromArray(FLOATS, rows, at + p).reinterpretAsInts();
      IntVector r1 = FloatVector.fromArray(FLOATS, rows, at1 + p).reinterpretAsInts();
      IntVector r2 = FloatVector.fromArray(FLOATS, rows, at2 + p).reinterpretAsInts();
      IntVector r3 = FloatVector.fromArray(FLOATS, rows, at3 + p).reinterpretAsInts();
      IntVector s0 = low1.selectFrom(r0, r1);
      IntVector s1 = high1.selectFrom(r0, r1);
      IntVector s2 = low1.selectFrom(r2, r3);
      IntVector s3 = high1.selectFrom(r2, r3);
      low2.selectFrom(s0, s2).reinterpretAsFloats().intoArray(rows, at + p);
      low2.selectFrom(s1, s3).reinterpretAsFloats().intoArray(rows, at1 + p);
      high2.selectFrom(s0, s2).reinterpretAsFloats().intoArray(rows, at2 + p);
      high2.selectFrom(s1, s3).reinterpretAsFloats().intoArray(rows, at3 + p);
    }
  }

  /**
   * The second half, for the rows 0, 4, 8 and 12 from {@code inAt} on, 16 columns in every {@code
   * step}: column {@code p} of them, for one p in four, goes to row {@code p} of {@code panel}.
   *
   * @param depth columns, a multiple of {@code step}
   * @param width from row to row of the panel, 16 floats of which are written
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
    IntVector low4 = IntVector.fromArray(INTS, LOW4, 0);
    IntVector low8 = IntVector.fromArray(INTS, LOW8, 0);
    IntVector high4 = IntVector.fromArray(INTS, HIGH4, 0);
    IntVector high8 = IntVector.fromArray(INTS, HIGH8, 0);
    int in4 = inAt + 4 * inStride;
    int in8 = inAt + 8 * inStride;
    int in12 = inAt + 12 * inStride;
    int rowStep = 4 * skip * width;
    for (int p = 0; p < depth; p += step) {
      IntVector r0 = FloatVector.fromArray(FLOATS, in, inAt + p).reinterpretAsInts();
      IntVector r4 = FloatVector.fromArray(FLOATS, in, in4 + p).reinterpretAsInts();
      IntVector r8 = FloatVector.fromArray(FLOATS, in, in8 + p).reinterpretAsInts();
      IntVector r12 = FloatVector.fromArray(FLOATS, in, in12 + p).reinterpretAsInts();
      IntVector s0 = low4.selectFrom(r0, r4);
      IntVector s4 = high4.selectFrom(r0, r4);
      IntVector s8 = low4.selectFrom(r8, r12);
      IntVector s12 = high4.selectFrom(r8, r12);
      int to = panelAt + p * width;
      low8.selectFrom(s0, s8).reinterpretAsFloats().intoArray(panel, to);
      low8.selectFrom(s4, s12).reinterpretAsFloats().intoArray(panel, to + rowStep);
      high8.selectFrom(s0, s8).reinterpretAsFloats().intoArray(panel, to + 2 * rowStep);
      high8.selectFrom(s4, s12).reinterpretAsFloats().intoArray(panel, to + 3 * rowStep);
    }
  }

  /**
   * The second half for words of two bfloat16 numbers, for the rows 0, 4, 8 and 12 from {@code
   * inAt} on: the numbers of word {@code p} go to the rows {@code 2p} and {@code 2p + 1} of {@code
   * panel}, for one p in four.
   *
   * @param words in a row, a multiple of 16
   * @param width from row to row of the panel, 16 floats of which are written
   */
  static void farWords(
      float[] in, int inAt, int inStride, int words, float[] panel, int panelAt, int width) {
    IntVector low4 = IntVector.fromArray(INTS, LOW4, 0);
    IntVector low8 = IntVector.fromArray(INTS, LOW8, 0);
    IntVector high4 = IntVector.fromArray(INTS, HIGH4, 0);
    IntVector high8 = IntVector.fromArray(INTS, HIGH8, 0);
    int in4 = inAt + 4 * inStride;
    int in8 = inAt + 8 * inStride;
    int in12 = inAt + 12 * inStride;
    for (int p = 0; p < words; p += 16) {
      IntVector r0 = FloatVector.fromArray(FLOATS, in, inAt + p).reinterpretAsInts();
      IntVector r4 = FloatVector.fromArray(FLOATS, in, in4 + p).reinterpretAsInts();
      IntVector r8 = FloatVector.fromArray(FLOATS, in, in8 + p).reinterpretAsInts();
      IntVector r12 = FloatVector.fromArray(FLOATS, in, in12 + p).reinterpretAsInts();
      IntVector s0 = low4.selectFrom(r0, r4);
      IntVector s4 = high4.selectFrom(r0, r4);
      IntVector s8 = low4.selectFrom(r8, r12);
      IntVector s12 = high4.selectFrom(r8, r12);
      IntVector t0 = low8.selectFrom(s0, s8);
      IntVector t4 = low8.selectFrom(s4, s12);
      IntVector t8 = high8.selectFrom(s0, s8);
      IntVector t12 = high8.selectFrom(s4, s12);
      int to = panelAt + 2 * p * width;
      t0.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().intoArray(panel, to);
      t0.and(HIGH_HALF).reinterpretAsFloats().intoArray(panel, to + width);
      to += 8 * width;
      t4.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().intoArray(panel, to);
      t4.and(HIGH_HALF).reinterpretAsFloats().intoArray(panel, to + width);
      to += 8 * width;
      t8.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().intoArray(panel, to);
      t8.and(HIGH_HALF).reinterpretAsFloats().intoArray(panel, to + width);
      to += 8 * width;
      t12.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().intoArray(panel, to);
      t12.and(HIGH_HALF).reinterpretAsFloats().intoArray(panel, to + width);
    }
  }

  private static int[] low(int distance) {
    int[] index = new int[16];
    for (int j = 0; j < 16; j++) {
      index[j] = (j & distance) == 0 ? j : 16 + j - distance;
    }
    return index;
  }

  private static int[] high(int distance) {
    int[] index = new int[16];
    for (int j = 0; j < 16; j++) {
      index[j] = (j & distance) == 0 ? j + distance : 16 + j;
    }
    return index;
  }
}
