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

import io.github.kvp4j.model.Weight;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/**
 * The matrix product for a few rows, where reading the weights takes the time: dot products, four
 * rows of weights at a time, without transposing anything.
 *
 * @param m rows of x and y
 * @param x {@code [m][w.columns()]}
 * @param bias {@code [w.rows()]} or null
 * @param y {@code [m][w.rows()]}
 * @param accumulate whether to add to y
 */
record VectorDots(
    int m,
    float[] x,
    int xOffset,
    int xStride,
    Weight w,
    float @Nullable [] bias,
    float[] y,
    int yOffset,
    int yStride,
    boolean accumulate) {

  /** Weights read at once. */
  private static final int GROUP = 4;

  /** A task reads at least this many weights. */
  private static final int FEWEST_WEIGHTS = 1 << 16;

  void run(Workers workers, Scratch.Pool pool) {
    int n = w.rows();
    long weights = (long) n * w.columns();
    int tasks =
        Math.clamp(weights / FEWEST_WEIGHTS, 1, workers.threads() == 1 ? 1 : 8 * workers.threads());
    int rows = Simd.roundUp((n + tasks - 1) / tasks, GROUP);
    workers.forEach(
        (n + rows - 1) / rows,
        task -> {
          Scratch scratch = pool.take();
          try {
            outputs(task * rows, Math.min(n, (task + 1) * rows), scratch);
          } finally {
            pool.give(scratch);
          }
        });
  }

  private void outputs(int from, int to, Scratch scratch) {
    int k = w.columns();
    int stride = Simd.roundUp(k, 32);
    float[] source = scratch.floats(m * stride);
    float[] weights = scratch.rows;
    float[] sums = scratch.block;
    boolean split = WeightDecoder.isSplit(w.type());
    for (int i = 0; i < m; i++) {
      WeightDecoder.split(x, xOffset + i * xStride, k, split, source, i * stride);
    }
    for (int n = from; n < to; n += GROUP) {
      int there = Math.min(GROUP, to - n);
      Arrays.fill(sums, 0, m * GROUP, 0);
      for (int block = 0; block < k; block += Scratch.LONGEST) {
        int depth = Math.min(Scratch.LONGEST, k - block);
        int padded = Simd.roundUp(depth, 2 * LANES);
        for (int r = 0; r < GROUP; r++) {
          int row = n + Math.min(r, there - 1);
          WeightDecoder.row(w, row, block, depth, weights, r * padded, scratch);
        }
        int i = 0;
        if (Simd.HAS_MANY_REGISTERS) {
          for (; i + 4 <= m; i += 4) {
            fourByFour(padded, weights, source, i * stride + block, stride, sums, i * GROUP);
          }
        } else {
          for (; i + 2 <= m; i += 2) {
            fourByTwo(padded, weights, source, i * stride + block, stride, sums, i * GROUP);
          }
        }
        for (; i < m; i++) {
          fourByOne(padded, weights, source, i * stride + block, sums, i * GROUP);
        }
      }
      for (int i = 0; i < m; i++) {
        put(i, n, there, sums, i * GROUP);
      }
    }
  }

  private void put(int row, int column, int columns, float[] sums, int from) {
    int at = yOffset + row * yStride + column;
    for (int j = 0; j < columns; j++) {
      float value = sums[from + j];
      if (bias != null) {
        value += bias[column + j];
      }
      y[at + j] = accumulate ? y[at + j] + value : value;
    }
  }

  /** Adds four dense rows of weights times one of the source to {@code sums}. */
  private static void fourByOne(int depth, float[] w, float[] x, int xAt, float[] sums, int at) {
    FloatVector s0 = FloatVector.zero(FLOATS);
    FloatVector s1 = FloatVector.zero(FLOATS);
    FloatVector s2 = FloatVector.zero(FLOATS);
    FloatVector s3 = FloatVector.zero(FLOATS);
    FloatVector t0 = FloatVector.zero(FLOATS);
    FloatVector t1 = FloatVector.zero(FLOATS);
    FloatVector t2 = FloatVector.zero(FLOATS);
    FloatVector t3 = FloatVector.zero(FLOATS);
    for (int p = 0; p < depth; p += 2 * LANES) {
      FloatVector a = FloatVector.fromArray(FLOATS, x, xAt + p);
      FloatVector b = FloatVector.fromArray(FLOATS, x, xAt + p + LANES);
      s0 = a.fma(FloatVector.fromArray(FLOATS, w, p), s0);
      t0 = b.fma(FloatVector.fromArray(FLOATS, w, p + LANES), t0);
      s1 = a.fma(FloatVector.fromArray(FLOATS, w, depth + p), s1);
      t1 = b.fma(FloatVector.fromArray(FLOATS, w, depth + p + LANES), t1);
      s2 = a.fma(FloatVector.fromArray(FLOATS, w, 2 * depth + p), s2);
      t2 = b.fma(FloatVector.fromArray(FLOATS, w, 2 * depth + p + LANES), t2);
      s3 = a.fma(FloatVector.fromArray(FLOATS, w, 3 * depth + p), s3);
      t3 = b.fma(FloatVector.fromArray(FLOATS, w, 3 * depth + p + LANES), t3);
    }
    sums[at] += VectorMath.sum(s0.add(t0));
    sums[at + 1] += VectorMath.sum(s1.add(t1));
    sums[at + 2] += VectorMath.sum(s2.add(t2));
    sums[at + 3] += VectorMath.sum(s3.add(t3));
  }

  /** Adds four dense rows of weights times two of the source, {@code sums[source][weight]}. */
  private static void fourByTwo(
      int depth, float[] w, float[] x, int xAt, int xStride, float[] sums, int at) {
    FloatVector s00 = FloatVector.zero(FLOATS);
    FloatVector s01 = FloatVector.zero(FLOATS);
    FloatVector s02 = FloatVector.zero(FLOATS);
    FloatVector s03 = FloatVector.zero(FLOATS);
    FloatVector s10 = FloatVector.zero(FLOATS);
    FloatVector s11 = FloatVector.zero(FLOATS);
    FloatVector s12 = FloatVector.zero(FLOATS);
    FloatVector s13 = FloatVector.zero(FLOATS);
    int x1 = xAt + xStride;
    for (int p = 0; p < depth; p += LANES) {
      FloatVector w0 = FloatVector.fromArray(FLOATS, w, p);
      FloatVector w1 = FloatVector.fromArray(FLOATS, w, depth + p);
      FloatVector w2 = FloatVector.fromArray(FLOATS, w, 2 * depth + p);
      FloatVector w3 = FloatVector.fromArray(FLOATS, w, 3 * depth + p);
      FloatVector v0 = FloatVector.fromArray(FLOATS, x, xAt + p);
      s00 = v0.fma(w0, s00);
      s01 = v0.fma(w1, s01);
      s02 = v0.fma(w2, s02);
      s03 = v0.fma(w3, s03);
      FloatVector v1 = FloatVector.fromArray(FLOATS, x, x1 + p);
      s10 = v1.fma(w0, s10);
      s11 = v1.fma(w1, s11);
      s12 = v1.fma(w2, s12);
      s13 = v1.fma(w3, s13);
    }
    sums[at] += VectorMath.sum(s00);
    sums[at + 1] += VectorMath.sum(s01);
    sums[at + 2] += VectorMath.sum(s02);
    sums[at + 3] += VectorMath.sum(s03);
    sums[at + 4] += VectorMath.sum(s10);
    sums[at + 5] += VectorMath.sum(s11);
    sums[at + 6] += VectorMath.sum(s12);
    sums[at + 7] += VectorMath.sum(s13);
  }

  /**
   * Adds four dense rows of weights times four of the source, {@code sums[source][weight]}, where
   * registers suffice for sixteen sums.
   */
  private static void fourByFour(
      int depth, float[] w, float[] x, int xAt, int xStride, float[] sums, int at) {
    FloatVector s00 = FloatVector.zero(FLOATS);
    FloatVector s01 = FloatVector.zero(FLOATS);
    FloatVector s02 = FloatVector.zero(FLOATS);
    FloatVector s03 = FloatVector.zero(FLOATS);
    FloatVector s10 = FloatVector.zero(FLOATS);
    FloatVector s11 = FloatVector.zero(FLOATS);
    FloatVector s12 = FloatVector.zero(FLOATS);
    FloatVector s13 = FloatVector.zero(FLOATS);
    FloatVector s20 = FloatVector.zero(FLOATS);
    FloatVector s21 = FloatVector.zero(FLOATS);
    FloatVector s22 = FloatVector.zero(FLOATS);
    FloatVector s23 = FloatVector.zero(FLOATS);
    FloatVector s30 = FloatVector.zero(FLOATS);
    FloatVector s31 = FloatVector.zero(FLOATS);
    FloatVector s32 = FloatVector.zero(FLOATS);
    FloatVector s33 = FloatVector.zero(FLOATS);
    int x1 = xAt + xStride;
    int x2 = xAt + 2 * xStride;
    int x3 = xAt + 3 * xStride;
    for (int p = 0; p < depth; p += LANES) {
      FloatVector w0 = FloatVector.fromArray(FLOATS, w, p);
      FloatVector w1 = FloatVector.fromArray(FLOATS, w, depth + p);
      FloatVector w2 = FloatVector.fromArray(FLOATS, w, 2 * depth + p);
      FloatVector w3 = FloatVector.fromArray(FLOATS, w, 3 * depth + p);
      FloatVector v0 = FloatVector.fromArray(FLOATS, x, xAt + p);
      s00 = v0.fma(w0, s00);
      s01 = v0.fma(w1, s01);
      s02 = v0.fma(w2, s02);
      s03 = v0.fma(w3, s03);
      FloatVector v1 = FloatVector.fromArray(FLOATS, x, x1 + p);
      s10 = v1.fma(w0, s10);
      s11 = v1.fma(w1, s11);
      s12 = v1.fma(w2, s12);
      s13 = v1.fma(w3, s13);
      FloatVector v2 = FloatVector.fromArray(FLOATS, x, x2 + p);
      s20 = v2.fma(w0, s20);
      s21 = v2.fma(w1, s21);
      s22 = v2.fma(w2, s22);
      s23 = v2.fma(w3, s23);
      FloatVector v3 = FloatVector.fromArray(FLOATS, x, x3 + p);
      s30 = v3.fma(w0, s30);
      s31 = v3.fma(w1, s31);
      s32 = v3.fma(w2, s32);
      s33 = v3.fma(w3, s33);
    }
    sums[at] += VectorMath.sum(s00);
    sums[at + 1] += VectorMath.sum(s01);
    sums[at + 2] += VectorMath.sum(s02);
    sums[at + 3] += VectorMath.sum(s03);
    sums[at + 4] += VectorMath.sum(s10);
    sums[at + 5] += VectorMath.sum(s11);
    sums[at + 6] += VectorMath.sum(s12);
    sums[at + 7] += VectorMath.sum(s13);
    sums[at + 8] += VectorMath.sum(s20);
    sums[at + 9] += VectorMath.sum(s21);
    sums[at + 10] += VectorMath.sum(s22);
    sums[at + 11] += VectorMath.sum(s23);
    sums[at + 12] += VectorMath.sum(s30);
    sums[at + 13] += VectorMath.sum(s31);
    sums[at + 14] += VectorMath.sum(s32);
    sums[at + 15] += VectorMath.sum(s33);
  }
}
