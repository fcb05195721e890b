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

import com.fasterxml.jackson.core.JsonGenerator;
import io.github.kvp4j.jlama.importer.ImportManifest.FileRecord;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;

/**
 * Turns a GGUF file of a Llama into a folder that Jlama loads by itself: {@code model.safetensors},
 * {@code config.json}, {@code tokenizer.json}, {@code tokenizer_config.json} and a {@code
 * README.md}.
 *
 * <p>All that the file says is checked when this is made, before anything is written; only whether
 * the weights are finite shows while they are.
 */
final class GgufImporter {
  private final GgufFile file;
  private final LlamaGguf llama;
  private final GgufTokenizer tokenizer;

  /**
   * Checks a file.
   *
   * @throws io.github.kvp4j.KvpException UNSUPPORTED or MALFORMED_FILE
   */
  GgufImporter(GgufFile file) {
    this.file = file;
    this.llama = new LlamaGguf(file);
    this.tokenizer = new GgufTokenizer(file);
  }

  /** The types of the file's tensors. */
  List<String> weightTypes() {
    TreeSet<String> types = new TreeSet<>();
    for (LlamaGguf.Planned tensor : llama.tensors()) {
      types.add(tensor.source().type().name());
    }
    return List.copyOf(types);
  }

  /** About how many bytes the folder will have. */
  long estimatedBytes(TensorEncoding encoding) {
    long texts = 0;
    for (GgufValue value : file.metadata().values()) {
      if (value instanceof GgufValue.Array array) {
        texts += array.elements().byteSize();
      }
    }
    return writer(encoding).dataBytes() + SafetensorsWriter.MAX_HEADER + 2 * texts;
  }

  private SafetensorsWriter writer(TensorEncoding encoding) {
    List<SafetensorsWriter.Tensor> tensors = new ArrayList<>();
    for (LlamaGguf.Planned tensor : llama.tensors()) {
      tensors.add(
          new SafetensorsWriter.Tensor(
              tensor.name(), tensor.source().shape().reversed(), new PlannedRows(tensor)));
    }
    return new SafetensorsWriter(file.name(), tensors, encoding);
  }

  /** The rows of a tensor in Hugging Face's order. */
  private record PlannedRows(LlamaGguf.Planned tensor) implements SafetensorsWriter.Rows {
    @Override
    public long count() {
      return tensor.source().rows();
    }

    @Override
    public int width(long row) {
      return (int) tensor.source().columns();
    }

    @Override
    public void read(long row, float[] into) {
      tensor.source().readRow(tensor.sourceRow(row), into);
    }
  }

  /**
   * Writes the model's files into an empty folder.
   *
   * @return the files
   */
  List<FileRecord> write(
      Path folder,
      String sourceName,
      String sha256,
      TensorEncoding encoding,
      ImportProgress progress)
      throws IOException {
    List<FileRecord> files = new ArrayList<>();
    files.add(
        ImportFiles.writeJson(folder.resolve("config.json"), true, json -> config(json, encoding)));
    files.add(
        ImportFiles.writeJson(folder.resolve("tokenizer.json"), false, tokenizer::writeTokenizer));
    files.add(
        ImportFiles.writeJson(
            folder.resolve("tokenizer_config.json"),
            true,
            json -> tokenizer.writeConfig(json, llama.context())));
    String readme = readme(sourceName, sha256, encoding);
    files.add(
        ImportFiles.write(
            folder.resolve("README.md"),
            out -> out.write(readme.getBytes(StandardCharsets.UTF_8))));
    SafetensorsWriter writer = writer(encoding);
    progress.begin("Writing the weights as " + encoding, writer.dataBytes());
    files.add(writer.write(folder.resolve("model.safetensors"), progress));
    progress.end();
    return files;
  }

