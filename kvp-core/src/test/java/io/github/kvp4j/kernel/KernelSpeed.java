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

import io.github.kvp4j.model.Weight;
import io.github.kvp4j.model.WeightType;
import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Measures the kernels: {@code KernelSpeed [gemm] [attention] [small] [onednn]}, everything when
 * nothing is named. A number is GFLOP/s: the best and the median of the repeats.
 */
public final class KernelSpeed {
  private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
  private static final ThreadMXBean CLOCK = ManagementFactory.getThreadMXBean();
  private static double peak;
  private static float sink;

  private KernelSpeed() {}

  /** Measures what the arguments name. */
  public static void main(String[] args) {
    peak = peak();
    System.out.printf("peak of one core: %.0f GFLOP/s, %s%n", peak, FLOATS);
    for (int threads : new int[] {1, 2}) {
      Kernels kernels =
          Arrays.asList(args).contains("onednn")
              ? OneDnnKernels.load(new Workers(threads))
              : new VectorKernels(new Workers(threads));
      if (wants(args, "gemm")) {
        int[][] shapes = {
          {512, 576, 576}, {512, 192, 576}, {512, 1536, 576}, {512, 576, 1536},
          {512, 2048, 2048}, {512, 256, 2048}, {512, 5632, 2048}, {512, 2048, 5632}
        };
        for (int[] shape : shapes) {
          gemm(kernels, threads, shape[0], shape[1], shape[2], WeightType.BF16);
        }
        for (WeightType type : WeightType.values()) {
          gemm(kernels, threads, 512, 2048, 2048, type);
        }
      }
      if (wants(args, "small")) {
        for (int m : new int[] {1, 2, 4, 8, 9, 12, 16, 24, 32, 64, 128}) {
          gemm(kernels, threads, m, 1536, 576, WeightType.BF16);
        }
        gemm(kernels, threads, 1, 49152, 576, WeightType.BF16);
        gemm(kernels, threads, 1, 32000, 2048, WeightType.BF16);
        gemm(kernels, threads, 1, 32000, 2048, WeightType.Q4);
      }
      if (wants(args, "attention")) {
        attention(kernels, threads, 512, 512, 9, 3, 64);
        attention(kernels, threads, 2048, 2048, 9, 3, 64);
        attention(kernels, threads, 2048, 2048, 32, 4, 64);
        attention(kernels, threads, 32, 2048, 9, 3, 64);
        attention(kernels, threads, 1, 2048, 9, 3, 64);
      }
    }
    if (sink == 42) {
      System.out.println();
    }
  }

  private static boolean wants(String[] args, String name) {
    List<String> names = Arrays.asList(args);
    boolean isAll = names.isEmpty() || names.equals(List.of("onednn"));
    return isAll || names.contains(name);
  }

  private static void gemm(Kernels kernels, int threads, int m, int n, int k, WeightType type) {
    Random random = new Random(1);
    try (Arena arena = Arena.ofShared()) {
      Weight w = RandomWeights.of(random, type, n, k, arena);
      float[] x = RandomWeights.floats(random, m * k);
      float[] y = new float[m * n];
      double flops = 2.0 * m * n * k;
      report(
          String.format("%s x%d gemm %d x %d x %d %s", kernels.name(), threads, m, n, k, type),
          threads,
          flops,
          w.data().byteSize(),
          () -> kernels.gemm(m, x, 0, k, w, null, y, 0, n, false));
      sink += y[0];
    }
  }

  private static void attention(
      Kernels kernels, int threads, int m, int keys, int heads, int kvHeads, int headSize) {
    Random random = new Random(1);
    float[] q = RandomWeights.floats(random, m * heads * headSize);
    float[] k = RandomWeights.floats(random, keys * kvHeads * headSize);
    float[] v = RandomWeights.floats(random, keys * kvHeads * headSize);
    float[] out = new float[q.length];
    int[] positions = new int[m];
    double seen = 0;
    for (int i = 0; i < m; i++) {
      positions[i] = keys - m + i;
      seen += positions[i] + 1;
    }
    report(
        String.format(
            "%s x%d attention %d of %d, %d/%d x %d",
            kernels.name(), threads, m, keys, heads, kvHeads, headSize),
        threads,
        4.0 * seen * heads * headSize,
        8L * k.length,
        () -> kernels.attention(m, q, positions, k, v, heads, kvHeads, headSize, 0.125f, out));
    sink += out[0];
  }

