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

/** Transposes 16 x 16 floats in 512-bit registers, by four rounds of exchanges between two rows. */
final class Transpose16 {
  /** The first (low) and second (high) row of an exchange at distance 1, 2, 4, 8. */
  private static final int[] LOW1 = low(1);

  private static final int[] LOW2 = low(2);
  private static final int[] LOW4 = low(4);
  private static final int[] LOW8 = low(8);
  private static final int[] HIGH1 = high(1);
  private static final int[] HIGH2 = high(2);
  private static final int[] HIGH4 = high(4);
  private static final int[] HIGH8 = high(8);

  private Transpose16() {}

  /** Whether this machine has vectors of 16 floats. */
  static boolean isThere() {
    return LANES == 16;
  }

  /**
   * {@code out[j][i] = in[i][j]}; the bits are moved as they are, whatever they mean.
   *
   * @param stride from row to row of {@code in}
   * @param out dense, {@code [16][16]}
   */
  static void transpose(float[] in, int at, int stride, float[] out) {
    IntVector low1 = IntVector.fromArray(INTS, LOW1, 0);
    IntVector low2 = IntVector.fromArray(INTS, LOW2, 0);
    IntVector low4 = IntVector.fromArray(INTS, LOW4, 0);
    IntVector low8 = IntVector.fromArray(INTS, LOW8, 0);
    IntVector high1 = IntVector.fromArray(INTS, HIGH1, 0);
    IntVector high2 = IntVector.fromArray(INTS, HIGH2, 0);
    IntVector high4 = IntVector.fromArray(INTS, HIGH4, 0);
    IntVector high8 = IntVector.fromArray(INTS, HIGH8, 0);
    IntVector r0 = load(in, at);
    IntVector r1 = load(in, at + stride);
    IntVector r2 = load(in, at + 2 * stride);
    IntVector r3 = load(in, at + 3 * stride);
    IntVector r4 = load(in, at + 4 * stride);
    IntVector r5 = load(in, at + 5 * stride);
    IntVector r6 = load(in, at + 6 * stride);
    IntVector r7 = load(in, at + 7 * stride);
    IntVector r8 = load(in, at + 8 * stride);
    IntVector r9 = load(in, at + 9 * stride);
    IntVector r10 = load(in, at + 10 * stride);
    IntVector r11 = load(in, at + 11 * stride);
    IntVector r12 = load(in, at + 12 * stride);
    IntVector r13 = load(in, at + 13 * stride);
    IntVector r14 = load(in, at + 14 * stride);
    IntVector r15 = load(in, at + 15 * stride);
    IntVector s0 = low1.selectFrom(r0, r1);
    IntVector s1 = high1.selectFrom(r0, r1);
    IntVector s2 = low1.selectFrom(r2, r3);
    IntVector s3 = high1.selectFrom(r2, r3);
    IntVector s4 = low1.selectFrom(r4, r5);
    IntVector s5 = high1.selectFrom(r4, r5);
    IntVector s6 = low1.selectFrom(r6, r7);
    IntVector s7 = high1.selectFrom(r6, r7);
    IntVector s8 = low1.selectFrom(r8, r9);
    IntVector s9 = high1.selectFrom(r8, r9);
    IntVector s10 = low1.selectFrom(r10, r11);
    IntVector s11 = high1.selectFrom(r10, r11);
    IntVector s12 = low1.selectFrom(r12, r13);
    IntVector s13 = high1.selectFrom(r12, r13);
    IntVector s14 = low1.selectFrom(r14, r15);
    IntVector s15 = high1.selectFrom(r14, r15);
    IntVector t0 = low2.selectFrom(s0, s2);
    IntVector t2 = high2.selectFrom(s0, s2);
    IntVector t1 = low2.selectFrom(s1, s3);
    IntVector t3 = high2.selectFrom(s1, s3);
    IntVector t4 = low2.selectFrom(s4, s6);
    IntVector t6 = high2.selectFrom(s4, s6);
    IntVector t5 = low2.selectFrom(s5, s7);
    IntVector t7 = high2.selectFrom(s5, s7);
    IntVector t8 = low2.selectFrom(s8, s10);
    IntVector t10 = high2.selectFrom(s8, s10);
    IntVector t9 = low2.selectFrom(s9, s11);
    IntVector t11 = high2.selectFrom(s9, s11);
    IntVector t12 = low2.selectFrom(s12, s14);
    IntVector t14 = high2.selectFrom(s12, s14);
    IntVector t13 = low2.selectFrom(s13, s15);
    IntVector t15 = high2.selectFrom(s13, s15);
    IntVector u0 = low4.selectFrom(t0, t4);
    IntVector u4 = high4.selectFrom(t0, t4);
    IntVector u1 = low4.selectFrom(t1, t5);
    IntVector u5 = high4.selectFrom(t1, t5);
    IntVector u2 = low4.selectFrom(t2, t6);
    IntVector u6 = high4.selectFrom(t2, t6);
    IntVector u3 = low4.selectFrom(t3, t7);
    IntVector u7 = high4.selectFrom(t3, t7);
    IntVector u8 = low4.selectFrom(t8, t12);
    IntVector u12 = high4.selectFrom(t8, t12);
    IntVector u9 = low4.selectFrom(t9, t13);
    IntVector u13 = high4.selectFrom(t9, t13);
    IntVector u10 = low4.selectFrom(t10, t14);
    IntVector u14 = high4.selectFrom(t10, t14);
    IntVector u11 = low4.selectFrom(t11, t15);
    IntVector u15 = high4.selectFrom(t11, t15);
    IntVector v0 = low8.selectFrom(u0, u8);
    IntVector v8 = high8.selectFrom(u0, u8);
    IntVector v1 = low8.selectFrom(u1, u9);
    IntVector v9 = high8.selectFrom(u1, u9);
    IntVector v2 = low8.selectFrom(u2, u10);
    IntVector v10 = high8.selectFrom(u2, u10);
    IntVector v3 = low8.selectFrom(u3, u11);
    IntVector v11 = high8.selectFrom(u3, u11);
    IntVector v4 = low8.selectFrom(u4, u12);
    IntVector v12 = high8.selectFrom(u4, u12);
    IntVector v5 = low8.selectFrom(u5, u13);
    IntVector v13 = high8.selectFrom(u5, u13);
    IntVector v6 = low8.selectFrom(u6, u14);
    IntVector v14 = high8.selectFrom(u6, u14);
    IntVector v7 = low8.selectFrom(u7, u15);
    IntVector v15 = high8.selectFrom(u7, u15);
    store(v0, out, 0);
    store(v1, out, 16);
    store(v2, out, 32);
    store(v3, out, 48);
    store(v4, out, 64);
    store(v5, out, 80);
    store(v6, out, 96);
    store(v7, out, 112);
    store(v8, out, 128);
    store(v9, out, 144);
    store(v10, out, 160);
    store(v11, out, 176);
    store(v12, out, 192);
    store(v13, out, 208);
    store(v14, out, 224);
    store(v15, out, 240);
  }

  private static IntVector load(float[] in, int at) {
    return FloatVector.fromArray(FLOATS, in, at).reinterpretAsInts();
  }

  private static void store(IntVector v, float[] out, int at) {
    v.reinterpretAsFloats().intoArray(out, at);
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
