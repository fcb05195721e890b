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
package io.github.kvp4j.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.within;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.TinyModels;
import io.github.kvp4j.evaluation.Continuation;
import io.github.kvp4j.kernel.ScalarKernels;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.AuxiliaryKind;
import io.github.kvp4j.predictor.KvPredictor;
import io.github.kvp4j.predictor.LayerMap;
import io.github.kvp4j.predictor.LinearProjection;
import io.github.kvp4j.predictor.PredictedPrefill;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.LayerRun;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.prefill.PrefillScratch;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** PyTorch's reading is the engine's, and its gradients are those of the loss. */
class TrainingGraphTest {
  private static final Anchors ANCHORS = new Anchors(2, 3, 0);
  private static final LossWeights WHOLE = new LossWeights(LossWeights.Target.TEXT, 1, 1, 1);

  @BeforeAll
  static void assumeTorch() {
    TrainingCases.assumeTorch();
  }

  private static Continuation item(int prompt, int following, long seed) {
    int vocabulary = TrainingCases.SHAPE.vocabulary();
    return new Continuation(
        TinyModels.tokens(prompt, vocabulary, seed),
        TinyModels.tokens(following, vocabulary, seed + 1));
  }

  private static TrainingGraph graph(
      PrefillEngine base,
      KvPredictor predictor,
      Parameters parameters,
      Anchors anchors,
      LossWeights loss) {
    return new TrainingGraph(base, predictor, parameters, anchors, loss, true);
  }

  // --- the reading

  static Stream<Arguments> predictors() {
    return Stream.of(
        Arguments.argumentSet(
            "prefix", TrainingCases.prefix(), Set.of(Learned.PROJECTIONS, Learned.LINEARISED)),
        Arguments.argumentSet(
            "prefix, frozen maps", TrainingCases.prefix(), Set.of(Learned.PROJECTIONS)),
        Arguments.argumentSet(
            "prefix, nothing linear",
            new KvPredictor(
                new Auxiliary.Prefix(2, List.of(0, 2), Map.of()),
                TrainingCases.prefix().projections()),
            Set.of(Learned.PROJECTIONS)),
        Arguments.argumentSet(
            "layer-pruned",
            TrainingCases.layerPruned(),
            Set.of(Learned.PROJECTIONS, Learned.AUXILIARY)),
        Arguments.argumentSet(
            "layer-pruned, two layers read together",
            TrainingCases.layerPrunedWide(),
            Set.of(Learned.PROJECTIONS, Learned.AUXILIARY)),
        Arguments.argumentSet(
            "layer-pruned, frozen", TrainingCases.layerPruned(), Set.of(Learned.PROJECTIONS)),
        Arguments.argumentSet("sibling", TrainingCases.sibling(), Set.of(Learned.PROJECTIONS)),
        Arguments.argumentSet(
            "sibling, its layers too",
            TrainingCases.sibling(),
            Set.of(Learned.PROJECTIONS, Learned.AUXILIARY)));
  }

  @ParameterizedTest
  @MethodSource("predictors")
  void theLogitsAreTheEngines(KvPredictor predictor, Set<Learned> learned) {
    for (Anchors anchors :
        List.of(new Anchors(0, 1, 0), ANCHORS, new Anchors(5, 1, 0), new Anchors(0, 19, 0))) {
      for (int following : new int[] {1, 7}) {
        Continuation item = item(20, following, 3);
        Parameters parameters = new Parameters(predictor, TrainingCases.WEIGHTS, learned);
        try (TrainingGraph graph =
            graph(TrainingCases.BASE, predictor, parameters, anchors, WHOLE)) {
          assertThat(
                  TinyModels.maxDifference(
                      graph.logits(item), engine(TrainingCases.BASE, predictor, item, anchors)))
              .as("anchors %s, %d tokens follow", anchors, following)
              .isLessThan(2e-4);
        }
      }
    }
  }

