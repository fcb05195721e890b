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

import io.github.kvp4j.KvpException;
import io.github.kvp4j.model.LayerWeights;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** What reads the prompt in the base's place (KV Prediction, arXiv 2410.08391, section 3). */
public sealed interface Auxiliary {
  /** Which kind this is. */
  AuxiliaryKind kind();

  /**
   * The base's own first layers. Their keys and values are exact (up to linearised layers below
   * them); those of the layers from {@code layers} on are predicted from the RMS-normalised
   * residual stream entering the source layers.
   *
   * @param layers N: how many of the base's layers run for every prompt token
   * @param sources layers whose incoming stream is read, ascending, each at most N
   * @param linearised layers below N whose feed-forward network is replaced by {@code W ·
   *     rmsnorm(x) + b}, by layer
   */
  record Prefix(int layers, List<Integer> sources, Map<Integer, LinearMap> linearised)
      implements Auxiliary {
    /** Checks the order and the bounds of the lists. */
    public Prefix {
      sources = List.copyOf(sources);
      linearised = java.util.Collections.unmodifiableSortedMap(new TreeMap<>(linearised));
      if (layers < 0) {
        throw bad("The number of prefix layers is " + layers + "; it must not be negative.");
      }
      if (sources.isEmpty()) {
        throw bad("The list of source layers is empty; at least one is needed.");
      }
      int before = -1;
      for (int source : sources) {
        if (source <= before || source > layers) {
          throw bad(
              "The source layers are "
                  + sources
                  + "; they must ascend within 0 to "
                  + layers
                  + ", the number of prefix layers.");
        }
        before = source;
      }
      for (int layer : linearised.keySet()) {
        if (layer < 0 || layer >= layers) {
          throw bad(
              "The linearised layer "
                  + layer
                  + " is not below the number of prefix layers, "
                  + layers
                  + ".");
        }
      }
    }

    @Override
    public AuxiliaryKind kind() {
      return AuxiliaryKind.PREFIX;
    }

    /** Linearised layers in ascending order. */
    public SortedMap<Integer, LinearMap> linearisedByLayer() {
      return new TreeMap<>(linearised);
    }

    private static KvpException bad(String message) {
      return new KvpException(KvpException.Kind.BAD_ARGUMENT, message);
    }
  }

  /**
   * An auxiliary of the paper, which reads all of the prompt but its last token with layers and a
   * cache of its own: the keys (before RoPE) and values of the layers that the map names for i
   * predict those of base layer i, for every i.
   */
  sealed interface Separate extends Auxiliary permits Sibling, LayerPruned {
    /** Which auxiliary layer predicts which base layer. */
    LayerMap map();

    /** The weights of the auxiliary's layers where they were trained; empty = not trained. */
    List<LayerWeights> trained();

    /**
     * The same auxiliary after training.
     *
     * @param layers the weights of all its layers
     */
    Separate withTrained(List<LayerWeights> layers);

    /** The same auxiliary read by another map. */
    Separate withMap(LayerMap other);

    /** The auxiliary's sizes beside a base of some shape. */
    ModelShape shape(ModelShape base);

    /** The auxiliary's weights beside a base that it {@linkplain KvPredictor#checkFits fits}. */
    ModelWeights weights(ModelWeights base);
  }

  /**
   * Another, cheaper model with the same tokenizer. Embedding, final norm and head are always its
   * own.
   *
   * @param model the other model
   * @param trained the weights of its layers where they were trained with the base; empty = its own
   * @param map which auxiliary layer predicts which base layer
   * @param origin where the model is from, for the predictor file; null = it can't be written
   */
  record Sibling(
      ModelWeights model, List<LayerWeights> trained, LayerMap map, @Nullable Origin origin)
      implements Separate {
    /** Checks that all layers were trained or none. */
    public Sibling {
      trained = List.copyOf(trained);
      checkTrained(trained, model.layers().size());
    }

    /**
     * Where a sibling is from.
     *
     * @param directory its model folder
     * @param fingerprint of its weights and tokenizer
     */
    public record Origin(Path directory, BaseFingerprint fingerprint) {}

    /** A sibling that lives in memory alone. */
    public Sibling(ModelWeights model, LayerMap map) {
      this(model, List.of(), map, null);
    }

    @Override
    public Sibling withTrained(List<LayerWeights> layers) {
      return new Sibling(model, layers, map, origin);
    }

    @Override
    public Sibling withMap(LayerMap other) {
      return new Sibling(model, trained, other, origin);
    }

    @Override
    public AuxiliaryKind kind() {
      return AuxiliaryKind.SIBLING;
    }

    @Override
    public ModelShape shape(ModelShape base) {
      return model.shape();
    }

    @Override
    public ModelWeights weights(ModelWeights base) {
      return trained.isEmpty()
          ? model
          : new ModelWeights(
              model.shape(),
              model.rope(),
              model.embedding(),
              trained,
              model.finalNorm(),
              model.head());
    }
  }

  /**
   * The base itself with some of its layers left out. Embedding, final norm and head are always the
   * base's.
   *
   * @param kept the base layers that stay, ascending
   * @param trained the weights of those layers where they were trained; empty = the base's own
   * @param map which of the kept layers, counted from 0, predicts which base layer
   */
  record LayerPruned(List<Integer> kept, List<LayerWeights> trained, LayerMap map)
      implements Separate {
    /** Checks the order of the list. */
    public LayerPruned {
      kept = List.copyOf(kept);
      trained = List.copyOf(trained);
      int before = -1;
      for (int layer : kept) {
        if (layer <= before) {
          throw new KvpException(
              KvpException.Kind.BAD_ARGUMENT,
              "The kept layers are " + kept + "; they must ascend from 0 at least.");
        }
        before = layer;
      }
      checkTrained(trained, kept.size());
    }

    /**
     * The layers that the paper keeps.
     *
     * @param share 0.25 (every 4th stays), 0.5 (every 2nd) or 0.75 (every 4th goes)
     * @param layers of the base
     */
    public static List<Integer> keep(double share, int layers) {
      int quarters = (int) (4 * share);
      if (quarters != 4 * share || quarters < 1 || quarters > 3) {
        throw new KvpException(
            KvpException.Kind.BAD_ARGUMENT,
            "The share of layers to keep is "
                + share
                + "; it must be 0.25, 0.5 or 0.75, or a list of layers.");
      }
      return IntStream.range(0, layers)
          .filter(i -> quarters == 3 ? i % 4 != 3 : i % (4 / quarters) == 0)
          .boxed()
          .toList();
    }

    @Override
    public AuxiliaryKind kind() {
      return AuxiliaryKind.LAYER_PRUNED;
    }

    @Override
    public ModelShape shape(ModelShape base) {
      return base.withLayers(kept.size());
    }

    @Override
    public ModelWeights weights(ModelWeights base) {
      return new ModelWeights(
          shape(base.shape()),
          base.rope(),
          base.embedding(),
          trained.isEmpty() ? kept.stream().map(base.layers()::get).toList() : trained,
          base.finalNorm(),
          base.head());
    }

    @Override
    public LayerPruned withTrained(List<LayerWeights> layers) {
      return new LayerPruned(kept, layers, map);
    }

    @Override
    public LayerPruned withMap(LayerMap other) {
      return new LayerPruned(kept, trained, other);
    }
  }

  private static void checkTrained(List<LayerWeights> trained, int layers) {
    if (layers == 0 || (!trained.isEmpty() && trained.size() != layers)) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The auxiliary has "
              + layers
              + " layers and trained weights for "
              + trained.size()
              + "; it needs one layer at least, and weights for all or none.");
    }
  }
}
