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
package io.github.kvp4j.prefill;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.within;

import io.github.kvp4j.CountingKernels;
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
import io.github.kvp4j.model.RopeTable;
import io.github.kvp4j.model.Weight;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Holds the prefill engine against the reference implementation, and against itself. */
class PrefillEngineTest {
  private static final double TOLERANCE = 1e-4;
  private static final List<Kernels> KERNELS =
      List.of(new ScalarKernels(), new VectorKernels(Workers.shared()));

  static Stream<Arguments> goldenAndKernels() {
    return TinyModels.GOLDEN.stream()
        .flatMap(name ->
            KERNELS.stream().map(k -> Arguments.argumentSet(name + " " + k.name(), name, k)));
  }

  @ParameterizedTest
  @MethodSource("goldenAndKernels")
  void logitsAreTheReference(String name, Kernels kernels) {
    TinyModels.Golden golden = TinyModels.golden(name);
    PrefillEngine engine = new PrefillEngine(golden.weights(), kernels);
    KvCache cache = new KvCache(golden.weights().shape(), golden.tokens().length);

    float[] logits = engine.logits(engine.prefill(golden.tokens(), 0, cache, Cancellation.NEVER));

    assertThat(TinyModels.doubles(logits)).containsExactly(golden.logits(), within(TOLERANCE));
  }

  @ParameterizedTest
  @MethodSource("goldenAndKernels")
  void keysAndValuesAreTheReference(String name, Kernels kernels) {
    TinyModels.Golden golden = TinyModels.golden(name);
    ModelShape shape = golden.weights().shape();
    int n = golden.tokens().length;
    KvCache cache = new KvCache(shape, n);
    new PrefillEngine(golden.weights(), kernels)
        .prefill(golden.tokens(), 0, cache, Cancellation.NEVER);

    int kv = shape.kvLength();
    RopeTable back = golden.weights().rope().inverse();
    for (int layer = 0; layer < shape.layers(); layer++) {
      float[] keys = cache.keys(layer).clone();
      kernels.rotate(n, shape.kvHeads(), keys, 0, kv, PrefillEngine.range(0, n), back);
      for (int p = 0; p < n; p++) {
        String where = "layer " + layer + " position " + p;
        double[] key = TinyModels.doubles(Arrays.copyOfRange(keys, p * kv, (p + 1) * kv));
        double[] value =
            TinyModels.doubles(Arrays.copyOfRange(cache.values(layer), p * kv, (p + 1) * kv));
        assertThat(key)
            .as(where)
            .containsExactly(golden.keysBeforeRope()[layer][p], within(TOLERANCE));
        assertThat(value).as(where).containsExactly(golden.values()[layer][p], within(TOLERANCE));
      }
    }
    assertThat(cache.exactPositions(n)).isEqualTo(n);
  }

  @ParameterizedTest
  @MethodSource("goldenAndKernels")
  void streamsBetweenLayersAreTheReference(String name, Kernels kernels) {
    TinyModels.Golden golden = TinyModels.golden(name);
    ModelShape shape = golden.weights().shape();
    int n = golden.tokens().length;
    int hidden = shape.hidden();
    PrefillEngine engine = new PrefillEngine(golden.weights(), kernels);
    KvCache cache = new KvCache(shape, n);
    PrefillScratch scratch = new PrefillScratch(shape, n);
    float[] x = new float[n * hidden];
    engine.embed(golden.tokens(), 0, n, x);
    for (int layer = 0; layer <= shape.layers(); layer++) {
      if (layer > 0) {
        engine.runLayers(plain(layer - 1, layer, PrefillEngine.range(0, n), cache), x, scratch);
      }
      assertThat(TinyModels.doubles(Arrays.copyOfRange(x, (n - 1) * hidden, n * hidden)))
          .as("stream after %d layers", layer)
          .containsExactly(golden.residual()[layer], within(TOLERANCE));
    }
  }

