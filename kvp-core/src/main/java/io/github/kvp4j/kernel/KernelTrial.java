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
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Locale;
import java.util.Random;

/** Tries oneDNN on a small product before it is trusted with a prompt. */
final class KernelTrial {
  private static final int ROWS = 96;
  private static final int OUTPUTS = 256;
  private static final int INPUTS = 320;

  /** How long each kind is timed: long enough for the compiler to get at the vector kernels. */
  private static final long TRIAL_NANOS = 300_000_000L;

  private KernelTrial() {}

  /** Why oneDNN is not the better choice, or an empty text. */
  static String inferior(OneDnnKernels oneDnn, VectorKernels vector) {
    if (!oneDnn.mayBeFast()) {
      return "the processor has no bfloat16 products";
    }
    String wrong = wrong(oneDnn);
    if (!wrong.isEmpty()) {
      return wrong;
    }
    double with = bestNanos(oneDnn);
    double without = bestNanos(vector);
    return with < without
        ? ""
        : String.format(
            Locale.ROOT,
            "it was slower in a trial, %.0f us against %.0f us",
            with / 1000,
            without / 1000);
  }

  /** In what oneDNN errs, or an empty text. */
  static String wrong(OneDnnKernels oneDnn) {
    try (Arena arena = Arena.ofShared()) {
      Case trial = new Case(arena);
      float[] actual = trial.run(oneDnn);
      for (int i = 0; i < ROWS; i += 7) {
        for (int n = 0; n < OUTPUTS; n += 5) {
          double sum = 0;
          double magnitude = 0;
          for (int p = 0; p < INPUTS; p++) {
            double product = (double) trial.x[i * INPUTS + p] * trial.w.get(n, p);
            sum += product;
            magnitude += Math.abs(product);
          }
          // a source number rounded to 8 bits is off by 2^-9 of it at most
          double bound = magnitude / 256;
          float found = actual[i * OUTPUTS + n];
          if (!(Math.abs(found - sum) <= bound)) {
            return "it computes " + found + " where " + (float) sum + " is right";
          }
        }
      }
      return "";
    }
  }

  private static double bestNanos(Kernels kernels) {
    try (Arena arena = Arena.ofShared()) {
      Case trial = new Case(arena);
      long best = Long.MAX_VALUE;
      long end = System.nanoTime() + TRIAL_NANOS;
      for (long now = System.nanoTime(); now < end; ) {
        trial.run(kernels);
        long then = System.nanoTime();
        best = Math.min(best, then - now);
        now = then;
      }
      return best;
    }
  }

  /** A product with random numbers. */
  private static final class Case {
    final Weight w;
    final float[] x = new float[ROWS * INPUTS];
    private final float[] y = new float[ROWS * OUTPUTS];

    Case(Arena arena) {
      Random random = new Random(42);
      MemorySegment data = arena.allocate(2L * OUTPUTS * INPUTS, 64);
      for (int i = 0; i < OUTPUTS * INPUTS; i++) {
        data.setAtIndex(ValueLayout.JAVA_SHORT, i, Bfloat16.round(random.nextFloat() - 0.5f));
      }
      w = new Weight(WeightType.BF16, OUTPUTS, INPUTS, data, null);
      for (int i = 0; i < x.length; i++) {
        x[i] = random.nextFloat() - 0.5f;
      }
    }

    float[] run(Kernels kernels) {
      kernels.gemm(ROWS, x, 0, INPUTS, w, null, y, 0, OUTPUTS, false);
      return y;
    }
  }
}
