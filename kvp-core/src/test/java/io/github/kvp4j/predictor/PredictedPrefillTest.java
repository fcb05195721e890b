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
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.within;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.TinyModels;
import io.github.kvp4j.kernel.ScalarKernels;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.LayerWeights;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What is predicted, counted anew; its states, its cache, its cancellation and its refusals. */
class PredictedPrefillTest {
  /** The states of the rows tell what was predicted and what was run by the base. */
  @ParameterizedTest
  @MethodSource("io.github.kvp4j.predictor.KeystoneTest#models")
  void rowStatesTellPredictedFromExact(ModelWeights weights) {
    ModelShape shape = weights.shape();
    int n = 30;
    Anchors anchors = new Anchors(3, 5, 0);
    for (int reused : new int[] {0, 2, 10, 26, 29}) {
      for (KvPredictor predictor :
          List.of(
              PredictorCases.wildPrefix(shape, 1, List.of(1), Set.of(0)),
              PredictorCases.wildSibling(weights))) {
        int[] tokens = TinyModels.tokens(n, shape.vocabulary(), 8);
        PrefillEngine base = new PrefillEngine(weights, BaseChecks.KERNELS);
        KvCache cache = new KvCache(shape, n + 2);
        if (reused > 0) {
          base.prefill(Arrays.copyOf(tokens, reused), 0, cache, Cancellation.NEVER);
        }
        float[] before = cache.keys(shape.layers() - 1).clone();
        new PredictedPrefill(base, predictor)
            .prefill(tokens, reused, anchors, cache, Cancellation.NEVER);

        int exactRows = 0;
        for (int p = 0; p < n; p++) {
          boolean anchor = p < reused || p < 3 || p >= n - 5;
          exactRows += anchor ? 1 : 0;
          for (int layer = 0; layer < shape.layers(); layer++) {
            boolean exact = anchor || layer < predictor.firstPredictedLayer();
            assertThat(cache.state(layer, p))
                .as("layer %d position %d reused %d", layer, p, reused)
                .isEqualTo(exact ? KvCache.RowState.EXACT : KvCache.RowState.PREDICTED);
          }
        }
        assertThat(cache.exactPositions(n)).isEqualTo(exactRows);
        assertThat(cache.exactPositions(n + 2)).isEqualTo(exactRows);
        assertThat(cache.state(0, n)).isEqualTo(KvCache.RowState.ABSENT);
        assertThat(Arrays.copyOf(cache.keys(shape.layers() - 1), reused * shape.kvLength()))
            .as("rows that were reused")
            .containsExactly(Arrays.copyOf(before, reused * shape.kvLength()));
      }
    }
  }

  /** Each layer is handed on complete, in order, and then no longer needed. */
  @Test
  void aRollingCacheSuffices() {
    ModelWeights weights = TinyModels.random(TinyModels.shape(4, 24, 4, 2, 6), false, true, 29);
    ModelShape shape = weights.shape();
    int n = 600;
    int[] tokens = TinyModels.tokens(n, shape.vocabulary(), 30);
    for (KvPredictor predictor :
        List.of(
            PredictorCases.wildPrefix(shape, 2, List.of(1, 2), Set.of(1)),
            PredictorCases.wildSibling(weights))) {
      PredictedPrefill prefill =
          new PredictedPrefill(new PrefillEngine(weights, BaseChecks.KERNELS), predictor);
      Anchors anchors = new Anchors(4, 560, 0);
      KvCache whole = new KvCache(shape, n);
      float[] expected = prefill.prefill(tokens, 0, anchors, whole, Cancellation.NEVER);

      KvCache rolling = KvCache.rolling(shape, n);
      List<Integer> layers = new ArrayList<>();
      float[] actual =
          prefill.prefill(
              tokens,
              0,
              anchors,
              rolling,
              layer -> {
                layers.add(layer);
                assertThat(TinyModels.maxDifference(rolling.keys(layer), whole.keys(layer)))
                    .isLessThan(BaseChecks.TOLERANCE);
                assertThat(TinyModels.maxDifference(rolling.values(layer), whole.values(layer)))
                    .isLessThan(BaseChecks.TOLERANCE);
              },
              Cancellation.NEVER);

      assertThat(layers).containsExactly(0, 1, 2, 3);
      assertThat(TinyModels.maxDifference(actual, expected)).isLessThan(BaseChecks.TOLERANCE);
      assertThat(rolling.exactPositions(n)).isEqualTo(whole.exactPositions(n));
    }
  }

