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
import static io.github.kvp4j.kernel.Simd.TILE_ROWS;

import com.sun.management.HotSpotDiagnosticMXBean;
import java.lang.management.ManagementFactory;
import jdk.incubator.vector.FloatVector;

/**
 * The innermost product: six rows of a source times one panel of weights, with every sum held in a
 * register.
 *
 * <p>The three tiles are written out number by number, without a branch and without helper methods:
 * that is what makes the compiler keep the sums in registers. With either, or with sums that start
 * from a vector in a static field, they live in memory at a twentieth of the speed.
 */
final class MicroKernel {
  /** What to start from for a plain product, with a stride of 0. */
  static final float[] ZEROS = new float[Simd.TILE_COLUMNS];

  /**
   * Whether the innermost loop needs one around it. With 16 registers C2 keeps the sums in them
   * only where it is inside exactly one other: one that the compiler makes itself if it strip-mines
   * loops (which goes with the collector: G1 does, Parallel and Serial don't), else ours. At the
   * wrong number of loops the same code runs at 40 % of the speed.
   */
  private static final boolean STRIPS = !compilerMinesLoops();

  /** Rounds of the innermost loop in one of the outer's. */
  private static final int STRIP = 1024;

  private MicroKernel() {}

  private static boolean compilerMinesLoops() {
    try {
      HotSpotDiagnosticMXBean jvm =
          ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
      return jvm != null && Integer.parseInt(jvm.getVMOption("LoopStripMiningIter").getValue()) > 1;
    } catch (IllegalArgumentException | LinkageError e) {
      return true; // another compiler, of which nothing is known
    }
  }

  /**
   * {@code c = start + a · b} for six rows of c, all of which must be there.
   *
   * @param rows rows of a, 1 to 6; the last is read again for those that lack, and what comes out
   *     in their rows of c means nothing
   * @param depth columns of a and rows of b
   * @param b a dense panel {@code [depth][width]}
   * @param width 1, 2 or 4 vectors
   * @param start {@code [6][width]}: {@link #ZEROS}, a bias (both with a stride of 0), or c itself
   * @param c {@code [6][width]}
   */
  static void multiply(
      int rows,
      int depth,
      float[] a,
      int aAt,
      int aStride,
      float[] b,
      int bAt,
      int width,
      float[] start,
      int startAt,
      int startStride,
      float[] c,
      int cAt,
      int cStride) {
    int last = aAt + (Math.min(rows, TILE_ROWS) - 1) * aStride;
    int a1 = Math.min(aAt + aStride, last);
    int a2 = Math.min(aAt + 2 * aStride, last);
    int a3 = Math.min(aAt + 3 * aStride, last);
    int a4 = Math.min(aAt + 4 * aStride, last);
    int a5 = Math.min(aAt + 5 * aStride, last);
    if (width == 4 * LANES) {
      tile4(
          depth, a, aAt, a1, a2, a3, a4, a5, b, bAt, start, startAt, startStride, c, cAt, cStride);
    } else if (width == 2 * LANES) {
      tile2(
          depth, a, aAt, a1, a2, a3, a4, a5, b, bAt, start, startAt, startStride, c, cAt, cStride);
    } else {
      tile1(
          depth, a, aAt, a1, a2, a3, a4, a5, b, bAt, start, startAt, startStride, c, cAt, cStride);
    }
  }

