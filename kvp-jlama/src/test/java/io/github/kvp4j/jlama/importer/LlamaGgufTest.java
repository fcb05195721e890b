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

import static io.github.kvp4j.KvpException.Kind.MALFORMED_FILE;
import static io.github.kvp4j.KvpException.Kind.UNSUPPORTED;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.kvp4j.KvpException;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Well-formed GGUF files whose content does not fit, or is not supported. */
class LlamaGgufTest {
  private static Arguments malformed(String message, UnaryOperator<GgufBuilder> how) {
    return Arguments.of(Named.of(message, how), MALFORMED_FILE, message);
  }

  private static Arguments unsupported(String message, UnaryOperator<GgufBuilder> how) {
    return Arguments.of(Named.of(message, how), UNSUPPORTED, message);
  }

  private static byte[] f32(int values) {
    return new byte[4 * values];
  }

  private static String[] tokens(int count, String prefix) {
    return Stream.iterate(0, i -> i + 1).limit(count).map(i -> prefix + i).toArray(String[]::new);
  }

  static Stream<Arguments> architecture() {
    return Stream.of(
        unsupported(
            "its architecture is \"qwen2\"; only \"llama\"",
            b -> b.put("general.architecture", "qwen2")),
        malformed("it has no general.architecture", b -> b.remove("general.architecture")),
        malformed(
            "general.architecture is 3; it must be a string",
            b -> b.put("general.architecture", 3)),
        malformed("it has no llama.block_count", b -> b.remove("llama.block_count")),
        malformed(
            "llama.block_count is 0; it must be a whole number from 1 to 4096",
            b -> b.put("llama.block_count", 0)),
        malformed("llama.block_count is 4097", b -> b.put("llama.block_count", 4097)),
        malformed("llama.block_count is -1", b -> b.put("llama.block_count", -1L)),
        malformed("llama.block_count is 1.0", b -> b.put("llama.block_count", 1f)),
        malformed(
            "llama.context_length is 4194305; it must be a whole number from 1 to 4194304",
            b -> b.put("llama.context_length", (1 << 22) + 1)),
        unsupported(
            "llama.attention.head_count_kv is an array of 2 INT32, one for each layer",
            b -> b.put("llama.attention.head_count_kv", new int[] {2, 1})),
        malformed(
            "llama.embedding_length is 32, which 5 heads don't divide",
            b -> b.put("llama.attention.head_count", 5)),
        malformed(
            "llama.embedding_length is 32, which 32 heads don't divide into even",
            b -> b.put("llama.attention.head_count", 32)),
        malformed(
            "llama.attention.head_count is 4, no multiple of 3",
            b -> b.put("llama.attention.head_count_kv", 3)),
        unsupported(
            "llama.rope.dimension_count is 4; Jlama's Llama needs the head size, which is 8",
            b -> b.put("llama.rope.dimension_count", 4)),
        unsupported(
            "llama.attention.key_length is 16", b -> b.put("llama.attention.key_length", 16)),
        malformed(
            "llama.attention.layer_norm_rms_epsilon is NaN; it must be a positive number",
            b -> b.put("llama.attention.layer_norm_rms_epsilon", Float.NaN)),
        malformed("llama.rope.freq_base is -1.0", b -> b.put("llama.rope.freq_base", -1f)),
        malformed(
            "llama.rope.freq_base is Infinity",
            b -> b.put("llama.rope.freq_base", Double.POSITIVE_INFINITY)),
        unsupported("it is a mixture of 8 experts", b -> b.put("llama.expert_count", 8)),
        unsupported("it has llama.attention.scale", b -> b.put("llama.attention.scale", 0.5f)),
        malformed(
            "llama.vocab_size is 17, but tokenizer.ggml.tokens has 16",
            b -> b.put("llama.vocab_size", 17)),
        unsupported(
            "llama.rope.scaling.type is \"yarn\"", b -> b.put("llama.rope.scaling.type", "yarn")),
        malformed(
            "it has no llama.rope.scaling.factor", b -> b.put("llama.rope.scaling.type", "linear")),
        unsupported(
            "rope_freqs.weight[0] is 1.5, not the 1.0 of Llama 3.1's scaling",
            b ->
                b.tensor(
                    "rope_freqs.weight", GgufTensorType.F32, TinyModels.bytes(1.5f, 1, 1, 8), 4)),
        malformed(
            "tensor \"rope_freqs.weight\" has the shape [2], not [4]",
            b -> b.tensor("rope_freqs.weight", GgufTensorType.F32, f32(2), 2)));
  }

  static Stream<Arguments> tensors() {
    return Stream.of(
        malformed(
            "it has no tensor \"token_embd.weight\"", b -> b.removeTensor("token_embd.weight")),
        malformed(
            "it has no tensor \"blk.0.ffn_up.weight\"", b -> b.removeTensor("blk.0.ffn_up.weight")),
        malformed(
            "it has no tensor \"blk.1.attn_norm.weight\"", b -> b.put("llama.block_count", 2)),
        malformed(
            "tensor \"blk.0.attn_k.weight\" has the shape [32, 32], not [32, 16]",
            b -> b.tensor("blk.0.attn_k.weight", GgufTensorType.F32, f32(1024), 32, 32)),
        malformed(
            "tensor \"output_norm.weight\" has the shape [32, 1], not [32]",
            b -> b.tensor("output_norm.weight", GgufTensorType.F32, f32(32), 32, 1)),
        unsupported(
            "tensor \"output_norm.weight\" is of type IQ4_NL, which can't be read",
            b -> b.tensor("output_norm.weight", GgufTensorType.IQ4_NL, new byte[18], 32)),
        unsupported(
            "it holds the tensor \"blk.0.attn_q.bias\"",
            b -> b.tensor("blk.0.attn_q.bias", GgufTensorType.F32, f32(32), 32)));
  }

