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

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.github.tjake.jlama.util.PhysicalCoreExecutor;
import io.github.kvp4j.format.Safetensors;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.predictor.Bf16;
import java.io.IOException;
import java.io.UncheckedIOException;
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

/**
 * Writes a folder that Jlama loads: a random model of two or three narrow layers, with a byte-level
 * tokenizer whose first 256 tokens are the bytes and which merges a few pairs of letters.
 */
public final class TinyModelDirectory {
  /**
   * Tokens of every tiny model. Like the widths, it can be shared out among the parts of Jlama's
   * kernels, 128 or the number of cores, without columns being lost (see JlamaOperationsCheck).
   */
  public static final int VOCABULARY = 384;

  /** An added token that is not special. */
  public static final int PLAIN_ADDED = 380;

  /** The unknown token, also the default end of sequence, which no random model hits often. */
  public static final int END_OF_TEXT = 381;

  /** Begin of sequence. */
  public static final int IM_START = 382;

  /** End of a turn. */
  public static final int IM_END = 383;

  public static final int HIDDEN = 64;
  public static final int HEAD_SIZE = 16;
  public static final int CONTEXT = 256;

  /** What the tiny tokenizer merges first to last. */
  public static final List<String> MERGES = merges();

  /** The architectures, and what differs between them. */
  public enum Kind {
    LLAMA_GROUPED_TIED("llama", 2, true, false),
    LLAMA_FULL_UNTIED("llama", 4, false, false),
    QWEN2("qwen2", 2, true, true),
    MISTRAL("mistral", 1, false, false),
    /** One that only Jlama's own prefill reads. */
    GRANITE("granite", 2, true, false);

    final String modelType;
    final int kvHeads;
    final boolean tied;
    final boolean bias;

    Kind(String modelType, int kvHeads, boolean tied, boolean bias) {
      this.modelType = modelType;
      this.kvHeads = kvHeads;
      this.tied = tied;
      this.bias = bias;
    }
  }

  private static final ObjectMapper JSON = new ObjectMapper();

  static {
    try {
      PhysicalCoreExecutor.overrideThreadCount(2);
    } catch (IllegalStateException e) {
      // another test has used Jlama before; its threads are as many as they are
    }
  }

  private final Kind kind;
  private long seed = 1;
  private int layers = 3;
  private int context = CONTEXT;
  private int endOfSequence = IM_END;
  private boolean bf16;
  private List<Integer> script = List.of();

  private TinyModelDirectory(Kind kind) {
    this.kind = kind;
  }

  /** A model of an architecture, in F32 and of three layers. */
  public static TinyModelDirectory of(Kind kind) {
    return new TinyModelDirectory(kind);
  }

  /** The random numbers' seed. */
  public TinyModelDirectory seed(long value) {
    this.seed = value;
    return this;
  }

  public TinyModelDirectory layers(int value) {
    this.layers = value;
    return this;
  }

  /** Positions of the context. */
  public TinyModelDirectory context(int value) {
    this.context = value;
    return this;
  }

  public TinyModelDirectory endOfSequence(int token) {
    this.endOfSequence = token;
    return this;
  }

  /** Weights in BF16 instead of F32. */
  public TinyModelDirectory bf16() {
    this.bf16 = true;
    return this;
  }

  /**
   * A model that answers each of these tokens with the next one, all but surely: its layers pass
   * the stream through, and its head looks the next token up. Each token can stand there once.
   * Untied kinds only.
   */
  public TinyModelDirectory script(List<Integer> tokens) {
    if (kind.tied || tokens.size() > HIDDEN || Set.copyOf(tokens).size() != tokens.size()) {
      throw new IllegalArgumentException(tokens.toString());
    }
    this.script = tokens;
    return this;
  }

