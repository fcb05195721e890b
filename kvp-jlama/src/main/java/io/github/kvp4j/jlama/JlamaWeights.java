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

import com.github.tjake.jlama.model.AbstractModel;
import com.github.tjake.jlama.model.ModelSupport.ModelType;
import com.github.tjake.jlama.safetensors.Config;
import com.github.tjake.jlama.safetensors.WeightLoader;
import com.github.tjake.jlama.tensor.AbstractTensor;
import com.github.tjake.jlama.tensor.Q4ByteBufferTensor;
import com.github.tjake.jlama.tensor.Q8ByteBufferTensor;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.model.LayerWeights;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.model.RopeTable;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.model.WeightType;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Views of the very bytes that Jlama has mapped: nothing is copied but norms and biases. */
final class JlamaWeights {
  private static final Set<ModelType> SUPPORTED =
      EnumSet.of(ModelType.LLAMA, ModelType.MISTRAL, ModelType.QWEN2);

  private JlamaWeights() {}

  /** Whether the prefill engine runs this architecture; if not, Jlama's own prefill does. */
  static boolean supports(AbstractModel model) {
    Config c = model.getConfig();
    return SUPPORTED.contains(model.getModelType())
        && c.ropeFreqs.isPresent()
        && c.attnLogitSoftCapping == null
        && c.finalLogitSoftCapping == null
        && c.residualMultiplier == null
        && c.attentionMultiplier == null
        && c.embeddingMultiplier == null
        && c.logitMultiplier == null;
  }

  /** The sizes of a model. */
  static ModelShape shape(Config c) {
    return new ModelShape(
        c.numberOfLayers,
        c.embeddingLength,
        c.numberOfHeads,
        c.numberOfKeyValueHeads,
        c.headSize,
        c.hiddenLength,
        c.vocabularySize,
        c.contextLength,
        c.layerNormEps);
  }

  /** All weights of a model that {@link #supports} accepts. */
  static ModelWeights load(AbstractModel model) {
    Config c = model.getConfig();
    WeightLoader loader = model.getWeights();
    float[][] frequencies =
        c.ropeFreqs.orElseThrow(
            () -> new KvpException(KvpException.Kind.UNSUPPORTED, "The model has no RoPE table."));
    List<LayerWeights> layers = new ArrayList<>(c.numberOfLayers);
    for (int i = 0; i < c.numberOfLayers; i++) {
      String base = "model.layers." + i + ".";
      String attention = base + "self_attn.";
      layers.add(
          new LayerWeights(
              vector(loader, base + "input_layernorm.weight"),
              matrix(loader, attention + "q_proj.weight"),
              matrix(loader, attention + "k_proj.weight"),
              matrix(loader, attention + "v_proj.weight"),
              matrix(loader, attention + "o_proj.weight"),
              optionalVector(loader, attention + "q_proj.bias"),
              optionalVector(loader, attention + "k_proj.bias"),
              optionalVector(loader, attention + "v_proj.bias"),
              vector(loader, base + "post_attention_layernorm.weight"),
              matrix(loader, base + "mlp.gate_proj.weight"),
              matrix(loader, base + "mlp.up_proj.weight"),
              matrix(loader, base + "mlp.down_proj.weight")));
    }
    Weight embedding = matrix(loader, "model.embed_tokens.weight");
    Weight head =
        loader.isWeightPresent("lm_head.weight") ? matrix(loader, "lm_head.weight") : embedding;
    return new ModelWeights(
        shape(c),
        RopeTable.copyOf(frequencies, c.headSize),
        embedding,
        layers,
        vector(loader, "model.norm.weight"),
        head);
  }

  private static float[] vector(WeightLoader loader, String name) {
    return view(loader, name).toArray();
  }

  private static float @Nullable [] optionalVector(WeightLoader loader, String name) {
    return loader.isWeightPresent(name) ? vector(loader, name) : null;
  }

  private static Weight matrix(WeightLoader loader, String name) {
    return view(loader, name);
  }

  private static Weight view(WeightLoader loader, String name) {
    if (!loader.isWeightPresent(name)) {
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE, "The model has no tensor '" + name + "'.");
    }
    AbstractTensor<?, ?> t = loader.load(name);
    int columns = t.shape().last();
    int rows = Math.toIntExact(t.size() / columns);
    return switch (t.dType()) {
      case F32 -> new Weight(WeightType.F32, rows, columns, t.getMemorySegment(), null);
      case BF16 -> new Weight(WeightType.BF16, rows, columns, t.getMemorySegment(), null);
      case F16 -> new Weight(WeightType.F16, rows, columns, t.getMemorySegment(), null);
      case I8 ->
          new Weight(
              WeightType.Q8,
              rows,
              columns,
              t.getMemorySegment(),
              ((Q8ByteBufferTensor) (Object) t).getBlockF().getMemorySegment());
      case Q4 ->
          new Weight(
              WeightType.Q4,
              rows,
              columns,
              t.getMemorySegment(),
              ((Q4ByteBufferTensor) (Object) t).getBlockF().getMemorySegment());
      default ->
          throw new KvpException(
              KvpException.Kind.UNSUPPORTED,
              "The tensor '"
                  + name
                  + "' is of type "
                  + t.dType()
                  + "; F32, F16, BF16, I8 and Q4 are read.");
    };
  }
}
