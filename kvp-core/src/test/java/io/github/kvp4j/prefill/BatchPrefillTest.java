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
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.kernel.VectorKernels;
import io.github.kvp4j.kernel.Workers;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.LayerWeights;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.model.RopeTable;
import io.github.kvp4j.model.Weight;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

/** A batch must read each prompt as it would be read alone. */
class BatchPrefillTest {
  private static final ModelShape SHAPE = new ModelShape(3, 64, 4, 2, 16, 96, 50, 2000, 1e-5f);
  private static final SplittableRandom RANDOM = new SplittableRandom(3);

  private static float[] random(int n, double scale) {
    float[] out = new float[n];
    for (int i = 0; i < n; i++) {
      out[i] = (float) RANDOM.nextDouble(-scale, scale);
    }
    return out;
  }

  private static Weight matrix(int rows, int columns) {
    return Weight.of(random(rows * columns, 0.3), rows, columns);
  }

  private static final PrefillEngine ENGINE = engine();

  private static PrefillEngine engine() {
    List<LayerWeights> layers = new ArrayList<>();
    for (int i = 0; i < SHAPE.layers(); i++) {
      layers.add(
          new LayerWeights(
              random(64, 1),
              matrix(64, 64),
              matrix(32, 64),
              matrix(32, 64),
              matrix(64, 64),
              random(64, 1),
              random(32, 1),
              random(32, 1),
              random(64, 1),
              matrix(96, 64),
              matrix(96, 64),
              matrix(64, 96)));
    }
    Weight embedding = matrix(50, 64);
    return new PrefillEngine(
        new ModelWeights(
            SHAPE, RopeTable.of(16, 2000, 10000, 1), embedding, layers, random(64, 1), embedding),
        new VectorKernels(new Workers(2)));
  }

  private static int[] prompt(int length) {
    int[] tokens = new int[length];
    for (int i = 0; i < length; i++) {
      tokens[i] = RANDOM.nextInt(50);
    }
    return tokens;
  }

  /** The prompts, with some of their positions at hand already. */
  private static List<BatchPrefill.Prompt> batch(
      List<int[]> prompts, List<Integer> reused, boolean rolling, LayerListener listener) {
    List<BatchPrefill.Prompt> out = new ArrayList<>();
    for (int i = 0; i < prompts.size(); i++) {
      int[] tokens = prompts.get(i);
      KvCache cache =
          rolling ? KvCache.rolling(SHAPE, tokens.length) : new KvCache(SHAPE, tokens.length);
      if (reused.get(i) > 0) {
        ENGINE.prefill(Arrays.copyOf(tokens, reused.get(i)), 0, cache, Cancellation.NEVER);
      }
      out.add(new BatchPrefill.Prompt(tokens, reused.get(i), cache, listener));
    }
    return out;
  }

  @Test
  void eachPromptComesOutAsAlone() {
    // one longer than a chunk, several that share a chunk, one of a single token, parts at hand
    List<int[]> prompts =
        List.of(prompt(7), prompt(1), prompt(700), prompt(33), prompt(512), prompt(2));
    for (List<Integer> reused : List.of(List.of(0, 0, 0, 0, 0, 0), List.of(3, 0, 650, 32, 1, 1))) {
      List<Integer> layersDone = new ArrayList<>();
      List<BatchPrefill.Prompt> batch = batch(prompts, reused, false, layersDone::add);
      List<float[]> together = new BatchPrefill(ENGINE).prefill(batch, Cancellation.NEVER);
      assertThat(layersDone).containsExactly(0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2);
      for (int p = 0; p < prompts.size(); p++) {
        KvCache alone = new KvCache(SHAPE, prompts.get(p).length);
        float[] last = ENGINE.prefill(prompts.get(p), 0, alone, Cancellation.NEVER);
        close(together.get(p), last);
        KvCache cache = batch.get(p).cache();
        for (int layer = 0; layer < SHAPE.layers(); layer++) {
          close(cache.keys(layer), alone.keys(layer));
          close(cache.values(layer), alone.values(layer));
        }
        assertThat(cache.exactPositions(prompts.get(p).length)).isEqualTo(prompts.get(p).length);
      }
    }
  }

  @Test
  void rollingCachesSuffice() {
    List<int[]> prompts = List.of(prompt(20), prompt(5));
    List<float[]> full = read(prompts, false);
    List<float[]> rolling = read(prompts, true);
    close(rolling.get(0), full.get(0));
    close(rolling.get(1), full.get(1));
  }

  private static List<float[]> read(List<int[]> prompts, boolean rolling) {
    return new BatchPrefill(ENGINE)
        .prefill(batch(prompts, List.of(0, 0), rolling, LayerListener.NONE), Cancellation.NEVER);
  }

  @Test
  void aBatchThatDoesNotFitIsRefused() {
    assertThatThrownBy(() -> new BatchPrefill(ENGINE).prefill(List.of(), Cancellation.NEVER))
        .isInstanceOf(KvpException.class)
        .hasMessageContaining("at least one");
    assertThatThrownBy(() ->
            new BatchPrefill(ENGINE)
                .prefill(
                    List.of(
                        new BatchPrefill.Prompt(
                            prompt(3), 0, new KvCache(SHAPE, 2), LayerListener.NONE)),
                    Cancellation.NEVER))
        .isInstanceOf(KvpException.class)
        .hasMessageContaining("limit is 2");
  }

