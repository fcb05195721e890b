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

import io.github.kvp4j.TinyModels;
import io.github.kvp4j.model.LayerWeights;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.model.Weight;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Predictors for tests: right by construction, or wild. */
public final class PredictorCases {
  private PredictorCases() {}

  /** The base reads for itself; what it computes is passed on unchanged. */
  static KvPredictor identitySibling(ModelWeights weights) {
    return identity(weights, wholeBase(weights).getFirst());
  }

  /** Auxiliaries of every kind that are the base itself. */
  static List<Auxiliary.Separate> wholeBase(ModelWeights weights) {
    List<Integer> all = IntStream.range(0, weights.shape().layers()).boxed().toList();
    LayerMap map = new LayerMap(all);
    return List.of(
        new Auxiliary.Sibling(weights, map),
        new Auxiliary.LayerPruned(all, List.of(), map),
        new Auxiliary.LayerPruned(all, weights.layers(), map));
  }

  static KvPredictor identity(ModelWeights weights, Auxiliary.Separate auxiliary) {
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
  static KvPredictor ownMaps(ModelWeights weights, int split, List<Integer> sources) {
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

  static KvPredictor wildLayerPruned(ModelShape shape) {
    List<Integer> kept = Auxiliary.LayerPruned.keep(0.5, shape.layers());
    return layerPruned(
        kept, LayerMap.ofKept(kept, shape.layers()), List.of(), shape.kvLength(), shape);
  }

  static KvPredictor layerPruned(
      List<Integer> kept, LayerMap map, List<LayerWeights> trained, int features, ModelShape base) {
    SplittableRandom random = new SplittableRandom(28);
    return new KvPredictor(
        new Auxiliary.LayerPruned(kept, trained, map),
        IntStream.range(0, base.layers())
            .mapToObj(layer -> projection(layer, base.kvLength(), features, 2, random))
            .toList());
  }

  static LinearProjection projection(
      int layer, int outputs, int features, double scale, SplittableRandom random) {
    return new LinearProjection(
        layer,
        TinyModels.randomMap(outputs, features, scale, random),
        TinyModels.randomMap(outputs, features, scale, random));
  }
}
