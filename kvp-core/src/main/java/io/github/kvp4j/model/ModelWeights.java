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
package io.github.kvp4j.model;

import io.github.kvp4j.KvpException;
import java.util.List;

/**
 * All weights of a base or auxiliary model.
 *
 * @param shape the sizes
 * @param rope the rotation table, at least as long as any prompt
 * @param embedding {@code [vocabulary][hidden]}
 * @param layers one a transformer layer
 * @param finalNorm {@code [hidden]}
 * @param head {@code [vocabulary][hidden]}; the embedding itself where the two are tied
 */
public record ModelWeights(
    ModelShape shape,
    RopeTable rope,
    Weight embedding,
    List<LayerWeights> layers,
    float[] finalNorm,
    Weight head) {

  /** Checks every matrix against the shape, so that prefill can't run out of bounds. */
  public ModelWeights {
    layers = List.copyOf(layers);
    if (layers.size() != shape.layers()) {
      throw mismatch("layers", layers.size(), 1, shape.layers(), 1);
    }
    if (rope.halfHead() * 2 != shape.headSize()) {
      throw mismatch("RoPE table", rope.halfHead() * 2, 1, shape.headSize(), 1);
    }
    check("embedding", embedding, shape.vocabulary(), shape.hidden());
    check("head", head, shape.vocabulary(), shape.hidden());
    checkVector("final norm", finalNorm, shape.hidden());
    int attention = shape.attentionLength();
    for (int i = 0; i < layers.size(); i++) {
      LayerWeights w = layers.get(i);
      String at = "layer " + i + " ";
      checkVector(at + "attention norm", w.attentionNorm(), shape.hidden());
      checkVector(at + "feed-forward norm", w.feedForwardNorm(), shape.hidden());
      check(at + "query", w.query(), attention, shape.hidden());
      check(at + "key", w.key(), shape.kvLength(), shape.hidden());
      check(at + "value", w.value(), shape.kvLength(), shape.hidden());
      check(at + "output", w.output(), shape.hidden(), attention);
      check(at + "gate", w.gate(), shape.feedForward(), shape.hidden());
      check(at + "up", w.up(), shape.feedForward(), shape.hidden());
      check(at + "down", w.down(), shape.hidden(), shape.feedForward());
      float[] queryBias = w.queryBias();
      float[] keyBias = w.keyBias();
      float[] valueBias = w.valueBias();
      if (queryBias != null) {
        checkVector(at + "query bias", queryBias, attention);
      }
      if (keyBias != null) {
        checkVector(at + "key bias", keyBias, shape.kvLength());
      }
      if (valueBias != null) {
        checkVector(at + "value bias", valueBias, shape.kvLength());
      }
    }
  }

  /** The same with other positions. */
  public ModelWeights withRope(RopeTable other) {
    return new ModelWeights(shape, other, embedding, layers, finalNorm, head);
  }

  private static void check(String name, Weight w, int rows, int columns) {
    if (w.rows() != rows || w.columns() != columns) {
      throw mismatch(name, w.rows(), w.columns(), rows, columns);
    }
  }

  private static void checkVector(String name, float[] values, int length) {
    if (values.length != length) {
      throw mismatch(name, values.length, 1, length, 1);
    }
    for (float v : values) {
      if (!Float.isFinite(v)) {
        throw new KvpException(
            KvpException.Kind.MALFORMED_FILE,
            "The model's " + name + " holds " + v + "; every weight must be a finite number.");
      }
    }
  }

  private static KvpException mismatch(String name, int rows, int columns, int wantR, int wantC) {
    return new KvpException(
        KvpException.Kind.MALFORMED_FILE,
        "The model's "
            + name
            + " is "
            + rows
            + " x "
            + columns
            + ", but its configuration says "
            + wantR
            + " x "
            + wantC
            + ".");
  }
}
