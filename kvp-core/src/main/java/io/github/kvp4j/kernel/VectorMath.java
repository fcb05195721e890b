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

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;

/** Functions on vectors and rows of floats. */
final class VectorMath {
  static final float LOG2_E = 1.442695f;

  /** Adding and subtracting 1.5 · 2^23 rounds to an integer and leaves it in the low bits. */
  private static final float ROUNDER = 0x1.8p23f;

  // 2^f for f in [-0.5, 0.5], interpolated at Chebyshev nodes; relative error 2e-8
  private static final float C1 = 0.6931472f;
  private static final float C2 = 0.2402265f;
  private static final float C3 = 0.05550327f;
  private static final float C4 = 0.009618057f;
  private static final float C5 = 0.0013400428f;
  private static final float C6 = 1.5461445E-4f;

  private static final VectorShuffle<Float> BY_8 = turn(8);
  private static final VectorShuffle<Float> BY_4 = turn(4);
  private static final VectorShuffle<Float> BY_2 = turn(2);
  private static final VectorShuffle<Float> BY_1 = turn(1);

  private VectorMath() {}

  /**
   * The sum of the lanes, always in the same order: the API leaves the order of its own reduction
   * to the compiler, so that the last bit of a result changes when a method is compiled.
   */
  static float sum(FloatVector v) {
    FloatVector s = v;
    if (LANES > 8) {
      s = s.add(s.rearrange(BY_8));
    }
    if (LANES > 4) {
      s = s.add(s.rearrange(BY_4));
    }
    s = s.add(s.rearrange(BY_2));
    s = s.add(s.rearrange(BY_1));
    return s.lane(0);
  }

  private static VectorShuffle<Float> turn(int lanes) {
    return VectorShuffle.fromOp(FLOATS, i -> (i + lanes) % LANES);
  }

