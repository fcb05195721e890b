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
package io.github.kvp4j.langchain4j;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.kvp4j.calibration.CalibrationProgress;
import io.github.kvp4j.calibration.CalibrationSettings;
import io.github.kvp4j.calibration.RidgeCalibrator;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.predictor.MeasuredQuality;
import io.github.kvp4j.predictor.PredictorFile;
import io.github.kvp4j.prefill.Cancellation;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Writes a tiny Llama whose answer is known word by word.
 *
 * <p>Each token's embedding is a unit vector, attention and feed-forward networks add nothing, and
 * the head maps a token to those that may follow it. The prompt's last token is the line feed after
 * "assistant", so what may follow a line feed begins the answer. The tokenizer is a byte-level BPE
 * without merges; the words of the script are further tokens.
 */
final class ScriptedModel {
  static final String CHATML =
      "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
          + "{{ '<|im_start|>system\nBe kind<|im_end|>\n' }}{% endif %}"
          + "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
          + "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

  /** Does not show system messages, as Gemma's does not. */
  static final String CHATML_WITHOUT_SYSTEM =
      "{% for message in messages %}{% if message['role'] != 'system' %}"
          + "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
          + "{% endif %}{% endfor %}{{ '<|im_start|>assistant\n' }}";

  static final String START = "\n";
  static final String END = "<|im_end|>";
  static final int CONTEXT = 512;

  private static final int HIDDEN = 320;
  private static final int HEAD = 32;
  private static final int KEY_VALUE_HEADS = 2;
  static final int LAYERS = 2;
  private static final List<String> SPECIAL = List.of("<|endoftext|>", "<|im_start|>", END);
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Map<String, Set<String>> followers = new LinkedHashMap<>();
  private @Nullable String template = CHATML;
  private int context = CONTEXT;

  /** The words of one answer; each word may occur but once in a script. */
  static ScriptedModel answering(String... words) {
    ScriptedModel script = new ScriptedModel();
    String before = START;
    for (String word : words) {
      script.follow(before, word);
      before = word;
    }
    return script.follow(before, END);
  }

  /** Endless text of two words in turn. */
  static ScriptedModel endless() {
    return new ScriptedModel().follow(START, " on").follow(" on", " and").follow(" and", " on");
  }

  /** Endless text in which each of four words may follow each, all equally likely. */
  static ScriptedModel random() {
    ScriptedModel script = new ScriptedModel();
    List<String> words = List.of(" a", " b", " c", " d");
    for (String word : words) {
      script.follow(START, word);
      words.forEach(next -> script.follow(word, next));
    }
    return script;
  }

  /** Lets one token follow another. */
  ScriptedModel follow(String token, String next) {
    followers.computeIfAbsent(token, t -> new LinkedHashSet<>()).add(next);
    return this;
  }

  /** Another chat template, or none. */
  ScriptedModel template(@Nullable String value) {
    this.template = value;
    return this;
  }

  /** Another length of prompt and answer together, in tokens; {@link #CONTEXT} by default. */
  ScriptedModel context(int value) {
    this.context = value;
    return this;
  }