  /** A base with biases of its own. */
  @Test
  void biasesAreNotForgotten() {
    ModelWeights weights = TinyModels.random(TinyModels.shape(3, 24, 4, 2, 6), false, true, 8);
    PrefillEngine base = new PrefillEngine(weights, new ScalarKernels());
    SplittableRandom random = new SplittableRandom(5);
    List<Integer> kept = List.of(0, 1);
    KvPredictor predictor =
        new KvPredictor(
            new Auxiliary.LayerPruned(kept, List.of(), LayerMap.ofKept(kept, 3)),
            IntStream.range(0, 3)
                .mapToObj(i ->
                    new LinearProjection(
                        i,
                        TinyModels.randomMap(12, 12, 0.5, random),
                        TinyModels.randomMap(12, 12, 0.5, random)))
                .toList());
    for (Set<Learned> learned : List.of(Set.of(Learned.PROJECTIONS), Set.of(Learned.AUXILIARY))) {
      Parameters parameters = new Parameters(predictor, weights, learned);
      try (TrainingGraph graph = graph(base, predictor, parameters, ANCHORS, WHOLE)) {
        Continuation item = item(15, 4, 9);
        assertThat(
                TinyModels.maxDifference(
                    graph.logits(item), engine(base, predictor, item, ANCHORS)))
            .isLessThan(2e-4);
      }
    }
  }

  private static float[] engine(
      PrefillEngine base, KvPredictor predictor, Continuation item, Anchors anchors) {
    int n = item.prompt().length;
    int m = item.following().length;
    int hidden = base.weights().shape().hidden();
    KvCache cache = new KvCache(base.weights().shape(), n + m);
    float[] streams = new float[m * hidden];
    float[] last =
        new PredictedPrefill(base, predictor)
            .prefill(item.prompt(), 0, anchors, cache, Cancellation.NEVER);
    System.arraycopy(last, 0, streams, 0, hidden);
    if (m > 1) {
      float[] x = new float[(m - 1) * hidden];
      base.embed(item.following(), 0, m - 1, x);
      base.runLayers(
          LayerRun.plain(
              0,
              base.weights().shape().layers(),
              PrefillEngine.range(n, n + m - 1),
              cache,
              Cancellation.NEVER),
          x,
          new PrefillScratch(base.weights().shape(), m));
      System.arraycopy(x, 0, streams, hidden, x.length);
    }
    float[] logits = new float[m * base.weights().shape().vocabulary()];
    base.logits(m, streams, logits);
    return logits;
  }

  // --- the loss

  @Test
  void aPerfectPredictionHasNoLossAgainstTheExactBase() {
    int kv = TrainingCases.SHAPE.kvLength();
    float[] one = new float[kv * kv];
    for (int i = 0; i < kv; i++) {
      one[i * kv + i] = 1;
    }
    LinearMap identity = new LinearMap(Weight.of(one, kv, kv), new float[kv]);
    List<Integer> all = List.of(0, 1, 2);
    KvPredictor predictor =
        new KvPredictor(
            new Auxiliary.LayerPruned(all, List.of(), new LayerMap(all)),
            all.stream().map(i -> new LinearProjection(i, identity, identity)).toList());
    Parameters parameters =
        new Parameters(predictor, TrainingCases.WEIGHTS, Set.of(Learned.PROJECTIONS));
    try (TrainingGraph graph =
        graph(
            TrainingCases.BASE,
            predictor,
            parameters,
            ANCHORS,
            new LossWeights(LossWeights.Target.EXACT, 1, 0, 1))) {
      LossTerms loss = graph.loss(List.of(item(20, 7, 3), item(9, 2, 5)));
      assertThat(loss.base()).isCloseTo(0, within(1e-9));
      assertThat(loss.consistency()).isCloseTo(0, within(1e-5));
      assertThat(loss.auxiliary()).isZero();
    }
  }

  static Stream<Arguments> terms() {
    return Stream.of(AuxiliaryKind.values())
        .flatMap(kind ->
            Stream.of(
                    new LossWeights(LossWeights.Target.TEXT, 1, 0, 0),
                    new LossWeights(LossWeights.Target.EXACT, 1, 0, 0),
                    new LossWeights(LossWeights.Target.TEXT, 0, 0, 1),
                    new LossWeights(LossWeights.Target.TEXT, 1e-9, 1, 0),
                    new LossWeights(LossWeights.Target.EXACT, 0.7, 0.2, 0.4))
                .filter(w -> kind != AuxiliaryKind.PREFIX || w.auxiliary() != 1)
                .map(w -> Arguments.argumentSet(kind + " " + w, kind, w)));
  }

