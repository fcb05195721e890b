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

/**
 * The sizes of a Llama-family model: everything that prefill must know besides the weights.
 *
 * @param layers transformer layers
 * @param hidden width of the residual stream
 * @param heads query heads
 * @param kvHeads key/value heads; divides {@code heads} (grouped-query attention)
 * @param headSize width of one head, even
 * @param feedForward inner width of the gated feed-forward network
 * @param vocabulary tokens
 * @param contextLength positions that the model was made for
 * @param normEpsilon ε of the RMS norms
 */
public record ModelShape(
    int layers,
    int hidden,
    int heads,
    int kvHeads,
    int headSize,
    int feedForward,
    int vocabulary,
    int contextLength,
    float normEpsilon) {

  /** Checks that every size is positive and that the heads fit. */
  public ModelShape {
    positive("layers", layers);
    positive("hidden", hidden);
    positive("heads", heads);
    positive("kvHeads", kvHeads);
    positive("headSize", headSize);
    positive("feedForward", feedForward);
    positive("vocabulary", vocabulary);
    positive("contextLength", contextLength);
    if (heads % kvHeads != 0) {
      throw new KvpException(
          KvpException.Kind.UNSUPPORTED,
          "The model has "
              + heads
              + " query heads, which is no multiple of its "
              + kvHeads
              + " key/value heads.");
    }
    if (headSize % 2 != 0) {
      throw new KvpException(
          KvpException.Kind.UNSUPPORTED,
          "The head size " + headSize + " is odd; RoPE needs pairs.");
    }
    if (!(normEpsilon > 0) || !Float.isFinite(normEpsilon)) {
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE,
          "The norm epsilon is " + normEpsilon + "; it must be a positive number.");
    }
  }

  private static void positive(String name, int value) {
    if (value < 1) {
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE,
          "The model's " + name + " is " + value + "; it must be at least 1.");
    }
  }

  /** The same with another number of layers. */
  public ModelShape withLayers(int count) {
    return new ModelShape(
        count,
        hidden,
        heads,
        kvHeads,
        headSize,
        feedForward,
        vocabulary,
        contextLength,
        normEpsilon);
  }

  /** Width of all query heads together. */
  public int attentionLength() {
    return heads * headSize;
  }

  /** Width of all key (or value) heads together: one row of the KV cache. */
  public int kvLength() {
    return kvHeads * headSize;
  }

  /** The factor on QKᵀ, {@code 1/sqrt(headSize)}. */
  public float attentionScale() {
    return (float) (1.0 / Math.sqrt(headSize));
  }

  /** Bytes of K and V of one position over all layers, as 32-bit floats. */
  public long kvBytesPerPosition() {
    return 2L * layers * kvLength() * Float.BYTES;
  }
}
