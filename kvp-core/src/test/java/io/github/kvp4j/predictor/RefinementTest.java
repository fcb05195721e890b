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
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.TinyModels;
import io.github.kvp4j.kernel.VectorKernels;
import io.github.kvp4j.kernel.Workers;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.LayerListener;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Refinement ends where an exact prefill does, whatever the prediction was. */
class RefinementTest {
  private static final int LENGTH = 75;
  private static final ModelWeights WEIGHTS =
      TinyModels.random(TinyModels.shape(4, 24, 4, 2, 6), false, true, 31);
  private static final ModelShape SHAPE = WEIGHTS.shape();
  private static final PrefillEngine BASE =
      new PrefillEngine(WEIGHTS, new VectorKernels(Workers.shared()));
  private static final int[] TOKENS = TinyModels.tokens(LENGTH, SHAPE.vocabulary(), 5);

  static Stream<Arguments> predictors() {
    return Stream.of(
        Arguments.argumentSet(
            "prefix", PredictorCases.wildPrefix(SHAPE, 2, List.of(0, 2), Set.of()), 2),
        Arguments.argumentSet(
            "linearised", PredictorCases.wildPrefix(SHAPE, 3, List.of(3), Set.of(1, 2)), 1),
        Arguments.argumentSet("sibling", PredictorCases.wildSibling(WEIGHTS), 0));
  }

  @ParameterizedTest
  @MethodSource("predictors")
  void endsWithTheExactRows(KvPredictor predictor, int firstInexact) {
    KvCache exact = exact();
    for (int reused : new int[] {0, 32}) {
      for (int chunk : new int[] {1, 7, 64, 1000}) {
        KvCache predicted = new KvCache(SHAPE, LENGTH);
        for (int layer = 0; layer < SHAPE.layers(); layer++) {
          copy(exact, predicted, layer, reused);
        }
        PredictedPrefill prefill = new PredictedPrefill(BASE, predictor);
        PredictedPrefill.Refinable refinable =
            prefill.refinable(
                TOKENS,
                reused,
                new Anchors(4, 8, 0),
                predicted,
                LayerListener.NONE,
                Cancellation.NEVER);
        Refinement rest = refinable.rest();
        assertThat(rest.firstLayer()).isEqualTo(firstInexact);
        for (int layer = firstInexact; layer < SHAPE.layers(); layer++) {
          copy(exact, rest.cache(), layer, reused);
        }
        int pieces = 0;
        while (!rest.isDone()) {
          assertThat(rest.exact()).isEqualTo(reused + pieces * chunk);
          rest.advance(chunk, Cancellation.NEVER);
          pieces++;
        }
        assertThat(rest.exact()).isEqualTo(LENGTH);
        assertThat(pieces).isEqualTo((LENGTH - reused + chunk - 1) / chunk);
        for (int layer = 0; layer < SHAPE.layers(); layer++) {
          // below, prediction itself was exact
          KvCache rows = layer < firstInexact ? predicted : rest.cache();
          assertThat(TinyModels.maxDifference(rows.keys(layer), exact.keys(layer)))
              .as("keys of layer %d, pieces of %d, %d reused", layer, chunk, reused)
              .isLessThan(1e-4);
          assertThat(TinyModels.maxDifference(rows.values(layer), exact.values(layer)))
              .as("values of layer %d, pieces of %d, %d reused", layer, chunk, reused)
              .isLessThan(1e-4);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("predictors")
  void theFirstTokenIsThatOfPrediction(KvPredictor predictor, int firstInexact) {
    PredictedPrefill prefill = new PredictedPrefill(BASE, predictor);
    Anchors anchors = new Anchors(4, 8, 0);
    float[] last =
        prefill.prefill(TOKENS, 0, anchors, new KvCache(SHAPE, LENGTH), Cancellation.NEVER);
    assertThat(refinable(predictor).last()).containsExactly(last);
  }

  @Test
  void aPieceThatWasCancelledCanBeTakenAgain() {
    Refinement rest = refinable(PredictorCases.wildPrefix(SHAPE, 2, List.of(2), Set.of())).rest();
    rest.advance(20, Cancellation.NEVER);
    AtomicInteger asked = new AtomicInteger();
    assertThatThrownBy(() -> rest.advance(20, () -> asked.incrementAndGet() > 1))
        .isInstanceOfSatisfying(
            KvpException.class, e -> assertThat(e.kind()).isEqualTo(KvpException.Kind.CANCELLED));
    assertThat(rest.exact()).isEqualTo(20);
    while (!rest.isDone()) {
      rest.advance(20, Cancellation.NEVER);
    }
    int last = SHAPE.layers() - 1;
    assertThat(TinyModels.maxDifference(rest.cache().keys(last), exact().keys(last)))
        .isLessThan(1e-4);
  }

  private static PredictedPrefill.Refinable refinable(KvPredictor predictor) {
    return new PredictedPrefill(BASE, predictor)
        .refinable(
            TOKENS,
            0,
            new Anchors(4, 8, 0),
            new KvCache(SHAPE, LENGTH),
            LayerListener.NONE,
            Cancellation.NEVER);
  }

  private static KvCache exact() {
    KvCache exact = new KvCache(SHAPE, LENGTH);
    BASE.prefill(TOKENS, 0, exact, Cancellation.NEVER);
    return exact;
  }

  private static void copy(KvCache from, KvCache to, int layer, int rows) {
    int count = rows * SHAPE.kvLength();
    System.arraycopy(Arrays.copyOf(from.keys(layer), count), 0, to.keys(layer), 0, count);
    System.arraycopy(Arrays.copyOf(from.values(layer), count), 0, to.values(layer), 0, count);
    to.mark(layer, 0, rows, KvCache.RowState.EXACT);
  }
}
