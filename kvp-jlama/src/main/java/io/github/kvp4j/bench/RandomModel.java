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
package io.github.kvp4j.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.format.Safetensors;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.model.WeightType;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.BaseFingerprint;
import io.github.kvp4j.predictor.KvPredictor;
import io.github.kvp4j.predictor.LinearProjection;
import io.github.kvp4j.predictor.PredictorFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;

/**
 * A model of a known shape with random weights: what it answers means nothing, what it costs is
 * what the real one costs.
 */
public final class RandomModel implements AutoCloseable {
  /**
   * A known model's sizes; its vocabulary is that of the tokenizer that it gets.
   *
   * @param type {@code model_type} of config.json
   * @param tied whether the head is the embedding
   * @param biases whether queries, keys and values have biases
   */
  private record Sizes(
      String type,
      int layers,
      int hidden,
      int heads,
      int kvHeads,
      int feedForward,
      boolean tied,
      boolean biases) {
    int headSize() {
      return hidden / heads;
    }
  }

  private static final Map<String, Sizes> SHAPES = new TreeMap<>();

  static {
    SHAPES.put("llama-1.1b", new Sizes("llama", 22, 2048, 32, 4, 5632, false, false));
    SHAPES.put("llama-3.2-1b", new Sizes("llama", 16, 2048, 32, 8, 8192, true, false));
    SHAPES.put("smollm2-135m", new Sizes("llama", 30, 576, 9, 3, 1536, true, false));
    SHAPES.put("smollm2-360m", new Sizes("llama", 32, 960, 15, 5, 2560, true, false));
    SHAPES.put("smollm2-1.7b", new Sizes("llama", 24, 2048, 32, 32, 8192, true, false));
    SHAPES.put("qwen2.5-0.5b", new Sizes("qwen2", 24, 896, 14, 2, 4864, true, true));
  }

  private static final int CONTEXT = 8192;
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path folder;

  private RandomModel(Path folder) {
    this.folder = folder;
  }

  /** The shapes that there are. */
  public static List<String> names() {
    return List.copyOf(SHAPES.keySet());
  }

