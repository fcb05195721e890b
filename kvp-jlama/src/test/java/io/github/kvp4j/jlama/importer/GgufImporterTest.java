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

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.github.tjake.jlama.model.AbstractModel;
import com.github.tjake.jlama.model.ModelSupport;
import com.github.tjake.jlama.model.llama.LlamaTokenizer;
import com.github.tjake.jlama.safetensors.DType;
import com.github.tjake.jlama.tensor.AbstractTensor;
import com.github.tjake.jlama.tensor.KvBufferCache;
import io.github.kvp4j.jlama.importer.TinyModels.Floats;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Imported folders, as Jlama sees them. */
class GgufImporterTest {
  @TempDir Path temp;

  private Path importTiny(GgufBuilder builder, DType dtype) throws IOException {
    Path file = Files.write(temp.resolve("tiny.gguf"), builder.build());
    Path out = temp.resolve("tiny-" + dtype);
    ModelImporter.importModel(file, out, dtype, false, ImportProgress.NONE);
    return out;
  }

  private static JsonNode json(Path file) throws IOException {
    return new ObjectMapper().readTree(file.toFile());
  }

  /**
   * The keystone: what llama.cpp's conventions make of the GGUF file is what Jlama makes of the
   * import. Wrong names, an un-permutation forgotten or a wrong field would show here.
   */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void jlamaComputesWhatTheGgufFileSays(boolean tied) throws IOException {
    Floats tiny = TinyModels.floats(TinyModels.RUNNABLE, tied, 7);
    Path folder = importTiny(tiny.builder(), DType.F32);
    int[] tokens = {1, 20, 35, 8, 71, 9, 300, 5};
    double[] wanted =
        softmax(new LlamaCppReference(TinyModels.RUNNABLE, tiny.weights()).logits(tokens));

    try (AbstractModel model = ModelSupport.loadModel(folder.toFile(), DType.F32, DType.F32)) {
      float[] found = probabilities(model, tokens);

      assertThat(found).hasSize(wanted.length);
      for (int i = 0; i < wanted.length; i++) {
        assertThat((double) found[i]).as("token %d", i).isCloseTo(wanted[i], within(1e-5));
      }
    }
  }

  @Test
  void bf16ComputesNearlyTheSame() throws IOException {
    Floats tiny = TinyModels.floats(TinyModels.RUNNABLE, true, 8);
    Path folder = importTiny(tiny.builder(), DType.BF16);
    int[] tokens = {1, 20, 35, 8};
    double[] wanted =
        softmax(new LlamaCppReference(TinyModels.RUNNABLE, tiny.weights()).logits(tokens));

    try (AbstractModel model = ModelSupport.loadModel(folder.toFile(), DType.F32, DType.F32)) {
      float[] found = probabilities(model, tokens);

      assertThat(model.getWeights().getModelDType()).isEqualTo(DType.BF16);
      for (int i = 0; i < wanted.length; i++) {
        assertThat((double) found[i]).isCloseTo(wanted[i], within(0.01));
      }
    }
  }

  /** One token after another: Jlama's own batches lose values on some machines. */
  private static float[] probabilities(AbstractModel model, int[] tokens) {
    try (KvBufferCache cache = new KvBufferCache(model);
        KvBufferCache.KvBuffer buffer = cache.getEphemeralKvBuffer()) {
      float[] result = {};
      for (int i = 0; i < tokens.length; i++) {
        try (AbstractTensor<?, ?> output = model.batchForward(new int[] {tokens[i]}, i, buffer)) {
          result = model.getLogits(output);
        }
      }
      return result;
    }
  }

  private static double[] softmax(double[] logits) {
    double max = Arrays.stream(logits).max().orElseThrow();
    double[] e = Arrays.stream(logits).map(x -> Math.exp(x - max)).toArray();
    double sum = Arrays.stream(e).sum();
    return Arrays.stream(e).map(x -> x / sum).toArray();
  }

