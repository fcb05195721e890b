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

import io.github.kvp4j.KvpException;
import io.github.kvp4j.TinyModels;
import io.github.kvp4j.kernel.ScalarKernels;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.LayerWeights;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Which tokens are exact: as they are written, and those that attention chooses. */
class AnchorsTest {
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

    PrefillEngine base = new PrefillEngine(weights, BaseChecks.KERNELS);
    KvCache cache = new KvCache(shape, n);
    if (reused > 0) {
      base.prefill(Arrays.copyOf(tokens, reused), 0, cache, Cancellation.NEVER);
    }
    new PredictedPrefill(base, PredictorCases.wildPrefix(shape, split, List.of(0, split), Set.of()))
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

    KvPredictor own = PredictorCases.ownMaps(weights, split, List.of(split));
    assertThat(exactOf(weights, own, anchors, tokens, 0)).isEqualTo(expected);
    BaseChecks.assertIsBase(weights, own, anchors, n);
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
    assertThat(exactOf(weights, PredictorCases.identitySibling(weights), anchors, tokens, reused))
        .isEqualTo(expected);
    BaseChecks.assertIsBase(weights, PredictorCases.identitySibling(weights), anchors, n);
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
    assertThat(exactOf(weights, PredictorCases.identitySibling(weights), anchors, tokens, 0))
        .isEqualTo(expected);
    BaseChecks.assertIsBase(weights, PredictorCases.identitySibling(weights), anchors, n);
  }

  /** The positions that are exact in the last layer. */
  private static Set<Integer> exactOf(
      ModelWeights weights, KvPredictor predictor, Anchors anchors, int[] tokens, int reused) {
    PrefillEngine base = new PrefillEngine(weights, BaseChecks.KERNELS);
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
    BaseChecks.refused(KvpException.Kind.BAD_ARGUMENT, () -> Anchors.parse(text));
  }

  @Test
  void anchorsAreReadAsTheyAreWritten() {
    for (String text : List.of("4/64/7", "4/24/48@upper", "0/1/9@upper:4", "0/1/9@lower:2")) {
      assertThat(Anchors.parse(text)).hasToString(text);
    }
    assertThat(Anchors.parse("4/64/7")).isEqualTo(new Anchors(4, 64, 7));
    assertThat(Anchors.parse("4/24/48@upper:3"))
        .isEqualTo(new Anchors(4, 24, 48, Anchors.Look.UPPER, 3));
    BaseChecks.refused(KvpException.Kind.BAD_ARGUMENT, () -> new Anchors(-1, 1, 0));
    BaseChecks.refused(KvpException.Kind.BAD_ARGUMENT, () -> new Anchors(0, 0, 0));
    BaseChecks.refused(KvpException.Kind.BAD_ARGUMENT, () -> new Anchors(0, 1, -1));
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
    float[][] streams = BaseChecks.streams(weights, tokens, split - 1);
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
}
