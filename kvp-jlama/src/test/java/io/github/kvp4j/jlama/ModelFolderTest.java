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

import static io.github.kvp4j.jlama.ModelCases.answer;
import static io.github.kvp4j.jlama.ModelCases.refused;
import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.format.Safetensors;
import io.github.kvp4j.jlama.TinyModelDirectory.Kind;
import io.github.kvp4j.model.Weight;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Folders of models that can be read in part, or not at all: each says why in one sentence. */
@Timeout(300)
class ModelFolderTest {
  @TempDir Path folder;

  // --- architectures that only Jlama reads

  @Test
  void anArchitectureWithoutOurEngineIsReadByJlama() {
    Path directory = TinyModelDirectory.of(Kind.GRANITE).write(folder.resolve("model"));
    try (KvpModel model = KvpModel.builder(directory).build()) {
      assertThat(model.engine()).isEmpty();
      assertThat(model.fingerprint()).isEmpty();
      GenerateResult result =
          model.generate(GenerateRequest.builder("abc").maxNewTokens(5).build());
      assertThat(result.mode()).isEqualTo(KvpMode.OFF);
      assertThat(result.modeReason()).contains("GRANITE");
      assertThat(result.tokens()).isNotEmpty();
      assertThat(result.tokens()).isEqualTo(answer(model, "abc", KvpMode.OFF, 5).tokens());
      for (KvpMode mode : List.of(KvpMode.EXACT, KvpMode.PREDICT)) {
        refused(KvpException.Kind.UNSUPPORTED, "GRANITE", () -> answer(model, "abc", mode, 5));
      }
    }
    refused(
        KvpException.Kind.UNSUPPORTED,
        "GRANITE",
        () -> KvpModel.builder(directory).predictor(folder.resolve("p")).build());
  }

  @ParameterizedTest
  @ValueSource(strings = {"\"phi3\"", "\"\"", "\"../llama\"", "\"LLAMA2\"", "7", "null", "[]"})
  void anUnknownArchitectureIsRefused(String type) throws IOException {
    Path directory = TinyModelDirectory.of(Kind.MISTRAL).write(folder.resolve("model"));
    Path config = directory.resolve("config.json");
    Files.writeString(config, Files.readString(config).replace("\"mistral\"", type));
    notLoaded(directory);
  }

  // --- broken folders

  @Test
  void aFolderThatIsNotThereIsNamed() {
    Path none = folder.resolve("none");
    refused(KvpException.Kind.FILE_ACCESS, none.toString(), () -> KvpModel.builder(none).build());
    Path file =
        TinyModelDirectory.of(Kind.MISTRAL).write(folder.resolve("m")).resolve("config.json");
    refused(KvpException.Kind.FILE_ACCESS, file.toString(), () -> KvpModel.builder(file).build());
  }

  @ParameterizedTest
  @ValueSource(strings = {"config.json", "tokenizer.json", "model.safetensors"})
  void aMissingFileIsNamed(String name) throws IOException {
    Path directory = TinyModelDirectory.of(Kind.LLAMA_GROUPED_TIED).write(folder.resolve("model"));
    Files.delete(directory.resolve(name));
    KvpException e = notLoaded(directory);
    assertThat(e).hasMessageContaining(name.replace("model.safetensors", "safetensor"));
  }

  /** Norms are read when a model is loaded: what is not finite there is refused. */
  @ParameterizedTest
  @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
  void normsThatAreNotFiniteAreRefused(float value) {
    Path directory = TinyModelDirectory.of(Kind.LLAMA_GROUPED_TIED).write(folder.resolve("model"));
    Path file = directory.resolve("model.safetensors");
    Safetensors weights = Safetensors.read(file);
    weights
        .tensors()
        .getOrDefault("model.layers.1.input_layernorm.weight", Weight.of(new float[1], 1, 1))
        .data()
        .set(ValueLayout.JAVA_FLOAT_UNALIGNED, 40, value);
    weights.write(file);
    KvpException e = notLoaded(directory);
    assertThat(e).hasMessageContaining("layer 1 attention norm");
  }

