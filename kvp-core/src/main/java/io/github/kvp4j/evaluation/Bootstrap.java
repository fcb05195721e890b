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
import java.util.Optional;
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

  /**
   * The ratio of two means over the same items, which are resampled together.
   *
   * @param values of what is compared, one an item
   * @param reference of what it is compared with
   * @return empty where the reference is nothing; where a resample's is, its ratio is left out
   */
  public static Optional<Bootstrap> ofRatio(double[] values, double[] reference, long seed) {
    double whole = Arrays.stream(reference).sum();
    if (whole == 0) {
      return Optional.empty();
    }
    SplittableRandom random = new SplittableRandom(seed);
    double[] ratios = new double[RESAMPLES];
    int count = 0;
    for (int r = 0; r < RESAMPLES; r++) {
      double sum = 0;
      double of = 0;
      for (int i = 0; i < values.length; i++) {
        int item = random.nextInt(values.length);
        sum += values[item];
        of += reference[item];
      }
      if (of > 0) {
        ratios[count++] = sum / of;
      }
    }
    double ratio = Arrays.stream(values).sum() / whole;
    if (count == 0) {
      return Optional.of(new Bootstrap(ratio, ratio, ratio));
    }
    Arrays.sort(ratios, 0, count);
    return Optional.of(
        new Bootstrap(
            ratio, ratios[(int) (0.025 * count)], ratios[Math.max(0, (int) (0.975 * count) - 1)]));
  }
}