  /** Writes the folder. */
  public Path write(Path folder) {
    try {
      Files.createDirectories(folder);
      Files.writeString(folder.resolve("config.json"), config().toPrettyString());
      Files.writeString(folder.resolve("tokenizer.json"), tokenizer(MERGES).toPrettyString());
      Files.writeString(folder.resolve("tokenizer_config.json"), tokenizerConfig().toString());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    new Safetensors(Map.of("format", "pt"), tensors()).write(folder.resolve("model.safetensors"));
    return folder;
  }

  private ObjectNode config() {
    ObjectNode config =
        JSON.createObjectNode()
            .put("model_type", kind.modelType)
            .put("hidden_act", "silu")
            .put("hidden_size", HIDDEN)
            .put("intermediate_size", 96)
            .put("num_hidden_layers", layers)
            .put("num_attention_heads", HIDDEN / HEAD_SIZE)
            .put("num_key_value_heads", kind.kvHeads)
            .put("max_position_embeddings", context)
            .put("rms_norm_eps", 1e-5)
            .put("rope_theta", 10_000.0)
            .put("vocab_size", VOCABULARY)
            .put("bos_token_id", IM_START)
            .put("eos_token_id", endOfSequence)
            .put("tie_word_embeddings", kind.tied);
    if (kind == Kind.GRANITE) {
      config
          .put("residual_multiplier", 0.5)
          .put("attention_multiplier", 0.2)
          .put("embedding_multiplier", 2.0)
          .put("logits_scaling", 1.5);
    }
    return config;
  }

  /** A byte-level tokenizer with some merges, most important first, its cuts written out. */
  static ObjectNode tokenizer(List<String> merges) {
    return tokenizer(merges, false);
  }

  private static void addSplit(ArrayNode steps, String regex) {
    ObjectNode step = steps.addObject().put("type", "Split").put("behavior", "Isolated");
    step.put("invert", false).putObject("pattern").put("Regex", regex);
  }

  /**
   * A byte-level tokenizer.
   *
   * @param asHubs whether its cuts are named, as in model hubs' files, or written out as patterns,
   *     which is all that Jlama follows
   */
  static ObjectNode tokenizer(List<String> merges, boolean asHubs) {
    ObjectNode root = JSON.createObjectNode().put("version", "1.0");
    ArrayNode added = root.putArray("added_tokens");
    addToken(added, PLAIN_ADDED, "<tool>", false);
    addToken(added, END_OF_TEXT, "<|endoftext|>", true);
    addToken(added, IM_START, "<|im_start|>", true);
    addToken(added, IM_END, "<|im_end|>", true);
    ObjectNode pre = root.putObject("pre_tokenizer").put("type", "Sequence");
    ArrayNode steps = pre.putArray("pretokenizers");
    if (asHubs) {
      steps.addObject().put("type", "Digits").put("individual_digits", true);
    } else {
      addSplit(steps, "\\p{N}");
      addSplit(
          steps,
          "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+");
    }
    steps
        .addObject()
        .put("type", "ByteLevel")
        .put("add_prefix_space", false)
        .put("trim_offsets", true)
        .put("use_regex", asHubs);
    ObjectNode model =
        root.putObject("model")
            .put("type", "BPE")
            .put("unk_token", "<|endoftext|>")
            .put("fuse_unk", false)
            .put("byte_fallback", false);
    ObjectNode vocabulary = model.putObject("vocab");
    int id = 0;
    for (; id < 256; id++) {
      vocabulary.put(String.valueOf(letter(id)), id);
    }
    ArrayNode list = model.putArray("merges");
    for (String merge : merges) {
      list.add(merge);
      String token = merge.replace(" ", "");
      if (!vocabulary.has(token)) {
        vocabulary.put(token, id++);
      }
    }
    while (id < PLAIN_ADDED) {
      vocabulary.put("filler" + id, id++);
    }
    vocabulary.put("<tool>", PLAIN_ADDED);
    vocabulary.put("<|endoftext|>", END_OF_TEXT);
    vocabulary.put("<|im_start|>", IM_START);
    vocabulary.put("<|im_end|>", IM_END);
    return root;
  }

  private static void addToken(ArrayNode added, int id, String content, boolean special) {
    added.addObject().put("id", id).put("content", content).put("special", special);
  }

  private static ObjectNode tokenizerConfig() {
    return JSON.createObjectNode()
        .put("bos_token", "<|im_start|>")
        .put("eos_token", "<|im_end|>")
        .put(
            "chat_template",
            "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' +"
                + " message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
                + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}");
  }

  /** The letter that stands for a byte in byte-level vocabularies. */
  static char letter(int b) {
    boolean printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    if (printable) {
      return (char) b;
    }
    int before = 0;
    for (int i = 0; i < b; i++) {
      before += (i >= '!' && i <= '~') || (i >= 0xA1 && i <= 0xAC) || i >= 0xAE ? 0 : 1;
    }
    return (char) (256 + before);
  }

  private static List<String> merges() {
    Set<String> out =
        new LinkedHashSet<>(
            List.of(
                "t h", "h e", "th e", "Ġ t", "Ġt he", "Ġ a", "i n", "e r", "in g", "Ġ the", "Ġ Ġ",
                "ĠĠ ĠĠ", "Ċ Ċ", "Ã ©"));
    for (char vowel : "aeiou".toCharArray()) {
      for (char consonant : "rstlnmd".toCharArray()) {
        out.add(vowel + " " + consonant);
        if (out.size() == 54) {
          return List.copyOf(out);
        }
      }
    }
    return List.copyOf(out);
  }

  private Map<String, Weight> tensors() {
    SplittableRandom random = new SplittableRandom(seed);
    Map<String, Weight> out = new LinkedHashMap<>();
    int kv = kind.kvHeads * HEAD_SIZE;
    boolean scripted = !script.isEmpty();
    float[] embedding = floats(VOCABULARY * HIDDEN, scripted ? 0 : 1, random);
    float[] head = floats(VOCABULARY * HIDDEN, scripted ? 0 : 0.5, random);
    for (int i = 0; i < script.size(); i++) {
      embedding[script.get(i) * HIDDEN + i] = 1;
      if (i + 1 < script.size()) {
        head[script.get(i + 1) * HIDDEN + i] = 10;
      }
    }
    out.put("model.embed_tokens.weight", matrix(embedding, VOCABULARY));
    double scale = 2.5 / Math.sqrt(HIDDEN);
    for (int i = 0; i < layers; i++) {
      String at = "model.layers." + i + ".";
      String self = at + "self_attn.";
      out.put(at + "input_layernorm.weight", norm(random));
      out.put(self + "q_proj.weight", matrix(floats(HIDDEN * HIDDEN, scale, random), HIDDEN));
      out.put(self + "k_proj.weight", matrix(floats(kv * HIDDEN, scale, random), kv));
      out.put(self + "v_proj.weight", matrix(floats(kv * HIDDEN, scale, random), kv));
      double outer = scripted ? 0 : scale;
      out.put(self + "o_proj.weight", matrix(floats(HIDDEN * HIDDEN, outer, random), HIDDEN));
      if (kind.bias) {
        out.put(self + "q_proj.bias", vector(floats(HIDDEN, 0.5, random)));
        out.put(self + "k_proj.bias", vector(floats(kv, 0.5, random)));
        out.put(self + "v_proj.bias", vector(floats(kv, 0.5, random)));
      }
      out.put(at + "post_attention_layernorm.weight", norm(random));
      out.put(at + "mlp.gate_proj.weight", matrix(floats(96 * HIDDEN, scale, random), 96));
      out.put(at + "mlp.up_proj.weight", matrix(floats(96 * HIDDEN, scale, random), 96));
      out.put(at + "mlp.down_proj.weight", matrix(floats(HIDDEN * 96, outer, random), HIDDEN));
    }
    out.put("model.norm.weight", scripted ? vector(ones()) : norm(random));
    if (!kind.tied) {
      out.put("lm_head.weight", matrix(head, VOCABULARY));
    }
    return out;
  }

  private static float[] floats(int count, double scale, SplittableRandom random) {
    float[] out = new float[count];
    for (int i = 0; i < count; i++) {
      out[i] = (float) ((random.nextDouble() * 2 - 1) * scale);
    }
    return out;
  }

  private static float[] ones() {
    float[] out = new float[HIDDEN];
    Arrays.fill(out, 1);
    return out;
  }

  private Weight norm(SplittableRandom random) {
    float[] values = floats(HIDDEN, 0.3, random);
    for (int i = 0; i < HIDDEN; i++) {
      values[i] += 1;
    }
    return vector(values);
  }

  private Weight vector(float[] values) {
    return matrix(values, 1);
  }

  private Weight matrix(float[] values, int rows) {
    int columns = values.length / rows;
    return bf16 ? Bf16.matrix(values, rows, columns) : Weight.of(values, rows, columns);
  }

  /** The tokens of a text that has none of the merges in it: its bytes. */
  static List<Integer> bytes(String text) {
    List<Integer> out = new ArrayList<>();
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      out.add(b & 0xff);
    }
    return out;
  }
}
