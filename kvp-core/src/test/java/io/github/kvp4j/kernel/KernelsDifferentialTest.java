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

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.kvp4j.model.RopeTable;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.model.WeightType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Holds every implementation of {@link Kernels} against {@link ScalarKernels}. */
class KernelsDifferentialTest {
  /** m, n, k. */
  private static final int[][] SIZES = {
    {1, 1, 1},
    {1, 1, 64},
    {6, 64, 32},
    {6, 64, 64},
    {7, 65, 33},
    {2, 3, 5},
    {13, 17, 19},
    {31, 37, 41},
    {1, 576, 576},
    {1, 97, 1031},
    {3, 100, 96},
    {4, 64, 128},
    {5, 7, 800},
    {8, 50, 160},
    {9, 1, 64},
    {9, 16, 31},
    {12, 33, 769},
    {64, 192, 576},
    {101, 103, 107},
    {97, 63, 1600},
    {200, 40, 48},
    {33, 130, 2048},
    {10, 321, 15},
    {193, 129, 65},
    {300, 64, 96},
    {700, 70, 96},
    {1025, 33, 64}
  };

  /**
   * An implementation under test.
   *
   * @param rounding the relative error of a source number that the implementation rounds before it
   *     multiplies: 2^-9 for bfloat16, whose significand has 8 bits, half a unit being 2^-9
   */
  record Engine(Kernels kernels, int threads, double rounding) {
    @Override
    public String toString() {
      return kernels.name() + " on " + threads;
    }
  }

  /** Every implementation there is on this machine. */
  static List<Engine> engines() {
    List<Engine> engines = new ArrayList<>();
    for (int threads = 1; threads <= 3; threads++) {
      engines.add(new Engine(new VectorKernels(new Workers(threads)), threads, 0));
    }
    try {
      for (int threads = 1; threads <= 2; threads++) {
        engines.add(new Engine(OneDnnKernels.load(new Workers(threads)), threads, 0x1p-9));
      }
    } catch (UnsupportedOperationException e) {
      // the library is optional
      assertFalse(Boolean.getBoolean("kvp.test.onednn"), e::getMessage);
    }
    return engines;
  }

  @ParameterizedTest
  @MethodSource("engines")
  void gemmAgreesForEverySizeAndType(Engine engine) {
    int seed = 0;
    for (int[] size : SIZES) {
      for (WeightType type : WeightType.values()) {
        int k = type.isBlockQuantised() ? (size[2] + 31) / 32 * 32 : size[2];
        try (Arena arena = Arena.ofShared()) {
          boolean mapped = seed % 2 == 0 || engine.rounding > 0;
          gemm(engine, size[0], size[1], k, type, seed, mapped ? arena : null);
        }
        seed++;
      }
    }
    assertTrue(seed >= 100, "seeds: " + seed);
  }

  private static void gemm(
      Engine engine, int m, int n, int k, WeightType type, int seed, @Nullable Arena arena) {
    Random random = new Random(seed);
    int xOffset = random.nextInt(5);
    int yOffset = random.nextInt(5);
    int xStride = k + random.nextInt(3);
    int yStride = n + random.nextInt(3);
    Weight w = RandomWeights.of(random, type, n, k, arena);
    float[] bias = random.nextInt(2) == 0 ? null : RandomWeights.floats(random, n);
    boolean accumulate = random.nextInt(2) == 0;
    float[] x = RandomWeights.floats(random, xOffset + (m - 1) * xStride + k);
    float[] y = RandomWeights.floats(random, yOffset + (m - 1) * yStride + n);
    float[] expected = y.clone();
    new ScalarKernels()
        .gemm(m, x, xOffset, xStride, w, bias, expected, yOffset, yStride, accumulate);
    float[] actual = y.clone();
    engine.kernels.gemm(m, x, xOffset, xStride, w, bias, actual, yOffset, yStride, accumulate);

    // what no row of y covers must be as it was
    float[] outside = actual.clone();
    double rounding = type == WeightType.BF16 ? engine.rounding : 0;
    for (int i = 0; i < m; i++) {
      for (int j = 0; j < n; j++) {
        int at = yOffset + i * yStride + j;
        double magnitude = 1;
        for (int p = 0; p < k; p++) {
          magnitude += Math.abs(x[xOffset + i * xStride + p] * (double) w.get(j, p));
        }
        double tolerance = (1e-6 + rounding) * magnitude;
        assertEquals(
            expected[at],
            actual[at],
            tolerance,
            () -> engine + ": " + m + " x " + n + " x " + k + " " + type + ", seed " + seed);
        outside[at] = y[at];
      }
    }
    assertArrayEquals(y, outside, "wrote outside of the result");
  }