  private static void report(String what, int threads, double flops, long bytes, Runnable run) {
    // warm up for half a second, then measure for a second and a half
    long end = System.nanoTime() + 500_000_000L;
    while (System.nanoTime() < end) {
      run.run();
    }
    int batch = (int) Math.max(1, 5e7 / flops);
    double[] nanos = new double[1000];
    int count = 0;
    end = System.nanoTime() + 1_500_000_000L;
    while (count < 5 || (System.nanoTime() < end && count < nanos.length)) {
      long start = now(threads);
      for (int i = 0; i < batch; i++) {
        run.run();
      }
      nanos[count++] = (double) (now(threads) - start) / batch;
    }
    Arrays.sort(nanos, 0, count);
    double best = nanos[0];
    double median = nanos[count / 2];
    System.out.printf(
        "%-48s best %7.1f median %7.1f GFLOP/s, %4.0f%% / %4.0f%% of %d cores, %9.1f us, %5.1f"
            + " GB/s%n",
        what,
        flops / best,
        flops / median,
        100 * flops / best / peak / threads,
        100 * flops / median / peak / threads,
        threads,
        best / 1000,
        bytes / best);
  }

  /** Time on the core for one thread, which other processes disturb less; else time on the wall. */
  private static long now(int threads) {
    return threads == 1 ? CLOCK.getCurrentThreadCpuTime() : System.nanoTime();
  }

  /**
   * What one core can do: twelve chains of fused multiply-adds that touch no memory. Many short
   * calls, so that the method is compiled as a whole and not, worse, from within its loop; and time
   * on the core, as for the kernels.
   */
  private static double peak() {
    int rounds = 50_000;
    double best = 0;
    for (int repeat = 0; repeat < 20_000; repeat++) {
      long start = now(1);
      sink += chains(rounds, repeat);
      best = Math.max(best, 2.0 * 12 * FLOATS.length() * rounds / (now(1) - start));
    }
    return best;
  }

  private static float chains(int rounds, float seed) {
    FloatVector a = FloatVector.broadcast(FLOATS, seed);
    FloatVector b = FloatVector.broadcast(FLOATS, 0.999f);
    FloatVector c0 = a.add(0);
    FloatVector c1 = a.add(1);
    FloatVector c2 = a.add(2);
    FloatVector c3 = a.add(3);
    FloatVector c4 = a.add(4);
    FloatVector c5 = a.add(5);
    FloatVector c6 = a.add(6);
    FloatVector c7 = a.add(7);
    FloatVector c8 = a.add(8);
    FloatVector c9 = a.add(9);
    FloatVector c10 = a.add(10);
    FloatVector c11 = a.add(11);
    for (int i = 0; i < rounds; i++) {
      c0 = c0.fma(b, a);
      c1 = c1.fma(b, a);
      c2 = c2.fma(b, a);
      c3 = c3.fma(b, a);
      c4 = c4.fma(b, a);
      c5 = c5.fma(b, a);
      c6 = c6.fma(b, a);
      c7 = c7.fma(b, a);
      c8 = c8.fma(b, a);
      c9 = c9.fma(b, a);
      c10 = c10.fma(b, a);
      c11 = c11.fma(b, a);
    }
    c0 = c0.add(c1).add(c2).add(c3).add(c4).add(c5);
    c6 = c6.add(c7).add(c8).add(c9).add(c10).add(c11);
    return c0.add(c6).reduceLanes(VectorOperators.ADD);
  }
}
