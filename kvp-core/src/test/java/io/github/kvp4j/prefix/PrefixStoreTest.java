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
package io.github.kvp4j.prefix;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.within;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.TinyModels;
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
import io.github.kvp4j.prefill.LayerListener;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Holds what is reused against what would have been computed. */
class PrefixStoreTest {
  private static final ModelShape SHAPE = TinyModels.shape(3, 24, 4, 2, 6);
  private static final ModelWeights WEIGHTS = TinyModels.random(SHAPE, true, false, 9);
  private static final PrefillEngine ENGINE =
      new PrefillEngine(WEIGHTS, new VectorKernels(Workers.shared()));
  private static final Workers WORKERS = Workers.of(3);
  private static final long BLOCK_BYTES = PrefixStore.BLOCK * SHAPE.kvBytesPerPosition();

  private static int[] tokens(int length, long seed) {
    return new Random(seed).ints(length, 0, SHAPE.vocabulary()).toArray();
  }

  /** Reads a prompt over a rolling cache with a store, as {@code KvpModel} does. */
  private static float[] read(PrefixStore store, int[] tokens) {
    KvCache cache = KvCache.rolling(SHAPE, tokens.length);
    PrefixStore.Prefix prefix = store.find(tokens, tokens.length - 1);
    PrefixStore.Recording recording = store.record(tokens, prefix.length());
    float[] last =
        ENGINE.prefill(
            tokens, prefix.length(), cache, listener(prefix, recording, cache), Cancellation.NEVER);
    recording.keep();
    return last;
  }

  private static LayerListener listener(
      PrefixStore.Prefix prefix, PrefixStore.Recording recording, KvCache cache) {
    return new LayerListener() {
      @Override
      public void layerBegins(int layer) {
        prefix.load(layer, cache, WORKERS);
      }

      @Override
      public void layerDone(int layer) {
        recording.layer(layer, cache, WORKERS);
      }
    };
  }

