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
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/**
 * The layer map j(i) of the paper: which auxiliary layer predicts base layer i. Nondecreasing. With
 * a width above 1 its neighbours are read as well, which is not the paper's.
 *
 * @param sources auxiliary layer by base layer
 * @param width how many adjacent auxiliary layers a base layer is predicted from, at least 1
 */
public record LayerMap(List<Integer> sources, int width) {
  /** Checks that the map is nondecreasing and not negative. */
  public LayerMap {
    sources = List.copyOf(sources);
    if (width < 1) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The width of the layer map is " + width + "; it must be at least 1.");
    }
    int before = 0;
    for (int source : sources) {
      if (source < before) {
        throw new KvpException(
            KvpException.Kind.BAD_ARGUMENT,
            "The layer map is " + sources + "; it must not descend or be negative.");
      }
      before = source;
    }
  }

  /** A map to one layer each, as in the paper. */
  public LayerMap(List<Integer> sources) {
    this(sources, 1);
  }

  /** The same map of another width. */
  public LayerMap wide(int layers) {
    return new LayerMap(sources, layers);
  }

  /**
   * The paper's rule for KVP-C: the first auxiliary layers predict two base layers each, the later
   * ones one each (28 base and 20 auxiliary layers: 0,0,1,1,…,7,7,8,9,…,19).
   *
   * @param auxiliaryLayers layers of the auxiliary
   * @param baseLayers layers of the base
   */
  public static LayerMap paper(int auxiliaryLayers, int baseLayers) {
    List<Integer> map = new ArrayList<>(baseLayers);
    if (auxiliaryLayers < 1 || baseLayers < 1) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "A layer map from " + auxiliaryLayers + " to " + baseLayers + " layers is not possible.");
    }
    for (int i = 0; i < baseLayers; i++) {
      if (auxiliaryLayers >= baseLayers) {
        map.add(i);
      } else if (2 * auxiliaryLayers >= baseLayers) {
        int doubled = baseLayers - auxiliaryLayers;
        map.add(i < 2 * doubled ? i / 2 : i - doubled);
      } else {
        map.add((int) ((long) i * auxiliaryLayers / baseLayers));
      }
    }
    return new LayerMap(map);
  }

  /**
   * The paper's rule for KVP-LP: a base layer is predicted from itself where it is kept, else from
   * the last kept layer before it (28 base layers of which every 4th is dropped:
   * 0,1,2,2,3,4,5,5,…).
   *
   * @param kept base layers that the auxiliary keeps, ascending
   * @param baseLayers layers of the base
   */
  public static LayerMap ofKept(List<Integer> kept, int baseLayers) {
    return new LayerMap(
        IntStream.range(0, baseLayers)
            .map(i -> Math.max(0, (int) kept.stream().filter(k -> k <= i).count() - 1))
            .boxed()
            .toList());
  }

  /**
   * The first of the {@link #width} auxiliary layers that predict base layer {@code layer}: the
   * mapped one is in their middle, or, of an even number, the one before it, where there are as
   * many on both sides.
   *
   * @param auxiliaryLayers of the auxiliary, at least the width
   */
  public int firstSource(int layer, int auxiliaryLayers) {
    return Math.clamp(sources.get(layer) - (width - 1) / 2, 0, auxiliaryLayers - width);
  }

  /**
   * Puts rows of the {@link #width} layers from one on side by side.
   *
   * @param layers by layer, the keys or the values {@code (position, kvLength)}
   * @param first the layer to begin with
   * @param kvLength numbers of a row of one layer
   * @param from the first position
   * @param to the position after the last
   * @param out {@code (position - from, layer - first, kvLength)}
   */
  public void gather(
      IntFunction<float[]> layers, int first, int kvLength, int from, int to, float[] out) {
    for (int i = 0; i < width; i++) {
      float[] rows = layers.apply(first + i);
      for (int p = from; p < to; p++) {
        System.arraycopy(rows, p * kvLength, out, ((p - from) * width + i) * kvLength, kvLength);
      }
    }
  }
}