  /** 6 x 4 vectors: for 32 registers. */
  private static void tile4(
      int depth,
      float[] a,
      int a0,
      int a1,
      int a2,
      int a3,
      int a4,
      int a5,
      float[] b,
      int bAt,
      float[] start,
      int startAt,
      int startStride,
      float[] c,
      int cAt,
      int cStride) {
    FloatVector c00 = FloatVector.fromArray(FLOATS, start, startAt);
    FloatVector c01 = FloatVector.fromArray(FLOATS, start, startAt + LANES);
    FloatVector c02 = FloatVector.fromArray(FLOATS, start, startAt + 2 * LANES);
    FloatVector c03 = FloatVector.fromArray(FLOATS, start, startAt + 3 * LANES);
    int z1 = startAt + startStride;
    FloatVector c10 = FloatVector.fromArray(FLOATS, start, z1);
    FloatVector c11 = FloatVector.fromArray(FLOATS, start, z1 + LANES);
    FloatVector c12 = FloatVector.fromArray(FLOATS, start, z1 + 2 * LANES);
    FloatVector c13 = FloatVector.fromArray(FLOATS, start, z1 + 3 * LANES);
    int z2 = startAt + 2 * startStride;
    FloatVector c20 = FloatVector.fromArray(FLOATS, start, z2);
    FloatVector c21 = FloatVector.fromArray(FLOATS, start, z2 + LANES);
    FloatVector c22 = FloatVector.fromArray(FLOATS, start, z2 + 2 * LANES);
    FloatVector c23 = FloatVector.fromArray(FLOATS, start, z2 + 3 * LANES);
    int z3 = startAt + 3 * startStride;
    FloatVector c30 = FloatVector.fromArray(FLOATS, start, z3);
    FloatVector c31 = FloatVector.fromArray(FLOATS, start, z3 + LANES);
    FloatVector c32 = FloatVector.fromArray(FLOATS, start, z3 + 2 * LANES);
    FloatVector c33 = FloatVector.fromArray(FLOATS, start, z3 + 3 * LANES);
    int z4 = startAt + 4 * startStride;
    FloatVector c40 = FloatVector.fromArray(FLOATS, start, z4);
    FloatVector c41 = FloatVector.fromArray(FLOATS, start, z4 + LANES);
    FloatVector c42 = FloatVector.fromArray(FLOATS, start, z4 + 2 * LANES);
    FloatVector c43 = FloatVector.fromArray(FLOATS, start, z4 + 3 * LANES);
    int z5 = startAt + 5 * startStride;
    FloatVector c50 = FloatVector.fromArray(FLOATS, start, z5);
    FloatVector c51 = FloatVector.fromArray(FLOATS, start, z5 + LANES);
    FloatVector c52 = FloatVector.fromArray(FLOATS, start, z5 + 2 * LANES);
    FloatVector c53 = FloatVector.fromArray(FLOATS, start, z5 + 3 * LANES);
    for (int p = 0; p < depth; p++) {
      int at = bAt + p * 4 * LANES;
      FloatVector b0 = FloatVector.fromArray(FLOATS, b, at);
      FloatVector b1 = FloatVector.fromArray(FLOATS, b, at + LANES);
      FloatVector b2 = FloatVector.fromArray(FLOATS, b, at + 2 * LANES);
      FloatVector b3 = FloatVector.fromArray(FLOATS, b, at + 3 * LANES);
      FloatVector s0 = FloatVector.broadcast(FLOATS, a[a0 + p]);
      c00 = s0.fma(b0, c00);
      c01 = s0.fma(b1, c01);
      c02 = s0.fma(b2, c02);
      c03 = s0.fma(b3, c03);
      FloatVector s1 = FloatVector.broadcast(FLOATS, a[a1 + p]);
      c10 = s1.fma(b0, c10);
      c11 = s1.fma(b1, c11);
      c12 = s1.fma(b2, c12);
      c13 = s1.fma(b3, c13);
      FloatVector s2 = FloatVector.broadcast(FLOATS, a[a2 + p]);
      c20 = s2.fma(b0, c20);
      c21 = s2.fma(b1, c21);
      c22 = s2.fma(b2, c22);
      c23 = s2.fma(b3, c23);
      FloatVector s3 = FloatVector.broadcast(FLOATS, a[a3 + p]);
      c30 = s3.fma(b0, c30);
      c31 = s3.fma(b1, c31);
      c32 = s3.fma(b2, c32);
      c33 = s3.fma(b3, c33);
      FloatVector s4 = FloatVector.broadcast(FLOATS, a[a4 + p]);
      c40 = s4.fma(b0, c40);
      c41 = s4.fma(b1, c41);
      c42 = s4.fma(b2, c42);
      c43 = s4.fma(b3, c43);
      FloatVector s5 = FloatVector.broadcast(FLOATS, a[a5 + p]);
      c50 = s5.fma(b0, c50);
      c51 = s5.fma(b1, c51);
      c52 = s5.fma(b2, c52);
      c53 = s5.fma(b3, c53);
    }
    c00.intoArray(c, cAt);
    c01.intoArray(c, cAt + LANES);
    c02.intoArray(c, cAt + 2 * LANES);
    c03.intoArray(c, cAt + 3 * LANES);
    int y1 = cAt + cStride;
    c10.intoArray(c, y1);
    c11.intoArray(c, y1 + LANES);
    c12.intoArray(c, y1 + 2 * LANES);
    c13.intoArray(c, y1 + 3 * LANES);
    int y2 = cAt + 2 * cStride;
    c20.intoArray(c, y2);
    c21.intoArray(c, y2 + LANES);
    c22.intoArray(c, y2 + 2 * LANES);
    c23.intoArray(c, y2 + 3 * LANES);
    int y3 = cAt + 3 * cStride;
    c30.intoArray(c, y3);
    c31.intoArray(c, y3 + LANES);
    c32.intoArray(c, y3 + 2 * LANES);
    c33.intoArray(c, y3 + 3 * LANES);
    int y4 = cAt + 4 * cStride;
    c40.intoArray(c, y4);
    c41.intoArray(c, y4 + LANES);
    c42.intoArray(c, y4 + 2 * LANES);
    c43.intoArray(c, y4 + 3 * LANES);
    int y5 = cAt + 5 * cStride;
    c50.intoArray(c, y5);
    c51.intoArray(c, y5 + LANES);
    c52.intoArray(c, y5 + 2 * LANES);
    c53.intoArray(c, y5 + 3 * LANES);
  }

