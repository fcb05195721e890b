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
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.TinyModels;
import io.github.kvp4j.kernel.Kernels;
import io.github.kvp4j.kernel.ScalarKernels;
import io.github.kvp4j.kernel.VectorKernels;
import io.github.kvp4j.kernel.Workers;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.KvPredictor;
import io.github.kvp4j.predictor.LinearProjection;
import io.github.kvp4j.predictor.PredictedPrefill;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.LayerRun;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.prefill.PrefillScratch;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SortedSet;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The closed-form fit finds what is linear, and the best there is for what is not. */
class RidgeCalibratorTest {
  private static final Kernels KERNELS = new VectorKernels(Workers.shared());
  private static final ModelWeights WEIGHTS =
      TinyModels.random(TinyModels.shape(4, 32, 4, 2, 8), false, true, 1);
  private static final ModelShape SHAPE = WEIGHTS.shape();
  private static final PrefillEngine BASE = new PrefillEngine(WEIGHTS, KERNELS);
  private static final Anchors LAST = new Anchors(0, 1, 0);

  // --- what is fitted

  /** A layer's keys and values are linear in its own stream: the fit finds the base's own maps. */
  @ParameterizedTest
  @ValueSource(ints = {0, 4})
  void theLastLayersOwnProjectionIsRecovered(int sink) {
    CalibrationSettings settings = settings(3, List.of(3), sink, List.of(1e-8));
    RidgeCalibrator calibrator = calibrator(settings, texts(24, 100));
    KvPredictor predictor = calibrator.fit();

    predictor.checkFits(SHAPE);
    assertThat(calibrator.tokens()).isEqualTo(24L * (100 - sink));
    int[] tokens = TinyModels.tokens(60, SHAPE.vocabulary(), 2);
    KvCache exact = new KvCache(SHAPE, 60);
    BASE.prefill(tokens, 0, exact, Cancellation.NEVER);
    KvCache predicted = new KvCache(SHAPE, 60);
    new PredictedPrefill(BASE, predictor).prefill(tokens, 0, LAST, predicted, Cancellation.NEVER);
    // weights are kept in BF16, hence 2^-9 and not less
    assertThat(relativeError(predicted.keys(3), exact.keys(3))).isLessThan(1e-2);
    assertThat(relativeError(predicted.values(3), exact.values(3))).isLessThan(1e-2);
  }

  /** The same with other sources beside, which must come out as nothing. */
  @Test
  void furtherSourcesDoNoHarm() {
    KvPredictor predictor =
        calibrator(settings(3, List.of(0, 2, 3), 0, List.of(1e-8)), texts(24, 100)).fit();
    int[] tokens = TinyModels.tokens(60, SHAPE.vocabulary(), 2);
    KvCache exact = new KvCache(SHAPE, 60);
    BASE.prefill(tokens, 0, exact, Cancellation.NEVER);
    KvCache predicted = new KvCache(SHAPE, 60);
    new PredictedPrefill(BASE, predictor).prefill(tokens, 0, LAST, predicted, Cancellation.NEVER);
    assertThat(relativeError(predicted.values(3), exact.values(3))).isLessThan(1e-2);
  }

  /** What can't be linear is at least better than the mean of the targets. */
  @Test
  void upperLayersAreExplainedInPart() {
    List<int[]> texts = texts(40, 100);
    KvPredictor predictor = calibrator(settings(1, List.of(0, 1), 0, List.of(1e-4)), texts).fit();
    assertThat(predictor.projections())
        .extracting(LinearProjection::layer)
        .containsExactly(1, 2, 3);
    for (int[] tokens : texts(4, 80, 77)) {
      KvCache exact = new KvCache(SHAPE, 80);
      BASE.prefill(tokens, 0, exact, Cancellation.NEVER);
      KvCache predicted = new KvCache(SHAPE, 80);
      new PredictedPrefill(BASE, predictor).prefill(tokens, 0, LAST, predicted, Cancellation.NEVER);
      for (int layer = 1; layer < 4; layer++) {
        float[] values = exact.values(layer);
        assertThat(relativeError(predicted.values(layer), values))
            .as("layer %d", layer)
            .isLessThan(relativeError(columnMeans(values, SHAPE.kvLength()), values));
      }
    }
  }