  /** No chat template is needed to answer a plain prompt. */
  @Test
  void withoutATemplatePlainPromptsWork() throws IOException {
    Path directory = TinyModelDirectory.of(Kind.LLAMA_GROUPED_TIED).write(folder.resolve("model"));
    Files.delete(directory.resolve("tokenizer_config.json"));
    try (KvpModel model = KvpModel.builder(directory).warmUp(false).build()) {
      assertThat(answer(model, "abc", KvpMode.EXACT, 3).tokens()).hasSize(3);
      refused(KvpException.Kind.UNSUPPORTED, "chat template", () -> model.chatPrompt("Hello"));
    }
  }

  /** Cut at every kind of place: in the length, in the header, between tensors, in the last one. */
  @ParameterizedTest
  @EnumSource(names = {"LLAMA_GROUPED_TIED", "QWEN2", "GRANITE"})
  void cutWeightsAreRefused(Kind kind) throws IOException {
    Path directory = TinyModelDirectory.of(kind).layers(1).write(folder.resolve("model"));
    Path file = directory.resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(file);
    for (int length :
        new int[] {
          0,
          1,
          7,
          8,
          9,
          100,
          1000,
          5000,
          bytes.length / 2,
          bytes.length - 5000,
          bytes.length - 4,
          bytes.length - 1
        }) {
      Files.write(file, Arrays.copyOf(bytes, length));
      notLoaded(directory);
    }
    Files.write(file, bytes);
    KvpModel.builder(directory).build().close();
  }

  /** Whatever stands in the header's length, nothing of that size is allocated. */
  @ParameterizedTest
  @ValueSource(longs = {0, 1, 1L << 20, 1L << 29, (1L << 30) - 8, 1L << 31, 1L << 62, -1})
  void aHeaderLengthThatLiesIsRefused(long length) throws IOException {
    Path directory = TinyModelDirectory.of(Kind.MISTRAL).layers(1).write(folder.resolve("model"));
    Path file = directory.resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(file);
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(0, length);
    Files.write(file, bytes);
    ThreadMXBean memory = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = memory.getThreadAllocatedBytes(Thread.currentThread().threadId());
    notLoaded(directory);
    assertThat(memory.getThreadAllocatedBytes(Thread.currentThread().threadId()) - before)
        .isLessThan(100 << 20);
  }

  static Stream<Consumer<StringBuilder>> headers() {
    return Stream.of(
        // a tensor that is not there, or has another name
        h -> swap(h, "model.norm.weight", "model.morn.weight"),
        h -> swap(h, "layers.1.mlp.up_proj.weight", "layers.7.mlp.up_proj.weight"),
        // a shape that its bytes do not have, or that the configuration does not
        h -> swap(h, "\"shape\":[384,64]", "\"shape\":[768,64]"),
        h -> swap(h, "\"shape\":[384,64]", "\"shape\":[192,64]"),
        h -> swap(h, "\"shape\":[96,64]", "\"shape\":[64,96]"),
        h -> swap(h, "\"shape\":[64,64]", "\"shape\":[64,32]"),
        h -> swap(h, "\"shape\":[64,64]", "\"shape\":[99,99]"),
        h -> swap(h, "\"shape\":[64,64]", "\"shape\":[-1,64]"),
        h -> swap(h, "\"shape\":[64]", "\"shape\":[65]"),
        // offsets outside, and turned round
        h -> swap(h, "\"data_offsets\":[0,", "\"data_offsets\":[9,"),
        h -> swap(h, "\"data_offsets\":[0,98304]", "\"data_offsets\":[98304,0]"),
        h -> swap(h, "\"data_offsets\":[0,98304]", "\"data_offsets\":[0,98300]"),
        h -> swap(h, "\"dtype\":\"F32\"", "\"dtype\":\"F33\""),
        h -> swap(h, "\"dtype\":\"F32\"", "\"dtype\":\"I64\""),
        h -> swap(h, "{", "["));
  }

