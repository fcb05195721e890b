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
package io.github.kvp4j.training;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.model.LayerWeights;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.Bf16;
import io.github.kvp4j.predictor.KvPredictor;
import io.github.kvp4j.predictor.LinearProjection;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** What is learned of a predictor, by name, and the predictor that it makes. */
final class Parameters {
  private final KvPredictor start;
  private final Map<String, Parameter> byName = new LinkedHashMap<>();

  /**
   * Takes the numbers that are to be learned out of a predictor.
   *
   * @throws KvpException {@code BAD_ARGUMENT} where the predictor has none of what is named
   */
  Parameters(KvPredictor start, ModelWeights base, Set<Learned> learned) {
    this.start = start;
    if (learned.contains(Learned.PROJECTIONS)) {
      for (LinearProjection p : start.projections()) {
        add("layers." + p.layer() + ".key", p.key());
        add("layers." + p.layer() + ".value", p.value());
      }
    }
    if (learned.contains(Learned.LINEARISED)) {
      if (!(start.auxiliary() instanceof Auxiliary.Prefix prefix)
          || prefix.linearised().isEmpty()) {
        throw missing("linearised layers");
      }
      prefix.linearised().forEach((layer, map) -> add("linearised." + layer, map));
    }
    if (learned.contains(Learned.AUXILIARY)) {
      if (!(start.auxiliary() instanceof Auxiliary.Separate separate)) {
        throw missing("auxiliary of its own");
      }
      List<LayerWeights> layers = separate.weights(base).layers();
      for (int i = 0; i < layers.size(); i++) {
        arrays("auxiliary." + i + ".", layers.get(i), this::add, this::add);
      }
    }
  }

  private static KvpException missing(String what) {
    return new KvpException(
        KvpException.Kind.BAD_ARGUMENT,
        "The predictor has no " + what + " to learn; leave it out of what is learned.");
  }

  private void add(String name, LinearMap map) {
    add(name + ".weight", map.weight());
    add(name + ".bias", map.bias());
  }

  private void add(String name, Weight w) {
    byName.put(name, Parameter.matrix(name, w));
  }

  private void add(String name, float[] values) {
    byName.put(name, Parameter.vector(name, values));
  }

  /** Takes a matrix or vector by name. */
  @FunctionalInterface
  interface Taker<T> {
    void take(String name, T value);
  }

  /** Names the matrices and vectors of a layer. */
  static void arrays(String at, LayerWeights w, Taker<Weight> matrices, Taker<float[]> vectors) {
    matrices.take(at + "query", w.query());
    matrices.take(at + "key", w.key());
    matrices.take(at + "value", w.value());
    matrices.take(at + "output", w.output());
    matrices.take(at + "gate", w.gate());
    matrices.take(at + "up", w.up());
    matrices.take(at + "down", w.down());
    vectors.take(at + "attention_norm", w.attentionNorm());
    vectors.take(at + "feed_forward_norm", w.feedForwardNorm());
    optional(at + "query.bias", w.queryBias(), vectors);
    optional(at + "key.bias", w.keyBias(), vectors);
    optional(at + "value.bias", w.valueBias(), vectors);
  }

  private static void optional(String name, float @Nullable [] bias, Taker<float[]> vectors) {
    if (bias != null) {
      vectors.take(name, bias);
    }
  }

  Collection<Parameter> all() {
    return byName.values();
  }

  @Nullable Parameter get(String name) {
    return byName.get(name);
  }

  Stream<String> names() {
    return byName.keySet().stream();
  }

  /** How many numbers are learned. */
  long count() {
    return byName.values().stream().mapToLong(p -> p.values.length).sum();
  }

  /** The predictor with what was learned, its matrices in BF16. */
  KvPredictor predictor() {
    List<LinearProjection> projections = new ArrayList<>();
    for (LinearProjection p : start.projections()) {
      projections.add(
          new LinearProjection(
              p.layer(),
              map("layers." + p.layer() + ".key", p.key()),
              map("layers." + p.layer() + ".value", p.value())));
    }
    Auxiliary auxiliary =
        switch (start.auxiliary()) {
          case Auxiliary.Prefix prefix -> {
            Map<Integer, LinearMap> maps = new TreeMap<>();
            prefix
                .linearised()
                .forEach((layer, map) -> maps.put(layer, map("linearised." + layer, map)));
            yield new Auxiliary.Prefix(prefix.layers(), prefix.sources(), maps);
          }
          case Auxiliary.Separate separate -> {
            List<LayerWeights> layers = new ArrayList<>();
            for (int i = 0; byName.containsKey("auxiliary." + i + ".query"); i++) {
              layers.add(layer("auxiliary." + i + "."));
            }
            yield layers.isEmpty() ? separate : separate.withTrained(layers);
          }
        };
    return new KvPredictor(auxiliary, projections);
  }

  private LinearMap map(String name, LinearMap before) {
    return byName.containsKey(name + ".weight")
        ? new LinearMap(matrix(name + ".weight"), vector(name + ".bias"))
        : before;
  }

  private LayerWeights layer(String at) {
    Function<String, float @Nullable []> bias =
        name -> byName.containsKey(name) ? vector(name) : null;
    return new LayerWeights(
        vector(at + "attention_norm"),
        matrix(at + "query"),
        matrix(at + "key"),
        matrix(at + "value"),
        matrix(at + "output"),
        bias.apply(at + "query.bias"),
        bias.apply(at + "key.bias"),
        bias.apply(at + "value.bias"),
        vector(at + "feed_forward_norm"),
        matrix(at + "gate"),
        matrix(at + "up"),
        matrix(at + "down"));
  }

  private Weight matrix(String name) {
    Parameter p = required(name);
    return Bf16.matrix(p.values, p.rows, p.columns);
  }

  private float[] vector(String name) {
    return required(name).values.clone();
  }

  private Parameter required(String name) {
    Parameter p = byName.get(name);
    if (p == null) {
      throw new IllegalStateException("no parameter " + name);
    }
    return p;
  }
}
