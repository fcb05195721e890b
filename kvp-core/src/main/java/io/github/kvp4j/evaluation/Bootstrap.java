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
package io.github.kvp4j.evaluation;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.DoubleUnaryOperator;

/**
 * A mean over items and its 95 % confidence interval by the percentile bootstrap.
 *
 * @param value the mean, or what is made of it
 * @param low lower end
 * @param high upper end
 */
public record Bootstrap(double value, double low, double high) {
  private static final int RESAMPLES = 1_000;

  /**
   * Resamples.
   *
   * @param values one an item, at least one
   * @param of what is made of the mean; the identity, or rising at least
   * @param seed the same values and seed give the same interval
   */
  public static Bootstrap of(double[] values, DoubleUnaryOperator of, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    double[] means = new double[RESAMPLES];
    for (int r = 0; r < RESAMPLES; r++) {
      double sum = 0;
      for (int i = 0; i < values.length; i++) {
        sum += values[random.nextInt(values.length)];
      }
      means[r] = sum / values.length;
    }
    Arrays.sort(means);
    double mean = Arrays.stream(values).sum() / values.length;
    return new Bootstrap(
        of.applyAsDouble(mean),
        of.applyAsDouble(means[(int) (0.025 * RESAMPLES)]),
        of.applyAsDouble(means[(int) (0.975 * RESAMPLES) - 1]));
  }
}
