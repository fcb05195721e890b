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
package io.github.kvp4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.evaluation.CacheQuality;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.MeasuredQuality;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a predictor's file says of its quality. */
class PredictorMeasurementTest {
  private static final Anchors ANCHORS = new Anchors(4, 24, 0);

  private static MeasuredQuality figures(double kl) {
    return PredictorMeasurement.figures(
        ANCHORS, "copy", 0.612345, new CacheQuality(kl, 0.75, 0.5, 9, 8, 4));
  }

  @Test
  void figuresAreRounded() {
    assertThat(figures(0.123456))
        .isEqualTo(new MeasuredQuality("4/24/0", "copy", 0.6123, 0.1235, 0.75, 0.5, 4));
  }

  @ParameterizedTest
  @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY})
  void whatIsNoNumberIsNoFigure(double kl) {
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(() -> figures(kl))
        .withMessageContaining("KL on copy with anchors 4/24/0 is " + kl)
        .satisfies(e -> assertThat(e.kind()).isEqualTo(KvpException.Kind.BAD_ARGUMENT));
  }
}