  /**
   * Writes {@code config.json}: all that Jlama's {@code LlamaConfig} reads, and what it ignores.
   */
  void config(JsonGenerator json, TensorEncoding encoding) throws IOException {
    json.writeStartObject();
    json.writeArrayFieldStart("architectures");
    json.writeString("LlamaForCausalLM");
    json.writeEndArray();
    json.writeStringField("model_type", "llama");
    json.writeBooleanField("attention_bias", false);
    json.writeNumberField("bos_token_id", tokenizer.bos());
    writeEos(json);
    json.writeNumberField("head_dim", llama.headSize());
    json.writeStringField("hidden_act", "silu");
    json.writeNumberField("hidden_size", llama.hidden());
    json.writeNumberField("intermediate_size", llama.feedForward());
    json.writeNumberField("max_position_embeddings", llama.context());
    json.writeBooleanField("mlp_bias", false);
    json.writeNumberField("num_attention_heads", llama.heads());
    json.writeNumberField("num_hidden_layers", llama.layers());
    json.writeNumberField("num_key_value_heads", llama.kvHeads());
    Integer padding = tokenizer.padding();
    if (padding != null) {
      json.writeNumberField("pad_token_id", padding);
    }
    writeReal(json, "rms_norm_eps", llama.normEpsilon());
    writeRopeScaling(json);
    writeReal(json, "rope_theta", llama.ropeTheta());
    json.writeBooleanField("tie_word_embeddings", llama.tied());
    json.writeStringField("torch_dtype", encoding == TensorEncoding.BF16 ? "bfloat16" : "float32");
    json.writeNumberField("vocab_size", llama.vocabulary());
    json.writeEndObject();
  }

  private void writeEos(JsonGenerator json) throws IOException {
    Integer endOfTurn = tokenizer.endOfTurn();
    if (endOfTurn == null) {
      json.writeNumberField("eos_token_id", tokenizer.eos());
      return;
    }
    json.writeArrayFieldStart("eos_token_id");
    json.writeNumber(tokenizer.eos());
    json.writeNumber(endOfTurn);
    json.writeEndArray();
  }

  private static void writeReal(JsonGenerator json, String name, GgufValue.Real value)
      throws IOException {
    if (value.single()) {
      json.writeNumberField(name, (float) value.value());
    } else {
      json.writeNumberField(name, value.value());
    }
  }

  private void writeRopeScaling(JsonGenerator json) throws IOException {
    switch (llama.ropeScaling()) {
      case null -> json.writeNullField("rope_scaling");
      case LlamaGguf.RopeScaling.Linear(double factor) -> {
        json.writeObjectFieldStart("rope_scaling");
        json.writeStringField("rope_type", "linear");
        json.writeNumberField("factor", factor);
        json.writeEndObject();
      }
      case LlamaGguf.RopeScaling.Llama3(double factor) -> {
        json.writeObjectFieldStart("rope_scaling");
        json.writeStringField("rope_type", "llama3");
        json.writeNumberField("factor", factor);
        json.writeNumberField("low_freq_factor", LlamaGguf.RopeScaling.Llama3.LOW_FREQUENCY);
        json.writeNumberField("high_freq_factor", LlamaGguf.RopeScaling.Llama3.HIGH_FREQUENCY);
        json.writeNumberField(
            "original_max_position_embeddings", LlamaGguf.RopeScaling.Llama3.ORIGINAL_CONTEXT);
        json.writeEndObject();
      }
    }
  }

  /** Writes {@code tokenizer.json}. */
  void tokenizer(JsonGenerator json) throws IOException {
    tokenizer.writeTokenizer(json);
  }

  private String readme(String sourceName, String sha256, TensorEncoding encoding) {
    GgufFields fields = llama.fields();
    String name = fields.textOrNull("general.name");
    String license = fields.textOrNull("general.license");
    StringBuilder text = new StringBuilder();
    text.append("# ").append(Messages.plain(name == null ? file.name() : name)).append("\n\n");
    text.append("Imported by KVP4J from `").append(Messages.plain(sourceName));
    text.append("`\n(SHA-256 `").append(sha256).append("`).\n\n");
    text.append("The weights, held there as ").append(String.join(", ", weightTypes()));
    text.append(", are written as ").append(encoding);
    text.append(".\nWhere they were quantised they are turned back into floats, ");
    text.append("which are not the original model's.\n");
    if (license != null) {
      text.append("\nThe model's licence, as the file says: ");
      text.append(Messages.plain(license)).append(".\n");
    }
    return text.toString();
  }
}