  /** A prompt of more than two chunks gives what one run over all of it gives. */
  @ParameterizedTest
  @ValueSource(ints = {511, 512, 513, 1024, 1100})
  void chunkedEqualsWhole(int n) {
    for (Kernels kernels : KERNELS) {
      PrefillEngine engine = engine(kernels);
      ModelShape shape = engine.weights().shape();
      int[] tokens = TinyModels.tokens(n, shape.vocabulary(), n);
      Whole whole = whole(engine, tokens);
      KvCache cache = new KvCache(shape, n);

      float[] last = engine.prefill(tokens, 0, cache, Cancellation.NEVER);

      assertThat(TinyModels.maxDifference(last, whole.row(n - 1))).isLessThan(TOLERANCE);
      assertSameCache(cache, whole.cache, n);
      assertThat(cache.exactPositions(n)).isEqualTo(n);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 17, 511, 512, 513, 699})
  void reuseOfAPrefixEqualsWhole(int reused) {
    PrefillEngine engine = engine(KERNELS.get(1));
    ModelShape shape = engine.weights().shape();
    int[] tokens = TinyModels.tokens(700, shape.vocabulary(), 3);
    Whole whole = whole(engine, tokens);
    KvCache cache = new KvCache(shape, tokens.length);
    engine.prefill(Arrays.copyOf(tokens, reused), 0, cache, Cancellation.NEVER);
    float[] rowsBefore = Arrays.copyOf(cache.keys(1), reused * shape.kvLength());

    float[] last = engine.prefill(tokens, reused, cache, Cancellation.NEVER);

    assertThat(TinyModels.maxDifference(last, whole.row(tokens.length - 1))).isLessThan(TOLERANCE);
    assertSameCache(cache, whole.cache, tokens.length);
    assertThat(Arrays.copyOf(cache.keys(1), rowsBefore.length))
        .as("rows that were reused")
        .containsExactly(rowsBefore);
  }

  /** Each layer is handed on complete, in order, and then no longer needed. */
  @ParameterizedTest
  @ValueSource(ints = {1, 37, 700})
  void aRollingCacheSuffices(int n) {
    PrefillEngine engine = engine(KERNELS.get(1));
    ModelShape shape = engine.weights().shape();
    int[] tokens = TinyModels.tokens(n, shape.vocabulary(), 12);
    Whole whole = whole(engine, tokens);
    KvCache rolling = KvCache.rolling(shape, n);
    List<Integer> layers = new ArrayList<>();

    float[] last =
        engine.prefill(
            tokens,
            0,
            rolling,
            layer -> {
              layers.add(layer);
              assertThat(TinyModels.maxDifference(rolling.keys(layer), whole.cache.keys(layer)))
                  .isLessThan(TOLERANCE);
              assertThat(TinyModels.maxDifference(rolling.values(layer), whole.cache.values(layer)))
                  .isLessThan(TOLERANCE);
            },
            Cancellation.NEVER);

    assertThat(layers).containsExactly(0, 1, 2);
    assertThat(TinyModels.maxDifference(last, whole.row(n - 1))).isLessThan(TOLERANCE);
    assertThat(rolling.exactPositions(n)).isEqualTo(n);
  }

  /** A cache that is larger than the prompt is left alone behind it. */
  @Test
  void rowsBehindThePromptStayAbsent() {
    PrefillEngine engine = engine(KERNELS.get(1));
    ModelShape shape = engine.weights().shape();
    KvCache cache = new KvCache(shape, 12);
    engine.prefill(TinyModels.tokens(9, shape.vocabulary(), 4), 0, cache, Cancellation.NEVER);
    for (int layer = 0; layer < shape.layers(); layer++) {
      for (int p = 0; p < 12; p++) {
        assertThat(cache.state(layer, p))
            .isEqualTo(p < 9 ? KvCache.RowState.EXACT : KvCache.RowState.ABSENT);
      }
      assertThat(cache.keys(layer)[9 * shape.kvLength()]).isZero();
    }
    assertThat(cache.exactPositions(12)).isEqualTo(9);
  }

  /** Any ascending positions, from any layer on, over an exact cache: the plain run's rows. */
  @Property(tries = 60)
  void anyPositionsOverAnExactCacheEqualThePlainRun(
      @ForAll("positions") Set<Integer> chosen, @ForAll("layer") int from) {
    PrefillEngine engine = engine(KERNELS.get(1));
    ModelShape shape = engine.weights().shape();
    int n = 40;
    int hidden = shape.hidden();
    int[] tokens = TinyModels.tokens(n, shape.vocabulary(), 5);
    Whole whole = whole(engine, tokens);
    int[] positions = chosen.stream().mapToInt(Integer::intValue).toArray();

    float[] x = new float[positions.length * hidden];
    for (int i = 0; i < positions.length; i++) {
      engine.embed(tokens, positions[i], positions[i] + 1, whole.one);
      System.arraycopy(whole.one, 0, x, i * hidden, hidden);
    }
    KvCache cache = new KvCache(shape, n);
    engine.prefill(tokens, 0, cache, Cancellation.NEVER);
    PrefillScratch scratch = new PrefillScratch(shape, positions.length);
    // in two parts, so that a run that starts at a layer above the first is among what is tested
    engine.runLayers(plain(0, from, positions, cache), x, scratch);
    engine.runLayers(plain(from, shape.layers(), positions, cache), x, scratch);

    for (int i = 0; i < positions.length; i++) {
      assertThat(
              TinyModels.maxDifference(
                  Arrays.copyOfRange(x, i * hidden, (i + 1) * hidden), whole.row(positions[i])))
          .as("position %d", positions[i])
          .isLessThan(TOLERANCE);
    }
    assertSameCache(cache, whole.cache, n);
  }