  /**
   * The converter's own permutation, {@code reshape(heads, 2, size/2).swapaxes(1, 2)}, is undone.
   */
  @Test
  void unpermutesRowsOfQueriesAndKeys() {
    int heads = 3;
    int size = 8;
    List<Integer> gguf = new ArrayList<>();
    for (int h = 0; h < heads; h++) {
      for (int i = 0; i < size / 2; i++) {
        for (int s = 0; s < 2; s++) {
          gguf.add(h * size + s * (size / 2) + i); // the Hugging Face row that is here
        }
      }
    }
    GgufTensor tensor =
        new GgufTensor(
            "q",
            GgufTensorType.F32,
            List.of(1L, (long) heads * size),
            MemorySegment.ofArray(new byte[heads * size * 4]));
    LlamaGguf.Planned planned = new LlamaGguf.Planned("q", tensor, heads);

    for (int row = 0; row < heads * size; row++) {
      assertThat(gguf.get((int) planned.sourceRow(row))).isEqualTo(row);
    }
    assertThat(new LlamaGguf.Planned("v", tensor, 0).sourceRow(13)).isEqualTo(13);
  }

  @Test
  void writesWhatJlamaReads() throws IOException {
    GgufBuilder builder =
        TinyModels.floats(TinyModels.SMALL, false, 1)
            .builder()
            .put("tokenizer.ggml.eot_token_id", 0)
            .put("llama.rope.scaling.type", "linear")
            .put("llama.rope.scaling.factor", 4f);
    Path folder = importTiny(builder, DType.BF16);

    JsonNode config = json(folder.resolve("config.json"));
    assertThat(config.path("model_type").asText()).isEqualTo("llama");
    assertThat(config.path("rms_norm_eps").asText()).isEqualTo("1.0E-5");
    assertThat(config.path("rope_theta").asDouble()).isEqualTo(10_000);
    assertThat(config.path("rope_scaling").path("rope_type").asText()).isEqualTo("linear");
    assertThat(config.path("rope_scaling").path("factor").asDouble()).isEqualTo(4);
    assertThat(config.path("tie_word_embeddings").asBoolean()).isFalse();
    assertThat(config.path("eos_token_id")).extracting(JsonNode::asInt).containsExactly(2, 0);
    assertThat(config.path("head_dim").asInt()).isEqualTo(8);

    try (AbstractModel model = ModelSupport.loadModel(folder.toFile(), DType.F32, DType.F32)) {
      assertThat(model.getConfig().eosTokens).containsExactly(2, 0);
      assertThat(model.getConfig().bosToken).isEqualTo(1);
      assertThat(model.getConfig().contextLength).isEqualTo(TinyModels.CONTEXT);
      assertThat(model.getConfig().numberOfKeyValueHeads).isEqualTo(2);
      assertThat(model.getConfig().layerNormEps).isEqualTo(TinyModels.EPSILON);
      assertThat(
              model
                  .promptSupport()
                  .orElseThrow()
                  .builder()
                  .addUserMessage("hi")
                  .build()
                  .getPrompt())
          .isEqualTo("<|im_start|>user\nhi<|im_end|>\n");
    }
  }

  @Test
  void byteLevelTokensSplitDigitsAndWords() throws IOException {
    Path folder = importTiny(TinyModels.floats(TinyModels.RUNNABLE, true, 1).builder(), DType.BF16);
    LlamaTokenizer tokenizer = new LlamaTokenizer(folder);

    assertThat(pieces(tokenizer, "<|im_start|>abc  ab, 12"))
        .containsExactly("<|im_start|>", "abc", "Ġ", "Ġ", "ab", ",", "Ġ", "1", "2");
    assertThat(tokenizer.decode(tokenizer.encode("abc ab"))).isEqualTo("abc ab");
  }

  private static List<String> pieces(LlamaTokenizer tokenizer, String text) {
    return Arrays.stream(tokenizer.encode(text))
        .mapToObj(id -> tokenizer.getModel().vocabLookup.inverse().get(id))
        .toList();
  }

