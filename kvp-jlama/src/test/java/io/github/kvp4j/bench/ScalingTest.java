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

import java.util.List;
import org.junit.jupiter.api.Test;

class ScalingTest {
  @Test
  void amdahlsLawFromOneThreadAndTwo() {
    // 90 % parallel: 1/(0.1 + 0.45) times as fast on two
    Scaling s = of(1000, 550);
    assertThat(s.parallelShare()).isCloseTo(0.9, within(1e-9));
    assertThat(s.eightCores()).isCloseTo(100 + 900.0 / 8, within(1e-9));
    assertThat(s.sixtyFourCores()).isCloseTo(100 + 900.0 / 64, within(1e-9));
  }

  @Test
  void aSecondThreadThatSlowsDownIsNoParallelShare() {
    assertThat(of(1000, 1100).parallelShare()).isZero();
  }

  @Test
  void moreThanTwiceAsFastIsAllParallel() {
    assertThat(of(1000, 400).parallelShare()).isEqualTo(1);
  }

  @Test
  void pairsAreComparedAndNotTheMediansOfRunsThatAClockChanged() {
    Scaling s =
        Scaling.of(
            "exact",
            512,
            List.of(1000.0, 2000.0, 1000.0, 2000.0, 1000.0),
            List.of(500.0, 1000.0, 1000.0, 1000.0, 500.0));
    assertThat(s.oneThread()).isEqualTo(1000);
    assertThat(s.twoThreads()).isEqualTo(1000);
    assertThat(s.speedup()).isEqualTo(2);
    assertThat(s.speedupLow()).isEqualTo(2);
    assertThat(s.speedupHigh()).isEqualTo(2);
    assertThat(Statistics.quantile(List.of(3.0, 1.0, 2.0), 0.25)).isEqualTo(1.5);
    assertThat(Statistics.quantile(List.of(7.0), 0.75)).isEqualTo(7);
  }

  private static Scaling of(double one, double two) {
    return Scaling.of("exact", 512, List.of(one), List.of(two));
  }
}
