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
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/**
 * What a predictor remembers of its base, so that it is not used on another: sizes, vocabulary and
 * norms.
 *
 * <p>The weights' fingerprint is taken over the norm vectors, rounded to BF16: quantisation leaves
 * them alone, so a predictor fits every quantisation of its base, while another model, or one whose
 * norms were trained further, has others. It does not tell a base from a fine-tune that left the
 * norms as they were, as a merged LoRA does: there the predictor runs, and only measuring it anew
 * says how well.
 *
 * @param shape the sizes, written out
 * @param tokenizer SHA-256 over the vocabulary in order of ids
 * @param weights SHA-256 over the norm vectors
 */
public record BaseFingerprint(String shape, String tokenizer, String weights) {
  private static final Set<String> SIZES =
      Set.of("layers", "hidden", "heads", "kvHeads", "headSize", "feedForward", "vocabulary");

  /** The fingerprint of a base. */
  public static BaseFingerprint of(ModelWeights weights, Map<String, Long> vocabulary) {
    return new BaseFingerprint(describe(weights.shape()), tokenizer(vocabulary), weights(weights));
  }

  private static String describe(ModelShape s) {
    return "layers="
        + s.layers()
        + ",hidden="
        + s.hidden()
        + ",heads="
        + s.heads()
        + ",kvHeads="
        + s.kvHeads()
        + ",headSize="
        + s.headSize()
        + ",feedForward="
        + s.feedForward()
        + ",vocabulary="
        + s.vocabulary();
  }

  /**
   * The sizes that {@link #shape} tells of; those that it does not, context length and epsilon, are
   * made up. Empty where it is no such text.
   */
  public Optional<ModelShape> sizes() {
    Map<String, Integer> sizes = new HashMap<>();
    for (String part : shape.split(",", -1)) {
      String[] pair = part.split("=", -1);
      if (pair.length != 2 || !pair[1].matches("\\d{1,9}")) {
        return Optional.empty();
      }
      sizes.put(pair[0], Integer.valueOf(pair[1]));
    }
    if (!sizes.keySet().equals(SIZES)) {
      return Optional.empty();
    }
    try {
      return Optional.of(
          new ModelShape(
              size(sizes, "layers"),
              size(sizes, "hidden"),
              size(sizes, "heads"),
              size(sizes, "kvHeads"),
              size(sizes, "headSize"),
              size(sizes, "feedForward"),
              size(sizes, "vocabulary"),
              1,
              1e-5f));
    } catch (KvpException e) {
      return Optional.empty(); // a size of 0, or heads that do not fit
    }
  }

  private static int size(Map<String, Integer> sizes, String name) {
    return Objects.requireNonNull(sizes.get(name));
  }

  private static String tokenizer(Map<String, Long> vocabulary) {
    MessageDigest sha = sha256();
    vocabulary.entrySet().stream()
        .sorted(Map.Entry.comparingByValue())
        .forEach(e -> {
          sha.update((e.getValue() + "\t").getBytes(StandardCharsets.UTF_8));
          sha.update(e.getKey().getBytes(StandardCharsets.UTF_8));
          sha.update((byte) '\n');
        });
    return HexFormat.of().formatHex(sha.digest());
  }

  private static String weights(ModelWeights weights) {
    MessageDigest sha = sha256();
    for (LayerWeights layer : weights.layers()) {
      update(sha, layer.attentionNorm());
      update(sha, layer.feedForwardNorm());
    }
    update(sha, weights.finalNorm());
    return HexFormat.of().formatHex(sha.digest());
  }

  private static void update(MessageDigest sha, float[] values) {
    ByteBuffer bytes = ByteBuffer.allocate(2 * values.length);
    for (float v : values) {
      bytes.putShort(Bf16.of(v));
    }
    sha.update(bytes.array());
  }

  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }
}