  private static void swap(StringBuilder text, String from, String to) {
    int at = text.indexOf(from);
    if (at < 0 || from.length() != to.length()) {
      throw new IllegalArgumentException(from + " in " + text);
    }
    text.replace(at, at + from.length(), to);
  }

  @ParameterizedTest
  @MethodSource("headers")
  void aHeaderThatDoesNotFitIsRefused(Consumer<StringBuilder> change) throws IOException {
    Path directory =
        TinyModelDirectory.of(Kind.LLAMA_GROUPED_TIED).layers(2).write(folder.resolve("model"));
    Path file = directory.resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(file);
    int length = (int) ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong(0);
    StringBuilder header = new StringBuilder(new String(bytes, 8, length, StandardCharsets.UTF_8));
    change.accept(header);
    byte[] changed = header.toString().getBytes(StandardCharsets.UTF_8);
    System.arraycopy(changed, 0, bytes, 8, length);
    Files.write(file, bytes);
    notLoaded(directory);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{\"model_type\":\"llama\"}",
        "{\"model_type\":\"llama\",\"hidden_size\":\"many\"}",
      })
  void aBrokenConfigurationIsRefused(String text) throws IOException {
    Path directory = TinyModelDirectory.of(Kind.LLAMA_GROUPED_TIED).write(folder.resolve("model"));
    Files.writeString(directory.resolve("config.json"), text);
    notLoaded(directory);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"hidden_size\" : 63",
        "\"hidden_size\" : 0",
        "\"hidden_size\" : -64",
        "\"hidden_size\" : 128",
        "\"num_attention_heads\" : 3",
        "\"num_attention_heads\" : 0",
        "\"num_attention_heads\" : 64",
        "\"num_key_value_heads\" : 3",
        "\"num_key_value_heads\" : 0",
        "\"num_hidden_layers\" : 4",
        "\"num_hidden_layers\" : 0",
        "\"num_hidden_layers\" : -1",
        "\"vocab_size\" : 385",
        "\"vocab_size\" : 0",
        "\"intermediate_size\" : 97",
        "\"max_position_embeddings\" : 0",
        "\"max_position_embeddings\" : -5",
        "\"rms_norm_eps\" : -1.0",
        "\"rms_norm_eps\" : 0",
        "\"hidden_act\" : \"magic\"",
      })
  void aConfigurationThatDoesNotFitIsRefused(String field) throws IOException {
    Path directory = TinyModelDirectory.of(Kind.LLAMA_GROUPED_TIED).write(folder.resolve("model"));
    Path config = directory.resolve("config.json");
    String name = field.substring(0, field.indexOf(" :"));
    String text = Files.readString(config);
    String changed = text.replaceFirst(name + " : [^,\\n]+", field);
    assertThat(changed).isNotEqualTo(text);
    Files.writeString(config, changed);
    notLoaded(directory);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "{", "[]", "{}", "null", "{\"model\":{}}", "{\"model\":{\"vocab\":[]}}"})
  void aBrokenTokenizerIsRefused(String text) throws IOException {
    Path directory = TinyModelDirectory.of(Kind.LLAMA_GROUPED_TIED).write(folder.resolve("model"));
    Files.writeString(directory.resolve("tokenizer.json"), text);
    notLoaded(directory);
  }

  /** Refused with one sentence, and works again with what was there before. */
  private static KvpException notLoaded(Path directory) {
    try (KvpModel model = KvpModel.builder(directory).build()) {
      throw new AssertionError("loaded: " + model.shape());
    } catch (KvpException e) {
      assertThat(e.kind())
          .as("%s", e)
          .isIn(KvpException.Kind.MALFORMED_FILE, KvpException.Kind.UNSUPPORTED);
      assertThat(e.getMessage()).doesNotContain("\n").endsWith(".");
      return e;
    }
  }
}
