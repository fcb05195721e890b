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
package io.github.kvp4j.jlama;

import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Picks a token from logits: greedy, or by temperature, top-k and top-p (nucleus). */
final class Sampler {
  private final float temperature;
  private final int topK;
  private final float topP;
  private final SplittableRandom random;

  Sampler(float temperature, int topK, float topP, @Nullable Long seed) {
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
  int pick(float[] logits) {
    if (temperature == 0 || topK == 1) {
      return argmax(logits);
    }
    int[] order = candidates(logits);
    float max = logits[order[0]];
    double[] weight = new double[order.length];
    double all = 0;
    for (int i = 0; i < order.length; i++) {
      weight[i] = Math.exp((logits[order[i]] - max) / temperature);
      all += weight[i];
    }
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

  /** The candidates, most likely first: all, or the top k. */
  private int[] candidates(float[] logits) {
    int limit = topK == 0 ? logits.length : Math.min(topK, logits.length);
    return IntStream.range(0, logits.length)
        .boxed()
        .sorted((a, b) -> Float.compare(logits[b], logits[a]))
        .limit(limit)
        .mapToInt(Integer::intValue)
        .toArray();
  }

  static int argmax(float[] logits) {
    int best = 0;
    for (int i = 1; i < logits.length; i++) {
      if (logits[i] > logits[best]) {
        best = i;
      }
    }
    return best;
  }
}