  /** Each parameter's gradient, along its steepest and along a random direction. */
  @ParameterizedTest
  @MethodSource("terms")
  void gradientsAreThoseOfFiniteDifferences(AuxiliaryKind kind, LossWeights weights) {
    KvPredictor predictor =
        switch (kind) {
          case PREFIX -> TrainingCases.prefix();
          case LAYER_PRUNED -> TrainingCases.layerPruned();
          case SIBLING -> TrainingCases.sibling();
        };
    Set<Learned> learned =
        Set.of(
            Learned.PROJECTIONS,
            kind == AuxiliaryKind.PREFIX ? Learned.LINEARISED : Learned.AUXILIARY);
    Parameters parameters = new Parameters(predictor, TrainingCases.WEIGHTS, learned);
    List<Continuation> items = List.of(item(11, 3, 7), item(9, 1, 8));
    SplittableRandom random = new SplittableRandom(6);
    try (TrainingGraph graph = graph(TrainingCases.BASE, predictor, parameters, ANCHORS, weights)) {
      LossTerms loss = graph.gradients(items);
      assertThat(graph.loss(items)).isEqualTo(loss);
      int moved = 0;
      for (Parameter p : parameters.all()) {
        float[] gradient = p.gradient.clone();
        for (boolean steepest : new boolean[] {true, false}) {
          float[] direction = new float[gradient.length];
          double norm = 0;
          for (int i = 0; i < direction.length; i++) {
            direction[i] = steepest ? gradient[i] : (float) (random.nextDouble() - 0.5);
            norm += direction[i] * direction[i];
          }
          if (norm == 0) {
            continue;
          }
          double expected = 0;
          double[] sides = new double[2];
          float[] before = p.values.clone();
          double scale = 1e-4 / Math.sqrt(norm);
          double[] moves = new double[before.length];
          for (int side = 0; side < 2; side++) {
            for (int i = 0; i < before.length; i++) {
              p.values[i] = (float) (before[i] + (side == 0 ? -1 : 1) * scale * direction[i]);
              // what rounding leaves of the move
              moves[i] += (side == 0 ? -1 : 1) * (double) p.values[i];
            }
            sides[side] = graph.loss(items).total();
          }
          System.arraycopy(before, 0, p.values, 0, before.length);
          double length = 0;
          for (int i = 0; i < before.length; i++) {
            expected += moves[i] * gradient[i];
            length += moves[i] * moves[i];
          }
          assertThat((sides[1] - sides[0]) / Math.sqrt(length))
              .as("%s, %s", p.name, steepest ? "steepest" : "random")
              .isCloseTo(
                  expected / Math.sqrt(length),
                  within(2e-3 * Math.abs(expected) / Math.sqrt(length) + 2e-5));
          moved++;
        }
      }
      assertThat(moved).isGreaterThan(parameters.all().size());
    }
  }

  @Test
  void whatIsAllAnchorsIsRefused() {
    KvPredictor predictor = TrainingCases.prefix();
    Parameters parameters =
        new Parameters(predictor, TrainingCases.WEIGHTS, Set.of(Learned.PROJECTIONS));
    try (TrainingGraph graph =
        graph(TrainingCases.BASE, predictor, parameters, new Anchors(4, 16, 0), WHOLE)) {
      assertThatExceptionOfType(KvpException.class)
          .isThrownBy(() -> graph.loss(List.of(item(20, 3, 1))))
          .withMessageContaining("all of them within the anchors 4/16/0");
    }
  }

  @Test
  void whatThePredictorHasNotCanNotBeLearned() {
    for (Learned learned : List.of(Learned.AUXILIARY, Learned.LINEARISED)) {
      KvPredictor other =
          learned == Learned.AUXILIARY ? TrainingCases.prefix() : TrainingCases.layerPruned();
      assertThatExceptionOfType(KvpException.class)
          .isThrownBy(() -> new Parameters(other, TrainingCases.WEIGHTS, Set.of(learned)))
          .withMessageContaining("to learn");
    }
  }
}
