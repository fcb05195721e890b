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
package io.github.kvp4j.predictor;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.kvp4j.TinyModels;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The keystone: a prediction that is right by construction must give the base's own answer, and
 * whatever is anchored must be the base's own whatever the prediction is.
 */
class KeystoneTest {
  static Stream<Arguments> models() {
    return Stream.of(
        Arguments.argumentSet(
            "grouped, tied", TinyModels.random(TinyModels.shape(4, 32, 4, 2, 8), true, false, 1)),
        Arguments.argumentSet(
            "grouped, untied, biases",
            TinyModels.random(TinyModels.shape(4, 24, 6, 2, 4), false, true, 2)),
        Arguments.argumentSet(
            "full heads, untied",
            TinyModels.random(TinyModels.shape(3, 32, 4, 4, 8), false, false, 3)),
        Arguments.argumentSet(
            "full heads, tied, biases",
            TinyModels.random(TinyModels.shape(3, 24, 3, 3, 8), true, true, 4)),
        Arguments.argumentSet(
            "one head for all",
            TinyModels.random(TinyModels.shape(2, 32, 4, 1, 8), true, true, 5)));
  }

  static Stream<Arguments> goldenModels() {
    return TinyModels.GOLDEN.stream()
        .map(name -> Arguments.argumentSet(name, TinyModels.golden(name).weights()));
  }

  @ParameterizedTest
  @MethodSource({"models", "goldenModels"})
  void auxiliariesThatAreTheBaseWithIdentityProjectionsAreTheBase(ModelWeights weights) {
    for (Auxiliary.Separate auxiliary : PredictorCases.wholeBase(weights)) {
      KvPredictor predictor = PredictorCases.identity(weights, auxiliary);
      for (int n : new int[] {1, 2, 37}) {
        BaseChecks.assertIsBase(weights, predictor, BaseChecks.LAST, n);
      }
      BaseChecks.assertIsBase(weights, predictor, new Anchors(4, 8, 0), 37);
    }
  }

  @ParameterizedTest
  @MethodSource({"models", "goldenModels"})
  void prefixWithTheBasesOwnKeyAndValueMapsIsTheBase(ModelWeights weights) {
    int split = weights.shape().layers() - 1;
    KvPredictor predictor = PredictorCases.ownMaps(weights, split, List.of(split));
    for (int n : new int[] {1, 2, 37}) {
      BaseChecks.assertIsBase(weights, predictor, BaseChecks.LAST, n);
    }
    BaseChecks.assertIsBase(weights, predictor, new Anchors(4, 8, 3), 37);
  }

  /**
   * The same with further source layers that the projection ignores: the columns are told apart.
   */
  @ParameterizedTest
  @MethodSource("models")
  void prefixReadsTheRightSourceLayer(ModelWeights weights) {
    int split = weights.shape().layers() - 1;
    BaseChecks.assertIsBase(
        weights, PredictorCases.ownMaps(weights, split, List.of(0, split)), BaseChecks.LAST, 37);
  }

  /** The same over prompts of several chunks. */
  @ParameterizedTest
  @ValueSource(ints = {513, 1100})
  void longPromptsAreTheBaseToo(int n) {
    ModelWeights weights = TinyModels.random(TinyModels.shape(3, 24, 4, 2, 6), false, true, 6);
    BaseChecks.assertIsBase(weights, PredictorCases.identitySibling(weights), BaseChecks.LAST, n);
    BaseChecks.assertIsBase(
        weights,
        PredictorCases.identity(weights, PredictorCases.wholeBase(weights).get(1)),
        BaseChecks.LAST,
        n);
    BaseChecks.assertIsBase(
        weights, PredictorCases.ownMaps(weights, 2, List.of(1, 2)), new Anchors(4, 600, 5), n);
  }

  @ParameterizedTest
  @MethodSource("models")
  void anchorsOverTheWholePromptAreTheBaseWhateverIsPredicted(ModelWeights weights) {
    int n = 37;
    ModelShape shape = weights.shape();
    for (KvPredictor predictor :
        List.of(
            PredictorCases.wildPrefix(shape, 0, List.of(0), Set.of()),
            PredictorCases.wildPrefix(shape, 1, List.of(0, 1), Set.of()),
            PredictorCases.wildSibling(weights),
            PredictorCases.wildLayerPruned(shape))) {
      BaseChecks.assertIsBase(weights, predictor, new Anchors(0, n, 0), n);
      BaseChecks.assertIsBase(weights, predictor, new Anchors(n, 1, 0), n);
      BaseChecks.assertIsBase(weights, predictor, new Anchors(20, n - 20, 0), n);
      BaseChecks.assertIsBase(weights, predictor, new Anchors(n + 5, n + 5, 0), n);
    }
    // where no layer below is linearised, tokens chosen by attention are exact as well
    BaseChecks.assertIsBase(
        weights,
        PredictorCases.wildPrefix(shape, 1, List.of(1), Set.of()),
        new Anchors(3, 5, n),
        n);
    // sink and tail keep the network of a linearised layer
    BaseChecks.assertIsBase(
        weights,
        PredictorCases.wildPrefix(shape, 1, List.of(1), Set.of(0)),
        new Anchors(20, 17, 0),
        n);
  }

  @Test
  void anchorsOfMoreThanOneChunkAreTheBase() {
    ModelWeights weights = TinyModels.random(TinyModels.shape(3, 24, 4, 2, 6), true, true, 7);
    KvPredictor predictor = PredictorCases.wildPrefix(weights.shape(), 1, List.of(0, 1), Set.of(0));
    BaseChecks.assertIsBase(weights, predictor, new Anchors(100, 600, 0), 700);
  }

  /** Over an exact beginning, a right prediction is the base, whatever is reused. */
  @ParameterizedTest
  @ValueSource(ints = {1, 5, 20, 36})
  void reuseOfAnExactBeginningIsTheBase(int reused) {
    ModelWeights weights = TinyModels.random(TinyModels.shape(4, 24, 4, 2, 6), false, true, 9);
    ModelShape shape = weights.shape();
    int[] tokens = TinyModels.tokens(37, shape.vocabulary(), 10);
    PrefillEngine base = new PrefillEngine(weights, BaseChecks.KERNELS);
    float[] expected =
        base.prefill(tokens, 0, new KvCache(shape, tokens.length), Cancellation.NEVER);
    for (KvPredictor predictor :
        List.of(
            PredictorCases.identitySibling(weights),
            PredictorCases.identity(weights, PredictorCases.wholeBase(weights).get(1)),
            PredictorCases.ownMaps(weights, 3, List.of(3)))) {
      for (Anchors anchors : List.of(BaseChecks.LAST, new Anchors(3, 4, 0))) {
        KvCache cache = new KvCache(shape, tokens.length);
        base.prefill(Arrays.copyOf(tokens, reused), 0, cache, Cancellation.NEVER);
        float[] last =
            new PredictedPrefill(base, predictor)
                .prefill(tokens, reused, anchors, cache, Cancellation.NEVER);
        assertThat(TinyModels.maxDifference(last, expected)).isLessThan(BaseChecks.TOLERANCE);
      }
    }
  }
}