  /** 6 x 2 vectors: for 16 registers, or the last columns. */
  private static void tile2(
      int depth,
      float[] a,
      int a0,
      int a1,
      int a2,
      int a3,
      int a4,
      int a5,
      float[] b,
      int bAt,
      float[] start,
      int startAt,
      int startStride,
      float[] c,
      int cAt,
      int cStride) {
    FloatVector c00 = FloatVector.fromArray(FLOATS, start, startAt);
    FloatVector c01 = FloatVector.fromArray(FLOATS, start, startAt + LANES);
    int z1 = startAt + startStride;
    FloatVector c10 = FloatVector.fromArray(FLOATS, start, z1);
    FloatVector c11 = FloatVector.fromArray(FLOATS, start, z1 + LANES);
    int z2 = startAt + 2 * startStride;
    FloatVector c20 = FloatVector.fromArray(FLOATS, start, z2);
    FloatVector c21 = FloatVector.fromArray(FLOATS, start, z2 + LANES);
    int z3 = startAt + 3 * startStride;
    FloatVector c30 = FloatVector.fromArray(FLOATS, start, z3);
    FloatVector c31 = FloatVector.fromArray(FLOATS, start, z3 + LANES);
    int z4 = startAt + 4 * startStride;
    FloatVector c40 = FloatVector.fromArray(FLOATS, start, z4);
    FloatVector c41 = FloatVector.fromArray(FLOATS, start, z4 + LANES);
    int z5 = startAt + 5 * startStride;
    FloatVector c50 = FloatVector.fromArray(FLOATS, start, z5);
    FloatVector c51 = FloatVector.fromArray(FLOATS, start, z5 + LANES);
    int p = 0;
    do {
      int end = STRIPS ? Math.min(depth, p + STRIP) : depth;
      for (; p < end; p++) {
        int at = bAt + p * 2 * LANES;
        FloatVector b0 = FloatVector.fromArray(FLOATS, b, at);
        FloatVector b1 = FloatVector.fromArray(FLOATS, b, at + LANES);
        FloatVector s0 = FloatVector.broadcast(FLOATS, a[a0 + p]);
        c00 = s0.fma(b0, c00);
        c01 = s0.fma(b1, c01);
        FloatVector s1 = FloatVector.broadcast(FLOATS, a[a1 + p]);
        c10 = s1.fma(b0, c10);
        c11 = s1.fma(b1, c11);
        FloatVector s2 = FloatVector.broadcast(FLOATS, a[a2 + p]);
        c20 = s2.fma(b0, c20);
        c21 = s2.fma(b1, c21);
        FloatVector s3 = FloatVector.broadcast(FLOATS, a[a3 + p]);
        c30 = s3.fma(b0, c30);
        c31 = s3.fma(b1, c31);
        FloatVector s4 = FloatVector.broadcast(FLOATS, a[a4 + p]);
        c40 = s4.fma(b0, c40);
        c41 = s4.fma(b1, c41);
        FloatVector s5 = FloatVector.broadcast(FLOATS, a[a5 + p]);
        c50 = s5.fma(b0, c50);
        c51 = s5.fma(b1, c51);
      }
    } while (STRIPS && p < depth);
    c00.intoArray(c, cAt);
    c01.intoArray(c, cAt + LANES);
    int y1 = cAt + cStride;
    c10.intoArray(c, y1);
    c11.intoArray(c, y1 + LANES);
    int y2 = cAt + 2 * cStride;
    c20.intoArray(c, y2);
    c21.intoArray(c, y2 + LANES);
    int y3 = cAt + 3 * cStride;
    c30.intoArray(c, y3);
    c31.intoArray(c, y3 + LANES);
    int y4 = cAt + 4 * cStride;
    c40.intoArray(c, y4);
    c41.intoArray(c, y4 + LANES);
    int y5 = cAt + 5 * cStride;
    c50.intoArray(c, y5);
    c51.intoArray(c, y5 + LANES);
  }

