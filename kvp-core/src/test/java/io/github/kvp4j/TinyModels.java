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
package io.github.kvp4j;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.kvp4j.model.LayerWeights;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.model.RopeTable;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.predictor.Bf16;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;

/**
 * Tiny models for tests: the three whose right answers are in the golden files (see {@code
 * it/reference/README.md}), and random ones of any shape.
 */
public final class TinyModels {
  /** The golden models by name: grouped heads and tied, full heads and untied, with biases. */
  public static final List<String> GOLDEN =
      List.of("tiny-gqa-tied", "tiny-mha-untied", "tiny-qwen2-bias");

  /** Positions of every tiny model: more than two chunks of prefill. */
  public static final int CONTEXT = 2048;

  private TinyModels() {}

  /**
   * A model and what it must answer.
   *
   * @param tensors the generated tensors by name, to check the generator with
   * @param expectedTensors what the golden file says of them
   * @param tokens the prompt
   * @param logits {@code [vocabulary]}, last position
   * @param residual {@code [layers + 1][hidden]}, last position: what enters each layer, and what
   *     leaves the last one
   * @param keysBeforeRope {@code [layer][position][kvLength]}
   * @param values {@code [layer][position][kvLength]}
   */
  public record Golden(
      ModelWeights weights,
      Map<String, float[]> tensors,
      JsonNode expectedTensors,
      int[] tokens,
      double[] logits,
      double[][] residual,
      double[][][] keysBeforeRope,
      double[][][] values) {}

  /** A golden model, its weights made by the generator that the reference describes. */
  public static Golden golden(String name) {
    JsonNode root = json("/golden/" + name + ".json");
    JsonNode model = root.get("model");
    boolean bias = model.get("bias").asBoolean();
    boolean tied = model.get("tied").asBoolean();
    ModelShape shape =
        new ModelShape(
            model.get("layers").asInt(),
            model.get("hidden").asInt(),
            model.get("heads").asInt(),
            model.get("kv_heads").asInt(),
            model.get("head_size").asInt(),
            model.get("ffn").asInt(),
            model.get("vocab").asInt(),
            CONTEXT,
            (float) model.get("eps").asDouble());
    JsonNode lcg = root.get("lcg");
    long multiplier = Long.parseUnsignedLong(lcg.get("multiplier").asText());
    long increment = Long.parseUnsignedLong(lcg.get("increment").asText());
    long[] state = {model.get("seed").asLong()};
    Source source =
        (kind, count) -> {
          double offset = lcg.get(kind).get(0).asDouble();
          double scale = lcg.get(kind).get(1).asDouble();
          float[] out = new float[count];
          for (int i = 0; i < count; i++) {
            state[0] = state[0] * multiplier + increment;
            double value = offset + ((state[0] >>> 40) / 0x1p24 - 0.5) * scale;
            out[i] = Float.intBitsToFloat(Bf16.of((float) value) << 16);
          }
          return out;
        };
    Map<String, float[]> tensors = new LinkedHashMap<>();
    ModelWeights weights =
        build(shape, model.get("rope_theta").asDouble(), tied, bias, source, tensors);
    return new Golden(
        weights,
        tensors,
        root.get("tensors"),
        read(root.get("tokens"), int[].class),
        read(root.get("logits"), double[].class),
        read(root.get("residual_last_position"), double[][].class),
        read(root.get("k_pre_rope"), double[][][].class),
        read(root.get("v"), double[][][].class));
  }

  /** A shape with small numbers; feed-forward width and vocabulary are odd on purpose. */
  public static ModelShape shape(int layers, int hidden, int heads, int kvHeads, int headSize) {
    return new ModelShape(layers, hidden, heads, kvHeads, headSize, 43, 61, CONTEXT, 1e-5f);
  }

  /**
   * A random model. Its matrices are scaled so that streams stay of the order of one and the layers
   * matter.
   */
  public static ModelWeights random(ModelShape shape, boolean tied, boolean bias, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    Source source =
        (kind, count) -> {
          float[] out = new float[count];
          double scale =
              switch (kind) {
                case "embedding" -> 2;
                case "norm" -> 0.5;
                case "bias" -> 1;
                default -> 3.0 / Math.sqrt(shape.hidden());
              };
          for (int i = 0; i < count; i++) {
            double value = (kind.equals("norm") ? 1 : 0) + (random.nextDouble() - 0.5) * scale;
            out[i] = (float) value;
          }
          return out;
        };
    return build(shape, 10_000, tied, bias, source, new LinkedHashMap<>());
  }