  /**
   * Writes a model to a new temporary folder, which {@link #close} removes.
   *
   * @param shape one of {@link #names}
   * @param tokenizer a model's folder, whose tokenizer is taken
   * @throws KvpException BAD_ARGUMENT where there is no such shape, FILE_ACCESS
   */
  public static RandomModel write(String shape, Path tokenizer) {
    Sizes sizes = SHAPES.get(shape);
    if (sizes == null) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "There is no shape '" + shape + "'; --shape takes " + String.join(", ", names()) + ".");
    }
    RandomModel model;
    try {
      model = new RandomModel(Files.createTempDirectory("kvp-bench-" + shape));
    } catch (IOException e) {
      throw failure(e);
    }
    boolean written = false;
    try {
      int vocabulary = model.copyTokenizer(tokenizer);
      model.writeConfig(sizes, tokenizer, vocabulary);
      model.writeWeights(sizes, vocabulary);
      written = true;
      return model;
    } catch (IOException e) {
      throw failure(e);
    } finally {
      if (!written) {
        model.close();
      }
    }
  }

  private static KvpException failure(IOException e) {
    return new KvpException(
        KvpException.Kind.FILE_ACCESS,
        "The random model can't be written to the temporary folder: "
            + KvpException.reason(e)
            + ".",
        e);
  }

  /** Its folder. */
  public Path folder() {
    return folder;
  }

  /** Copies the tokenizer's files and returns the size of its vocabulary. */
  private int copyTokenizer(Path from) throws IOException {
    for (String name : List.of("tokenizer.json", "tokenizer_config.json")) {
      if (Files.exists(from.resolve(name))) {
        Files.copy(from.resolve(name), folder.resolve(name));
      }
    }
    return JSON.readTree(from.resolve("config.json").toFile()).path("vocab_size").asInt();
  }

  private void writeConfig(Sizes s, Path tokenizer, int vocabulary) throws IOException {
    ObjectNode config = JSON.createObjectNode();
    config
        .putArray("architectures")
        .add(s.type().equals("qwen2") ? "Qwen2ForCausalLM" : "LlamaForCausalLM");
    config.put("model_type", s.type());
    config.put("hidden_act", "silu");
    config.put("hidden_size", s.hidden());
    config.put("head_dim", s.headSize());
    config.put("intermediate_size", s.feedForward());
    config.put("max_position_embeddings", CONTEXT);
    config.put("num_attention_heads", s.heads());
    config.put("num_hidden_layers", s.layers());
    config.put("num_key_value_heads", s.kvHeads());
    config.put("rms_norm_eps", 1e-5);
    config.put("rope_theta", 10_000.0);
    config.put("tie_word_embeddings", s.tied());
    config.put("torch_dtype", "bfloat16");
    config.put("vocab_size", vocabulary);
    var own = JSON.readTree(tokenizer.resolve("config.json").toFile());
    for (String name : List.of("bos_token_id", "eos_token_id", "pad_token_id")) {
      if (own.has(name)) {
        config.set(name, own.get(name));
      }
    }
    JSON.writeValue(folder.resolve("config.json").toFile(), config);
  }

  /** All tensors are views of one random buffer, so a large model needs no large memory. */
  private void writeWeights(Sizes s, int vocabulary) {
    try (Arena arena = Arena.ofConfined()) {
      int widest = Math.max(vocabulary, s.feedForward());
      MemorySegment random = random(arena, (long) widest * s.hidden());
      int attention = s.heads() * s.headSize();
      int kv = s.kvHeads() * s.headSize();
      Map<String, Weight> tensors = new LinkedHashMap<>();
      tensors.put("model.embed_tokens.weight", matrix(random, vocabulary, s.hidden()));
      for (int layer = 0; layer < s.layers(); layer++) {
        String base = "model.layers." + layer + ".";
        tensors.put(base + "input_layernorm.weight", ones(s.hidden()));
        tensors.put(base + "self_attn.q_proj.weight", matrix(random, attention, s.hidden()));
        tensors.put(base + "self_attn.k_proj.weight", matrix(random, kv, s.hidden()));
        tensors.put(base + "self_attn.v_proj.weight", matrix(random, kv, s.hidden()));
        tensors.put(base + "self_attn.o_proj.weight", matrix(random, s.hidden(), attention));
        if (s.biases()) {
          tensors.put(base + "self_attn.q_proj.bias", matrix(random, 1, attention));
          tensors.put(base + "self_attn.k_proj.bias", matrix(random, 1, kv));
          tensors.put(base + "self_attn.v_proj.bias", matrix(random, 1, kv));
        }
        tensors.put(base + "post_attention_layernorm.weight", ones(s.hidden()));
        tensors.put(base + "mlp.gate_proj.weight", matrix(random, s.feedForward(), s.hidden()));
        tensors.put(base + "mlp.up_proj.weight", matrix(random, s.feedForward(), s.hidden()));
        tensors.put(base + "mlp.down_proj.weight", matrix(random, s.hidden(), s.feedForward()));
      }
      tensors.put("model.norm.weight", ones(s.hidden()));
      if (!s.tied()) {
        tensors.put("lm_head.weight", matrix(random, vocabulary, s.hidden()));
      }
      new Safetensors(Map.of("format", "pt"), tensors).write(folder.resolve("model.safetensors"));
    }
  }

  /** BF16 numbers of either sign and of magnitude 1/64 to 1/32, four at a time. */
  private static MemorySegment random(Arena arena, long numbers) {
    MemorySegment out = arena.allocate((numbers + 3) / 4 * Long.BYTES, Long.BYTES);
    SplittableRandom random = new SplittableRandom(1);
    for (long i = 0; i < out.byteSize(); i += Long.BYTES) {
      // sign and seven bits of the fraction are random, the exponent is that of 1/64
      long four = random.nextLong() & 0x807F_807F_807F_807FL | 0x3C80_3C80_3C80_3C80L;
      out.set(ValueLayout.JAVA_LONG, i, four);
    }
    return out;
  }

  private static Weight matrix(MemorySegment random, int rows, int columns) {
    return new Weight(WeightType.BF16, rows, columns, random, null);
  }

  private static Weight ones(int length) {
    short[] ones = new short[length];
    java.util.Arrays.fill(ones, (short) 0x3F80); // 1.0 as BF16
    return new Weight(WeightType.BF16, 1, length, MemorySegment.ofArray(ones), null);
  }

  /**
   * Writes predictors beside the model that cost what fitted ones do: like the bundled ones they
   * start at 22 of 30 layers and have one source there, and the fast one has 40 % of the layers
   * linearised. What they predict is zero.
   */
  public void writePredictors(ModelShape shape, BaseFingerprint base) {
    int first = Math.max(1, Math.round(shape.layers() * 22 / 30f));
    int linear = Math.min(first, Math.round(shape.layers() * 0.4f));
    Map<Integer, LinearMap> linearised = new TreeMap<>();
    for (int layer = first - linear; layer < first; layer++) {
      linearised.put(layer, zero(shape.hidden(), shape.hidden()));
    }
    List<LinearProjection> projections = new ArrayList<>();
    for (int layer = first; layer < shape.layers(); layer++) {
      projections.add(
          new LinearProjection(
              layer,
              zero(shape.kvLength(), shape.hidden()),
              zero(shape.kvLength(), shape.hidden())));
    }
    Map.of("faithful", Map.<Integer, LinearMap>of(), "fast", linearised)
        .forEach((quality, layers) ->
            new PredictorFile(
                    new KvPredictor(
                        new Auxiliary.Prefix(first, List.of(first), layers), projections),
                    base,
                    Map.of("data", "none: zero weights, to be timed only"),
                    List.of())
                .write(folder.resolve("predictor-" + quality + ".safetensors")));
  }

  private static LinearMap zero(int outputs, int inputs) {
    MemorySegment zeros = Arena.ofAuto().allocate(2L * outputs * inputs);
    return new LinearMap(
        new Weight(WeightType.BF16, outputs, inputs, zeros, null), new float[outputs]);
  }

  /** Removes the folder; what can't be removed stays. */
  @Override
  public void close() {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
      for (Path file : files) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      // the folder is a temporary one, and this may be the end of the program
    }
    try {
      Files.deleteIfExists(folder);
    } catch (IOException e) {
      // as above
    }
  }
}
