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
package io.github.kvp4j.jlama;

import io.github.kvp4j.model.LayerWeights;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.model.RopeTable;
import io.github.kvp4j.model.Weight;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Tells models apart whose norms are the same: SHA-256 over some rows of each matrix, all biases,
 * and what else of a configuration decides about keys and values. Training changes every row of a
 * matrix that it changes at all, a merged LoRA too, so a few are enough.
 */
final class WeightSample {
  /** Of each matrix of a layer. */
  private static final int ROWS = 2;

  /** Of the embedding and of the head: training on some text may leave other tokens alone. */
  private static final int TOKENS = 32;

  private WeightSample() {}

  static String of(ModelWeights weights) {
    MessageDigest sha = sha256();
    for (LayerWeights layer : weights.layers()) {
      for (Weight matrix :
          List.of(
              layer.query(),
              layer.key(),
              layer.value(),
              layer.output(),
              layer.gate(),
              layer.up(),
              layer.down())) {
        update(sha, matrix, ROWS);
      }
      update(sha, layer.queryBias());
      update(sha, layer.keyBias());
      update(sha, layer.valueBias());
    }
    update(sha, weights.embedding(), TOKENS);
    update(sha, weights.head(), TOKENS);
    RopeTable rope = weights.rope();
    int second = Math.min(1, rope.positions() - 1) * rope.halfHead(); // the first turns nothing
    update(sha, Arrays.copyOfRange(rope.sin(), second, second + rope.halfHead()));
    update(sha, new float[] {weights.shape().normEpsilon()});
    return HexFormat.of().formatHex(sha.digest());
  }

  private static void update(MessageDigest sha, Weight matrix, int rows) {
    for (int i = 1; i <= rows; i++) {
      int at = (int) ((long) i * matrix.rows() / (rows + 1));
      Weight row = matrix.rows(at, at + 1);
      sha.update(row.data().toArray(ValueLayout.JAVA_BYTE));
      MemorySegment scales = row.scales();
      if (scales != null) {
        sha.update(scales.toArray(ValueLayout.JAVA_BYTE));
      }
    }
  }

  private static void update(MessageDigest sha, float @Nullable [] values) {
    if (values == null) {
      return;
    }
    ByteBuffer bytes = ByteBuffer.allocate(Float.BYTES * values.length);
    for (float value : values) {
      bytes.putFloat(value);
    }
    sha.update(bytes.array());
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }
}