  /** {@code 2^x} within 2e-7 of it; below -126 as at -126, and x must not be above 127. */
  static FloatVector exp2(FloatVector x) {
    FloatVector bounded = x.blend(-126f, x.compare(VectorOperators.LT, -126f));
    FloatVector rounded = bounded.add(ROUNDER);
    FloatVector f = bounded.sub(rounded.sub(ROUNDER));
    FloatVector p = f.mul(C6).add(C5);
    p = p.fma(f, FloatVector.broadcast(FLOATS, C4));
    p = p.fma(f, FloatVector.broadcast(FLOATS, C3));
    p = p.fma(f, FloatVector.broadcast(FLOATS, C2));
    p = p.fma(f, FloatVector.broadcast(FLOATS, C1));
    p = p.fma(f, FloatVector.broadcast(FLOATS, 1f));
    IntVector power = rounded.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23);
    return p.reinterpretAsInts().add(power).reinterpretAsFloats();
  }

  /** The largest of {@code count} numbers, and of {@code start}. */
  static float max(float[] x, int at, int count, float start) {
    // four at once, since one alone would wait for itself
    FloatVector max0 = FloatVector.broadcast(FLOATS, start);
    FloatVector max1 = max0;
    FloatVector max2 = max0;
    FloatVector max3 = max0;
    int i = 0;
    for (; i + 4 * LANES <= count; i += 4 * LANES) {
      FloatVector v0 = FloatVector.fromArray(FLOATS, x, at + i);
      FloatVector v1 = FloatVector.fromArray(FLOATS, x, at + i + LANES);
      FloatVector v2 = FloatVector.fromArray(FLOATS, x, at + i + 2 * LANES);
      FloatVector v3 = FloatVector.fromArray(FLOATS, x, at + i + 3 * LANES);
      max0 = max0.blend(v0, v0.compare(VectorOperators.GT, max0));
      max1 = max1.blend(v1, v1.compare(VectorOperators.GT, max1));
      max2 = max2.blend(v2, v2.compare(VectorOperators.GT, max2));
      max3 = max3.blend(v3, v3.compare(VectorOperators.GT, max3));
    }
    max0 = max0.blend(max1, max1.compare(VectorOperators.GT, max0));
    max2 = max2.blend(max3, max3.compare(VectorOperators.GT, max2));
    for (; i + LANES <= count; i += LANES) {
      FloatVector v = FloatVector.fromArray(FLOATS, x, at + i);
      max0 = max0.blend(v, v.compare(VectorOperators.GT, max0));
    }
    float result = max0.max(max2).reduceLanes(VectorOperators.MAX);
    for (; i < count; i++) {
      result = Math.max(result, x[at + i]);
    }
    return result;
  }

  /**
   * {@code x = 2^(x - max)} in place, and their sum; reads and writes whole vectors, the numbers
   * past {@code count} become 0.
   */
  static float exp2Sum(float[] x, int at, int count, float max) {
    FloatVector sum = FloatVector.zero(FLOATS);
    int whole = FLOATS.loopBound(count);
    for (int i = 0; i < whole; i += LANES) {
      FloatVector v = exp2(FloatVector.fromArray(FLOATS, x, at + i).sub(max));
      v.intoArray(x, at + i);
      sum = sum.add(v);
    }
    // a number, not a vector, is what the two ways have in common: a vector would be made an object
    float result = sum(sum);
    if (whole < count) {
      VectorMask<Float> there = FLOATS.indexInRange(0, count - whole);
      FloatVector v = exp2(FloatVector.fromArray(FLOATS, x, at + whole).sub(max));
      v = FloatVector.zero(FLOATS).blend(v, there);
      v.intoArray(x, at + whole);
      result += sum(v);
    }
    return result;
  }

  /** The sum of squares of {@code count} numbers. */
  static float squares(float[] x, int at, int count) {
    FloatVector sum0 = FloatVector.zero(FLOATS);
    FloatVector sum1 = FloatVector.zero(FLOATS);
    int i = 0;
    for (; i + 2 * LANES <= count; i += 2 * LANES) {
      FloatVector v0 = FloatVector.fromArray(FLOATS, x, at + i);
      FloatVector v1 = FloatVector.fromArray(FLOATS, x, at + i + LANES);
      sum0 = v0.fma(v0, sum0);
      sum1 = v1.fma(v1, sum1);
    }
    float result = sum(sum0.add(sum1));
    for (; i < count; i++) {
      result += x[at + i] * x[at + i];
    }
    return result;
  }

  /** {@code x *= factor}. */
  static void scale(float[] x, int at, int count, float factor) {
    scale(x, at, count, factor, x, at);
  }

  /** {@code y = x * factor}. */
  static void scale(float[] x, int at, int count, float factor, float[] y, int yAt) {
    int whole = FLOATS.loopBound(count);
    for (int i = 0; i < whole; i += LANES) {
      FloatVector.fromArray(FLOATS, x, at + i).mul(factor).intoArray(y, yAt + i);
    }
    for (int i = whole; i < count; i++) {
      y[yAt + i] = x[at + i] * factor;
    }
  }

  /** {@code y = x * factor * weight}. */
  static void scale(
      float[] x, int at, int count, float factor, float[] weight, float[] y, int yAt) {
    int whole = FLOATS.loopBound(count);
    for (int i = 0; i < whole; i += LANES) {
      FloatVector v = FloatVector.fromArray(FLOATS, x, at + i).mul(factor);
      v.mul(FloatVector.fromArray(FLOATS, weight, i)).intoArray(y, yAt + i);
    }
    for (int i = whole; i < count; i++) {
      y[yAt + i] = x[at + i] * factor * weight[i];
    }
  }

  /** {@code x += y} over {@code [from, to)}. */
  static void add(float[] x, float[] y, int from, int to) {
    int i = from;
    for (; i + LANES <= to; i += LANES) {
      FloatVector sum = FloatVector.fromArray(FLOATS, x, i);
      sum.add(FloatVector.fromArray(FLOATS, y, i)).intoArray(x, i);
    }
    for (; i < to; i++) {
      x[i] += y[i];
    }
  }

  /** {@code y += x}, x being floats outside the heap from number {@code from} on. */
  static void addFrom(MemorySegment x, long from, int count, float[] y, int at) {
    int whole = FLOATS.loopBound(count);
    for (int i = 0; i < whole; i += LANES) {
      long offset = (from + i) * Float.BYTES;
      FloatVector.fromMemorySegment(FLOATS, x, offset, ByteOrder.nativeOrder())
          .add(FloatVector.fromArray(FLOATS, y, at + i))
          .intoArray(y, at + i);
    }
    for (int i = whole; i < count; i++) {
      y[at + i] += x.getAtIndex(ValueLayout.JAVA_FLOAT, from + i);
    }
  }

  /** {@code gate = silu(gate) * up} over {@code [from, to)}. */
  static void siluMultiply(float[] gate, float[] up, int from, int to) {
    int i = from;
    for (; i + LANES <= to; i += LANES) {
      silu(FloatVector.fromArray(FLOATS, gate, i))
          .mul(FloatVector.fromArray(FLOATS, up, i))
          .intoArray(gate, i);
    }
    if (i < to) {
      VectorMask<Float> there = FLOATS.indexInRange(0, to - i);
      silu(FloatVector.fromArray(FLOATS, gate, i, there))
          .mul(FloatVector.fromArray(FLOATS, up, i, there))
          .intoArray(gate, i, there);
    }
  }

  /** {@code x / (1 + e^-x)}; for large negative numbers, where e^-x is too large, about 0. */
  static FloatVector silu(FloatVector x) {
    FloatVector power = x.mul(-LOG2_E);
    power = power.blend(126f, power.compare(VectorOperators.GT, 126f));
    return x.div(exp2(power).add(1f));
  }

  /** Rotates one head in place: {@code half} pairs by the angles from {@code table} on. */
  static void rotate(float[] x, int at, int half, float[] cos, float[] sin, int table) {
    int whole = FLOATS.loopBound(half);
    for (int d = 0; d < whole; d += LANES) {
      FloatVector a = FloatVector.fromArray(FLOATS, x, at + d);
      FloatVector b = FloatVector.fromArray(FLOATS, x, at + half + d);
      FloatVector c = FloatVector.fromArray(FLOATS, cos, table + d);
      FloatVector s = FloatVector.fromArray(FLOATS, sin, table + d);
      a.mul(c).sub(b.mul(s)).intoArray(x, at + d);
      a.mul(s).add(b.mul(c)).intoArray(x, at + half + d);
    }
    for (int d = whole; d < half; d++) {
      float a = x[at + d];
      float b = x[at + half + d];
      x[at + d] = a * cos[table + d] - b * sin[table + d];
      x[at + half + d] = a * sin[table + d] + b * cos[table + d];
    }
  }

  /** {@code a · b} over {@code count} numbers. */
  static float dot(float[] a, int aAt, float[] b, int bAt, int count) {
    FloatVector sum0 = FloatVector.zero(FLOATS);
    FloatVector sum1 = FloatVector.zero(FLOATS);
    int i = 0;
    for (; i + 2 * LANES <= count; i += 2 * LANES) {
      FloatVector a0 = FloatVector.fromArray(FLOATS, a, aAt + i);
      FloatVector a1 = FloatVector.fromArray(FLOATS, a, aAt + i + LANES);
      sum0 = a0.fma(FloatVector.fromArray(FLOATS, b, bAt + i), sum0);
      sum1 = a1.fma(FloatVector.fromArray(FLOATS, b, bAt + i + LANES), sum1);
    }
    float result = sum(sum0.add(sum1));
    for (; i < count; i++) {
      result += a[aAt + i] * b[bAt + i];
    }
    return result;
  }

  /** {@code x += y * factor} over {@code count} numbers. */
  static void addScaled(float[] x, int at, float[] y, int yAt, int count, float factor) {
    int whole = FLOATS.loopBound(count);
    FloatVector f = FloatVector.broadcast(FLOATS, factor);
    for (int i = 0; i < whole; i += LANES) {
      FloatVector v = FloatVector.fromArray(FLOATS, y, yAt + i);
      v.fma(f, FloatVector.fromArray(FLOATS, x, at + i)).intoArray(x, at + i);
    }
    for (int i = whole; i < count; i++) {
      x[at + i] += y[yAt + i] * factor;
    }
  }
}
