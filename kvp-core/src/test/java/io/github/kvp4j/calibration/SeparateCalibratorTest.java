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
package io.github.kvp4j.calibration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.TinyModels;
import io.github.kvp4j.kernel.VectorKernels;
import io.github.kvp4j.kernel.Workers;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.KvPredictor;
import io.github.kvp4j.predictor.LayerMap;
import io.github.kvp4j.predictor.PredictedPrefill;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The closed-form fit for auxiliaries that read for themselves. */
class SeparateCalibratorTest {
  private static final ModelWeights WEIGHTS =
      TinyModels.random(TinyModels.shape(4, 32, 4, 2, 8), false, true, 1);
  private static final ModelShape SHAPE = WEIGHTS.shape();
  private static final PrefillEngine BASE =
      new PrefillEngine(WEIGHTS, new VectorKernels(Workers.shared()));
  private static final int N = 60;

  /** The base predicts itself: the identity is found, for keys and values of every layer. */
  @ParameterizedTest
  @ValueSource(ints = {0, 4})
  void anAuxiliaryThatIsTheBaseIsPassedOn(int sink) {
    LayerMap map = new LayerMap(List.of(0, 1, 2, 3));
    for (Auxiliary.Separate all :
        List.of(
            new Auxiliary.LayerPruned(map.sources(), List.of(), map),
            new Auxiliary.Sibling(WEIGHTS, map))) {
      SeparateCalibrator calibrator = calibrator(all, sink, List.of(1e-8));
      KvPredictor predictor = calibrator.fit();
      assertThat(calibrator.tokens()).isEqualTo(40L * (100 - sink));
      predictor.checkFits(SHAPE);
      KvCache exact = exact();
      KvCache predicted = predicted(predictor);
      for (int layer = 0; layer < 4; layer++) {
        // weights are kept in BF16, hence 2^-9 and not less
        assertThat(error(predicted.keys(layer), exact.keys(layer))).isLessThan(1e-2);
        assertThat(error(predicted.values(layer), exact.values(layer))).isLessThan(1e-2);
      }
    }
  }

  /** Half of the layers explain a part; a layer whose source stands on exact layers, all. */
  @Test
  void halfTheLayersExplainAPart() {
    List<Integer> kept = List.of(0, 1);
    Auxiliary.LayerPruned half =
        new Auxiliary.LayerPruned(kept, List.of(), LayerMap.ofKept(kept, 4));
    SeparateCalibrator calibrator = calibrator(half, 2, CalibrationSettings.LAMBDAS);
    KvPredictor predictor = calibrator.fit();
    assertThat(calibrator.chosenLambdas()).hasSize(8);
    KvCache exact = exact();
    KvCache predicted = predicted(predictor);
    for (int layer = 0; layer < 4; layer++) {
      double error = error(predicted.values(layer), exact.values(layer));
      double mean = error(means(exact.values(layer)), exact.values(layer));
      assertThat(error).as("layer %d", layer).isLessThan(layer < 2 ? 1e-2 : mean);
    }
  }

  /**
   * Layers that are read together explain all where the wanted one is among them, and what each
   * explains by itself at least.
   */
  @Test
  void adjacentLayersAreReadTogether() {
    LayerMap shifted = new LayerMap(List.of(1, 1, 1, 2)); // one off, for all but layer 1
    KvCache exact = exact();
    for (int width : new int[] {1, 3, 4}) {
      Auxiliary.LayerPruned all =
          new Auxiliary.LayerPruned(List.of(0, 1, 2, 3), List.of(), shifted.wide(width));
      KvPredictor predictor = calibrator(all, 2, List.of(1e-8)).fit();
      predictor.checkFits(SHAPE);
      KvCache predicted = predicted(predictor);
      for (int layer : new int[] {0, 2, 3}) {
        for (boolean keys : new boolean[] {true, false}) {
          double error =
              keys
                  ? error(predicted.keys(layer), exact.keys(layer))
                  : error(predicted.values(layer), exact.values(layer));
          if (width == 1) {
            assertThat(error).as("layer %d", layer).isGreaterThan(0.1);
          } else {
            assertThat(error).as("layer %d, width %d", layer, width).isLessThan(1e-2);
          }
        }
      }
    }
    Auxiliary.LayerPruned two =
        new Auxiliary.LayerPruned(List.of(0, 1), List.of(), LayerMap.ofKept(List.of(0, 1), 4));
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(() ->
            calibrator(
                new Auxiliary.LayerPruned(two.kept(), List.of(), two.map().wide(3)),
                0,
                List.of(1e-4)))
        .withMessageContaining("width of the layer map is 3; the auxiliary has 2 layers");
  }

  @Test
  void aMapOfAnotherLengthIsRefused() {
    Auxiliary.Sibling sibling = new Auxiliary.Sibling(WEIGHTS, new LayerMap(List.of(0, 1)));
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(() -> calibrator(sibling, 0, List.of(1e-4)))
        .withMessageContaining("is for 2 layers; the base has 4");
  }

  private static SeparateCalibrator calibrator(
      Auxiliary.Separate auxiliary, int sink, List<Double> lambdas) {
    List<int[]> texts = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      texts.add(TinyModels.tokens(100, SHAPE.vocabulary(), i));
    }
    return new SeparateCalibrator(
        BASE, auxiliary, sink, lambdas, texts, CalibrationProgress.SILENT, Cancellation.NEVER);
  }

  private static int[] tokens() {
    return TinyModels.tokens(N, SHAPE.vocabulary(), 99);
  }

  private static KvCache exact() {
    KvCache cache = new KvCache(SHAPE, N);
    BASE.prefill(tokens(), 0, cache, Cancellation.NEVER);
    return cache;
  }

  private static KvCache predicted(KvPredictor predictor) {
    KvCache cache = new KvCache(SHAPE, N);
    new PredictedPrefill(BASE, predictor)
        .prefill(tokens(), 0, new Anchors(0, 1, 0), cache, Cancellation.NEVER);
    return cache;
  }

  private static float[] means(float[] rows) {
    float[] out = new float[rows.length];
    int width = SHAPE.kvLength();
    for (int c = 0; c < width; c++) {
      double sum = 0;
      for (int p = 0; p < N; p++) {
        sum += rows[p * width + c];
      }
      for (int p = 0; p < N; p++) {
        out[p * width + c] = (float) (sum / N);
      }
    }
    return out;
  }

  /** Of all rows but the last, which is the base's; relative to their norm. */
  private static double error(float[] actual, float[] expected) {
    double[] sums = new double[2];
    for (int i = 0; i < (N - 1) * SHAPE.kvLength(); i++) {
      sums[0] += Math.pow(actual[i] - expected[i], 2);
      sums[1] += Math.pow(expected[i], 2);
    }
    return Math.sqrt(sums[0] / sums[1]);
  }
}