  @Test
  void prefixRowsAreTheProjectionOfTheNormalisedStream() {
    ModelWeights weights = TinyModels.random(TinyModels.shape(3, 24, 4, 2, 6), false, true, 14);
    ModelShape shape = weights.shape();
    int n = 20;
    int hidden = shape.hidden();
    int[] tokens = TinyModels.tokens(n, shape.vocabulary(), 15);
    KvPredictor predictor = PredictorCases.wildPrefix(shape, 1, List.of(0, 1), Set.of());
    PrefillEngine base = new PrefillEngine(weights, BaseChecks.KERNELS);
    KvCache cache = new KvCache(shape, n);
    new PredictedPrefill(base, predictor)
        .prefill(tokens, 0, BaseChecks.LAST, cache, Cancellation.NEVER);

    float[][] streams = BaseChecks.streams(weights, tokens, 1);
    for (LinearProjection projection : predictor.projections()) {
      for (int p = 0; p < n - 1; p++) {
        double[] features = new double[2 * hidden];
        for (int source = 0; source < 2; source++) {
          double squares = 0;
          for (int c = 0; c < hidden; c++) {
            squares += Math.pow(streams[source][p * hidden + c], 2);
          }
          for (int c = 0; c < hidden; c++) {
            features[source * hidden + c] =
                streams[source][p * hidden + c] / Math.sqrt(squares / hidden + shape.normEpsilon());
          }
        }
        assertRow(weights, cache, projection, p, features, features);
      }
    }
  }

  /** An auxiliary, and the model that it must be. */
  static Stream<Arguments> readers() {
    ModelWeights base = TinyModels.random(TinyModels.shape(5, 24, 4, 2, 6), false, true, 16);
    ModelWeights small = TinyModels.random(TinyModels.shape(3, 12, 3, 3, 4), true, false, 17);
    ModelWeights other = TinyModels.random(TinyModels.shape(3, 24, 4, 2, 6), false, true, 18);
    List<LayerWeights> layers = base.layers();
    LayerMap map = new LayerMap(List.of(0, 0, 1, 2, 2));
    List<Integer> kept = List.of(0, 2, 3);
    return Stream.of(
        Arguments.argumentSet("sibling", base, new Auxiliary.Sibling(small, map), small),
        Arguments.argumentSet(
            "layer-pruned",
            base,
            new Auxiliary.LayerPruned(kept, List.of(), map),
            withLayers(base, List.of(layers.get(0), layers.get(2), layers.get(3)))),
        Arguments.argumentSet(
            "sibling, two layers read together",
            base,
            new Auxiliary.Sibling(small, map.wide(2)),
            small),
        Arguments.argumentSet(
            "sibling, all layers read together",
            base,
            new Auxiliary.Sibling(small, map.wide(3)),
            small),
        Arguments.argumentSet(
            "layer-pruned, trained",
            base,
            new Auxiliary.LayerPruned(kept, other.layers(), map),
            withLayers(base, other.layers())));
  }

  private static ModelWeights withLayers(ModelWeights base, List<LayerWeights> layers) {
    return new ModelWeights(
        TinyModels.shape(layers.size(), 24, 4, 2, 6),
        base.rope(),
        base.embedding(),
        layers,
        base.finalNorm(),
        base.head());
  }

  @ParameterizedTest
  @MethodSource("readers")
  void rowsAreTheProjectionOfTheReadersKeysBeforeRotationAndValues(
      ModelWeights weights, Auxiliary.Separate auxiliary, ModelWeights reader) {
    ModelShape shape = weights.shape();
    int n = 20;
    int kv = reader.shape().kvLength();
    int width = auxiliary.map().width();
    int[] tokens = TinyModels.tokens(n, shape.vocabulary(), 18);
    SplittableRandom random = new SplittableRandom(19);
    KvPredictor predictor =
        new KvPredictor(
            auxiliary,
            IntStream.range(0, 5)
                .mapToObj(layer ->
                    PredictorCases.projection(layer, shape.kvLength(), width * kv, 1, random))
                .toList());
    KvCache cache = new KvCache(shape, n);
    new PredictedPrefill(new PrefillEngine(weights, BaseChecks.KERNELS), predictor)
        .prefill(tokens, 0, BaseChecks.LAST, cache, Cancellation.NEVER);

    KvCache own = new KvCache(reader.shape(), n);
    new PrefillEngine(reader, BaseChecks.KERNELS).prefill(tokens, 0, own, Cancellation.NEVER);
    new PrefillEngine(reader, BaseChecks.KERNELS).unrotateKeys(own, n);
    // by width: the first of the layers that are read for each of the base's
    int[][] firsts = {{0, 0, 1, 2, 2}, {0, 0, 1, 1, 1}, {0, 0, 0, 0, 0}};
    for (LinearProjection projection : predictor.projections()) {
      int first = firsts[width - 1][projection.layer()];
      for (int p = 0; p < n - 1; p++) {
        double[] key = new double[width * kv];
        double[] value = new double[width * kv];
        for (int i = 0; i < width * kv; i++) {
          key[i] = own.keys(first + i / kv)[p * kv + i % kv];
          value[i] = own.values(first + i / kv)[p * kv + i % kv];
        }
        assertRow(weights, cache, projection, p, key, value);
      }
    }
  }