  @ParameterizedTest
  @MethodSource("engines")
  void gemmReadsHalfPrecisionToTheLastBit(Engine engine) {
    // every number of half precision that is not NaN, times 1
    short[] all = new short[1 << 16];
    int count = 0;
    for (int bits = 0; bits < 1 << 16; bits++) {
      if (!Float.isNaN(Float.float16ToFloat((short) bits))) {
        all[count++] = (short) bits;
      }
    }
    byte[] data = new byte[count * 2];
    for (int i = 0; i < count; i++) {
      data[2 * i] = (byte) all[i];
      data[2 * i + 1] = (byte) (all[i] >> 8);
    }
    Weight w = new Weight(WeightType.F16, count, 1, MemorySegment.ofArray(data), null);
    for (int m : new int[] {1, 16}) {
      float[] x = new float[m];
      Arrays.fill(x, 1);
      float[] y = new float[m * count];
      engine.kernels.gemm(m, x, 0, 1, w, null, y, 0, count, false);
      for (int i = 0; i < count; i++) {
        // -0 becomes 0 in a sum
        assertEquals(Float.float16ToFloat(all[i]) + 0f, y[(m - 1) * count + i], "" + all[i]);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("engines")
  void attentionAgrees(Engine engine) {
    int seed = 0;
    for (int group = 1; group <= 4; group++) {
      for (int headSize : new int[] {8, 64, 80, 128}) {
        for (int m : new int[] {1, 2, 7, 33}) {
          Random random = new Random(seed++);
          attention(engine, random, m, 1 + random.nextInt(3), group, headSize, 1, 300);
        }
      }
    }
    attention(engine, new Random(1000), 300, 3, 3, 64, 1, 300);
    attention(engine, new Random(1001), 97, 2, 4, 64, 1, 1300);
    attention(engine, new Random(1002), 40, 1, 7, 36, 1, 700);
    // scores far apart: one key takes all
    attention(engine, new Random(1003), 40, 1, 2, 64, 30, 700);
  }

  private static void attention(
      Engine engine,
      Random random,
      int m,
      int kvHeads,
      int group,
      int headSize,
      float spread,
      int most) {
    int[] positions = positions(random, m, most);
    int keys = positions[m - 1] + 1;
    int heads = kvHeads * group;
    float[] q = RandomWeights.floats(random, m * heads * headSize);
    float[] k = RandomWeights.floats(random, keys * kvHeads * headSize);
    float[] v = RandomWeights.floats(random, keys * kvHeads * headSize);
    for (int i = 0; i < q.length; i++) {
      q[i] *= spread;
    }
    float scale = (float) (1 / Math.sqrt(headSize));
    float[] expected = new float[q.length];
    new ScalarKernels().attention(m, q, positions, k, v, heads, kvHeads, headSize, scale, expected);
    float[] actual = new float[q.length];
    Arrays.fill(actual, Float.NaN);
    engine.kernels.attention(m, q, positions, k, v, heads, kvHeads, headSize, scale, actual);
    assertArrayEquals(
        expected,
        actual,
        1e-5f * Math.max(1, spread),
        () -> engine + ": " + Arrays.toString(positions) + " " + heads + "/" + kvHeads);

    // the same softmax, summed up by key; the first query is left to the offset
    int first = m / 2;
    int[] queries = Arrays.copyOfRange(positions, first, m);
    int at = first * heads * headSize;
    float[] received = RandomWeights.floats(random, keys);
    float[] more = received.clone();
    new ScalarKernels()
        .attentionMass(m - first, q, at, queries, k, heads, kvHeads, headSize, scale, received);
    engine.kernels.attentionMass(
        m - first, q, at, queries, k, heads, kvHeads, headSize, scale, more);
    assertArrayEquals(
        received,
        more,
        1e-5f * Math.max(1, spread) * (m - first) * heads,
        () -> engine + ", mass: " + Arrays.toString(queries) + " " + heads + "/" + kvHeads);
  }

  /** Ascending positions: a run, anchors before a run, or scattered. */
  private static int[] positions(Random random, int m, int most) {
    int[] positions = new int[m];
    int kind = random.nextInt(3);
    int start = kind == 2 || m >= most ? 0 : random.nextInt(most - m + 1);
    for (int i = 0; i < m; i++) {
      if (kind == 0) {
        positions[i] = start + i;
      } else if (kind == 1) {
        positions[i] = i < m / 4 ? i : start + i;
      } else {
        positions[i] = (i == 0 ? 0 : positions[i - 1] + 1) + random.nextInt(1 + most / m / 2);
      }
    }
    return positions;
  }

  @ParameterizedTest
  @MethodSource("engines")
  void normsAgree(Engine engine) {
    for (int seed = 0; seed < 40; seed++) {
      Random random = new Random(seed);
      int m = 1 + random.nextInt(80);
      int columns = 1 + random.nextInt(1200);
      int xOffset = random.nextInt(4);
      int yOffset = random.nextInt(4);
      float[] x = RandomWeights.floats(random, xOffset + m * columns);
      float[] weight = seed % 3 == 0 ? null : RandomWeights.floats(random, columns);
      float[] expected = new float[yOffset + m * columns];
      float[] actual = expected.clone();
      new ScalarKernels().rmsNorm(m, columns, x, xOffset, weight, 1e-5f, expected, yOffset);
      engine.kernels.rmsNorm(m, columns, x, xOffset, weight, 1e-5f, actual, yOffset);
      assertArrayEquals(expected, actual, 4e-6f, () -> engine + " " + m + " x " + columns);
      // in place
      engine.kernels.rmsNorm(m, columns, x, xOffset, weight, 1e-5f, x, xOffset);
      assertArrayEquals(
          Arrays.copyOfRange(actual, yOffset, actual.length),
          Arrays.copyOfRange(x, xOffset, x.length));
    }
  }

  @ParameterizedTest
  @MethodSource("engines")
  void rotationAgrees(Engine engine) {
    int seed = 0;
    for (int half : new int[] {1, 3, 4, 16, 17, 32, 40, 64}) {
      for (int m : new int[] {1, 5, 160}) {
        Random random = new Random(seed++);
        int heads = 1 + random.nextInt(9);
        int offset = random.nextInt(4);
        int stride = heads * 2 * half + random.nextInt(4);
        RopeTable rope = RopeTable.of(2 * half, 400, 10000, 1);
        int[] positions = positions(random, m, 300);
        float[] x = RandomWeights.floats(random, offset + m * stride);
        float[] expected = x.clone();
        new ScalarKernels().rotate(m, heads, expected, offset, stride, positions, rope);
        engine.kernels.rotate(m, heads, x, offset, stride, positions, rope);
        assertArrayEquals(expected, x, 1e-6f, () -> engine + " half " + half + ", rows " + m);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("engines")
  void siluAndAddAgree(Engine engine) {
    for (int n : new int[] {1, 2, 15, 16, 17, 31, 1000, 65535, 200_003}) {
      Random random = new Random(n);
      float[] gate = RandomWeights.floats(random, n + 3);
      for (int i = 0; i < n; i++) {
        gate[i] *= i % 5 == 0 ? 120 : 8;
      }
      float[] up = RandomWeights.floats(random, n + 3);
      float[] expected = gate.clone();
      float[] actual = gate.clone();
      new ScalarKernels().siluMultiply(n, expected, up);
      engine.kernels.siluMultiply(n, actual, up);
      for (int i = 0; i < expected.length; i++) {
        double tolerance = 1e-6 + 2e-6 * Math.abs(expected[i]);
        assertEquals(expected[i], actual[i], tolerance, engine + " at " + i + " of " + n);
      }
      engine.kernels.add(n, actual, up);
      new ScalarKernels().add(n, expected, up);
      assertEquals(expected[n - 1], actual[n - 1], 1e-3);
      assertEquals(expected[n], actual[n], "add wrote past the end");
    }
  }

  @ParameterizedTest
  @MethodSource("engines")
  void feedForwardAgrees(Engine engine) {
    int[][] sizes = {{1, 32, 48}, {16, 576, 1536}, {33, 130, 250}, {200, 96, 400}, {513, 64, 512}};
    int seed = 0;
    for (int[] size : sizes) {
      for (WeightType type : List.of(WeightType.F32, WeightType.BF16)) {
        Random random = new Random(seed++);
        int m = size[0];
        int hidden = size[1];
        int inner = size[2];
        try (Arena arena = Arena.ofShared()) {
          Weight gate = RandomWeights.of(random, type, inner, hidden, arena);
          Weight up = RandomWeights.of(random, type, inner, hidden, arena);
          Weight down = RandomWeights.of(random, type, hidden, inner, arena);
          float[] normed = RandomWeights.floats(random, m * hidden);
          float[] before = RandomWeights.floats(random, 3 + m * hidden + 2);
          float[] expected = before.clone();
          float[] actual = before.clone();
          float[] gated = new float[m * inner];
          float[] raised = new float[m * inner];
          new ScalarKernels().feedForward(m, normed, gate, up, down, expected, 3, gated, raised);
          // what the oracle leaves in gated are the inner numbers
          double largest = 0;
          for (int i = 0; i < m * inner; i++) {
            largest = Math.max(largest, Math.abs(gated[i]));
          }
          float[] inners = gated.clone();
          engine.kernels.feedForward(m, normed, gate, up, down, actual, 3, gated, raised);
          double rounding = type == WeightType.BF16 ? engine.rounding : 0;
          for (int i = 0; i < m; i++) {
            for (int j = 0; j < hidden; j++) {
              double magnitude = 1;
              for (int p = 0; p < inner; p++) {
                magnitude += Math.abs(inners[i * inner + p] * (double) down.get(j, p));
              }
              // rounded twice: before the first products and before the last; the error of an inner
              // number is bounded by its own two factors' and taken here as that of the largest
              double tolerance =
                  (2e-6 + rounding) * magnitude + 4 * rounding * largest * Math.sqrt(inner);
              int at = 3 + i * hidden + j;
              assertEquals(expected[at], actual[at], tolerance, () -> engine + ": " + m);
            }
          }
          assertEquals(before[2], actual[2], "wrote before the result");
          assertEquals(before[before.length - 1], actual[before.length - 1], "wrote past the end");
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("engines")
  void callersDoNotDisturbEachOther(Engine engine) {
    Random random = new Random(7);
    Weight w = RandomWeights.of(random, WeightType.BF16, 200, 320, Arena.ofAuto());
    float[] x = RandomWeights.floats(random, 130 * 320);
    float[] expected = new float[130 * 200];
    engine.kernels.gemm(130, x, 0, 320, w, null, expected, 0, 200, false);
    List<CompletableFuture<float[]>> calls = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      calls.add(
          CompletableFuture.supplyAsync(() -> {
            float[] y = new float[130 * 200];
            for (int repeat = 0; repeat < 20; repeat++) {
              Arrays.fill(y, -1);
              engine.kernels.gemm(130, x, 0, 320, w, null, y, 0, 200, false);
            }
            return y;
          }));
    }
    for (CompletableFuture<float[]> call : calls) {
      assertArrayEquals(expected, call.join());
    }
  }

  @Test
  void theNumberOfThreadsChangesNoBit() {
    Random random = new Random(8);
    Weight w = RandomWeights.of(random, WeightType.Q4, 192, 1600, null);
    float[] x = RandomWeights.floats(random, 300 * 1600);
    float[] bias = RandomWeights.floats(random, 192);
    int[] positions = positions(random, 300, 600);
    float[] kv = RandomWeights.floats(random, (positions[299] + 1) * 64);
    float[] y = null;
    float[] a = null;
    for (int threads : new int[] {1, 2, 5}) {
      Kernels kernels = new VectorKernels(new Workers(threads));
      float[] thisY = new float[300 * 192];
      kernels.gemm(300, x, 0, 1600, w, bias, thisY, 0, 192, false);
      float[] thisA = new float[300 * 192];
      kernels.attention(300, thisY, positions, kv, kv, 3, 1, 64, 0.125f, thisA);
      if (y != null && a != null) {
        assertArrayEquals(y, thisY);
        assertArrayEquals(a, thisA);
      }
      y = thisY;
      a = thisA;
    }
  }
}
