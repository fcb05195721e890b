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
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;

class StatisticsTest {
  @Test
  void oddCountsHaveAMiddleOne() {
    assertThat(Statistics.of(List.of(9.0, 1.0, 2.0))).isEqualTo(new Statistics(2, 1, 9));
  }

  @Test
  void evenCountsTakeTheMeanOfTheTwoInTheMiddle() {
    assertThat(Statistics.of(List.of(8.0, 1.0, 2.0, 4.0))).isEqualTo(new Statistics(3, 1, 8));
  }

  @Test
  void noneIsRefused() {
    assertThatThrownBy(() -> Statistics.of(List.of()))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