  @Test
  void theFitIsTheSameEachTime() {
    CalibrationSettings settings =
        settings(2, List.of(0, 2), 2, new TreeSet<>(List.of(1)), CalibrationSettings.LAMBDAS);
    KvPredictor one = calibrator(settings, texts(20, 40)).fit();
    KvPredictor two = calibrator(settings, texts(20, 40)).fit();
    for (int i = 0; i < one.projections().size(); i++) {
      assertThat(one.projections().get(i).key().weight().toArray())
          .containsExactly(two.projections().get(i).key().weight().toArray());
      assertThat(one.projections().get(i).value().bias())
          .containsExactly(two.projections().get(i).value().bias());
    }
  }

  /** The map of a linearised layer leaves less of an error than attention alone does. */
  @Test
  void aLinearisedLayersFitReducesTheError() {
    CalibrationSettings settings =
        settings(3, List.of(3), 0, new TreeSet<>(List.of(1, 2)), List.of(1e-4));
    KvPredictor predictor = calibrator(settings, texts(40, 100)).fit();
    Map<Integer, LinearMap> maps = ((Auxiliary.Prefix) predictor.auxiliary()).linearised();
    assertThat(maps).containsOnlyKeys(1, 2);
    int hidden = SHAPE.hidden();
    LinearMap nothing =
        new LinearMap(Weight.of(new float[hidden * hidden], hidden, hidden), new float[hidden]);
    for (int[] tokens : texts(4, 80, 78)) {
      float[] exact = stream(tokens, 3, Map.of());
      double fitted = relativeError(stream(tokens, 3, maps), exact);
      double dropped = relativeError(stream(tokens, 3, Map.of(1, nothing, 2, nothing)), exact);
      assertThat(fitted).isLessThan(0.9 * dropped);
      // the second was fitted to mend what the first leaves, so it is better there than unfitted
      LinearMap first = Objects.requireNonNull(maps.get(1));
      double firstAlone = relativeError(stream(tokens, 3, Map.of(1, first, 2, nothing)), exact);
      assertThat(fitted).isLessThan(firstAlone);
    }
  }

  // --- λ

