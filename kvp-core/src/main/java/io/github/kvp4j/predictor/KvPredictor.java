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
import java.util.List;

/**
 * A predictor: an auxiliary and the projections from its state into the base's KV cache.
 *
 * @param auxiliary what reads the prompt
 * @param projections one a predicted base layer, ascending
 */
public record KvPredictor(Auxiliary auxiliary, List<LinearProjection> projections) {
  /** Copies the list. */
  public KvPredictor {
    projections = List.copyOf(projections);
  }

  /** The first base layer whose cache is predicted. */
  public int firstPredictedLayer() {
    return switch (auxiliary) {
      case Auxiliary.Prefix prefix -> prefix.layers();
      case Auxiliary.Separate separate -> 0;
    };
  }

  /** Numbers that were learned. */
  public long parameters() {
    long sum = 0;
    for (LinearProjection p : projections) {
      sum += p.key().parameters() + p.value().parameters();
    }
    switch (auxiliary) {
      case Auxiliary.Prefix prefix -> {
        for (LinearMap map : prefix.linearised().values()) {
          sum += map.parameters();
        }
      }
      case Auxiliary.Separate separate -> {
        // of a sibling that was not trained there is only the way to it
        for (LayerWeights layer : separate.trained()) {
          sum += layer.parameters();
        }
      }
    }
    return sum;
  }

  /**
   * Checks that this predictor's matrices fit a base.
   *
   * @throws KvpException {@code PREDICTOR_MISMATCH} that names the first size that does not fit
   */
  public void checkFits(ModelShape base) {
    int first = firstPredictedLayer();
    int count = base.layers() - first;
    if (count < 1 || projections.size() != count) {
      throw mismatch(
          "has " + projections.size() + " projections from layer " + first + " on", base);
    }
    int features =
        switch (auxiliary) {
          case Auxiliary.Prefix prefix -> prefix.sources().size() * base.hidden();
          case Auxiliary.Separate separate ->
              separate.map().width() * separate.shape(base).kvLength();
        };
    for (int i = 0; i < count; i++) {
      LinearProjection p = projections.get(i);
      if (p.layer() != first + i) {
        throw mismatch(
            "projects into layer " + p.layer() + " where " + (first + i) + " is due", base);
      }
      if (p.key().weight().rows() != base.kvLength() || p.key().weight().columns() != features) {
        throw mismatch(
            "projects "
                + p.key().weight().columns()
                + " features to "
                + p.key().weight().rows()
                + " numbers in layer "
                + p.layer()
                + ", not "
                + features
                + " to "
                + base.kvLength(),
            base);
      }
    }
    switch (auxiliary) {
      case Auxiliary.Prefix prefix -> {
        for (var e : prefix.linearised().entrySet()) {
          if (e.getValue().weight().rows() != base.hidden()
              || e.getValue().weight().columns() != base.hidden()) {
            throw mismatch("has a linearised layer " + e.getKey() + " of another width", base);
          }
        }
      }
      case Auxiliary.Separate separate -> {
        List<Integer> map = separate.map().sources();
        ModelShape shape = separate.shape(base);
        if (map.size() != base.layers() || map.getLast() >= shape.layers()) {
          throw mismatch("has the layer map " + map, base);
        }
        if (separate.map().width() > shape.layers()) {
          throw mismatch(
              "reads "
                  + separate.map().width()
                  + " layers at once of an auxiliary that has "
                  + shape.layers(),
              base);
        }
        if (shape.vocabulary() != base.vocabulary()) {
          throw mismatch("has an auxiliary with " + shape.vocabulary() + " tokens", base);
        }
        if (separate instanceof Auxiliary.LayerPruned pruned
            && pruned.kept().getLast() >= base.layers()) {
          throw mismatch("keeps the layers " + pruned.kept(), base);
        }
        checkTrained(separate.trained(), shape, base);
      }
    }
  }

  private static void checkTrained(
      List<LayerWeights> trained, ModelShape auxiliary, ModelShape base) {
    for (LayerWeights layer : trained) {
      if (layer.query().rows() != auxiliary.attentionLength()
          || layer.query().columns() != auxiliary.hidden()
          || layer.key().rows() != auxiliary.kvLength()
          || layer.gate().rows() != auxiliary.feedForward()) {
        throw mismatch("has trained layers of other widths", base);
      }
    }
  }

  private static KvpException mismatch(String what, ModelShape base) {
    return new KvpException(
        KvpException.Kind.PREDICTOR_MISMATCH,
        "The predictor "
            + what
            + ", but the base has "
            + base.layers()
            + " layers of width "
            + base.hidden()
            + " with "
            + base.kvLength()
            + " numbers a key and "
            + base.vocabulary()
            + " tokens.");
  }
}
