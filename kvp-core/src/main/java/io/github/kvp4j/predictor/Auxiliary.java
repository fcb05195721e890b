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
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.ModelWeights;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

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
   * Another, cheaper model with the same tokenizer. It reads all of the prompt but its last token;
   * the keys (before RoPE) and values of its layer {@code map.source(i)} predict those of base
   * layer i.
   *
   * @param weights the auxiliary's weights
   * @param map which auxiliary layer predicts which base layer
   */
  record Sibling(ModelWeights weights, LayerMap map) implements Auxiliary {
    @Override
    public AuxiliaryKind kind() {
      return AuxiliaryKind.SIBLING;
    }
  }
}