  /** Each layer's λ is that of the least error on the held-out texts, counted here anew. */
  @ParameterizedTest
  @ValueSource(ints = {4, 40})
  void lambdaIsChosenOnHeldOutText(int length) {
    // few rows for many inputs, so that the ridge matters
    List<int[]> all = texts(20, length);
    List<Double> lambdas = List.of(1e-8, 1e-3, 3e-2, 1.0, 100.0);
    RidgeCalibrator calibrator = calibrator(settings(0, List.of(0), 0, lambdas), all);
    calibrator.fit();

    // every tenth text is held out; of the 18 others none is, since there are fewer than 20
    List<int[]> train = new ArrayList<>();
    List<int[]> held = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      (i % 10 == 9 ? held : train).add(all.get(i));
    }
    double[] least = new double[SHAPE.layers()];
    Arrays.fill(least, Double.POSITIVE_INFINITY);
    Map<String, Double> best = new TreeMap<>();
    for (double lambda : lambdas) {
      KvPredictor one = calibrator(settings(0, List.of(0), 0, List.of(lambda)), train).fit();
      for (LinearProjection projection : one.projections()) {
        double error = unexplained(projection, held);
        if (error < least[projection.layer()]) {
          least[projection.layer()] = error;
          best.put("layers." + projection.layer(), lambda);
        }
      }
    }
    assertThat(calibrator.chosenLambdas()).isEqualTo(best);
    // the first layer is linear, so that smoothing can only harm it
    assertThat(best).containsEntry("layers.0", 1e-8);
    assertThat(best.get("layers.3")).isGreaterThan(1e-8);
  }

  @Test
  void withoutHeldOutTextTheMiddleLambdaIsTaken() {
    RidgeCalibrator calibrator =
        calibrator(settings(3, List.of(3), 0, List.of(1e-8, 0.5, 1e-3)), texts(19, 30));
    calibrator.fit();
    assertThat(calibrator.chosenLambdas()).containsExactly(Map.entry("layers.3", 0.5));
  }

  @Test
  void eachLinearisedLayerHasItsLambda() {
    RidgeCalibrator calibrator =
        calibrator(
            settings(3, List.of(3), 0, new TreeSet<>(List.of(0, 2)), CalibrationSettings.LAMBDAS),
            texts(20, 30));
    calibrator.fit();
    assertThat(calibrator.chosenLambdas())
        .containsOnlyKeys("linearised.0", "linearised.2", "layers.3");
    assertThat(CalibrationSettings.LAMBDAS).containsAll(calibrator.chosenLambdas().values());
  }

  // --- normal equations and their solution

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 33, 64, 65})
  void normalEquationsAreTheNaiveSums(int rows) {
    int inputs = 7;
    int outputs = 5;
    SplittableRandom random = new SplittableRandom(rows);
    NormalEquations whole = new NormalEquations(inputs, outputs);
    NormalEquations other = new NormalEquations(inputs, outputs);
    double[] xx = new double[inputs * inputs];
    double[] xy = new double[inputs * outputs];
    double[] x = new double[inputs];
    double[] y = new double[outputs];
    double[] yy = new double[outputs];
    for (int part = 0; part < 3; part++) {
      int xOffset = 3 * inputs;
      int yOffset = 2 * outputs;
      float[] xs = TinyModels.floats(xOffset + rows * inputs, 2, random);
      float[] ys = TinyModels.floats(yOffset + rows * outputs, 2, random);
      (part == 1 ? other : whole).add(KERNELS, rows, xs, xOffset, ys, yOffset);
      for (int r = 0; r < rows; r++) {
        for (int i = 0; i < inputs; i++) {
          double xi = xs[xOffset + r * inputs + i];
          x[i] += xi;
          for (int j = 0; j < inputs; j++) {
            xx[i * inputs + j] += xi * xs[xOffset + r * inputs + j];
          }
          for (int o = 0; o < outputs; o++) {
            xy[i * outputs + o] += xi * ys[yOffset + r * outputs + o];
          }
        }
        for (int o = 0; o < outputs; o++) {
          double yo = ys[yOffset + r * outputs + o];
          y[o] += yo;
          yy[o] += yo * yo;
        }
      }
    }
    whole.merge(other);
    assertThat(whole.rows).isEqualTo(3L * rows);
    assertThat(whole.xx).containsExactly(xx, within(1e-3));
    assertThat(whole.xy).containsExactly(xy, within(1e-3));
    assertThat(whole.x).containsExactly(x, within(1e-9));
    assertThat(whole.y).containsExactly(y, within(1e-9));
    assertThat(whole.yy).containsExactly(yy, within(1e-9));
  }

  /** Many targets over the same inputs: what is shared is counted once. */
  @Test
  void targetsThatShareInputsGiveTheSame() {
    int rows = 40;
    SplittableRandom random = new SplittableRandom(3);
    float[] xs = TinyModels.floats(rows * 6, 1, random);
    float[] ys = TinyModels.floats(rows * 2, 1, random);
    NormalEquations together = new NormalEquations(6, 2);
    together.add(KERNELS, rows, xs, 0, ys, 0);
    NormalEquations inputs = new NormalEquations(6, 1);
    inputs.addInputs(KERNELS, rows, xs, 0);
    NormalEquations targets = inputs.sharingInputs(2);
    targets.addTargets(KERNELS, rows, xs, 0, ys, 0);
    RidgeSolver.Solution a = RidgeSolver.of(together, 1e-3, List.of()).solve(together);
    RidgeSolver.Solution b = RidgeSolver.of(inputs, 1e-3, List.of()).solve(targets);
    assertThat(a.weights().data).containsExactly(b.weights().data);
    assertThat(a.bias()).containsExactly(b.bias());
  }

  /** A ridge that leaves the matrix indefinite gives way to the next that does not. */
  @Test
  void aRidgeThatIsTooSmallGivesWayToALargerOne() {
    SplittableRandom random = new SplittableRandom(8);
    float[] xs = TinyModels.floats(20 * 6, 1, random);
    for (int i = 0; i < 20; i++) {
      System.arraycopy(xs, i * 6, xs, i * 6 + 3, 3); // three inputs, each twice
    }
    NormalEquations e = new NormalEquations(6, 2);
    e.add(KERNELS, 20, xs, 0, TinyModels.floats(20 * 2, 1, random), 0);
    assertThat(RidgeSolver.factorise(e, -0.5)).isNull();
    assertThat(RidgeSolver.of(e, -0.5, List.of(1e-1, -1.0, 1e-3)).solve(e).weights().data)
        .containsExactly(RidgeSolver.of(e, 1e-3, List.of()).solve(e).weights().data);
    assertThatThrownBy(() -> RidgeSolver.of(e, -0.5, List.of(-0.25)))
        .isInstanceOf(KvpException.class)
        .hasMessageContaining("-0.25");
  }

  /** Every third target alone: its sums are those of the whole. */
  @Test
  void someOfTheTargetsAreAPartOfAll() {
    SplittableRandom random = new SplittableRandom(6);
    float[] xs = TinyModels.floats(30 * 4, 1, random);
    float[] ys = TinyModels.floats(30 * 7, 1, random);
    NormalEquations all = new NormalEquations(4, 7);
    all.add(KERNELS, 30, xs, 0, ys, 0);
    NormalEquations some = all.everyNth(3);
    RidgeSolver solver = RidgeSolver.of(all, 1e-2, List.of());
    RidgeSolver.Solution whole = solver.solve(all);
    RidgeSolver.Solution part = solver.solve(some);
    assertThat(some.outputs).isEqualTo(3);
    assertThat(some.rows).isEqualTo(30);
    for (int o = 0; o < 3; o++) {
      assertThat(part.bias()[o]).isCloseTo(whole.bias()[3 * o], within(1e-12));
      for (int i = 0; i < 4; i++) {
        assertThat(part.weights().get(i, o))
            .isCloseTo(whole.weights().get(i, 3 * o), within(1e-12));
      }
    }
    assertThat(RidgeSolver.unexplained(part, some)).isPositive();
  }

  /** The solution's gradient is nought: Xcᵀ(Xc·W - Yc) + λ·d·W = 0, and the means agree. */
  @ParameterizedTest
  @ValueSource(doubles = {1e-6, 1e-2, 1, 10})
  void theSolutionIsTheRidgeMinimum(double lambda) {
    int rows = 50;
    int inputs = 6;
    int outputs = 3;
    SplittableRandom random = new SplittableRandom(4);
    float[] xs = TinyModels.floats(rows * inputs, 1, random);
    for (int r = 0; r < rows; r++) {
      xs[r * inputs] += 3; // a mean that is not nought
      xs[r * inputs + 1] *= 10; // a scale of its own
    }
    float[] ys = TinyModels.floats(rows * outputs, 1, random);
    NormalEquations e = new NormalEquations(inputs, outputs);
    e.add(new ScalarKernels(), rows, xs, 0, ys, 0);
    RidgeSolver.Solution s = RidgeSolver.of(e, lambda, List.of()).solve(e);

    double[] meanX = means(xs, inputs);
    double[] meanY = means(ys, outputs);
    double diagonal = 0;
    for (int r = 0; r < rows; r++) {
      for (int i = 0; i < inputs; i++) {
        diagonal += Math.pow(xs[r * inputs + i] - meanX[i], 2) / inputs;
      }
    }
    double squares = 0;
    for (int o = 0; o < outputs; o++) {
      double atMean = s.bias()[o];
      for (int i = 0; i < inputs; i++) {
        atMean += s.weights().get(i, o) * meanX[i];
      }
      assertThat(atMean).isCloseTo(meanY[o], within(1e-4));
      for (int i = 0; i < inputs; i++) {
        double gradient = lambda * diagonal * s.weights().get(i, o);
        for (int r = 0; r < rows; r++) {
          double left = meanY[o] - ys[r * outputs + o];
          for (int j = 0; j < inputs; j++) {
            left += (xs[r * inputs + j] - meanX[j]) * s.weights().get(j, o);
          }
          gradient += (xs[r * inputs + i] - meanX[i]) * left;
        }
        assertThat(gradient).isCloseTo(0, within(2e-2));
      }
      // the share left unexplained, counted anew
      double error = 0;
      double variance = 0;
      for (int r = 0; r < rows; r++) {
        double value = s.bias()[o];
        for (int i = 0; i < inputs; i++) {
          value += s.weights().get(i, o) * xs[r * inputs + i];
        }
        error += Math.pow(value - ys[r * outputs + o], 2);
        variance += Math.pow(ys[r * outputs + o] - meanY[o], 2);
      }
      squares += error / variance / outputs;
    }
    assertThat(RidgeSolver.unexplained(s, e)).isCloseTo(squares, within(1e-4));
    LinearMap kept = s.outputs(1, 3).toMap();
    assertThat((double) kept.weight().get(1, 2)).isCloseTo(s.weights().get(2, 2), within(1e-2));
    assertThat((double) kept.bias()[0]).isCloseTo(s.bias()[1], within(1e-6));
  }

  // --- what is refused

  @Test
  void badSettingsAreRefused() {
    refused("lambdas", () -> settings(1, List.of(0), 0, List.of()));
    for (double bad : new double[] {0, -1, Double.NaN, Double.POSITIVE_INFINITY}) {
      refused("lambdas", () -> settings(1, List.of(0), 0, List.of(1e-3, bad)));
    }
    refused("sink is -1", () -> settings(1, List.of(0), -1, List.of(1e-3)));
    refused("prefix layers is -1", () -> fit(settings(-1, List.of(0), 0, List.of(1e-3))));
    refused("prefix layers is 4", () -> fit(settings(4, List.of(0), 0, List.of(1e-3))));
    refused("source layers are []", () -> fit(settings(1, List.of(), 0, List.of(1e-3))));
    refused("[2]", () -> fit(settings(1, List.of(2), 0, List.of(1e-3))));
    refused("[-1, 0]", () -> fit(settings(1, List.of(-1, 0), 0, List.of(1e-3))));
    for (int layer : new int[] {-1, 1, 2}) {
      refused(
          "linearised layers are [" + layer + "]",
          () -> fit(settings(1, List.of(1), 0, new TreeSet<>(List.of(layer)), List.of(1e-3))));
    }
  }

  @Test
  void sourcesAreSortedAndTakenOnce() {
    assertThat(settings(3, List.of(3, 0, 3, 1), 0, List.of(1e-3)).sources())
        .containsExactly(0, 1, 3);
  }

  @Test
  void tooLittleTextIsRefused() {
    CalibrationSettings settings = settings(1, List.of(1), 4, List.of(1e-3));
    refused("fewer than two tokens", () -> calibrator(settings, List.of()).fit());
    refused("fewer than two tokens", () -> calibrator(settings, texts(30, 5)).fit());
  }

  @Test
  void textsThatTheModelCannotReadAreRefused() {
    CalibrationSettings settings = settings(1, List.of(1), 0, List.of(1e-3));
    kind(
        KvpException.Kind.BAD_ARGUMENT,
        "" + PrefillEngine.CHUNK,
        () -> calibrator(settings, texts(2, PrefillEngine.CHUNK + 1)).fit());
    kind(
        KvpException.Kind.PROMPT,
        "token " + SHAPE.vocabulary(),
        () -> calibrator(settings, List.of(new int[] {1, 2, SHAPE.vocabulary()})).fit());
  }

  /** Features without any variance can't be solved for; what is said is one sentence. */
  @Test
  void textsOfOneTokenOnlyAreRefusedOrFitted() {
    int[] same = new int[50];
    Arrays.fill(same, 7);
    CalibrationSettings settings = settings(0, List.of(0), 0, List.of(1e-3));
    try {
      KvPredictor predictor = calibrator(settings, Collections.nCopies(4, same)).fit();
      for (LinearProjection p : predictor.projections()) {
        for (float w : p.key().weight().toArray()) {
          assertThat(w).isFinite();
        }
      }
    } catch (KvpException e) {
      assertThat(e.kind()).isEqualTo(KvpException.Kind.BAD_ARGUMENT);
    }
  }

  // --- progress and cancellation

  @Test
  void progressAddsUpToTheTotal() {
    long[] seen = new long[2];
    CalibrationProgress progress =
        new CalibrationProgress() {
          @Override
          public void start(String stage, long total) {
            assertThat(stage).isNotBlank();
            seen[0] += total;
          }

          @Override
          public void advance(long done) {
            seen[1] += done;
          }
        };
    CalibrationSettings settings =
        settings(2, List.of(0, 2), 0, new TreeSet<>(List.of(1)), List.of(1e-3));
    new RidgeCalibrator(BASE, settings, texts(4, 30), progress, Cancellation.NEVER).fit();
    assertThat(seen[0]).isPositive();
    assertThat(seen[1]).isEqualTo(seen[0]);
  }

  @Test
  void cancellationStopsTheFitWhereverItComes() {
    CalibrationSettings settings =
        settings(2, List.of(0, 2), 0, new TreeSet<>(List.of(1)), List.of(1e-3));
    List<int[]> texts = texts(6, 30);
    AtomicInteger asked = new AtomicInteger();
    new RidgeCalibrator(
            BASE, settings, texts, CalibrationProgress.SILENT, () -> asked.incrementAndGet() < 0)
        .fit();
    assertThat(asked.get()).isGreaterThan(6 * 4);
    for (int after = 0; after < asked.get(); after++) {
      AtomicInteger left = new AtomicInteger(after);
      RidgeCalibrator calibrator =
          new RidgeCalibrator(
              BASE, settings, texts, CalibrationProgress.SILENT, () -> left.getAndDecrement() == 0);
      kind(KvpException.Kind.CANCELLED, "cancelled", calibrator::fit);
    }
  }

  // --- helpers

  private static CalibrationSettings settings(
      int layers, List<Integer> sources, int sink, List<Double> lambdas) {
    return settings(layers, sources, sink, new TreeSet<>(), lambdas);
  }

  private static CalibrationSettings settings(
      int layers,
      List<Integer> sources,
      int sink,
      SortedSet<Integer> linearised,
      List<Double> lambdas) {
    return new CalibrationSettings(layers, sources, linearised, sink, lambdas);
  }

  private static RidgeCalibrator calibrator(CalibrationSettings settings, List<int[]> texts) {
    return new RidgeCalibrator(
        BASE, settings, texts, CalibrationProgress.SILENT, Cancellation.NEVER);
  }

  private static void fit(CalibrationSettings settings) {
    calibrator(settings, texts(2, 30)).fit();
  }

  private static List<int[]> texts(int count, int length) {
    return texts(count, length, 5);
  }

  private static List<int[]> texts(int count, int length, long seed) {
    return IntStream.range(0, count)
        .mapToObj(i -> TinyModels.tokens(length, SHAPE.vocabulary(), 1000 * seed + i))
        .toList();
  }

  /** The stream that enters a layer, over linearised layers below. */
  private static float[] stream(int[] tokens, int layers, Map<Integer, LinearMap> linearised) {
    int n = tokens.length;
    float[] x = new float[n * SHAPE.hidden()];
    BASE.embed(tokens, 0, n, x);
    BASE.runLayers(
        new LayerRun(
            0,
            layers,
            n,
            PrefillEngine.range(0, n),
            n,
            new KvCache(SHAPE, n),
            linearised,
            null,
            null,
            Cancellation.NEVER),
        x,
        new PrefillScratch(SHAPE, n));
    return x;
  }

  /** Of a projection from source 0: the share of variance unexplained. */
  private static double unexplained(LinearProjection p, List<int[]> texts) {
    int kv = SHAPE.kvLength();
    int hidden = SHAPE.hidden();
    List<double[]> predicted = new ArrayList<>();
    List<double[]> actual = new ArrayList<>();
    for (int[] tokens : texts) {
      int n = tokens.length;
      float[] features = new float[n * hidden];
      BASE.embed(tokens, 0, n, features);
      KERNELS.rmsNorm(n, hidden, features, 0, null, SHAPE.normEpsilon(), features, 0);
      KvCache exact = new KvCache(SHAPE, n);
      BASE.prefill(tokens, 0, exact, Cancellation.NEVER);
      float[] keys = exact.keys(p.layer()).clone();
      KERNELS.rotate(
          n, SHAPE.kvHeads(), keys, 0, kv, PrefillEngine.range(0, n), WEIGHTS.rope().inverse());
      for (int r = 0; r < n; r++) {
        double[] row = new double[2 * kv];
        double[] want = new double[2 * kv];
        for (int o = 0; o < kv; o++) {
          row[o] = p.key().bias()[o];
          row[kv + o] = p.value().bias()[o];
          for (int i = 0; i < hidden; i++) {
            row[o] += p.key().weight().get(o, i) * features[r * hidden + i];
            row[kv + o] += p.value().weight().get(o, i) * features[r * hidden + i];
          }
          want[o] = keys[r * kv + o];
          want[kv + o] = exact.values(p.layer())[r * kv + o];
        }
        predicted.add(row);
        actual.add(want);
      }
    }
    double sum = 0;
    for (int o = 0; o < 2 * kv; o++) {
      double mean = 0;
      for (double[] row : actual) {
        mean += row[o] / actual.size();
      }
      double error = 0;
      double variance = 0;
      for (int r = 0; r < actual.size(); r++) {
        error += Math.pow(predicted.get(r)[o] - actual.get(r)[o], 2);
        variance += Math.pow(actual.get(r)[o] - mean, 2);
      }
      sum += error / variance;
    }
    return sum / (2 * kv);
  }

  private static double[] means(float[] values, int columns) {
    int rows = values.length / columns;
    double[] out = new double[columns];
    for (int i = 0; i < values.length; i++) {
      out[i % columns] += values[i] / (double) rows;
    }
    return out;
  }

  private static float[] columnMeans(float[] values, int columns) {
    double[] means = means(values, columns);
    float[] out = new float[values.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = (float) means[i % columns];
    }
    return out;
  }

  private static double relativeError(float[] actual, float[] expected) {
    double error = 0;
    double size = 0;
    for (int i = 0; i < actual.length; i++) {
      error += Math.pow((double) actual[i] - expected[i], 2);
      size += Math.pow(expected[i], 2);
    }
    return Math.sqrt(error / size);
  }

  private static void refused(String text, ThrowingCallable call) {
    kind(KvpException.Kind.BAD_ARGUMENT, text, call);
  }

  private static void kind(KvpException.Kind kind, String text, ThrowingCallable call) {
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(call)
        .withMessageContaining(text)
        .satisfies(e -> assertThat(e.kind()).isEqualTo(kind));
  }
}
