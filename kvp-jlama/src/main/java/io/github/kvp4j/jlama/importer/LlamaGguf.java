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

import io.github.kvp4j.KvpException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A GGUF file of the {@code llama} architecture: its sizes, and its tensors under the names that
 * Hugging Face gives them, all checked against each other.
 */
final class LlamaGguf {
  /** Positions; bounds the RoPE table that Jlama makes when it loads the model. */
  static final int MAX_CONTEXT = 1 << 22;

  private static final int MAX_LAYERS = 1 << 12;
  private static final int MAX_WIDTH = SafetensorsWriter.MAX_ROW;
  private static final int MAX_HEADS = 1 << 14;

  /** Fields of other architectures that share the name; each must be absent or have no effect. */
  private static final List<String> UNSUPPORTED_FIELDS =
      List.of(
          "llama.attention.scale",
          "llama.attention.sliding_window",
          "llama.attention.temperature_scale",
          "llama.embedding_scale",
          "llama.logit_scale",
          "llama.residual_scale",
          "llama.interleave_moe_layer_step");

  /**
   * A tensor to be written.
   *
   * @param name its Hugging Face name
   * @param source where its values are
   * @param heads heads whose rows GGUF holds permuted, or 0
   */
  record Planned(String name, GgufTensor source, int heads) {

    /**
     * The row of the source that holds row {@code row} of Hugging Face's order.
     *
     * <p>llama.cpp rotates neighbouring pairs, Hugging Face (and Jlama) the pairs {@code (i, i +
     * headSize/2)}; so the converter to GGUF moves row {@code s * headSize/2 + i} of each head of Q
     * and K to row {@code 2 * i + s}, which is undone here.
     */
    long sourceRow(long row) {
      if (heads == 0) {
        return row;
      }
      long headSize = source.rows() / heads;
      long half = headSize / 2;
      long inHead = row % headSize;
      return row - inHead + 2 * (inHead % half) + inHead / half;
    }
  }

  /** What {@code rope_scaling} says in {@code config.json}. */
  sealed interface RopeScaling {
    /** Positions are divided by {@code factor}. */
    record Linear(double factor) implements RopeScaling {}

    /** Llama 3.1: low frequencies are divided by {@code factor}. */
    record Llama3(double factor) implements RopeScaling {
      static final double LOW_FREQUENCY = 1;
      static final double HIGH_FREQUENCY = 4;
      static final int ORIGINAL_CONTEXT = 8192;

      /** What the frequency {@code frequency} is divided by. */
      double divisor(double frequency) {
        double wavelength = 2 * Math.PI / frequency;
        if (wavelength < ORIGINAL_CONTEXT / HIGH_FREQUENCY) {
          return 1;
        }
        if (wavelength > ORIGINAL_CONTEXT / LOW_FREQUENCY) {
          return factor;
        }
        double smooth =
            (ORIGINAL_CONTEXT / wavelength - LOW_FREQUENCY) / (HIGH_FREQUENCY - LOW_FREQUENCY);
        return 1 / ((1 - smooth) / factor + smooth);
      }
    }
  }

  private final GgufFile file;
  private final GgufFields fields;
  private final int layers;
  private final int context;
  private final int hidden;
  private final int feedForward;
  private final int heads;
  private final int kvHeads;
  private final int headSize;
  private final int vocabulary;
  private final GgufValue.Real normEpsilon;
  private final GgufValue.Real ropeTheta;
  private final @Nullable RopeScaling ropeScaling;
  private final List<Planned> tensors;
  private final boolean tied;

