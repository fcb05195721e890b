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
import io.github.kvp4j.kernel.Kernels;
import io.github.kvp4j.kernel.ScalarKernels;
import io.github.kvp4j.kernel.VectorKernels;
import io.github.kvp4j.kernel.Workers;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.LayerWeights;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.LayerRun;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.prefill.PrefillScratch;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The keystone: a prediction that is right by construction must give the base's own answer, and
 * whatever is anchored must be the base's own whatever the prediction is.
 */
public class KeystoneTest {
  private static final double TOLERANCE = 1e-4;
  private static final int GREEDY = 20;
  private static final Kernels KERNELS = new VectorKernels(Workers.shared());
  private static final Anchors LAST = new Anchors(0, 1, 0);

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

  // --- a prediction that is right by construction

  @ParameterizedTest
  @MethodSource({"models", "goldenModels"})
  void auxiliariesThatAreTheBaseWithIdentityProjectionsAreTheBase(ModelWeights weights) {
    for (Auxiliary.Separate auxiliary : wholeBase(weights)) {
      KvPredictor predictor = identity(weights, auxiliary);
      for (int n : new int[] {1, 2, 37}) {
        assertIsBase(weights, predictor, LAST, n);
      }
      assertIsBase(weights, predictor, new Anchors(4, 8, 0), 37);
    }
  }

  @ParameterizedTest
  @MethodSource({"models", "goldenModels"})
  void prefixWithTheBasesOwnKeyAndValueMapsIsTheBase(ModelWeights weights) {
    int split = weights.shape().layers() - 1;
    KvPredictor predictor = ownMaps(weights, split, List.of(split));
    for (int n : new int[] {1, 2, 37}) {
      assertIsBase(weights, predictor, LAST, n);
    }
    assertIsBase(weights, predictor, new Anchors(4, 8, 3), 37);
  }

  /**
   * The same with further source layers that the projection ignores: the columns are told apart.
   */
  @ParameterizedTest
  @MethodSource("models")
  void prefixReadsTheRightSourceLayer(ModelWeights weights) {
    int split = weights.shape().layers() - 1;
    assertIsBase(weights, ownMaps(weights, split, List.of(0, split)), LAST, 37);
  }

  /** The same over prompts of several chunks. */
  @ParameterizedTest
  @ValueSource(ints = {513, 1100})
  void longPromptsAreTheBaseToo(int n) {
    ModelWeights weights = TinyModels.random(TinyModels.shape(3, 24, 4, 2, 6), false, true, 6);
    assertIsBase(weights, identitySibling(weights), LAST, n);
    assertIsBase(weights, identity(weights, wholeBase(weights).get(1)), LAST, n);
    assertIsBase(weights, ownMaps(weights, 2, List.of(1, 2)), new Anchors(4, 600, 5), n);
  }

  // --- anchors

  @ParameterizedTest
  @MethodSource("models")
  void anchorsOverTheWholePromptAreTheBaseWhateverIsPredicted(ModelWeights weights) {
    int n = 37;
    ModelShape shape = weights.shape();
    for (KvPredictor predictor :
        List.of(
            wildPrefix(shape, 0, List.of(0), Set.of()),
            wildPrefix(shape, 1, List.of(0, 1), Set.of()),
            wildSibling(weights),
            wildLayerPruned(shape))) {
      assertIsBase(weights, predictor, new Anchors(0, n, 0), n);
      assertIsBase(weights, predictor, new Anchors(n, 1, 0), n);
      assertIsBase(weights, predictor, new Anchors(20, n - 20, 0), n);
      assertIsBase(weights, predictor, new Anchors(n + 5, n + 5, 0), n);
    }
    // where no layer below is linearised, tokens chosen by attention are exact as well
    assertIsBase(weights, wildPrefix(shape, 1, List.of(1), Set.of()), new Anchors(3, 5, n), n);
    // sink and tail keep the network of a linearised layer
    assertIsBase(weights, wildPrefix(shape, 1, List.of(1), Set.of(0)), new Anchors(20, 17, 0), n);
  }

  @Test
  void anchorsOfMoreThanOneChunkAreTheBase() {
    ModelWeights weights = TinyModels.random(TinyModels.shape(3, 24, 4, 2, 6), true, true, 7);
    KvPredictor predictor = wildPrefix(weights.shape(), 1, List.of(0, 1), Set.of(0));
    assertIsBase(weights, predictor, new Anchors(100, 600, 0), 700);
  }

