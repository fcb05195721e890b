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
package io.github.kvp4j.jlama.importer;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Llamas small enough for tests, as GGUF files. */
final class TinyModels {
  /** The sizes of a tiny model. */
  record Shape(int layers, int hidden, int heads, int kvHeads, int feedForward, int vocabulary) {
    int headSize() {
      return hidden / heads;
    }

    int kvLength() {
      return kvHeads * headSize();
    }
  }

  /** One that Jlama computes with. All sizes suit its kernels. */
  static final Shape RUNNABLE = new Shape(2, 64, 4, 2, 128, 384);

  /** One of some kilobytes. */
  static final Shape SMALL = new Shape(1, 32, 4, 2, 32, 16);

  static final float THETA = 10_000;
  static final float EPSILON = 1e-5f;
  static final int CONTEXT = 64;

  private TinyModels() {}

  /** All that a file needs besides tensors. */
  static GgufBuilder metadata(Shape shape) {
    GgufBuilder builder =
        new GgufBuilder()
            .put("general.architecture", "llama")
            .put("general.name", "Tiny")
            .put("general.license", "apache-2.0")
            .put("llama.block_count", shape.layers())
            .put("llama.context_length", CONTEXT)
            .put("llama.embedding_length", shape.hidden())
            .put("llama.feed_forward_length", shape.feedForward())
            .put("llama.attention.head_count", shape.heads())
            .put("llama.attention.head_count_kv", shape.kvHeads())
            .put("llama.attention.layer_norm_rms_epsilon", EPSILON)
            .put("llama.rope.freq_base", THETA)
            .put("llama.rope.dimension_count", shape.headSize())
            .put("llama.vocab_size", shape.vocabulary());
    return tokenizer(builder, shape.vocabulary());
  }

  /** Byte-level BPE: three special tokens, then as many bytes and merges as fit, then fillers. */
  private static GgufBuilder tokenizer(GgufBuilder builder, int size) {
    List<String> tokens = new ArrayList<>(List.of("<|end|>", "<|im_start|>", "<|im_end|>"));
    String letters = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'-ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    List<String> merges = new ArrayList<>();
    tokens.add("Ġ");
    tokens.add("Ċ");
    for (int i = 0; i < letters.length() && tokens.size() < size - 4; i++) {
      tokens.add(letters.substring(i, i + 1));
    }
    for (String merge : List.of("a b", "Ġ a", "ab c", "Ġ Ġ")) {
      tokens.add(merge.replace(" ", ""));
      merges.add(merge);
    }
    while (tokens.size() < size) {
      tokens.add("[PAD" + tokens.size() + "]");
    }
    int[] types = new int[size];
    for (int i = 0; i < size; i++) {
      types[i] = i < 3 ? 3 : tokens.get(i).startsWith("[PAD") ? 5 : 1;
    }
    return builder
        .put("tokenizer.ggml.model", "gpt2")
        .put("tokenizer.ggml.pre", "smollm")
        .put("tokenizer.ggml.tokens", tokens.toArray(String[]::new))
        .put("tokenizer.ggml.token_type", types)
        .put("tokenizer.ggml.merges", merges.toArray(String[]::new))
        .put("tokenizer.ggml.bos_token_id", 1)
        .put("tokenizer.ggml.eos_token_id", 2)
        .put("tokenizer.ggml.unknown_token_id", 0)
        .put("tokenizer.ggml.add_bos_token", false)
        .put(
            "tokenizer.chat_template",
            "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' +"
                + " message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}");
  }

  /** A model with random F32 weights, and those weights by their GGUF names. */
  record Floats(GgufBuilder builder, Map<String, float[]> weights) {}

