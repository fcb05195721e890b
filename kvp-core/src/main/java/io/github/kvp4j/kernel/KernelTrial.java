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

/**
 * Tries oneDNN before it is trusted with a prompt: whether it is right, and whether bfloat16 makes
 * this processor faster.
 *
 * <p>The second is asked of oneDNN alone, one product in both kinds of numbers. A race against the
 * vector kernels would last until these are compiled, which takes more than a second; and their
 * speed is known well enough: some four fifths of the peak of 32-bit floats, as oneDNN's. What
 * processors do with bfloat16 differs far more: of those that have it, one with AMX was five times
 * as fast as with floats, a Zen 4 twice, and an Intel processor without AMX half as fast.
 */
final class KernelTrial {
  private static final int ROWS = 96;
  private static final int OUTPUTS = 256;
  private static final int INPUTS = 320;

  /** The two products are timed so often, in turn. */
  private static final int REPEATS = 15;

  /** What rounding the source and copying the result cost has to come in again. */
  private static final double LEAST_GAIN = 1.2;

  private KernelTrial() {}

  /** Why oneDNN is not the better choice, or an empty text. */
  static String inferior(OneDnnKernels oneDnn) {
    if (!oneDnn.library().mayBeFast()) {
      return "the processor has no bfloat16 products";
    }
    String wrong = wrong(oneDnn);
    if (!wrong.isEmpty()) {
      return wrong;
    }
    double gain = gain(oneDnn.library());
    return gain >= LEAST_GAIN
        ? ""
        : String.format(
            Locale.ROOT,
            "bfloat16 products were %.1f times as fast as those of 32-bit floats in a trial",
            gain);
  }

  /** How many times as fast one thread multiplies bfloat16 as floats. */
  static double gain(OneDnn library) {
    try (Arena arena = Arena.ofShared()) {
      Race floats = new Race(library, OneDnn.Numbers.FLOAT, arena);
      Race bfloat16 = new Race(library, OneDnn.Numbers.BFLOAT16, arena);
      OneDnn.Runner runner = library.runner();
      for (int i = 0; i < REPEATS; i++) {
        floats.run(runner);
        bfloat16.run(runner);
      }
      library.giveBack(runner);
      return (double) floats.best / bfloat16.best;
    }
  }

  /** A product of zeros that is timed. */
  private static final class Race {
    private final OneDnn.Matmul product;
    private final MemorySegment source;
    private final MemorySegment weights;
    private long best = Long.MAX_VALUE;

    Race(OneDnn library, OneDnn.Numbers numbers, Arena arena) {
      OneDnn.Matmul there = library.matmul(numbers, ROWS, OUTPUTS, INPUTS);
      if (there == null) {
        throw new UnsupportedOperationException("it does not multiply " + numbers);
      }
      product = there;
      source = arena.allocate((long) numbers.bytes * ROWS * INPUTS, 64);
      weights = arena.allocate((long) numbers.bytes * OUTPUTS * INPUTS, 64);
    }

    void run(OneDnn.Runner runner) {
      long start = System.nanoTime();
      runner.run(product, source, weights);
      best = Math.min(best, System.nanoTime() - start);
    }
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