  /** A prompt, the first of them held up until some others wait, and what came of it. */
  private static final class Caller implements LayerListener {
    final int[] tokens;
    final KvCache cache;
    final List<Integer> told = new ArrayList<>();
    final CountDownLatch began = new CountDownLatch(1);
    private final CountDownLatch goOn;
    volatile boolean cancelled;
    volatile boolean fails;

    Caller(int length, CountDownLatch goOn) {
      this.tokens = prompt(length);
      this.cache = KvCache.rolling(SHAPE, length);
      this.goOn = goOn;
    }

    @Override
    public void layerBegins(int layer) {
      began.countDown();
      try {
        goOn.await();
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
      if (fails) {
        throw new IllegalStateException("the listener of " + tokens.length);
      }
    }

    @Override
    public void layerDone(int layer) {
      told.add(layer);
    }

    float[] read(GatheredPrefill gathered) {
      return gathered.prefill(tokens, 0, cache, this, () -> cancelled);
    }
  }

  /**
   * While one prompt is read others come: they are read in one pass, one of them is cancelled while
   * it waits, one in the pass, one's listener fails, and a long one is held up by none of it.
   */
  @Test
  void promptsThatComeTogetherAreReadTogether() throws Exception {
    GatheredPrefill gathered = new GatheredPrefill(ENGINE);
    CountDownLatch first = new CountDownLatch(1);
    CountDownLatch open = new CountDownLatch(0);
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      Caller leader = new Caller(30, first);
      final Future<float[]> leads = threads.submit(() -> leader.read(gathered));
      leader.began.await();
      List<Caller> others = new ArrayList<>();
      List<Future<float[]>> results = new ArrayList<>();
      CountDownLatch pass = new CountDownLatch(1);
      for (int i = 0; i < 5; i++) {
        Caller caller = new Caller(40 + i, i == 0 ? pass : open);
        others.add(caller);
        results.add(threads.submit(() -> caller.read(gathered)));
        while (gathered.waiting() < i + 1) {
          Thread.sleep(1);
        }
      }
      others.get(4).cancelled = true;
      assertThatThrownBy(() -> results.get(4).get()).hasMessageContaining("was cancelled");
      Caller longer = new Caller(GatheredPrefill.SHORT + 1, open);
      close(longer.read(gathered), alone(longer));
      assertThat(leads.isDone()).isFalse();

      others.get(1).fails = true;
      first.countDown();
      close(leads.get(), alone(leader));
      others.get(0).began.await();
      others.get(2).cancelled = true; // in the midst of the pass
      assertThat(results).noneMatch(r -> r.state() == Future.State.SUCCESS);
      assertThat(gathered.waiting()).isZero();
      pass.countDown();
      close(results.get(0).get(), alone(others.get(0)));
      assertThatThrownBy(() -> results.get(1).get()).hasMessageContaining("the listener of 41");
      assertThatThrownBy(() -> results.get(2).get()).hasMessageContaining("was cancelled");
      close(results.get(3).get(), alone(others.get(3)));
      assertThat(others.get(0).told).containsExactly(0, 1, 2);
      assertThat(others.get(1).told).isEmpty();
      assertThat(others.get(3).told).containsExactly(0, 1, 2);
      // and nothing is left behind
      close(new Caller(9, open).read(gathered), SHAPE.hidden());
    }
  }

  private static float[] alone(Caller caller) {
    return ENGINE.prefill(
        caller.tokens, 0, new KvCache(SHAPE, caller.tokens.length), Cancellation.NEVER);
  }

  private static void close(float[] actual, int length) {
    assertThat(actual).hasSize(length);
  }

  /** Many at once, more than a pass takes. */
  @Test
  void everyoneIsReadHoweverManyCome() throws Exception {
    GatheredPrefill gathered = new GatheredPrefill(ENGINE);
    CountDownLatch open = new CountDownLatch(0);
    List<Caller> callers = new ArrayList<>();
    List<Future<float[]>> results = new ArrayList<>();
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      for (int i = 0; i < 60; i++) {
        Caller caller = new Caller(1 + 37 * i % 250, open);
        callers.add(caller);
        results.add(threads.submit(() -> caller.read(gathered)));
      }
      for (int i = 0; i < 60; i++) {
        close(results.get(i).get(), alone(callers.get(i)));
      }
    }
    assertThat(gathered.waiting()).isZero();
  }

  @Test
  void aPromptThatCanNotBeIsRefusedBeforeItWaits() {
    GatheredPrefill gathered = new GatheredPrefill(ENGINE);
    assertThatThrownBy(() ->
            gathered.prefill(
                new int[] {1, 50},
                0,
                new KvCache(SHAPE, 2),
                LayerListener.NONE,
                Cancellation.NEVER))
        .isInstanceOf(KvpException.class)
        .hasMessageContaining("token 50");
  }

  private static void close(float[] actual, float[] expected) {
    assertThat(actual.length).isEqualTo(expected.length);
    for (int i = 0; i < expected.length; i++) {
      assertThat((double) actual[i])
          .isCloseTo(expected[i], within(1e-3 + 1e-3 * Math.abs(expected[i])));
    }
  }
}
