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

import io.github.kvp4j.KvpException;
import io.github.kvp4j.TinyModels;
import io.github.kvp4j.model.LayerWeights;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What a predictor is made of, and the bases that it fits. */
class KvPredictorTest {
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
    BaseChecks.refused(KvpException.Kind.BAD_ARGUMENT, () -> LayerMap.paper(0, 4));
    BaseChecks.refused(KvpException.Kind.BAD_ARGUMENT, () -> LayerMap.paper(4, 0));
    BaseChecks.refused(KvpException.Kind.BAD_ARGUMENT, () -> new LayerMap(List.of(0, 2, 1)));
    BaseChecks.refused(KvpException.Kind.BAD_ARGUMENT, () -> new LayerMap(List.of(-1, 0)));
    BaseChecks.refused(KvpException.Kind.BAD_ARGUMENT, () -> new LayerMap(List.of(0, 1), 0));
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
      BaseChecks.refused(
          KvpException.Kind.BAD_ARGUMENT, () -> Auxiliary.LayerPruned.keep(share, 8));
    }
    LayerMap map = new LayerMap(List.of(0));
    for (List<Integer> kept : List.of(List.<Integer>of(), List.of(1, 1), List.of(-1, 2))) {
      BaseChecks.refused(
          KvpException.Kind.BAD_ARGUMENT, () -> new Auxiliary.LayerPruned(kept, List.of(), map));
    }
    List<LayerWeights> one =
        TinyModels.random(TinyModels.shape(1, 24, 4, 2, 6), true, false, 1).layers();
    BaseChecks.refused(
        KvpException.Kind.BAD_ARGUMENT, () -> new Auxiliary.LayerPruned(List.of(0, 1), one, map));
  }

  @Test
  void badPrefixesAreRefused() {
    LinearMap map = TinyModels.randomMap(4, 4, 1, new SplittableRandom(1));
    BaseChecks.refused(
        KvpException.Kind.BAD_ARGUMENT, () -> new Auxiliary.Prefix(-1, List.of(0), Map.of()));
    BaseChecks.refused(
        KvpException.Kind.BAD_ARGUMENT, () -> new Auxiliary.Prefix(2, List.of(), Map.of()));
    BaseChecks.refused(
        KvpException.Kind.BAD_ARGUMENT, () -> new Auxiliary.Prefix(2, List.of(3), Map.of()));
    BaseChecks.refused(
        KvpException.Kind.BAD_ARGUMENT, () -> new Auxiliary.Prefix(2, List.of(1, 0), Map.of()));
    BaseChecks.refused(
        KvpException.Kind.BAD_ARGUMENT, () -> new Auxiliary.Prefix(2, List.of(1, 1), Map.of()));
    BaseChecks.refused(
        KvpException.Kind.BAD_ARGUMENT, () -> new Auxiliary.Prefix(2, List.of(-1), Map.of()));
    BaseChecks.refused(
        KvpException.Kind.BAD_ARGUMENT, () -> new Auxiliary.Prefix(2, List.of(1), Map.of(2, map)));
    BaseChecks.refused(
        KvpException.Kind.BAD_ARGUMENT, () -> new Auxiliary.Prefix(2, List.of(1), Map.of(-1, map)));
  }

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
    add(
        all,
        "layer-pruned, beyond",
        PredictorCases.layerPruned(List.of(0, 4), half, List.of(), kv, base),
        base);
    add(
        all,
        "layer-pruned, features",
        PredictorCases.layerPruned(List.of(0, 2), half, List.of(), 8, base),
        base);
    add(
        all,
        "layer-pruned, map",
        PredictorCases.layerPruned(List.of(0), half, List.of(), kv, base),
        base);
    add(
        all,
        "layer-pruned, wider",
        PredictorCases.layerPruned(List.of(0, 2), half, wider, kv, base),
        base);
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
    BaseChecks.refused(
        KvpException.Kind.PREDICTOR_MISMATCH,
        () -> new PredictedPrefill(new PrefillEngine(weights, BaseChecks.KERNELS), predictor));
  }

  @Test
  void thosePredictorsFitTheBaseThatTheyWereMadeFor() {
    ModelShape base = TinyModels.shape(4, 24, 4, 2, 6);
    ModelWeights small = TinyModels.random(TinyModels.shape(2, 12, 2, 2, 4), true, false, 23);
    prefix(base, 2, List.of(0, 2), 48, 12, 2, 2).checkFits(base);
    linearised(prefix(base, 2, List.of(0, 2), 48, 12, 2, 2), 24, 24).checkFits(base);
    sibling(small, LayerMap.paper(2, 4), 8, 12, 4).checkFits(base);
    PredictorCases.wildLayerPruned(base).checkFits(base);
    List<LayerWeights> trained =
        TinyModels.random(TinyModels.shape(2, 24, 4, 2, 6), true, false, 24).layers();
    PredictorCases.layerPruned(List.of(0, 2), LayerMap.paper(2, 4), trained, 12, base)
        .checkFits(base);
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
            .mapToObj(layer -> PredictorCases.projection(layer, outputs, features, 1, random))
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
            .mapToObj(layer -> PredictorCases.projection(layer, outputs, features, 1, random))
            .toList());
  }
}