  /** The states of the rows tell what was predicted and what was run by the base. */
  @ParameterizedTest
  @MethodSource("models")
  void rowStatesTellPredictedFromExact(ModelWeights weights) {
    ModelShape shape = weights.shape();
    int n = 30;
    Anchors anchors = new Anchors(3, 5, 0);
    for (int reused : new int[] {0, 2, 10, 26, 29}) {
      for (KvPredictor predictor :
          List.of(wildPrefix(shape, 1, List.of(1), Set.of(0)), wildSibling(weights))) {
        int[] tokens = TinyModels.tokens(n, shape.vocabulary(), 8);
        PrefillEngine base = new PrefillEngine(weights, KERNELS);
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

  /** Over an exact beginning, a right prediction is the base, whatever is reused. */
  @ParameterizedTest
  @ValueSource(ints = {1, 5, 20, 36})
  void reuseOfAnExactBeginningIsTheBase(int reused) {
    ModelWeights weights = TinyModels.random(TinyModels.shape(4, 24, 4, 2, 6), false, true, 9);
    ModelShape shape = weights.shape();
    int[] tokens = TinyModels.tokens(37, shape.vocabulary(), 10);
    PrefillEngine base = new PrefillEngine(weights, KERNELS);
    float[] expected =
        base.prefill(tokens, 0, new KvCache(shape, tokens.length), Cancellation.NEVER);
    for (KvPredictor predictor :
        List.of(
            identitySibling(weights),
            identity(weights, wholeBase(weights).get(1)),
            ownMaps(weights, 3, List.of(3)))) {
      for (Anchors anchors : List.of(LAST, new Anchors(3, 4, 0))) {
        KvCache cache = new KvCache(shape, tokens.length);
        base.prefill(Arrays.copyOf(tokens, reused), 0, cache, Cancellation.NEVER);
        float[] last =
            new PredictedPrefill(base, predictor)
                .prefill(tokens, reused, anchors, cache, Cancellation.NEVER);
        assertThat(TinyModels.maxDifference(last, expected)).isLessThan(TOLERANCE);
      }
    }
  }

  /** The top anchors are the positions that the tail attends to most, counted here anew. */
  @ParameterizedTest
  @ValueSource(ints = {0, 6})
  void topAnchorsAreThoseTheTailAttendsToMost(int reused) {
    ModelWeights weights = TinyModels.random(TinyModels.shape(4, 32, 4, 2, 8), false, true, 12);
    ModelShape shape = weights.shape();
    int n = 40;
    int split = 2;
    Anchors anchors = new Anchors(2, 6, 7);
    int[] tokens = TinyModels.tokens(n, shape.vocabulary(), 13);
    double[] mass = attentionOfTail(weights, tokens, split, n - anchors.tail());
    List<Integer> ranking =
        IntStream.range(Math.max(reused, anchors.sink()), n - anchors.tail())
            .boxed()
            .sorted((a, b) -> Double.compare(mass[b], mass[a]))
            .toList();
    assertThat(mass[ranking.get(6)] - mass[ranking.get(7)])
        .as("the last that is chosen is well apart from the first that is not")
        .isGreaterThan(1e-3);
    Set<Integer> expected = new TreeSet<>(ranking.subList(0, 7));
    IntStream.range(0, Math.max(reused, anchors.sink())).forEach(expected::add);
    IntStream.range(n - anchors.tail(), n).forEach(expected::add);

    PrefillEngine base = new PrefillEngine(weights, KERNELS);
    KvCache cache = new KvCache(shape, n);
    if (reused > 0) {
      base.prefill(Arrays.copyOf(tokens, reused), 0, cache, Cancellation.NEVER);
    }
    new PredictedPrefill(base, wildPrefix(shape, split, List.of(0, split), Set.of()))
        .prefill(tokens, reused, anchors, cache, Cancellation.NEVER);

    for (int layer = split; layer < shape.layers(); layer++) {
      int at = layer;
      Set<Integer> exact =
          IntStream.range(0, n)
              .filter(p -> cache.state(at, p) == KvCache.RowState.EXACT)
              .boxed()
              .collect(Collectors.toCollection(TreeSet::new));
      assertThat(exact).as("layer %d", layer).isEqualTo(expected);
    }
    assertThat(cache.exactPositions(n)).isEqualTo(expected.size());
  }

  /**
   * With the base's own maps what is predicted is right, so that the tail sees above what it sees
   * in an exact prefill: the windows that receive most there are chosen.
   */
  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void topAnchorsMayBeLookedForAbove(int window) {
    ModelWeights weights = TinyModels.random(TinyModels.shape(4, 32, 4, 2, 8), false, true, 12);
    ModelShape shape = weights.shape();
    int n = 40;
    int split = 3;
    Anchors anchors = new Anchors(2, 6, 6, Anchors.Look.UPPER, window);
    int[] tokens = TinyModels.tokens(n, shape.vocabulary(), 13);
    double[] below = attentionOfTail(weights, tokens, split, n - anchors.tail());
    double[] all = attentionOfTail(weights, tokens, split + 1, n - anchors.tail());
    double[] received = new double[(n + window - 1) / window];
    for (int p = anchors.sink(); p < n - anchors.tail(); p++) {
      received[p / window] += all[p] - below[p];
    }
    Set<Integer> expected = new TreeSet<>();
    IntStream.range(0, received.length)
        .boxed()
        .sorted((a, b) -> Double.compare(received[b], received[a]))
        .flatMap(w -> IntStream.range(w * window, (w + 1) * window).boxed())
        .filter(p -> p >= anchors.sink() && p < n - anchors.tail())
        .limit(anchors.top())
        .forEach(expected::add);
    IntStream.range(0, anchors.sink()).forEach(expected::add);
    IntStream.range(n - anchors.tail(), n).forEach(expected::add);

    KvCache cache = new KvCache(shape, n);
    new PredictedPrefill(
            new PrefillEngine(weights, KERNELS), ownMaps(weights, split, List.of(split)))
        .prefill(tokens, 0, anchors, cache, Cancellation.NEVER);
    Set<Integer> exact =
        IntStream.range(0, n)
            .filter(p -> cache.state(split, p) == KvCache.RowState.EXACT)
            .boxed()
            .collect(Collectors.toCollection(TreeSet::new));
    assertThat(exact).isEqualTo(expected);
    assertIsBase(weights, ownMaps(weights, split, List.of(split)), anchors, n);
  }

  /**
   * An auxiliary with layers of its own looks as it reads: at all of the tail that it reads below
   * its last layer, and there at its last token.
   */
  @ParameterizedTest
  @CsvSource({"6, 0", "6, 5", "1, 0"})
  void topAnchorsAreThoseTheSiblingAttendsToMost(int tail, int reused) {
    ModelWeights weights = TinyModels.random(TinyModels.shape(3, 32, 4, 2, 8), false, true, 12);
    int n = 40;
    int read = n - 1;
    Anchors anchors = new Anchors(2, tail, 7);
    int[] tokens = TinyModels.tokens(n, weights.shape().vocabulary(), 13);
    int[] own = Arrays.copyOf(tokens, read);
    double[] mass = attentionOfTail(weights, own, 2, Math.min(read - 1, n - tail));
    double[] below = attentionOfTail(weights, own, 2, read - 1);
    double[] all = attentionOfTail(weights, own, 3, read - 1);
    Set<Integer> expected =
        IntStream.range(Math.max(reused, anchors.sink()), n - tail)
            .boxed()
            .sorted(
                (a, b) -> Double.compare(mass[b] + all[b] - below[b], mass[a] + all[a] - below[a]))
            .limit(anchors.top())
            .collect(Collectors.toCollection(TreeSet::new));
    IntStream.range(0, Math.max(reused, anchors.sink())).forEach(expected::add);
    IntStream.range(n - tail, n).forEach(expected::add);
    assertThat(exactOf(weights, identitySibling(weights), anchors, tokens, reused))
        .isEqualTo(expected);
    assertIsBase(weights, identitySibling(weights), anchors, n);
  }

  /** The base looks over predicted keys in all its layers, whoever predicted them. */
  @Test
  void topAnchorsMayBeLookedForOverTheSiblingsKeys() {
    ModelWeights weights = TinyModels.random(TinyModels.shape(3, 32, 4, 2, 8), false, true, 12);
    int n = 40;
    Anchors anchors = new Anchors(2, 6, 6, Anchors.Look.UPPER, 3);
    int[] tokens = TinyModels.tokens(n, weights.shape().vocabulary(), 13);
    double[] mass = attentionOfTail(weights, tokens, 3, n - anchors.tail());
    double[] received = new double[(n + 2) / 3];
    for (int p = anchors.sink(); p < n - anchors.tail(); p++) {
      received[p / 3] += mass[p];
    }
    Set<Integer> expected =
        IntStream.range(0, received.length)
            .boxed()
            .sorted((a, b) -> Double.compare(received[b], received[a]))
            .flatMap(w -> IntStream.range(w * 3, w * 3 + 3).boxed())
            .filter(p -> p >= anchors.sink() && p < n - anchors.tail())
            .limit(anchors.top())
            .collect(Collectors.toCollection(TreeSet::new));
    IntStream.range(0, anchors.sink()).forEach(expected::add);
    IntStream.range(n - anchors.tail(), n).forEach(expected::add);
    assertThat(exactOf(weights, identitySibling(weights), anchors, tokens, 0)).isEqualTo(expected);
    assertIsBase(weights, identitySibling(weights), anchors, n);
  }

  /** The positions that are exact in the last layer. */
  private static Set<Integer> exactOf(
      ModelWeights weights, KvPredictor predictor, Anchors anchors, int[] tokens, int reused) {
    PrefillEngine base = new PrefillEngine(weights, KERNELS);
    KvCache cache = new KvCache(weights.shape(), tokens.length);
    if (reused > 0) {
      base.prefill(Arrays.copyOf(tokens, reused), 0, cache, Cancellation.NEVER);
    }
    new PredictedPrefill(base, predictor)
        .prefill(tokens, reused, anchors, cache, Cancellation.NEVER);
    return IntStream.range(0, tokens.length)
        .filter(p -> cache.state(weights.shape().layers() - 1, p) == KvCache.RowState.EXACT)
        .boxed()
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /** Each layer is handed on complete, in order, and then no longer needed. */
  @Test
  void aRollingCacheSuffices() {
    ModelWeights weights = TinyModels.random(TinyModels.shape(4, 24, 4, 2, 6), false, true, 29);
    ModelShape shape = weights.shape();
    int n = 600;
    int[] tokens = TinyModels.tokens(n, shape.vocabulary(), 30);
    for (KvPredictor predictor :
        List.of(wildPrefix(shape, 2, List.of(1, 2), Set.of(1)), wildSibling(weights))) {
      PredictedPrefill prefill =
          new PredictedPrefill(new PrefillEngine(weights, KERNELS), predictor);
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
                    .isLessThan(TOLERANCE);
                assertThat(TinyModels.maxDifference(rolling.values(layer), whole.values(layer)))
                    .isLessThan(TOLERANCE);
              },
              Cancellation.NEVER);

      assertThat(layers).containsExactly(0, 1, 2, 3);
      assertThat(TinyModels.maxDifference(actual, expected)).isLessThan(TOLERANCE);
      assertThat(rolling.exactPositions(n)).isEqualTo(whole.exactPositions(n));
    }
  }

  // --- what is predicted, counted anew

  @Test
  void prefixRowsAreTheProjectionOfTheNormalisedStream() {
    ModelWeights weights = TinyModels.random(TinyModels.shape(3, 24, 4, 2, 6), false, true, 14);
    ModelShape shape = weights.shape();
    int n = 20;
    int hidden = shape.hidden();
    int[] tokens = TinyModels.tokens(n, shape.vocabulary(), 15);
    KvPredictor predictor = wildPrefix(shape, 1, List.of(0, 1), Set.of());
    PrefillEngine base = new PrefillEngine(weights, KERNELS);
    KvCache cache = new KvCache(shape, n);
    new PredictedPrefill(base, predictor).prefill(tokens, 0, LAST, cache, Cancellation.NEVER);

    float[][] streams = streams(weights, tokens, 1);
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
                .mapToObj(layer -> projection(layer, shape.kvLength(), width * kv, 1, random))
                .toList());
    KvCache cache = new KvCache(shape, n);
    new PredictedPrefill(new PrefillEngine(weights, KERNELS), predictor)
        .prefill(tokens, 0, LAST, cache, Cancellation.NEVER);

    KvCache own = new KvCache(reader.shape(), n);
    new PrefillEngine(reader, KERNELS).prefill(tokens, 0, own, Cancellation.NEVER);
    new PrefillEngine(reader, KERNELS).unrotateKeys(own, n);
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

  // --- cancellation and errors

  @Test
  void cancellationStopsBetweenLayersAndProjections() {
    ModelWeights weights = TinyModels.random(TinyModels.shape(4, 24, 4, 2, 6), false, true, 20);
    PrefillEngine base = new PrefillEngine(weights, KERNELS);
    int[] tokens = TinyModels.tokens(30, weights.shape().vocabulary(), 21);
    for (KvPredictor predictor :
        List.of(
            wildPrefix(weights.shape(), 2, List.of(1, 2), Set.of(0)), identitySibling(weights))) {
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
        List.of(wildPrefix(weights.shape(), 1, List.of(1), Set.of()), identitySibling(weights))) {
      PredictedPrefill prefill =
          new PredictedPrefill(new PrefillEngine(weights, KERNELS), predictor);
      KvCache cache = new KvCache(weights.shape(), 4);
      refused(KvpException.Kind.PROMPT, () -> run(prefill, cache));
      refused(KvpException.Kind.PROMPT, () -> run(prefill, cache, 1, 2, 3, 4, 5));
      refused(KvpException.Kind.PROMPT, () -> run(prefill, cache, 1, 61));
      refused(KvpException.Kind.PROMPT, () -> run(prefill, cache, -1));
      assertThat(cache.state(0, 0)).isEqualTo(KvCache.RowState.ABSENT);
    }
  }

  private static void run(PredictedPrefill prefill, KvCache cache, int... tokens) {
    prefill.prefill(tokens, 0, Anchors.DEFAULT, cache, Cancellation.NEVER);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "4/64",
        "4/0/0",
        "-1/1/0",
        "4/64/0/0",
        "a/b/c",
        "4/64/99999999",
        " 4/1/0",
        "4/1/3@",
        "4/1/3@up",
        "4/1/3@upper:0",
        "4/1/3:2"
      })
  void badAnchorsAreRefused(String text) {
    refused(KvpException.Kind.BAD_ARGUMENT, () -> Anchors.parse(text));
  }

  @Test
  void anchorsAreReadAsTheyAreWritten() {
    for (String text : List.of("4/64/7", "4/24/48@upper", "0/1/9@upper:4", "0/1/9@lower:2")) {
      assertThat(Anchors.parse(text)).hasToString(text);
    }
    assertThat(Anchors.parse("4/64/7")).isEqualTo(new Anchors(4, 64, 7));
    assertThat(Anchors.parse("4/24/48@upper:3"))
        .isEqualTo(new Anchors(4, 24, 48, Anchors.Look.UPPER, 3));
    refused(KvpException.Kind.BAD_ARGUMENT, () -> new Anchors(-1, 1, 0));
    refused(KvpException.Kind.BAD_ARGUMENT, () -> new Anchors(0, 0, 0));
    refused(KvpException.Kind.BAD_ARGUMENT, () -> new Anchors(0, 1, -1));
  }

  @Test
  void theLayerMapIsThePapers() {
    assertThat(LayerMap.paper(20, 28).sources())
        .containsExactly(
            0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17,
            18, 19);
    assertThat(LayerMap.paper(2, 4).sources()).containsExactly(0, 0, 1, 1);
    assertThat(LayerMap.paper(5, 5).sources()).containsExactly(0, 1, 2, 3, 4);
    assertThat(LayerMap.paper(7, 5).sources()).containsExactly(0, 1, 2, 3, 4);
    assertThat(LayerMap.paper(2, 6).sources()).containsExactly(0, 0, 0, 1, 1, 1);
    refused(KvpException.Kind.BAD_ARGUMENT, () -> LayerMap.paper(0, 4));
    refused(KvpException.Kind.BAD_ARGUMENT, () -> LayerMap.paper(4, 0));
    refused(KvpException.Kind.BAD_ARGUMENT, () -> new LayerMap(List.of(0, 2, 1)));
    refused(KvpException.Kind.BAD_ARGUMENT, () -> new LayerMap(List.of(-1, 0)));
    refused(KvpException.Kind.BAD_ARGUMENT, () -> new LayerMap(List.of(0, 1), 0));
  }

  /** The mapped layer is in the middle, as far as there are layers on both sides. */
  @Test
  void neighboursAreReadTogether() {
    LayerMap map = new LayerMap(List.of(0, 1, 3, 4)); // of five layers
    int[][] firsts = {{0, 1, 3, 4}, {0, 1, 3, 3}, {0, 0, 2, 2}, {0, 0, 1, 1}, {0, 0, 0, 0}};
    for (int width = 1; width <= 5; width++) {
      for (int layer = 0; layer < 4; layer++) {
        assertThat(map.wide(width).firstSource(layer, 5)).isEqualTo(firsts[width - 1][layer]);
      }
    }
  }

  @Test
  void theKeptLayersAreThePapers() {
    assertThat(Auxiliary.LayerPruned.keep(0.25, 10)).containsExactly(0, 4, 8);
    assertThat(Auxiliary.LayerPruned.keep(0.5, 5)).containsExactly(0, 2, 4);
    assertThat(Auxiliary.LayerPruned.keep(0.75, 9)).containsExactly(0, 1, 2, 4, 5, 6, 8);
    assertThat(LayerMap.ofKept(Auxiliary.LayerPruned.keep(0.75, 9), 9).sources())
        .containsExactly(0, 1, 2, 2, 3, 4, 5, 5, 6);
    assertThat(LayerMap.ofKept(List.of(2, 3), 5).sources()).containsExactly(0, 0, 0, 1, 1);
    for (double share : new double[] {0, 0.3, 1, -0.5, Double.NaN}) {
      refused(KvpException.Kind.BAD_ARGUMENT, () -> Auxiliary.LayerPruned.keep(share, 8));
    }
    LayerMap map = new LayerMap(List.of(0));
    for (List<Integer> kept : List.of(List.<Integer>of(), List.of(1, 1), List.of(-1, 2))) {
      refused(
          KvpException.Kind.BAD_ARGUMENT, () -> new Auxiliary.LayerPruned(kept, List.of(), map));
    }
    List<LayerWeights> one =
        TinyModels.random(TinyModels.shape(1, 24, 4, 2, 6), true, false, 1).layers();
    refused(
        KvpException.Kind.BAD_ARGUMENT, () -> new Auxiliary.LayerPruned(List.of(0, 1), one, map));
  }

  @Test
  void badPrefixesAreRefused() {
    LinearMap map = TinyModels.randomMap(4, 4, 1, new SplittableRandom(1));
    refused(KvpException.Kind.BAD_ARGUMENT, () -> new Auxiliary.Prefix(-1, List.of(0), Map.of()));
    refused(KvpException.Kind.BAD_ARGUMENT, () -> new Auxiliary.Prefix(2, List.of(), Map.of()));
    refused(KvpException.Kind.BAD_ARGUMENT, () -> new Auxiliary.Prefix(2, List.of(3), Map.of()));
    refused(KvpException.Kind.BAD_ARGUMENT, () -> new Auxiliary.Prefix(2, List.of(1, 0), Map.of()));
    refused(KvpException.Kind.BAD_ARGUMENT, () -> new Auxiliary.Prefix(2, List.of(1, 1), Map.of()));
    refused(KvpException.Kind.BAD_ARGUMENT, () -> new Auxiliary.Prefix(2, List.of(-1), Map.of()));
    refused(
        KvpException.Kind.BAD_ARGUMENT, () -> new Auxiliary.Prefix(2, List.of(1), Map.of(2, map)));
    refused(
        KvpException.Kind.BAD_ARGUMENT, () -> new Auxiliary.Prefix(2, List.of(1), Map.of(-1, map)));
  }

  // --- the mismatch matrix

  static Stream<Arguments> mismatches() {
    ModelShape base = TinyModels.shape(4, 24, 4, 2, 6);
    ModelWeights small = TinyModels.random(TinyModels.shape(2, 12, 2, 2, 4), true, false, 23);
    LayerMap map = LayerMap.paper(2, 4);
    int kv = base.kvLength();
    KvPredictor prefix = prefix(base, 2, List.of(0, 2), 48, kv, 2, 2);
    KvPredictor sibling = sibling(small, map, 8, kv, 4);
    Stream.Builder<Arguments> all = Stream.builder();
    for (boolean isPrefix : new boolean[] {true, false}) {
      KvPredictor fits = isPrefix ? prefix : sibling;
      String kind = isPrefix ? "prefix, " : "sibling, ";
      add(all, kind + "a layer more in the base", fits, TinyModels.shape(5, 24, 4, 2, 6));
      add(all, kind + "a layer less in the base", fits, TinyModels.shape(3, 24, 4, 2, 6));
      add(all, kind + "a key head more", fits, TinyModels.shape(4, 24, 3, 3, 6));
      add(all, kind + "a key head less", fits, TinyModels.shape(4, 24, 4, 1, 6));
      add(all, kind + "wider heads", fits, TinyModels.shape(4, 24, 4, 2, 8));
      add(all, kind + "narrower heads", fits, TinyModels.shape(4, 24, 4, 2, 4));
    }
    add(all, "prefix, wider base", prefix, TinyModels.shape(4, 25, 4, 2, 6));
    add(all, "prefix, narrower base", prefix, TinyModels.shape(4, 23, 4, 2, 6));
    add(all, "base of as many layers as the prefix", prefix, TinyModels.shape(2, 24, 4, 2, 6));
    add(all, "N one more", prefix(base, 3, List.of(0, 2), 48, kv, 2, 2), base);
    add(all, "N one less", prefix(base, 1, List.of(0, 1), 48, kv, 2, 2), base);
    add(all, "a projection less", prefix(base, 2, List.of(0, 2), 48, kv, 2, 1), base);
    add(all, "a projection more", prefix(base, 2, List.of(0, 2), 48, kv, 2, 3), base);
    add(all, "no projection", prefix(base, 2, List.of(0, 2), 48, kv, 2, 0), base);
    add(all, "first projection one layer up", prefix(base, 2, List.of(0, 2), 48, kv, 3, 2), base);
    add(all, "first projection one layer down", prefix(base, 2, List.of(0, 2), 48, kv, 1, 2), base);
    add(all, "a source less", prefix(base, 2, List.of(2), 48, kv, 2, 2), base);
    add(all, "a source more", prefix(base, 2, List.of(0, 1, 2), 48, kv, 2, 2), base);
    add(all, "a feature more", prefix(base, 2, List.of(0, 2), 49, kv, 2, 2), base);
    add(all, "a feature less", prefix(base, 2, List.of(0, 2), 47, kv, 2, 2), base);
    add(all, "an output more", prefix(base, 2, List.of(0, 2), 48, kv + 1, 2, 2), base);
    add(all, "an output less", prefix(base, 2, List.of(0, 2), 48, kv - 1, 2, 2), base);
    add(all, "a linearised row more", linearised(prefix, 25, 24), base);
    add(all, "a linearised row less", linearised(prefix, 23, 24), base);
    add(all, "a linearised column more", linearised(prefix, 24, 25), base);
    add(all, "a linearised column less", linearised(prefix, 24, 23), base);
    add(all, "sibling, a projection less", sibling(small, map, 8, kv, 3), base);
    add(all, "sibling, a projection more", sibling(small, map, 8, kv, 5), base);
    add(all, "sibling, a feature more", sibling(small, map, 9, kv, 4), base);
    add(all, "sibling, a feature less", sibling(small, map, 7, kv, 4), base);
    add(all, "sibling, narrower than its map", sibling(small, map.wide(2), 8, kv, 4), base);
    add(all, "sibling, wider than it has layers", sibling(small, map.wide(3), 24, kv, 4), base);
    add(all, "sibling, an output more", sibling(small, map, 8, kv + 1, 4), base);
    add(all, "sibling, an output less", sibling(small, map, 8, kv - 1, 4), base);
    LayerMap half = new LayerMap(List.of(0, 0, 1, 1));
    List<LayerWeights> wider =
        TinyModels.random(TinyModels.shape(2, 32, 4, 2, 8), true, false, 24).layers();
    add(all, "layer-pruned, beyond", layerPruned(List.of(0, 4), half, List.of(), kv, base), base);
    add(all, "layer-pruned, features", layerPruned(List.of(0, 2), half, List.of(), 8, base), base);
    add(all, "layer-pruned, map", layerPruned(List.of(0), half, List.of(), kv, base), base);
    add(all, "layer-pruned, wider", layerPruned(List.of(0, 2), half, wider, kv, base), base);
    add(all, "map shorter", sibling(small, LayerMap.paper(2, 3), 8, kv, 4), base);
    add(all, "map longer", sibling(small, LayerMap.paper(2, 5), 8, kv, 4), base);
    add(all, "map empty", sibling(small, new LayerMap(List.of()), 8, kv, 4), base);
    add(all, "map beyond", sibling(small, new LayerMap(List.of(0, 0, 1, 2)), 8, kv, 4), base);
    for (int more : new int[] {-1, 1}) {
      ModelShape s = small.shape();
      ModelShape other =
          new ModelShape(
              s.layers(),
              s.hidden(),
              s.heads(),
              s.kvHeads(),
              s.headSize(),
              s.feedForward(),
              s.vocabulary() + more,
              s.contextLength(),
              s.normEpsilon());
      ModelWeights others = TinyModels.random(other, true, false, 24);
      add(
          all,
          "sibling with " + other.vocabulary() + " tokens",
          sibling(others, map, 8, kv, 4),
          base);
    }
    return all.build();
  }

  @ParameterizedTest
  @MethodSource("mismatches")
  void aPredictorThatDoesNotFitIsRefused(KvPredictor predictor, ModelShape base) {
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(() -> predictor.checkFits(base))
        .withMessageContaining("but the base has " + base.layers() + " layers")
        .satisfies(e -> assertThat(e.kind()).isEqualTo(KvpException.Kind.PREDICTOR_MISMATCH));
    ModelWeights weights = TinyModels.random(base, true, false, 25);
    refused(
        KvpException.Kind.PREDICTOR_MISMATCH,
        () -> new PredictedPrefill(new PrefillEngine(weights, KERNELS), predictor));
  }

  @Test
  void thosePredictorsFitTheBaseThatTheyWereMadeFor() {
    ModelShape base = TinyModels.shape(4, 24, 4, 2, 6);
    ModelWeights small = TinyModels.random(TinyModels.shape(2, 12, 2, 2, 4), true, false, 23);
    prefix(base, 2, List.of(0, 2), 48, 12, 2, 2).checkFits(base);
    linearised(prefix(base, 2, List.of(0, 2), 48, 12, 2, 2), 24, 24).checkFits(base);
    sibling(small, LayerMap.paper(2, 4), 8, 12, 4).checkFits(base);
    wildLayerPruned(base).checkFits(base);
    List<LayerWeights> trained =
        TinyModels.random(TinyModels.shape(2, 24, 4, 2, 6), true, false, 24).layers();
    layerPruned(List.of(0, 2), LayerMap.paper(2, 4), trained, 12, base).checkFits(base);
  }

  private static void add(
      Stream.Builder<Arguments> all, String name, KvPredictor predictor, ModelShape base) {
    all.add(Arguments.argumentSet(name, predictor, base));
  }

  private static KvPredictor prefix(
      ModelShape base,
      int layers,
      List<Integer> sources,
      int features,
      int outputs,
      int firstProjection,
      int projections) {
    SplittableRandom random = new SplittableRandom(base.layers());
    return new KvPredictor(
        new Auxiliary.Prefix(layers, sources, Map.of()),
        IntStream.range(firstProjection, firstProjection + projections)
            .mapToObj(layer -> projection(layer, outputs, features, 1, random))
            .toList());
  }

  private static KvPredictor linearised(KvPredictor predictor, int rows, int columns) {
    LinearMap map = TinyModels.randomMap(rows, columns, 1, new SplittableRandom(2));
    return new KvPredictor(
        new Auxiliary.Prefix(2, List.of(0, 2), Map.of(1, map)), predictor.projections());
  }

  private static KvPredictor sibling(
      ModelWeights small, LayerMap map, int features, int outputs, int projections) {
    SplittableRandom random = new SplittableRandom(3);
    return new KvPredictor(
        new Auxiliary.Sibling(small, map),
        IntStream.range(0, projections)
            .mapToObj(layer -> projection(layer, outputs, features, 1, random))
            .toList());
  }

  // --- predictors

  /** The base reads for itself; what it computes is passed on unchanged. */
  private static KvPredictor identitySibling(ModelWeights weights) {
    return identity(weights, wholeBase(weights).getFirst());
  }

  /** Auxiliaries of every kind that are the base itself. */
  private static List<Auxiliary.Separate> wholeBase(ModelWeights weights) {
    List<Integer> all = IntStream.range(0, weights.shape().layers()).boxed().toList();
    LayerMap map = new LayerMap(all);
    return List.of(
        new Auxiliary.Sibling(weights, map),
        new Auxiliary.LayerPruned(all, List.of(), map),
        new Auxiliary.LayerPruned(all, weights.layers(), map));
  }

  private static KvPredictor identity(ModelWeights weights, Auxiliary.Separate auxiliary) {
    ModelShape shape = weights.shape();
    int kv = shape.kvLength();
    float[] one = new float[kv * kv];
    for (int i = 0; i < kv; i++) {
      one[i * kv + i] = 1;
    }
    LinearMap identity = new LinearMap(Weight.of(one, kv, kv), new float[kv]);
    List<Integer> layers = IntStream.range(0, shape.layers()).boxed().toList();
    return new KvPredictor(
        auxiliary,
        layers.stream().map(layer -> new LinearProjection(layer, identity, identity)).toList());
  }

  /**
   * The last layer's own key and value maps on the last of {@code sources}, its norm's weight
   * folded in; the other sources are multiplied by nothing.
   */
  private static KvPredictor ownMaps(ModelWeights weights, int split, List<Integer> sources) {
    LayerWeights layer = weights.layers().get(split);
    float[] norm = layer.attentionNorm();
    return new KvPredictor(
        new Auxiliary.Prefix(split, sources, Map.of()),
        List.of(
            new LinearProjection(
                split,
                folded(layer.key(), layer.keyBias(), norm, sources.size()),
                folded(layer.value(), layer.valueBias(), norm, sources.size()))));
  }

  private static LinearMap folded(Weight own, float @Nullable [] bias, float[] norm, int sources) {
    int hidden = own.columns();
    float[] out = new float[own.rows() * sources * hidden];
    for (int r = 0; r < own.rows(); r++) {
      for (int c = 0; c < hidden; c++) {
        out[(r * sources + sources - 1) * hidden + c] = own.get(r, c) * norm[c];
      }
    }
    return new LinearMap(
        Weight.of(out, own.rows(), sources * hidden), bias == null ? new float[own.rows()] : bias);
  }

  /** A prefix predictor with large random numbers: nothing that it predicts is near the truth. */
  public static KvPredictor wildPrefix(
      ModelShape shape, int split, List<Integer> sources, Set<Integer> linear) {
    SplittableRandom random = new SplittableRandom(26);
    Map<Integer, LinearMap> linearised = new TreeMap<>();
    for (int layer : linear) {
      linearised.put(layer, TinyModels.randomMap(shape.hidden(), shape.hidden(), 2, random));
    }
    List<LinearProjection> projections = new ArrayList<>();
    for (int layer = split; layer < shape.layers(); layer++) {
      projections.add(
          projection(layer, shape.kvLength(), sources.size() * shape.hidden(), 2, random));
    }
    return new KvPredictor(new Auxiliary.Prefix(split, sources, linearised), projections);
  }

  static KvPredictor wildSibling(ModelWeights weights) {
    ModelShape shape = weights.shape();
    SplittableRandom random = new SplittableRandom(27);
    List<Integer> layers = IntStream.range(0, shape.layers()).boxed().toList();
    return new KvPredictor(
        new Auxiliary.Sibling(weights, new LayerMap(layers)),
        layers.stream()
            .map(layer -> projection(layer, shape.kvLength(), shape.kvLength(), 2, random))
            .toList());
  }

  private static KvPredictor wildLayerPruned(ModelShape shape) {
    List<Integer> kept = Auxiliary.LayerPruned.keep(0.5, shape.layers());
    return layerPruned(
        kept, LayerMap.ofKept(kept, shape.layers()), List.of(), shape.kvLength(), shape);
  }

  private static KvPredictor layerPruned(
      List<Integer> kept, LayerMap map, List<LayerWeights> trained, int features, ModelShape base) {
    SplittableRandom random = new SplittableRandom(28);
    return new KvPredictor(
        new Auxiliary.LayerPruned(kept, trained, map),
        IntStream.range(0, base.layers())
            .mapToObj(layer -> projection(layer, base.kvLength(), features, 2, random))
            .toList());
  }

  private static LinearProjection projection(
      int layer, int outputs, int features, double scale, SplittableRandom random) {
    return new LinearProjection(
        layer,
        TinyModels.randomMap(outputs, features, scale, random),
        TinyModels.randomMap(outputs, features, scale, random));
  }

  // --- what is held against the base

  private static void assertIsBase(
      ModelWeights weights, KvPredictor predictor, Anchors anchors, int n) {
    ModelShape shape = weights.shape();
    int[] tokens = TinyModels.tokens(n, shape.vocabulary(), n);
    PrefillEngine base = new PrefillEngine(weights, KERNELS);
    KvCache exact = new KvCache(shape, n + GREEDY);
    KvCache mixed = new KvCache(shape, n + GREEDY);
    float[] expected = base.logits(base.prefill(tokens, 0, exact, Cancellation.NEVER));
    float[] actual =
        base.logits(
            new PredictedPrefill(base, predictor)
                .prefill(tokens, 0, anchors, mixed, Cancellation.NEVER));
    assertThat(TinyModels.maxDifference(actual, expected))
        .as("logits, anchors %s, %d tokens", anchors, n)
        .isLessThan(TOLERANCE);
    assertThat(greedy(base, mixed, actual, n))
        .as("greedy tokens, anchors %s, %d tokens", anchors, n)
        .containsExactly(greedy(base, exact, expected, n));
  }

  private static int[] greedy(PrefillEngine base, KvCache cache, float[] first, int n) {
    ModelShape shape = base.weights().shape();
    PrefillScratch scratch = new PrefillScratch(shape, 1);
    float[] x = new float[shape.hidden()];
    float[] logits = first;
    int[] out = new int[GREEDY];
    for (int i = 0; i < GREEDY; i++) {
      for (int token = 0; token < logits.length; token++) {
        out[i] = logits[token] > logits[out[i]] ? token : out[i];
      }
      base.embed(out, i, i + 1, x);
      base.runLayers(
          LayerRun.plain(0, shape.layers(), new int[] {n + i}, cache, Cancellation.NEVER),
          x,
          scratch);
      logits = base.logits(x);
    }
    return out;
  }

  /** The streams that enter layers 0 to {@code last}. */
  private static float[][] streams(ModelWeights weights, int[] tokens, int last) {
    PrefillEngine engine = new PrefillEngine(weights, new ScalarKernels());
    int n = tokens.length;
    KvCache cache = new KvCache(weights.shape(), n);
    PrefillScratch scratch = new PrefillScratch(weights.shape(), n);
    float[][] out = new float[last + 1][];
    float[] x = new float[n * weights.shape().hidden()];
    engine.embed(tokens, 0, n, x);
    for (int layer = 0; layer <= last; layer++) {
      out[layer] = x.clone();
      engine.runLayers(
          LayerRun.plain(layer, layer + 1, PrefillEngine.range(0, n), cache, Cancellation.NEVER),
          x,
          scratch);
    }
    return out;
  }

  /** Attention that each position receives from the tail, over layers below {@code split}. */
  private static double[] attentionOfTail(
      ModelWeights weights, int[] tokens, int split, int firstQuery) {
    ModelShape s = weights.shape();
    ScalarKernels kernels = new ScalarKernels();
    int n = tokens.length;
    int kv = s.kvLength();
    int q = s.attentionLength();
    KvCache cache = new KvCache(s, n);
    new PrefillEngine(weights, kernels).prefill(tokens, 0, cache, Cancellation.NEVER);
    double[] mass = new double[n];
    float[][] streams = streams(weights, tokens, split - 1);
    for (int layer = 0; layer < split; layer++) {
      LayerWeights w = weights.layers().get(layer);
      float[] x = streams[layer];
      kernels.rmsNorm(n, s.hidden(), x, 0, w.attentionNorm(), s.normEpsilon(), x, 0);
      float[] queries = new float[n * q];
      kernels.gemm(n, x, 0, s.hidden(), w.query(), w.queryBias(), queries, 0, q, false);
      kernels.rotate(n, s.heads(), queries, 0, q, PrefillEngine.range(0, n), weights.rope());
      for (int i = firstQuery; i < n; i++) {
        for (int h = 0; h < s.heads(); h++) {
          double[] score = new double[i + 1];
          double sum = 0;
          for (int p = 0; p <= i; p++) {
            for (int d = 0; d < s.headSize(); d++) {
              score[p] +=
                  (double) queries[i * q + h * s.headSize() + d]
                      * cache
                          .keys(layer)[p * kv + h / (s.heads() / s.kvHeads()) * s.headSize() + d];
            }
            score[p] = Math.exp(score[p] / Math.sqrt(s.headSize()));
            sum += score[p];
          }
          for (int p = 0; p <= i; p++) {
            mass[p] += score[p] / sum;
          }
        }
      }
    }
    return mass;
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
        .containsExactly(TinyModels.doubles(key), within(TOLERANCE));
    assertThat(TinyModels.doubles(Arrays.copyOfRange(values, from, from + kv)))
        .as("values, " + where)
        .containsExactly(value, within(TOLERANCE));
  }

  private static void refused(KvpException.Kind kind, ThrowingCallable call) {
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(call)
        .satisfies(e -> assertThat(e.kind()).isEqualTo(kind));
  }
}
