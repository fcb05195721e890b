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
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;

import io.github.kvp4j.CountingKernels;
import io.github.kvp4j.TinyModels;
import io.github.kvp4j.kernel.VectorKernels;
import io.github.kvp4j.kernel.Workers;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The reckoned cost is what the kernels are really asked for. */
class PrefillCostTest {
  private static final ModelWeights WEIGHTS =
      TinyModels.random(TinyModels.shape(6, 32, 4, 2, 8), true, false, 1);
  private static final ModelShape SHAPE = WEIGHTS.shape();

  /** Two layers, every product written out. */
  @Test
  void theExactCostIsThatCountedByHand() {
    // hidden 6, four heads of two (attention 8), two key heads (kv 4), inner 5, vocabulary 7
    ModelShape s = new ModelShape(2, 6, 4, 2, 2, 5, 7, 100, 1e-5f);
    int keysAndValues = 2 * (6 * 4 + 6 * 4); // a token
    int queryAndOutput = 2 * (6 * 8 + 8 * 6);
    int network = 2 * (6 * 5 + 6 * 5 + 5 * 6);
    int head = 2 * 6 * 7;
    // attention of a query over one key: dot product and weighted value, of all heads
    int pair = 2 * (8 + 8);
    double three =
        3 * (keysAndValues + queryAndOutput + network) // layer 0
            + pair * (1 + 2 + 3)
            + 3 * keysAndValues // layer 1, of which only the last token goes on
            + (queryAndOutput + network)
            + pair * 3
            + head;
    assertThat(PrefillCost.exact(s, 3)).isCloseTo(three, within(1e-9));
    double one = 2 * (keysAndValues + queryAndOutput + network) + 2 * pair + head;
    assertThat(PrefillCost.exact(s, 1)).isCloseTo(one, within(1e-9));
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 100, 512, 513, 1100})
  void theExactCostIsThatOfTheKernels(int n) {
    CountingKernels counting = new CountingKernels(new VectorKernels(Workers.shared()));
    PrefillEngine engine = new PrefillEngine(WEIGHTS, counting);
    int[] tokens = TinyModels.tokens(n, SHAPE.vocabulary(), n);
    engine.logits(engine.prefill(tokens, 0, new KvCache(SHAPE, n), Cancellation.NEVER));
    assertThat(PrefillCost.exact(SHAPE, n)).isCloseTo(counting.flops(), within(1.0));
  }

  static Stream<Arguments> predicted() {
    Stream.Builder<Arguments> all = Stream.builder();
    KvPredictor plain = prefix(3, List.of(3), Set.of());
    KvPredictor sources = prefix(3, List.of(0, 2, 3), Set.of());
    KvPredictor linear = prefix(4, List.of(4), Set.of(1, 2));
    KvPredictor last = prefix(5, List.of(5), Set.of());
    KvPredictor none = prefix(0, List.of(0), Set.of());
    for (int n : new int[] {300, 700}) {
      for (Anchors anchors :
          List.of(new Anchors(0, 1, 0), new Anchors(4, 16, 0), new Anchors(4, 64, 0))) {
        all.add(Arguments.argumentSet("plain " + anchors + " " + n, plain, anchors, n));
        all.add(Arguments.argumentSet("sources " + anchors + " " + n, sources, anchors, n));
        all.add(Arguments.argumentSet("linear " + anchors + " " + n, linear, anchors, n));
        all.add(Arguments.argumentSet("last layer " + anchors + " " + n, last, anchors, n));
        all.add(Arguments.argumentSet("no layer " + anchors + " " + n, none, anchors, n));
        all.add(Arguments.argumentSet("sibling " + anchors + " " + n, sibling(), anchors, n));
        all.add(Arguments.argumentSet("pruned " + anchors + " " + n, layerPruned(), anchors, n));
      }
    }
    return all.build();
  }

  @ParameterizedTest
  @MethodSource("predicted")
  void thePredictedCostIsThatOfTheKernels(KvPredictor predictor, Anchors anchors, int n) {
    double actual = count(predictor, anchors, n);
    assertThat(PrefillCost.predicted(SHAPE, predictor, anchors, n)).isCloseTo(actual, within(1.0));
    assertThat(PrefillCost.relative(SHAPE, predictor, anchors, n))
        .isCloseTo(actual / PrefillCost.exact(SHAPE, n), within(1e-9));
  }

  /** Which tokens are the top ones, the shapes do not say: each is reckoned to see all. */
  @ParameterizedTest
  @ValueSource(strings = {"4/16/8", "4/16/8@upper", "0/1/40@upper:4"})
  void topAnchorsCostALittleLessThanReckoned(String text) {
    Anchors top = Anchors.parse(text);
    for (KvPredictor predictor :
        List.of(
            prefix(3, List.of(3), Set.of()),
            prefix(4, List.of(4), Set.of(1, 2)),
            sibling(),
            layerPruned())) {
      double actual = count(predictor, top, 700);
      double reckoned = PrefillCost.predicted(SHAPE, predictor, top, 700);
      assertThat(reckoned).isGreaterThanOrEqualTo(actual);
      // with 40 top tokens in few layers the attention that they do not do weighs most
      boolean separate = predictor.auxiliary() instanceof Auxiliary.Separate;
      assertThat(reckoned).isCloseTo(actual, withinPercentage(separate ? 20 : 5));
    }
  }

  /** Prompts shorter than the anchors cost no less than nothing is saved. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 10, 60, 68, 80})
  void shortPromptsAreReckonedToo(int n) {
    Anchors anchors = new Anchors(4, 64, 0);
    for (KvPredictor predictor : List.of(prefix(3, List.of(3), Set.of(1)), sibling())) {
      assertThat(PrefillCost.predicted(SHAPE, predictor, anchors, n))
          .isCloseTo(count(predictor, anchors, n), within(1.0));
    }
  }

  /** What is at hand the base does not read, but an auxiliary with a cache of its own does. */
  @ParameterizedTest
  @ValueSource(ints = {2, 4, 32, 256, 280, 299})
  void whatIsAtHandIsReckonedAsItIsRead(int reused) {
    int n = 300;
    CountingKernels counting = new CountingKernels(new VectorKernels(Workers.shared()));
    PrefillEngine engine = new PrefillEngine(WEIGHTS, counting);
    int[] tokens = TinyModels.tokens(n, SHAPE.vocabulary(), n);
    engine.logits(engine.prefill(tokens, reused, new KvCache(SHAPE, n), Cancellation.NEVER));
    assertThat(PrefillCost.exact(SHAPE, n, reused)).isCloseTo(counting.flops(), within(1.0));

    Anchors anchors = new Anchors(4, 40, 0);
    for (KvPredictor predictor :
        List.of(
            prefix(3, List.of(0, 3), Set.of()),
            prefix(4, List.of(4), Set.of(1, 2)),
            sibling(),
            layerPruned())) {
      double actual = count(predictor, anchors, n, reused);
      assertThat(PrefillCost.predicted(SHAPE, predictor, anchors, n, reused))
          .isCloseTo(actual, within(1.0));
      assertThat(PrefillCost.relative(SHAPE, predictor, anchors, n, reused))
          .isCloseTo(actual / counting.flops(), within(1e-6));
      for (String text : List.of("4/40/8", "4/40/8@upper")) {
        Anchors top = Anchors.parse(text);
        assertThat(PrefillCost.predicted(SHAPE, predictor, top, n, reused))
            .isGreaterThanOrEqualTo(count(predictor, top, n, reused) - 1);
      }
    }
  }

  private static double count(KvPredictor predictor, Anchors anchors, int n) {
    return count(predictor, anchors, n, 0);
  }

  private static double count(KvPredictor predictor, Anchors anchors, int n, int reused) {
    CountingKernels counting = new CountingKernels(new VectorKernels(Workers.shared()));
    PrefillEngine engine = new PrefillEngine(WEIGHTS, counting);
    int[] tokens = TinyModels.tokens(n, SHAPE.vocabulary(), n);
    engine.logits(
        new PredictedPrefill(engine, predictor)
            .prefill(tokens, reused, anchors, new KvCache(SHAPE, n), Cancellation.NEVER));
    return counting.flops();
  }

  private static KvPredictor prefix(int layers, List<Integer> sources, Set<Integer> linear) {
    SplittableRandom random = new SplittableRandom(2);
    Map<Integer, LinearMap> maps = new TreeMap<>();
    for (int layer : linear) {
      maps.put(layer, TinyModels.randomMap(SHAPE.hidden(), SHAPE.hidden(), 0.1, random));
    }
    return new KvPredictor(
        new Auxiliary.Prefix(layers, sources, maps),
        projections(layers, sources.size() * SHAPE.hidden(), random));
  }

  private static KvPredictor sibling() {
    ModelWeights small = TinyModels.random(TinyModels.shape(3, 24, 3, 3, 4), true, false, 3);
    return new KvPredictor(
        new Auxiliary.Sibling(small, LayerMap.paper(3, SHAPE.layers())),
        projections(0, 12, new SplittableRandom(4)));
  }

  private static KvPredictor layerPruned() {
    List<Integer> kept = List.of(0, 2, 3, 5);
    return new KvPredictor(
        new Auxiliary.LayerPruned(kept, List.of(), LayerMap.ofKept(kept, SHAPE.layers())),
        projections(0, SHAPE.kvLength(), new SplittableRandom(5)));
  }

  private static List<LinearProjection> projections(
      int from, int features, SplittableRandom random) {
    return IntStream.range(from, SHAPE.layers())
        .mapToObj(layer ->
            new LinearProjection(
                layer,
                TinyModels.randomMap(SHAPE.kvLength(), features, 0.1, random),
                TinyModels.randomMap(SHAPE.kvLength(), features, 0.1, random)))
        .toList();
  }
}