  @Test
  void sentencePieceMergesByScore() throws IOException {
    List<String> tokens = new ArrayList<>(List.of("<unk>", "<s>", "</s>"));
    List<Integer> types = new ArrayList<>(List.of(2, 3, 3));
    for (int b = 0; b < 256; b++) {
      tokens.add(String.format("<0x%02X>", b));
      types.add(6);
    }
    // By score, "bc" goes before "ab": so "abc" is a + bc, not ab + c.
    List<String> words = List.of("▁", "a", "b", "c", "bc", "ab", "▁a", "▁ab", "d", "cd");
    tokens.addAll(words);
    words.forEach(w -> types.add(1));
    float[] scores = new float[tokens.size()];
    for (int i = 0; i < words.size(); i++) {
      scores[259 + i] = -i;
    }
    while (tokens.size() < 384) {
      tokens.add("[PAD" + tokens.size() + "]");
      types.add(5);
    }
    GgufBuilder builder =
        TinyModels.floats(TinyModels.RUNNABLE, true, 1)
            .builder()
            .remove("tokenizer.ggml.pre")
            .remove("tokenizer.ggml.merges")
            .remove("tokenizer.ggml.add_bos_token")
            .put("tokenizer.ggml.model", "llama")
            .put("tokenizer.ggml.tokens", tokens.toArray(String[]::new))
            .put("tokenizer.ggml.scores", Arrays.copyOf(scores, 384))
            .put("tokenizer.ggml.token_type", types.stream().mapToInt(Integer::intValue).toArray());
    Path folder = importTiny(builder, DType.BF16);

    LlamaTokenizer tokenizer = new LlamaTokenizer(folder);
    assertThat(pieces(tokenizer, "abc ab")).containsExactly("▁a", "bc", "▁ab");
    assertThat(pieces(tokenizer, "é")).containsExactly("▁", "<0xC3>", "<0xA9>");
    JsonNode json = json(folder.resolve("tokenizer.json"));
    assertThat(json.path("model").path("merges"))
        .extracting(JsonNode::asText)
        .containsExactly("b c", "a b", "▁ a", "▁a b", "▁ ab", "c d");
    assertThat(json.path("post_processor").path("type").asText()).isEqualTo("TemplateProcessing");
  }

  @Test
  void findsLlama3ScalingFromItsDivisors() throws IOException {
    LlamaGguf.RopeScaling.Llama3 scaling = new LlamaGguf.RopeScaling.Llama3(8);
    float[] divisors = new float[TinyModels.SMALL.headSize() / 2];
    for (int i = 0; i < divisors.length; i++) {
      divisors[i] = (float) scaling.divisor(Math.pow(500_000, -2.0 * i / 8));
    }
    assertThat(divisors[0]).isEqualTo(1);
    assertThat(divisors[3]).isEqualTo(8);
    GgufBuilder builder =
        TinyModels.floats(TinyModels.SMALL, true, 1)
            .builder()
            .put("llama.rope.freq_base", 500_000f)
            .tensor(
                "rope_freqs.weight",
                GgufTensorType.F32,
                TinyModels.bytes(divisors),
                divisors.length);

    JsonNode config = json(importTiny(builder, DType.BF16).resolve("config.json"));

    assertThat(config.path("rope_scaling").path("rope_type").asText()).isEqualTo("llama3");
    assertThat(config.path("rope_scaling").path("factor").asDouble()).isEqualTo(8);
  }

  @Test
  void everyReadableTypeIsImported() throws IOException {
    Path file =
        Files.write(temp.resolve("mixed.gguf"), TinyModels.mixed(TinyModels.SMALL, 3).build());
    try (Arena arena = Arena.ofConfined()) {
      assertThat(new GgufImporter(GgufFile.open(file, arena)).weightTypes())
          .containsExactly("BF16", "F16", "F32", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0");
    }
    ImportManifest manifest =
        ModelImporter.importModel(
            file, temp.resolve("mixed"), DType.BF16, false, ImportProgress.NONE);
    assertThat(manifest.source().kind()).isEqualTo(ImportManifest.Kind.GGUF);
    assertThat(manifest.source().weightTypes()).hasSize(8);
  }
}
