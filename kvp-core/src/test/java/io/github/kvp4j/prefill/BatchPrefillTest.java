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
import java.util.List;
import java.util.SplittableRandom;
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

  @Test
  void eachPromptComesOutAsAlone() {
    // one longer than a chunk, several that share a chunk, one of a single token
    List<int[]> prompts =
        List.of(prompt(7), prompt(1), prompt(700), prompt(33), prompt(512), prompt(2));
    List<KvCache> caches = new ArrayList<>();
    prompts.forEach(p -> caches.add(new KvCache(SHAPE, p.length)));
    List<Integer> layersDone = new ArrayList<>();
    List<float[]> together =
        new BatchPrefill(ENGINE).prefill(prompts, caches, layersDone::add, Cancellation.NEVER);
    assertThat(layersDone).containsExactly(0, 1, 2);
    for (int p = 0; p < prompts.size(); p++) {
      KvCache alone = new KvCache(SHAPE, prompts.get(p).length);
      float[] last = ENGINE.prefill(prompts.get(p), 0, alone, Cancellation.NEVER);
      close(together.get(p), last);
      for (int layer = 0; layer < SHAPE.layers(); layer++) {
        close(caches.get(p).keys(layer), alone.keys(layer));
        close(caches.get(p).values(layer), alone.values(layer));
      }
      assertThat(caches.get(p).exactPositions(prompts.get(p).length))
          .isEqualTo(prompts.get(p).length);
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
    List<KvCache> caches = new ArrayList<>();
    for (int[] p : prompts) {
      caches.add(rolling ? KvCache.rolling(SHAPE, p.length) : new KvCache(SHAPE, p.length));
    }
    return new BatchPrefill(ENGINE)
        .prefill(prompts, caches, LayerListener.NONE, Cancellation.NEVER);
  }

  @Test
  void aBatchThatDoesNotFitIsRefused() {
    assertThatThrownBy(() ->
            new BatchPrefill(ENGINE)
                .prefill(List.of(), List.of(), LayerListener.NONE, Cancellation.NEVER))
        .isInstanceOf(KvpException.class)
        .hasMessageContaining("at least one prompt");
    assertThatThrownBy(() ->
            new BatchPrefill(ENGINE)
                .prefill(
                    List.of(prompt(3)),
                    List.of(new KvCache(SHAPE, 2)),
                    LayerListener.NONE,
                    Cancellation.NEVER))
        .isInstanceOf(KvpException.class)
        .hasMessageContaining("limit is 2");
  }

  private static void close(float[] actual, float[] expected) {
    assertThat(actual.length).isEqualTo(expected.length);
    for (int i = 0; i < expected.length; i++) {
      assertThat((double) actual[i])
          .isCloseTo(expected[i], within(1e-3 + 1e-3 * Math.abs(expected[i])));
    }
  }
}