  /** Makes a model whose weights are all F32. */
  static Floats floats(Shape shape, boolean tied, long seed) {
    Random random = new Random(seed);
    GgufBuilder builder = metadata(shape);
    Map<String, float[]> weights = new HashMap<>();
    for (Part part : parts(shape, tied)) {
      float[] values = new float[part.rows() * part.columns()];
      for (int i = 0; i < values.length; i++) {
        values[i] =
            part.isNorm()
                ? 1 + 0.1f * (float) random.nextGaussian()
                : 0.15f * (float) random.nextGaussian();
      }
      weights.put(part.name(), values);
      builder.tensor(part.name(), GgufTensorType.F32, bytes(values), part.shape());
    }
    return new Floats(builder, weights);
  }

  /** Makes a model whose matrices are of many types, with random bits. */
  static GgufBuilder mixed(Shape shape, long seed) {
    Random random = new Random(seed);
    GgufBuilder builder = metadata(shape);
    GgufTensorType[] types = {
      GgufTensorType.Q8_0,
      GgufTensorType.Q4_0,
      GgufTensorType.Q4_1,
      GgufTensorType.Q5_0,
      GgufTensorType.Q5_1,
      GgufTensorType.F16,
      GgufTensorType.BF16
    };
    int next = 0;
    for (Part part : parts(shape, true)) {
      GgufTensorType type = part.isNorm() ? GgufTensorType.F32 : types[next++ % types.length];
      builder.tensor(
          part.name(),
          type,
          randomBlocks(type, part.rows() * part.columns(), random),
          part.shape());
    }
    return builder;
  }

  private static byte[] randomBlocks(GgufTensorType type, int values, Random random) {
    byte[] bytes = new byte[values / type.blockValues() * type.blockBytes()];
    random.nextBytes(bytes);
    ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    for (int at = 0; at < bytes.length; at += type.blockBytes()) {
      float value = 0.1f * (float) random.nextGaussian();
      switch (type) {
        case F32 -> buffer.putFloat(at, value);
        case BF16 -> buffer.putShort(at, (short) TensorEncoding.toBf16(value));
        case Q4_1, Q5_1 -> {
          buffer.putShort(at, Float.floatToFloat16(value));
          buffer.putShort(at + 2, Float.floatToFloat16(value / 2));
        }
        default -> buffer.putShort(at, Float.floatToFloat16(value));
      }
    }
    return bytes;
  }

  /** A tensor's name and sizes. */
  private record Part(String name, int rows, int columns) {
    boolean isNorm() {
      return name.endsWith("norm.weight");
    }

    long[] shape() {
      return isNorm() ? new long[] {columns} : new long[] {columns, rows};
    }
  }

  private static List<Part> parts(Shape s, boolean tied) {
    List<Part> parts = new ArrayList<>();
    parts.add(new Part("token_embd.weight", s.vocabulary(), s.hidden()));
    for (int i = 0; i < s.layers(); i++) {
      String blk = "blk." + i + ".";
      parts.add(new Part(blk + "attn_norm.weight", 1, s.hidden()));
      parts.add(new Part(blk + "attn_q.weight", s.hidden(), s.hidden()));
      parts.add(new Part(blk + "attn_k.weight", s.kvLength(), s.hidden()));
      parts.add(new Part(blk + "attn_v.weight", s.kvLength(), s.hidden()));
      parts.add(new Part(blk + "attn_output.weight", s.hidden(), s.hidden()));
      parts.add(new Part(blk + "ffn_norm.weight", 1, s.hidden()));
      parts.add(new Part(blk + "ffn_gate.weight", s.feedForward(), s.hidden()));
      parts.add(new Part(blk + "ffn_up.weight", s.feedForward(), s.hidden()));
      parts.add(new Part(blk + "ffn_down.weight", s.hidden(), s.feedForward()));
    }
    parts.add(new Part("output_norm.weight", 1, s.hidden()));
    if (!tied) {
      parts.add(new Part("output.weight", s.vocabulary(), s.hidden()));
    }
    return parts;
  }

  static byte[] bytes(float... values) {
    ByteBuffer buffer =
        ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    buffer.asFloatBuffer().put(values);
    return buffer.array();
  }
}
