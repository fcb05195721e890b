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

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class CostCurveTest {
  private static Map<Integer, Double> points(double a, double b, double c, int... lengths) {
    Map<Integer, Double> out = new TreeMap<>();
    for (int n : lengths) {
      out.put(n, a + b * n + c * n * n);
    }
    return out;
  }

  @Test
  void findsTheCurveThatThePointsLieOn() {
    CostCurve curve = CostCurve.fit(points(7, 0.9, 2e-4, 32, 128, 512, 2048, 4096)).orElseThrow();
    assertThat(curve.a()).isCloseTo(7, within(1e-6));
    assertThat(curve.b()).isCloseTo(0.9, within(1e-9));
    assertThat(curve.c()).isCloseTo(2e-4, within(1e-12));
    assertThat(curve.at(1000)).isCloseTo(7 + 900 + 200, within(1e-6));
  }

  @Test
  void termsThatWouldBeNegativeAreLeftOut() {
    CostCurve curve = CostCurve.fit(points(-20, 2, 1e-3, 64, 128, 512, 1024)).orElseThrow();
    assertThat(curve.a()).isZero();
    assertThat(curve.b()).isNotNegative();
    assertThat(curve.c()).isPositive();
  }

  @Test
  void fewerThanThreeLengthsGiveNone() {
    assertThat(CostCurve.fit(points(1, 1, 1, 32, 64))).isEmpty();
  }
}