  @Provide
  Arbitrary<Set<Integer>> positions() {
    return Arbitraries.integers().between(0, 39).set().ofMinSize(1).map(TreeSet::new);
  }

  @Provide
  Arbitrary<Integer> layer() {
    return Arbitraries.integers().between(0, 3);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 4, 9})
  void onlyTheWantedOutputsAreComputed(int outputs) {
    PrefillEngine engine = engine(KERNELS.get(1));
    ModelShape shape = engine.weights().shape();
    int n = 9;
    int hidden = shape.hidden();
    int[] tokens = TinyModels.tokens(n, shape.vocabulary(), 6);
    Whole whole = whole(engine, tokens);
    KvCache cache = new KvCache(shape, n);
    float[] x = new float[n * hidden];
    engine.embed(tokens, 0, n, x);

    engine.runLayers(
        plain(0, shape.layers(), PrefillEngine.range(0, n), cache).withOutputs(outputs),
        x,
        new PrefillScratch(shape, n));

    // keys and values of all rows, the last layer's too; streams of the last rows alone
    assertSameCache(cache, whole.cache, n);
    assertThat(cache.exactPositions(n)).isEqualTo(n);
    for (int p = n - outputs; p < n; p++) {
      assertThat(
              TinyModels.maxDifference(
                  Arrays.copyOfRange(x, p * hidden, (p + 1) * hidden), whole.row(p)))
          .isLessThan(TOLERANCE);
    }
  }

  /**
   * Rows of a linearised layer take the map, exact rows the network; other layers stay as they are.
   */
  @ParameterizedTest
  @ValueSource(ints = {0, 1, 7, 20})
  void linearisedLayersTakeTheMapExceptInExactRows(int exactCount) {
    PrefillEngine engine = engine(KERNELS.get(1));
    ModelShape shape = engine.weights().shape();
    int n = 20;
    int hidden = shape.hidden();
    int[] tokens = TinyModels.tokens(n, shape.vocabulary(), 9);
    SplittableRandom random = new SplittableRandom(10);
    LinearMap map = TinyModels.randomMap(hidden, hidden, 0.3, random);
    LinearMap nothing =
        new LinearMap(Weight.of(new float[hidden * hidden], hidden, hidden), new float[hidden]);
    boolean[] exactRows = new boolean[n];
    for (int i = 0; i < exactCount; i++) {
      exactRows[i * 7 % n] = true;
    }

    float[] plain = afterFirstLayer(engine, tokens, Map.of(), null);
    float[] attended = afterFirstLayer(engine, tokens, Map.of(0, nothing), null);
    float[] actual = afterFirstLayer(engine, tokens, Map.of(0, map), exactRows);
    float[] otherLayer = afterFirstLayer(engine, tokens, Map.of(1, map), exactRows);

    float[] norm = engine.weights().layers().get(0).feedForwardNorm();
    for (int p = 0; p < n; p++) {
      double[] expected = new double[hidden];
      double squares = 0;
      for (int c = 0; c < hidden; c++) {
        squares += (double) attended[p * hidden + c] * attended[p * hidden + c];
      }
      double scale = 1 / Math.sqrt(squares / hidden + shape.normEpsilon());
      for (int r = 0; r < hidden; r++) {
        double sum = attended[p * hidden + r] + map.bias()[r];
        for (int c = 0; c < hidden; c++) {
          sum += map.weight().get(r, c) * attended[p * hidden + c] * scale * norm[c];
        }
        expected[r] = exactRows[p] ? plain[p * hidden + r] : sum;
      }
      assertThat(TinyModels.doubles(Arrays.copyOfRange(actual, p * hidden, (p + 1) * hidden)))
          .as("row %d", p)
          .containsExactly(expected, within(TOLERANCE));
    }
    assertThat(TinyModels.maxDifference(otherLayer, plain)).isLessThan(1e-6);
  }

  /** A layer of more rows than a chunk, some exact, some wanted: each chunk has its own part. */
  @ParameterizedTest
  @ValueSource(ints = {1, 100, 188, 300, 700})
  void aLinearisedLayerInChunksIsTheWhole(int outputs) {
    PrefillEngine engine = engine(KERNELS.get(1));
    ModelShape shape = engine.weights().shape();
    int n = 700;
    int hidden = shape.hidden();
    int[] tokens = TinyModels.tokens(n, shape.vocabulary(), 13);
    SplittableRandom random = new SplittableRandom(14);
    LinearMap map = TinyModels.randomMap(hidden, hidden, 0.3, random);
    boolean[] exactRows = new boolean[n];
    for (int i = 0; i < n; i++) {
      exactRows[i] = random.nextInt(3) == 0;
    }
    float[] whole = afterFirstLayer(engine, tokens, Map.of(0, map), exactRows);

    float[] x = new float[n * hidden];
    engine.embed(tokens, 0, n, x);
    engine.runLayer(
        new LayerRun(
            0,
            1,
            n,
            PrefillEngine.range(0, n),
            outputs,
            new KvCache(shape, n),
            Map.of(0, map),
            exactRows,
            null,
            Cancellation.NEVER),
        x,
        new PrefillScratch(shape, PrefillEngine.CHUNK));

    int from = (n - outputs) * hidden;
    assertThat(
            TinyModels.maxDifference(
                Arrays.copyOfRange(x, from, x.length),
                Arrays.copyOfRange(whole, from, whole.length)))
        .isLessThan(TOLERANCE);
  }

  private static float[] afterFirstLayer(
      PrefillEngine engine,
      int[] tokens,
      Map<Integer, LinearMap> linearised,
      boolean @Nullable [] exactRows) {
    int n = tokens.length;
    float[] x = new float[n * engine.weights().shape().hidden()];
    engine.embed(tokens, 0, n, x);
    engine.runLayers(
        new LayerRun(
            0,
            1,
            n,
            PrefillEngine.range(0, n),
            n,
            new KvCache(engine.weights().shape(), n),
            linearised,
            exactRows,
            null,
            Cancellation.NEVER),
        x,
        new PrefillScratch(engine.weights().shape(), n));
    return x;
  }

  @Test
  void oneTokenIsAPrompt() {
    PrefillEngine engine = engine(KERNELS.get(1));
    KvCache cache = new KvCache(engine.weights().shape(), 1);
    float[] last = engine.prefill(new int[] {7}, 0, cache, Cancellation.NEVER);
    assertThat(TinyModels.maxDifference(last, whole(engine, new int[] {7}).row(0)))
        .isLessThan(TOLERANCE);
  }

  @Test
  void logitsOfManyRowsAreThoseOfEach() {
    PrefillEngine engine = engine(KERNELS.get(1));
    ModelShape shape = engine.weights().shape();
    Whole whole = whole(engine, TinyModels.tokens(5, shape.vocabulary(), 7));
    float[] all = new float[5 * shape.vocabulary()];
    engine.logits(5, whole.x, all);
    for (int p = 0; p < 5; p++) {
      assertThat(
              TinyModels.maxDifference(
                  Arrays.copyOfRange(all, p * shape.vocabulary(), (p + 1) * shape.vocabulary()),
                  engine.logits(whole.row(p))))
          .isLessThan(1e-5);
    }
  }

  /** What is cancelled in the middle of a layer ends before the next one. */
  @ParameterizedTest
  @ValueSource(ints = {1, 5, 8, 20, 40})
  void cancellationStopsWithinALayer(int product) {
    AtomicBoolean cancelled = new AtomicBoolean();
    AtomicInteger count = new AtomicInteger();
    CountingKernels kernels =
        new CountingKernels(
            new ScalarKernels(),
            () -> {
              if (count.incrementAndGet() == product) {
                cancelled.set(true);
              }
            });
    PrefillEngine engine = engine(kernels);
    ModelShape shape = engine.weights().shape();
    int[] tokens = TinyModels.tokens(1100, shape.vocabulary(), 8);
    KvCache cache = new KvCache(shape, tokens.length);

    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(() -> engine.prefill(tokens, 0, cache, cancelled::get))
        .satisfies(e -> assertThat(e.kind()).isEqualTo(KvpException.Kind.CANCELLED));
    // a layer has seven matrix products: query, key, value, output, gate, up, down
    assertThat(kernels.gemms()).isBetween(product, product + 6);
  }

  @Test
  void cancelledBeforeItBeginsItTouchesNothing() {
    CountingKernels kernels = new CountingKernels(new ScalarKernels());
    PrefillEngine engine = engine(kernels);
    KvCache cache = new KvCache(engine.weights().shape(), 3);
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(() -> engine.prefill(new int[] {1, 2, 3}, 0, cache, () -> true))
        .satisfies(e -> assertThat(e.kind()).isEqualTo(KvpException.Kind.CANCELLED));
    assertThat(kernels.gemms()).isZero();
    assertThat(cache.exactPositions(3)).isZero();
  }

  @Test
  void anEmptyPromptIsRefused() {
    refused(new int[0], 0, 4, KvpException.Kind.PROMPT, "empty");
  }

  @Test
  void aPromptBeyondTheCacheIsRefused() {
    refused(new int[5], 0, 4, KvpException.Kind.PROMPT, "5 tokens; the limit is 4");
  }

  @Test
  void aPromptBeyondTheRotationTableIsRefused() {
    int n = TinyModels.CONTEXT + 1;
    refused(new int[n], 0, n, KvpException.Kind.PROMPT, "the limit is " + TinyModels.CONTEXT);
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, 61, Integer.MAX_VALUE, Integer.MIN_VALUE})
  void aTokenThatIsNoneIsRefused(int token) {
    refused(new int[] {1, token, 2}, 0, 4, KvpException.Kind.PROMPT, "token " + token);
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, 3, 4, Integer.MAX_VALUE, Integer.MIN_VALUE})
  void aBadReuseIsRefused(int reused) {
    refused(new int[3], reused, 4, KvpException.Kind.BAD_ARGUMENT, "" + reused);
  }

  private static void refused(
      int[] tokens, int reused, int capacity, KvpException.Kind kind, String text) {
    CountingKernels kernels = new CountingKernels(new ScalarKernels());
    PrefillEngine engine = engine(kernels);
    KvCache cache = new KvCache(engine.weights().shape(), capacity);
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(() -> engine.prefill(tokens, reused, cache, Cancellation.NEVER))
        .withMessageContaining(text)
        .satisfies(e -> assertThat(e.kind()).isEqualTo(kind));
    assertThat(kernels.gemms()).isZero();
  }

  private static PrefillEngine engine(Kernels kernels) {
    ModelWeights weights = TinyModels.random(TinyModels.shape(3, 24, 4, 2, 6), false, true, 11);
    return new PrefillEngine(weights, kernels);
  }

  private static LayerRun plain(int from, int to, int[] positions, KvCache cache) {
    return LayerRun.plain(from, to, positions, cache, Cancellation.NEVER);
  }

  /** Streams after the last layer {@code (row, hidden)} and the cache of one run over all rows. */
  private record Whole(float[] x, KvCache cache, float[] one) {
    float[] row(int position) {
      return Arrays.copyOfRange(x, position * one.length, (position + 1) * one.length);
    }
  }

  private static Whole whole(PrefillEngine engine, int[] tokens) {
    ModelShape shape = engine.weights().shape();
    int n = tokens.length;
    float[] x = new float[n * shape.hidden()];
    KvCache cache = new KvCache(shape, n);
    engine.embed(tokens, 0, n, x);
    engine.runLayers(
        plain(0, shape.layers(), PrefillEngine.range(0, n), cache),
        x,
        new PrefillScratch(shape, n));
    return new Whole(x, cache, new float[shape.hidden()]);
  }

  private static void assertSameCache(KvCache actual, KvCache expected, int length) {
    int count = length * expected.shape().kvLength();
    for (int layer = 0; layer < expected.shape().layers(); layer++) {
      assertThat(
              TinyModels.maxDifference(
                  Arrays.copyOf(actual.keys(layer), count),
                  Arrays.copyOf(expected.keys(layer), count)))
          .as("keys of layer %d", layer)
          .isLessThan(TOLERANCE);
      assertThat(
              TinyModels.maxDifference(
                  Arrays.copyOf(actual.values(layer), count),
                  Arrays.copyOf(expected.values(layer), count)))
          .as("values of layer %d", layer)
          .isLessThan(TOLERANCE);
    }
  }
}