  /** Random tokens. */
  public static int[] tokens(int count, int vocabulary, long seed) {
    return new SplittableRandom(seed).ints(count, 0, vocabulary).toArray();
  }

  /** A random map, its numbers up to {@code scale}. */
  public static LinearMap randomMap(
      int outputs, int inputs, double scale, SplittableRandom random) {
    return new LinearMap(
        Weight.of(floats(outputs * inputs, scale, random), outputs, inputs),
        floats(outputs, scale, random));
  }

  /** Random numbers up to {@code scale}. */
  public static float[] floats(int count, double scale, SplittableRandom random) {
    float[] out = new float[count];
    for (int i = 0; i < count; i++) {
      out[i] = (float) ((random.nextDouble() * 2 - 1) * scale);
    }
    return out;
  }

  /** The largest difference of two arrays of the same length. */
  public static double maxDifference(float[] a, float[] b) {
    if (a.length != b.length) {
      throw new AssertionError("lengths " + a.length + " and " + b.length);
    }
    double max = 0;
    for (int i = 0; i < a.length; i++) {
      double difference = Math.abs((double) a[i] - b[i]);
      max = Double.isNaN(difference) ? Double.POSITIVE_INFINITY : Math.max(max, difference);
    }
    return max;
  }

  /** The same in double precision. */
  public static double[] doubles(float[] a) {
    double[] out = new double[a.length];
    Arrays.setAll(out, i -> a[i]);
    return out;
  }

  private interface Source {
    float[] next(String kind, int count);
  }

  private static ModelWeights build(
      ModelShape s,
      double theta,
      boolean tied,
      boolean bias,
      Source source,
      Map<String, float[]> tensors) {
    int hidden = s.hidden();
    int q = s.attentionLength();
    int kv = s.kvLength();
    Builder b = new Builder(source, tensors);
    Weight embedding = b.matrix("model.embed_tokens.weight", "embedding", s.vocabulary(), hidden);
    List<LayerWeights> layers = new ArrayList<>();
    for (int i = 0; i < s.layers(); i++) {
      String at = "model.layers." + i + ".";
      float[] attentionNorm = b.vector(at + "input_layernorm.weight", "norm", hidden);
      Weight query = b.matrix(at + "self_attn.q_proj.weight", "matrix", q, hidden);
      float[] queryBias = bias ? b.vector(at + "self_attn.q_proj.bias", "bias", q) : null;
      Weight key = b.matrix(at + "self_attn.k_proj.weight", "matrix", kv, hidden);
      float[] keyBias = bias ? b.vector(at + "self_attn.k_proj.bias", "bias", kv) : null;
      Weight value = b.matrix(at + "self_attn.v_proj.weight", "matrix", kv, hidden);
      float[] valueBias = bias ? b.vector(at + "self_attn.v_proj.bias", "bias", kv) : null;
      Weight output = b.matrix(at + "self_attn.o_proj.weight", "matrix", hidden, q);
      float[] norm = b.vector(at + "post_attention_layernorm.weight", "norm", hidden);
      Weight gate = b.matrix(at + "mlp.gate_proj.weight", "matrix", s.feedForward(), hidden);
      Weight up = b.matrix(at + "mlp.up_proj.weight", "matrix", s.feedForward(), hidden);
      Weight down = b.matrix(at + "mlp.down_proj.weight", "matrix", hidden, s.feedForward());
      layers.add(
          new LayerWeights(
              attentionNorm,
              query,
              key,
              value,
              output,
              queryBias,
              keyBias,
              valueBias,
              norm,
              gate,
              up,
              down));
    }
    float[] finalNorm = b.vector("model.norm.weight", "norm", hidden);
    Weight head = tied ? embedding : b.matrix("lm_head.weight", "matrix", s.vocabulary(), hidden);
    RopeTable rope = RopeTable.of(s.headSize(), s.contextLength(), theta, 1);
    return new ModelWeights(s, rope, embedding, layers, finalNorm, head);
  }

  private record Builder(Source source, Map<String, float[]> tensors) {
    float[] vector(String name, String kind, int length) {
      float[] values = source.next(kind, length);
      tensors.put(name, values);
      return values;
    }

    Weight matrix(String name, String kind, int rows, int columns) {
      return Weight.of(vector(name, kind, rows * columns), rows, columns);
    }
  }

  private static JsonNode json(String resource) {
    try (InputStream in =
        Objects.requireNonNull(TinyModels.class.getResourceAsStream(resource), resource)) {
      return new ObjectMapper().readTree(in);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static <T> T read(JsonNode node, Class<T> type) {
    try {
      return new ObjectMapper().treeToValue(node, type);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
