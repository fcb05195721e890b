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
package io.github.kvp4j.bench;

import java.util.Map;
import java.util.Optional;
import org.ejml.data.DMatrixRMaj;
import org.ejml.dense.row.CommonOps_DDRM;

/**
 * Time to first token as a function of the prompt's tokens n: {@code a + b·n + c·n²}, in
 * milliseconds. The constant is what each request costs, the linear term is the matrix products and
 * the square is attention, so none is negative.
 */
record CostCurve(double a, double b, double c) {
  private static final int TERMS = 3;

  /**
   * Fits by least squares of the relative errors, so that short prompts weigh as much as long ones.
   *
   * @param millisByTokens the time measured for each number of tokens, all positive
   * @return empty for fewer than three lengths, which three terms would fit whatever they say
   */
  static Optional<CostCurve> fit(Map<Integer, Double> millisByTokens) {
    if (millisByTokens.size() < TERMS) {
      return Optional.empty();
    }
    double[] best = new double[TERMS];
    double least = Double.POSITIVE_INFINITY;
    // few terms: the best fit without negative terms is the best among the fits of all subsets
    for (int subset = 1; subset < 1 << TERMS; subset++) {
      double[] fit = fit(millisByTokens, subset);
      double error = error(millisByTokens, fit);
      if (isNonNegative(fit) && error < least) {
        least = error;
        best = fit;
      }
    }
    return Optional.of(new CostCurve(best[0], best[1], best[2]));
  }

  /** The time for n tokens, in milliseconds. */
  double at(double n) {
    return a + b * n + c * n * n;
  }

  /** The least-squares fit of the terms whose bit is set in {@code subset}; the others are 0. */
  private static double[] fit(Map<Integer, Double> points, int subset) {
    int columns = Integer.bitCount(subset);
    DMatrixRMaj terms = new DMatrixRMaj(points.size(), columns);
    DMatrixRMaj ones = new DMatrixRMaj(points.size(), 1);
    // columns of like size keep the system well conditioned
    double unit = points.keySet().stream().mapToInt(Integer::intValue).max().orElse(1);
    int row = 0;
    for (Map.Entry<Integer, Double> point : points.entrySet()) {
      int column = 0;
      for (int term = 0; term < TERMS; term++) {
        if ((subset >> term & 1) != 0) {
          terms.set(row, column++, Math.pow(point.getKey() / unit, term) / point.getValue());
        }
      }
      ones.set(row++, 0, 1);
    }
    double[] out = new double[TERMS];
    DMatrixRMaj solved = new DMatrixRMaj(columns, 1);
    if (!CommonOps_DDRM.solve(terms, ones, solved)) {
      throw new IllegalStateException("lengths that differ give terms that differ");
    }
    for (int term = 0, column = 0; term < TERMS; term++) {
      if ((subset >> term & 1) != 0) {
        out[term] = solved.get(column++, 0) / Math.pow(unit, term);
      }
    }
    return out;
  }

  private static boolean isNonNegative(double[] fit) {
    for (double term : fit) {
      if (!(term >= 0)) {
        return false;
      }
    }
    return true;
  }

  private static double error(Map<Integer, Double> points, double[] fit) {
    CostCurve curve = new CostCurve(fit[0], fit[1], fit[2]);
    return points.entrySet().stream()
        .mapToDouble(p -> Math.pow(curve.at(p.getKey()) / p.getValue() - 1, 2))
        .sum();
  }
}