  /**
   * Checks a file.
   *
   * @throws KvpException UNSUPPORTED for another architecture or a feature that Jlama's Llama has
   *     not, MALFORMED_FILE where a field or tensor is missing or does not fit
   */
  LlamaGguf(GgufFile file) {
    this.file = file;
    this.fields = new GgufFields(file);
    String architecture = fields.text("general.architecture");
    if (!architecture.equals("llama")) {
      throw unsupported(
          "its architecture is "
              + Messages.quote(architecture)
              + "; only \"llama\" can be imported");
    }
    layers = fields.whole("llama.block_count", 1, MAX_LAYERS);
    context = fields.whole("llama.context_length", 1, MAX_CONTEXT);
    hidden = fields.whole("llama.embedding_length", 1, MAX_WIDTH);
    feedForward = fields.whole("llama.feed_forward_length", 1, MAX_WIDTH);
    heads = fields.whole("llama.attention.head_count", 1, MAX_HEADS);
    kvHeads = fields.whole("llama.attention.head_count_kv", 1, MAX_HEADS, heads);
    normEpsilon = fields.positive("llama.attention.layer_norm_rms_epsilon");
    ropeTheta = fields.positive("llama.rope.freq_base", 10_000);
    vocabulary = fields.array("tokenizer.ggml.tokens", GgufValueType.STRING).count();
    headSize = checkHeads();
    checkFeatures();
    Map<String, GgufTensor> left = new TreeMap<>(file.tensors());
    ropeScaling = ropeScaling(left.remove("rope_freqs.weight"));
    tied = !left.containsKey("output.weight");
    tensors = plan(left);
    if (!left.isEmpty()) {
      throw unsupported(
          "it holds the tensor "
              + Messages.quote(left.keySet().iterator().next())
              + ", for which Jlama's Llama has no place");
    }
  }

  private int checkHeads() {
    if (hidden % heads != 0 || hidden / heads % 2 != 0) {
      throw malformed(
          "llama.embedding_length is "
              + hidden
              + ", which "
              + heads
              + " heads don't divide into even sizes");
    }
    if (heads % kvHeads != 0) {
      throw malformed(
          "llama.attention.head_count is " + heads + ", no multiple of " + kvHeads + " KV heads");
    }
    int size = hidden / heads;
    for (String key :
        List.of(
            "llama.rope.dimension_count",
            "llama.attention.key_length",
            "llama.attention.value_length")) {
      int found = fields.whole(key, 1, MAX_WIDTH, size);
      if (found != size) {
        throw unsupported(
            key + " is " + found + "; Jlama's Llama needs the head size, which is " + size);
      }
    }
    return size;
  }

  private void checkFeatures() {
    for (String key : UNSUPPORTED_FIELDS) {
      if (fields.has(key)) {
        throw unsupported("it has " + key + ", which Jlama's Llama has not");
      }
    }
    int experts = fields.whole("llama.expert_count", 0, MAX_WIDTH, 0);
    if (experts > 0) {
      throw unsupported("it is a mixture of " + experts + " experts");
    }
    int said = fields.whole("llama.vocab_size", 1, Integer.MAX_VALUE, vocabulary);
    if (said != vocabulary) {
      throw malformed(
          "llama.vocab_size is " + said + ", but tokenizer.ggml.tokens has " + vocabulary);
    }
  }

  private @Nullable RopeScaling ropeScaling(@Nullable GgufTensor frequencies) {
    String type = fields.textOrNull("llama.rope.scaling.type");
    if (type != null && !type.equals("none") && !type.equals("linear")) {
      throw unsupported(
          "llama.rope.scaling.type is " + Messages.quote(type) + "; \"linear\" is supported");
    }
    boolean linear = "linear".equals(type);
    if (frequencies != null) {
      if (linear) {
        throw unsupported("it has both linear RoPE scaling and rope_freqs.weight");
      }
      return llama3(frequencies);
    }
    String older = "llama.rope.scale_linear";
    if (!linear && !fields.has(older)) {
      return null;
    }
    double factor = fields.positive(linear ? "llama.rope.scaling.factor" : older).value();
    return factor == 1 ? null : new RopeScaling.Linear(factor);
  }

  /**
   * GGUF holds Llama 3.1's scaling as a divisor for each pair; the rule behind it is found again.
   */
  private @Nullable RopeScaling llama3(GgufTensor tensor) {
    int half = headSize / 2;
    checkTensor(tensor, List.of((long) half));
    float[] divisors = new float[half];
    tensor.readRow(0, divisors);
    double largest = 1;
    for (float divisor : divisors) {
      largest = Math.max(largest, divisor);
    }
    RopeScaling.Llama3 scaling = new RopeScaling.Llama3(largest);
    for (int i = 0; i < half; i++) {
      double wanted = scaling.divisor(Math.pow(ropeTheta.value(), -2.0 * i / headSize));
      if (!(Math.abs(divisors[i] / wanted - 1) < 1e-3)) {
        throw unsupported(
            "rope_freqs.weight["
                + i
                + "] is "
                + divisors[i]
                + ", not the "
                + (float) wanted
                + " of Llama 3.1's scaling");
      }
    }
    return largest == 1 ? null : scaling;
  }