  @Test
  void cancellationStopsBetweenLayersAndProjections() {
    ModelWeights weights = TinyModels.random(TinyModels.shape(4, 24, 4, 2, 6), false, true, 20);
    PrefillEngine base = new PrefillEngine(weights, BaseChecks.KERNELS);
    int[] tokens = TinyModels.tokens(30, weights.shape().vocabulary(), 21);
    for (KvPredictor predictor :
        List.of(
            PredictorCases.wildPrefix(weights.shape(), 2, List.of(1, 2), Set.of(0)),
            PredictorCases.identitySibling(weights))) {
      AtomicInteger asked = new AtomicInteger();
      PredictedPrefill prefill = new PredictedPrefill(base, predictor);
      prefill.prefill(
          tokens,
          0,
          Anchors.DEFAULT,
          new KvCache(weights.shape(), 30),
          () -> asked.incrementAndGet() < 0);
      assertThat(asked.get()).isGreaterThanOrEqualTo(weights.shape().layers());
      for (int after = 0; after < asked.get(); after++) {
        AtomicInteger left = new AtomicInteger(after);
        assertThatExceptionOfType(KvpException.class)
            .isThrownBy(() ->
                prefill.prefill(
                    tokens,
                    0,
                    Anchors.DEFAULT,
                    new KvCache(weights.shape(), 30),
                    () -> left.getAndDecrement() == 0))
            .satisfies(e -> assertThat(e.kind()).isEqualTo(KvpException.Kind.CANCELLED));
      }
    }
  }

  @Test
  void badPromptsAreRefusedBeforeAnythingIsRun() {
    ModelWeights weights = TinyModels.random(TinyModels.shape(2, 24, 4, 2, 6), false, true, 22);
    for (KvPredictor predictor :
        List.of(
            PredictorCases.wildPrefix(weights.shape(), 1, List.of(1), Set.of()),
            PredictorCases.identitySibling(weights))) {
      PredictedPrefill prefill =
          new PredictedPrefill(new PrefillEngine(weights, BaseChecks.KERNELS), predictor);
      KvCache cache = new KvCache(weights.shape(), 4);
      BaseChecks.refused(KvpException.Kind.PROMPT, () -> run(prefill, cache));
      BaseChecks.refused(KvpException.Kind.PROMPT, () -> run(prefill, cache, 1, 2, 3, 4, 5));
      BaseChecks.refused(KvpException.Kind.PROMPT, () -> run(prefill, cache, 1, 61));
      BaseChecks.refused(KvpException.Kind.PROMPT, () -> run(prefill, cache, -1));
      assertThat(cache.state(0, 0)).isEqualTo(KvCache.RowState.ABSENT);
    }
  }

  private static void run(PredictedPrefill prefill, KvCache cache, int... tokens) {
    prefill.prefill(tokens, 0, Anchors.DEFAULT, cache, Cancellation.NEVER);
  }

  /** Holds one predicted row against the projection of its features, rotated at its position. */
  private static void assertRow(
      ModelWeights weights,
      KvCache cache,
      LinearProjection projection,
      int position,
      double[] keyFeatures,
      double[] valueFeatures) {
    ModelShape s = weights.shape();
    int kv = s.kvLength();
    float[] key = new float[kv];
    double[] value = new double[kv];
    for (int r = 0; r < kv; r++) {
      double k = projection.key().bias()[r];
      double v = projection.value().bias()[r];
      for (int c = 0; c < keyFeatures.length; c++) {
        k += projection.key().weight().get(r, c) * keyFeatures[c];
        v += projection.value().weight().get(r, c) * valueFeatures[c];
      }
      key[r] = (float) k;
      value[r] = v;
    }
    new ScalarKernels().rotate(1, s.kvHeads(), key, 0, kv, new int[] {position}, weights.rope());
    String where = "layer " + projection.layer() + " position " + position;
    int from = position * kv;
    float[] keys = cache.keys(projection.layer());
    float[] values = cache.values(projection.layer());
    assertThat(TinyModels.doubles(Arrays.copyOfRange(keys, from, from + kv)))
        .as("keys, " + where)
        .containsExactly(TinyModels.doubles(key), within(BaseChecks.TOLERANCE));
    assertThat(TinyModels.doubles(Arrays.copyOfRange(values, from, from + kv)))
        .as("values, " + where)
        .containsExactly(value, within(BaseChecks.TOLERANCE));
  }
}