  /** Writes the folder. */
  Path write(Path directory) {
    try {
      Files.createDirectories(directory);
      Map<String, Integer> vocabulary = vocabulary();
      JSON.writeValue(directory.resolve("tokenizer.json").toFile(), tokenizer(vocabulary));
      JSON.writeValue(directory.resolve("tokenizer_config.json").toFile(), tokenizerConfig());
      JSON.writeValue(directory.resolve("config.json").toFile(), config(vocabulary.size()));
      writeWeights(directory.resolve("model.safetensors"), vocabulary);
      return directory;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Writes a predictor for the model in a folder, and returns its file. */
  static Path writePredictor(Path directory, Path file) {
    try (KvpModel model = KvpModel.builder(directory).withoutPredictor().build()) {
      SplittableRandom random = new SplittableRandom(1);
      List<int[]> texts = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        texts.add(random.ints(100, 3, 259).toArray());
      }
      CalibrationSettings settings =
          new CalibrationSettings(1, List.of(1), new TreeSet<>(), 0, List.of(1e-3));
      RidgeCalibrator calibrator =
          new RidgeCalibrator(
              model.engine().orElseThrow(),
              settings,
              texts,
              CalibrationProgress.SILENT,
              Cancellation.NEVER);
      new PredictorFile(
              calibrator.fit(),
              model.fingerprint().orElseThrow(),
              Map.of(),
              List.of(new MeasuredQuality("0/1/0", "text", 0.6, 0.1, 0.7, 0.7, 4)))
          .write(file);
      return file;
    }
  }

  private Map<String, Integer> vocabulary() {
    Map<String, Integer> vocabulary = new LinkedHashMap<>();
    SPECIAL.forEach(s -> vocabulary.put(s, vocabulary.size()));
    for (int b = 0; b < 256; b++) {
      vocabulary.put(String.valueOf(letter(b)), vocabulary.size());
    }
    followers.forEach((token, next) -> {
      vocabulary.putIfAbsent(letters(token), vocabulary.size());
      next.forEach(n -> vocabulary.putIfAbsent(letters(n), vocabulary.size()));
    });
    if (vocabulary.size() > HIDDEN) {
      throw new IllegalArgumentException("too many words: " + vocabulary.size());
    }
    return vocabulary;
  }

  private static Map<String, Object> tokenizer(Map<String, Integer> vocabulary) {
    List<Map<String, Object>> added = new ArrayList<>();
    for (String s : SPECIAL) {
      added.add(Map.of("id", added.size(), "content", s, "special", true));
    }
    return Map.of(
        "added_tokens",
        added,
        "pre_tokenizer",
        Map.of("type", "Sequence", "pretokenizers", List.of(Map.of("type", "ByteLevel"))),
        "model",
        Map.of("type", "BPE", "vocab", vocabulary, "merges", List.of()));
  }

  private Map<String, Object> tokenizerConfig() {
    Map<String, Object> config = new LinkedHashMap<>();
    config.put("bos_token", "<|im_start|>");
    config.put("eos_token", END);
    if (template != null) {
      config.put("chat_template", template);
    }
    return config;
  }

  private Map<String, Object> config(int vocabularySize) {
    Map<String, Object> config = new LinkedHashMap<>();
    config.put("architectures", List.of("LlamaForCausalLM"));
    config.put("model_type", "llama");
    config.put("hidden_act", "silu");
    config.put("hidden_size", HIDDEN);
    config.put("intermediate_size", 64);
    config.put("num_hidden_layers", LAYERS);
    config.put("num_attention_heads", HIDDEN / HEAD);
    config.put("num_key_value_heads", KEY_VALUE_HEADS);
    config.put("max_position_embeddings", context);
    config.put("rms_norm_eps", 1e-5);
    config.put("rope_theta", 10000.0);
    config.put("vocab_size", vocabularySize);
    config.put("bos_token_id", 1);
    config.put("eos_token_id", 2);
    config.put("tie_word_embeddings", false);
    return config;
  }

  private void writeWeights(Path file, Map<String, Integer> vocabulary) throws IOException {
    int size = vocabulary.size();
    int keyValue = KEY_VALUE_HEADS * HEAD;
    Map<String, float[]> data = new LinkedHashMap<>();
    Map<String, List<Integer>> shapes = new LinkedHashMap<>();
    float[] embedding = new float[size * HIDDEN];
    for (int i = 0; i < size; i++) {
      embedding[i * HIDDEN + i] = 1;
    }
    float[] head = new float[size * HIDDEN];
    followers.forEach((token, next) ->
        next.forEach(n -> head[id(vocabulary, n) * HIDDEN + id(vocabulary, token)] = 1));
    put(data, shapes, "model.embed_tokens.weight", embedding, size, HIDDEN);
    put(data, shapes, "lm_head.weight", head, size, HIDDEN);
    put(data, shapes, "model.norm.weight", ones(), HIDDEN);
    for (int i = 0; i < LAYERS; i++) {
      String layer = "model.layers." + i + ".";
      put(data, shapes, layer + "input_layernorm.weight", ones(), HIDDEN);
      put(data, shapes, layer + "post_attention_layernorm.weight", ones(), HIDDEN);
      zeros(data, shapes, layer + "self_attn.q_proj.weight", HIDDEN, HIDDEN);
      zeros(data, shapes, layer + "self_attn.k_proj.weight", keyValue, HIDDEN);
      zeros(data, shapes, layer + "self_attn.v_proj.weight", keyValue, HIDDEN);
      zeros(data, shapes, layer + "self_attn.o_proj.weight", HIDDEN, HIDDEN);
      zeros(data, shapes, layer + "mlp.gate_proj.weight", 64, HIDDEN);
      zeros(data, shapes, layer + "mlp.up_proj.weight", 64, HIDDEN);
      zeros(data, shapes, layer + "mlp.down_proj.weight", HIDDEN, 64);
    }
    writeSafetensors(file, data, shapes);
  }

  private static int id(Map<String, Integer> vocabulary, String token) {
    Integer id = vocabulary.get(SPECIAL.contains(token) ? token : letters(token));
    if (id == null) {
      throw new IllegalArgumentException("no token: " + token);
    }
    return id;
  }

  private static float[] ones() {
    float[] values = new float[HIDDEN];
    Arrays.fill(values, 1);
    return values;
  }

  private static void zeros(
      Map<String, float[]> data,
      Map<String, List<Integer>> shapes,
      String name,
      int rows,
      int columns) {
    put(data, shapes, name, new float[rows * columns], rows, columns);
  }

  private static void put(
      Map<String, float[]> data,
      Map<String, List<Integer>> shapes,
      String name,
      float[] values,
      Integer... shape) {
    data.put(name, values);
    shapes.put(name, List.of(shape));
  }

  private static void writeSafetensors(
      Path file, Map<String, float[]> data, Map<String, List<Integer>> shapes) throws IOException {
    Map<String, Object> header = new LinkedHashMap<>();
    long at = 0;
    for (Map.Entry<String, float[]> e : data.entrySet()) {
      long end = at + 4L * e.getValue().length;
      header.put(
          e.getKey(),
          Map.of(
              "dtype", "F32", "shape", shapes.get(e.getKey()), "data_offsets", List.of(at, end)));
      at = end;
    }
    byte[] json = JSON.writeValueAsBytes(header);
    try (OutputStream out = Files.newOutputStream(file)) {
      out.write(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(json.length).array());
      out.write(json);
      for (float[] values : data.values()) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        out.write(bytes.array());
      }
    }
  }

  /** A word in the letters that stand for its bytes; a special token as it is. */
  private static String letters(String word) {
    if (SPECIAL.contains(word)) {
      return word;
    }
    StringBuilder letters = new StringBuilder();
    for (byte b : word.getBytes(StandardCharsets.UTF_8)) {
      letters.append(letter(b & 0xff));
    }
    return letters.toString();
  }

  /** GPT-2's letter for a byte: printable bytes stand for themselves, others for 256 and up. */
  private static char letter(int b) {
    int shifted = 256;
    for (int i = 0; i < 256; i++) {
      boolean printable = (i >= '!' && i <= '~') || (i >= 0xA1 && i <= 0xAC) || i >= 0xAE;
      if (i == b) {
        return (char) (printable ? i : shifted);
      }
      if (!printable) {
        shifted++;
      }
    }
    throw new IllegalArgumentException("no byte: " + b);
  }
}