  private List<Planned> plan(Map<String, GgufTensor> left) {
    List<Planned> plan = new ArrayList<>();
    long h = hidden;
    long kv = (long) kvHeads * headSize;
    long ff = feedForward;
    plan.add(take(left, "token_embd.weight", "model.embed_tokens.weight", List.of(h, vocab()), 0));
    for (int i = 0; i < layers; i++) {
      String from = "blk." + i + ".";
      String to = "model.layers." + i + ".";
      plan.add(take(left, from + "attn_norm.weight", to + "input_layernorm.weight", List.of(h), 0));
      plan.add(
          take(left, from + "attn_q.weight", to + "self_attn.q_proj.weight", List.of(h, h), heads));
      plan.add(
          take(
              left,
              from + "attn_k.weight",
              to + "self_attn.k_proj.weight",
              List.of(h, kv),
              kvHeads));
      plan.add(
          take(left, from + "attn_v.weight", to + "self_attn.v_proj.weight", List.of(h, kv), 0));
      plan.add(
          take(
              left, from + "attn_output.weight", to + "self_attn.o_proj.weight", List.of(h, h), 0));
      plan.add(
          take(
              left,
              from + "ffn_norm.weight",
              to + "post_attention_layernorm.weight",
              List.of(h),
              0));
      plan.add(
          take(left, from + "ffn_gate.weight", to + "mlp.gate_proj.weight", List.of(h, ff), 0));
      plan.add(take(left, from + "ffn_up.weight", to + "mlp.up_proj.weight", List.of(h, ff), 0));
      plan.add(
          take(left, from + "ffn_down.weight", to + "mlp.down_proj.weight", List.of(ff, h), 0));
    }
    plan.add(take(left, "output_norm.weight", "model.norm.weight", List.of(h), 0));
    if (!tied) {
      plan.add(take(left, "output.weight", "lm_head.weight", List.of(h, vocab()), 0));
    }
    return plan;
  }

  private long vocab() {
    return vocabulary;
  }

  private Planned take(
      Map<String, GgufTensor> left, String name, String newName, List<Long> shape, int heads) {
    GgufTensor tensor = left.remove(name);
    if (tensor == null) {
      throw malformed("it has no tensor \"" + name + "\"");
    }
    checkTensor(tensor, shape);
    return new Planned(newName, tensor, heads);
  }

  private void checkTensor(GgufTensor tensor, List<Long> shape) {
    if (!tensor.shape().equals(shape)) {
      throw malformed(
          "tensor \"" + tensor.name() + "\" has the shape " + tensor.shape() + ", not " + shape);
    }
    if (!tensor.type().readable()) {
      throw unsupported(
          "tensor \"" + tensor.name() + "\" is of type " + tensor.type() + ", which can't be read");
    }
  }

  private KvpException malformed(String what) {
    return Messages.malformed(file.name(), what);
  }

  private KvpException unsupported(String what) {
    return Messages.unsupported(file.name(), what);
  }

  GgufFile file() {
    return file;
  }

  GgufFields fields() {
    return fields;
  }

  int layers() {
    return layers;
  }

  int context() {
    return context;
  }

  int hidden() {
    return hidden;
  }

  int feedForward() {
    return feedForward;
  }

  int heads() {
    return heads;
  }

  int kvHeads() {
    return kvHeads;
  }

  int headSize() {
    return headSize;
  }

  int vocabulary() {
    return vocabulary;
  }

  GgufValue.Real normEpsilon() {
    return normEpsilon;
  }

  GgufValue.Real ropeTheta() {
    return ropeTheta;
  }

  @Nullable RopeScaling ropeScaling() {
    return ropeScaling;
  }

  /** The tensors to write, in the order of the forward pass. */
  List<Planned> tensors() {
    return tensors;
  }

  /** Whether the output matrix is the embedding matrix. */
  boolean tied() {
    return tied;
  }
}