  /** 6 x 1 vectors: the last columns. */
  private static void tile1(
      int depth,
      float[] a,
      int a0,
      int a1,
      int a2,
      int a3,
      int a4,
      int a5,
      float[] b,
      int bAt,
      float[] start,
      int startAt,
      int startStride,
      float[] c,
      int cAt,
      int cStride) {
    FloatVector c00 = FloatVector.fromArray(FLOATS, start, startAt);
    int z1 = startAt + startStride;
    FloatVector c10 = FloatVector.fromArray(FLOATS, start, z1);
    int z2 = startAt + 2 * startStride;
    FloatVector c20 = FloatVector.fromArray(FLOATS, start, z2);
    int z3 = startAt + 3 * startStride;
    FloatVector c30 = FloatVector.fromArray(FLOATS, start, z3);
    int z4 = startAt + 4 * startStride;
    FloatVector c40 = FloatVector.fromArray(FLOATS, start, z4);
    int z5 = startAt + 5 * startStride;
    FloatVector c50 = FloatVector.fromArray(FLOATS, start, z5);
    int p = 0;
    do {
      int end = STRIPS ? Math.min(depth, p + STRIP) : depth;
      for (; p < end; p++) {
        int at = bAt + p * LANES;
        FloatVector b0 = FloatVector.fromArray(FLOATS, b, at);
        FloatVector s0 = FloatVector.broadcast(FLOATS, a[a0 + p]);
        c00 = s0.fma(b0, c00);
        FloatVector s1 = FloatVector.broadcast(FLOATS, a[a1 + p]);
        c10 = s1.fma(b0, c10);
        FloatVector s2 = FloatVector.broadcast(FLOATS, a[a2 + p]);
        c20 = s2.fma(b0, c20);
        FloatVector s3 = FloatVector.broadcast(FLOATS, a[a3 + p]);
        c30 = s3.fma(b0, c30);
        FloatVector s4 = FloatVector.broadcast(FLOATS, a[a4 + p]);
        c40 = s4.fma(b0, c40);
        FloatVector s5 = FloatVector.broadcast(FLOATS, a[a5 + p]);
        c50 = s5.fma(b0, c50);
      }
    } while (STRIPS && p < depth);
    c00.intoArray(c, cAt);
    int y1 = cAt + cStride;
    c10.intoArray(c, y1);
    int y2 = cAt + 2 * cStride;
    c20.intoArray(c, y2);
    int y3 = cAt + 3 * cStride;
    c30.intoArray(c, y3);
    int y4 = cAt + 4 * cStride;
    c40.intoArray(c, y4);
    int y5 = cAt + 5 * cStride;
    c50.intoArray(c, y5);
  }
}