  static Stream<Arguments> tokenizer() {
    return Stream.of(
        unsupported("its tokenizer is \"bert\"", b -> b.put("tokenizer.ggml.model", "bert")),
        malformed("it has no tokenizer.ggml.model", b -> b.remove("tokenizer.ggml.model")),
        malformed("it has no tokenizer.ggml.tokens", b -> b.remove("tokenizer.ggml.tokens")),
        malformed(
            "tokenizer.ggml.tokens is an array of 2 INT32; it must be an array of STRING",
            b -> b.put("tokenizer.ggml.tokens", new int[] {1, 2})),
        malformed(
            "token 1, \"<|end|>\", is the same as token 0",
            b -> {
              String[] tokens = tokens(16, "t");
              tokens[0] = "<|end|>";
              tokens[1] = "<|end|>";
              return b.put("tokenizer.ggml.tokens", tokens);
            }),
        malformed(
            "token 0 is special and empty",
            b -> {
              String[] tokens = tokens(16, "t");
              tokens[0] = "";
              return b.put("tokenizer.ggml.tokens", tokens);
            }),
        malformed(
            "tokenizer.ggml.token_type has 2 elements, but tokenizer.ggml.tokens has 16",
            b -> b.put("tokenizer.ggml.token_type", new int[] {1, 1})),
        unsupported(
            "tokenizer.ggml.pre is \"tekken\", which is not known",
            b -> b.put("tokenizer.ggml.pre", "tekken")),
        malformed("it has no tokenizer.ggml.pre", b -> b.remove("tokenizer.ggml.pre")),
        malformed("it has no tokenizer.ggml.merges", b -> b.remove("tokenizer.ggml.merges")),
        malformed(
            "merge 1 is \"a x\", which are not two tokens that make a third",
            b -> b.put("tokenizer.ggml.merges", new String[] {"a b", "a x"})),
        malformed(
            "merge 0 is \"\", which are not two tokens",
            b -> b.put("tokenizer.ggml.merges", new String[] {""})),
        malformed(
            "tokenizer.ggml.eos_token_id is 16; it must be a whole number from 0 to 15",
            b -> b.put("tokenizer.ggml.eos_token_id", 16)),
        malformed(
            "it has no tokenizer.ggml.bos_token_id", b -> b.remove("tokenizer.ggml.bos_token_id")),
        malformed("it has no tokenizer.ggml.scores", b -> b.put("tokenizer.ggml.model", "llama")),
        malformed(
            "tokenizer.ggml.scores[2] is NaN",
            b ->
                b.put("tokenizer.ggml.model", "llama")
                    .put("tokenizer.ggml.scores", scores(16, 2, Float.NaN))),
        unsupported(
            "token 5 has 600 characters; the limit is 512",
            b -> {
              String[] tokens = tokens(16, "t");
              tokens[5] = "t".repeat(600);
              return b.put("tokenizer.ggml.model", "llama")
                  .put("tokenizer.ggml.tokens", tokens)
                  .put("tokenizer.ggml.scores", new float[16]);
            }));
  }

  /** Scores with one odd value. */
  private static float[] scores(int count, int at, float value) {
    float[] scores = new float[count];
    scores[at] = value;
    return scores;
  }

  @ParameterizedTest
  @MethodSource({"architecture", "tensors", "tokenizer"})
  void tellsWhatDoesNotFit(UnaryOperator<GgufBuilder> how, KvpException.Kind kind, String message) {
    GgufFile file = how.apply(TinyModels.mixed(TinyModels.SMALL, 1)).parse();

    assertThat(Tests.failure(kind, () -> new GgufImporter(file)))
        .startsWith("test.gguf: ")
        .contains(message);
  }

  @Test
  void takesWhatHasNoEffect() {
    for (UnaryOperator<GgufBuilder> how :
        List.<UnaryOperator<GgufBuilder>>of(
            b -> b.put("llama.rope.scaling.type", "none"),
            b -> b.put("llama.expert_count", 0),
            b -> b.put("llama.attention.key_length", 8),
            b -> b.remove("llama.rope.freq_base"),
            b -> b.remove("llama.vocab_size"),
            b -> b.remove("tokenizer.ggml.token_type"),
            b -> b.remove("tokenizer.chat_template"),
            b ->
                b.tensor(
                    "rope_freqs.weight", GgufTensorType.F32, TinyModels.bytes(1, 1, 1, 1), 4))) {
      GgufImporter importer =
          new GgufImporter(how.apply(TinyModels.mixed(TinyModels.SMALL, 1)).parse());
      assertThat(importer.weightTypes()).isNotEmpty();
    }
  }
}
