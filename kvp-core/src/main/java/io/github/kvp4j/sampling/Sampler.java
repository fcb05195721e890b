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
package io.github.kvp4j.sampling;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/** Picks a token from logits: greedy, or by temperature, top-k and top-p (nucleus). */
public final class Sampler {
  private final float temperature;
  private final int topK;
  private final float topP;
  private final SplittableRandom random;

  /**
   * A sampler.
   *
   * @param temperature 0 = greedy
   * @param topK how many of the most likely tokens are drawn from, 0 = all
   * @param topP the share of probability that is drawn from, 1 = all
   * @param seed null = a new one
   */
  public Sampler(float temperature, int topK, float topP, @Nullable Long seed) {
    this.temperature = temperature;
    this.topK = topK;
    this.topP = topP;
    this.random = seed == null ? new SplittableRandom() : new SplittableRandom(seed);
  }

  /**
   * Picks one.
   *
   * @param logits {@code [vocabulary]}, not changed
   */
  public int pick(float[] logits) {
    if (temperature == 0 || topK == 1) {
      return argmax(logits);
    }
    float max = logits[argmax(logits)];
    double all = 0;
    int count = logits.length;
    int[] order;
    if (topK == 0 && topP < 1) {
      // all that the nucleus leaves out may weigh 1 - topP; who is below its even share of that is
      // left out for certain, and sorting the few others is a small part of the work
      double[] weights = new double[count];
      for (int i = 0; i < count; i++) {
        weights[i] = Math.exp((logits[i] - max) / temperature);
        all += weights[i];
      }
      double least = (1 - topP) * all / count;
      order = candidates(logits, i -> weights[i] >= least);
    } else {
      order = candidates(logits, i -> true);
    }
    double[] weight = new double[order.length];
    double sorted = 0;
    for (int i = 0; i < order.length; i++) {
      weight[i] = Math.exp((logits[order[i]] - max) / temperature);
      sorted += weight[i];
    }
    all = all == 0 ? sorted : all;
    int kept = 0;
    double sum = 0;
    while (kept < order.length && (kept == 0 || sum < topP * all)) {
      sum += weight[kept++];
    }
    double at = random.nextDouble() * sum;
    for (int i = 0; i < kept; i++) {
      at -= weight[i];
      if (at < 0) {
        return order[i];
      }
    }
    return order[kept - 1];
  }

  /** Those that may be drawn, most likely first: all, or the top k. */
  private int[] candidates(float[] logits, IntPredicate may) {
    long[] order = new long[logits.length]; // the logit, larger first, then the index
    int count = 0;
    for (int i = 0; i < logits.length; i++) {
      if (may.test(i)) {
        int bits = Float.floatToIntBits(logits[i] + 0f); // + 0f: one zero
        int ascending = bits < 0 ? ~bits ^ Integer.MIN_VALUE : bits;
        order[count++] = (long) ~ascending << 32 | i;
      }
    }
    Arrays.sort(order, 0, count);
    int[] out = new int[topK == 0 ? count : Math.min(topK, count)];
    Arrays.setAll(out, i -> (int) order[i]);
    return out;
  }

  /** The index of the largest, the first among equals. */
  public static int argmax(float[] logits) {
    int best = 0;
    for (int i = 1; i < logits.length; i++) {
      if (logits[i] > logits[best]) {
        best = i;
      }
    }
    return best;
  }
}