  private static float[] alone(int[] tokens) {
    return ENGINE.prefill(tokens, 0, new KvCache(SHAPE, tokens.length), Cancellation.NEVER);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 31, 32, 33, 64, 100, 700})
  void promptsThatBeginAlikeAreReadAsIfAlone(int shared) {
    PrefixStore store = new PrefixStore(SHAPE, 1 << 24);
    int[] first = tokens(shared + 40, 1);
    int[] second = Arrays.copyOf(first, shared + 90);
    System.arraycopy(tokens(90, 2), 0, second, shared, 90);
    second[shared] = (first[shared] + 1) % SHAPE.vocabulary();
    assertThat(read(store, first)).containsExactly(alone(first), within(1e-4f));
    assertThat(store.find(second, second.length - 1).length()).isEqualTo(shared / 32 * 32);
    assertThat(read(store, second)).containsExactly(alone(second), within(1e-4f));
    // now both are whole, and again nothing changes; the last token always runs
    assertThat(store.find(second, second.length - 1).length())
        .isEqualTo((second.length - 1) / 32 * 32);
    assertThat(read(store, second)).containsExactly(alone(second), within(1e-4f));
    assertThat(read(store, first)).containsExactly(alone(first), within(1e-4f));
  }

  @Test
  void predictionGoesOnOverWhatIsReused() {
    KvPredictor predictor = wild();
    PredictedPrefill prefill = new PredictedPrefill(ENGINE, predictor);
    Anchors anchors = new Anchors(4, 8, 0);
    PrefixStore store = new PrefixStore(SHAPE, 1 << 24);
    int[] tokens = tokens(150, 3);
    read(store, Arrays.copyOf(tokens, 70));
    PrefixStore.Prefix prefix = store.find(tokens, tokens.length - 1);
    assertThat(prefix.length()).isEqualTo(64);

    KvCache whole = new KvCache(SHAPE, tokens.length);
    ENGINE.prefill(Arrays.copyOf(tokens, 64), 0, whole, Cancellation.NEVER);
    // the last layer's rows are there too, though exact prefill needs them for nothing
    float[] expected = prefill.prefill(tokens, 64, anchors, whole, Cancellation.NEVER);

    KvCache rolling = KvCache.rolling(SHAPE, tokens.length);
    PrefixStore.Recording recording = store.record(tokens, 64);
    float[] actual =
        prefill.prefill(
            tokens, 64, anchors, rolling, listener(prefix, recording, rolling), Cancellation.NEVER);
    assertThat(actual).containsExactly(expected, within(1e-5f));

    recording.keep();
    assertThat(store.find(tokens, tokens.length).length())
        .as("predicted rows are not kept")
        .isEqualTo(64);
  }

  private static KvPredictor wild() {
    SplittableRandom random = new SplittableRandom(4);
    LinearProjection last = new LinearProjection(2, map(random), map(random));
    return new KvPredictor(new Auxiliary.Prefix(2, List.of(2), Map.of()), List.of(last));
  }

  private static LinearMap map(SplittableRandom random) {
    int rows = SHAPE.kvLength();
    float[] w = new float[rows * SHAPE.hidden()];
    for (int i = 0; i < w.length; i++) {
      w[i] = (float) random.nextDouble(-1, 1);
    }
    return new LinearMap(Weight.of(w, rows, SHAPE.hidden()), new float[rows]);
  }

  @Test
  void predictedRowsAreNotKept() {
    PrefixStore store = new PrefixStore(SHAPE, 1 << 24);
    int[] tokens = tokens(64, 5);
    KvCache cache = new KvCache(SHAPE, 64);
    ENGINE.prefill(tokens, 0, cache, Cancellation.NEVER);
    cache.mark(1, 40, 41, KvCache.RowState.PREDICTED);
    PrefixStore.Recording recording = store.record(tokens, 0);
    for (int layer = 0; layer < SHAPE.layers(); layer++) {
      recording.layer(layer, cache, WORKERS);
    }
    recording.keep();
    assertThat(store.bytes()).isZero();
    assertThat(store.find(tokens, 64).length()).isZero();
  }

  @Test
  void whatWasUsedLeastRecentlyGoesFirst() {
    PrefixStore store = new PrefixStore(SHAPE, 4 * BLOCK_BYTES);
    int[] a = tokens(64, 6);
    int[] b = tokens(64, 7);
    read(store, a);
    read(store, b);
    assertThat(store.bytes()).isEqualTo(4 * BLOCK_BYTES);
    store.find(a, 64); // a is in use again
    read(store, tokens(32, 8));
    assertThat(store.bytes()).isEqualTo(4 * BLOCK_BYTES);
    assertThat(store.find(a, 64).length()).isEqualTo(64);
    assertThat(store.find(b, 64).length()).as("its end went").isEqualTo(32);
    store.clear();
    assertThat(store.bytes()).isZero();
    assertThat(store.find(a, 64).length()).isZero();
  }

  @Test
  void aSmallerBoundDropsWhatIsBeyondIt() {
    PrefixStore store = new PrefixStore(SHAPE, 2 * BLOCK_BYTES);
    int[] tokens = tokens(128, 10);
    read(store, tokens);
    assertThat(store.find(tokens, 128).length()).isEqualTo(64);
    store.bound(4 * BLOCK_BYTES);
    read(store, tokens);
    assertThat(store.find(tokens, 128).length()).isEqualTo(128);
    store.bound(BLOCK_BYTES);
    assertThat(store.bytes()).isEqualTo(BLOCK_BYTES);
    assertThat(store.find(tokens, 128).length()).isEqualTo(32);
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(() -> store.bound(-2))
        .withMessageContaining("-2");
  }

  @Test
  void aLongPromptsBeginningIsKeptWhereAllDoesNotFit() {
    PrefixStore store = new PrefixStore(SHAPE, 2 * BLOCK_BYTES + 5);
    int[] tokens = tokens(300, 9);
    read(store, tokens);
    assertThat(store.find(tokens, 300).length()).isEqualTo(64);
    PrefixStore none = new PrefixStore(SHAPE, 0);
    read(none, tokens);
    assertThat(none.bytes()).isZero();
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(() -> new PrefixStore(SHAPE, -1))
        .withMessageContaining("-1");
  }

  /** Prompts of few blocks over two tokens, so that they often begin alike. */
  @Property(tries = 60)
  void theBoundHoldsAndWhatIsFoundIsRight(
      @ForAll long seed, @ForAll @IntRange(min = 0, max = 6) int blocks) {
    PrefixStore store = new PrefixStore(SHAPE, blocks * BLOCK_BYTES);
    Random random = new Random(seed);
    for (int i = 0; i < 12; i++) {
      int[] tokens = new int[PrefixStore.BLOCK * random.nextInt(4) + random.nextInt(5) + 1];
      for (int at = 0; at < tokens.length; at += PrefixStore.BLOCK) {
        int token = random.nextInt(2);
        Arrays.fill(tokens, at, Math.min(tokens.length, at + PrefixStore.BLOCK), token);
      }
      assertThat(read(store, tokens)).containsExactly(alone(tokens), within(1e-4f));
      assertThat(store.bytes()).isLessThanOrEqualTo(blocks * BLOCK_BYTES);
    }
  }
}
