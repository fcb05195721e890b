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

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.github.tjake.jlama.model.ModelSupport;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.importer.ImportManifest.FileRecord;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * A model folder in Hugging Face's layout: {@code config.json}, {@code tokenizer.json}, {@code
 * model.safetensors} or parts of it with an index, and texts.
 */
final class HuggingFaceFolder {
  private static final String CONFIG = "config.json";
  private static final String TOKENIZER = "tokenizer.json";
  private static final String SINGLE = "model.safetensors";
  private static final String INDEX = "model.safetensors.index.json";
  private static final List<String> OPTIONAL =
      List.of("tokenizer_config.json", "generation_config.json", "LICENSE", "README.md");

  private static final long MAX_CONFIG = 1 << 20;
  private static final long MAX_INDEX = 64 << 20;
  private static final long MAX_TEXT = 512 << 20;

  private static final ObjectMapper JSON =
      new ObjectMapper().enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION);

  private final Path folder;
  private final String name;
  private final List<String> weightFiles;
  private final @Nullable Map<String, String> index; // tensor → file

  /**
   * Checks a folder's small files; the weights are checked by {@link #checkWeights} or while they
   * are written.
   *
   * @throws KvpException BAD_ARGUMENT where it is no model folder, MALFORMED_FILE or UNSUPPORTED
   */
  HuggingFaceFolder(Path folder) {
    this.folder = folder;
    this.name = Messages.name(folder);
    for (String needed : List.of(CONFIG, TOKENIZER)) {
      if (!Files.isRegularFile(folder.resolve(needed))) {
        throw Messages.badArgument("The folder " + name + " is no model: it has no " + needed);
      }
    }
    boolean indexed = Files.isRegularFile(folder.resolve(INDEX));
    if (!indexed && !Files.isRegularFile(folder.resolve(SINGLE))) {
      throw Messages.badArgument("The folder " + name + " is no model: it has no " + SINGLE);
    }
    try {
      checkConfig();
      checkTokenizer();
      index = indexed ? readIndex() : null;
    } catch (IOException e) {
      throw Messages.io("read the model in", folder, e);
    }
    weightFiles = index == null ? List.of(SINGLE) : List.copyOf(new TreeSet<>(index.values()));
  }

  private void checkConfig() throws IOException {
    JsonNode type = readObject(CONFIG, MAX_CONFIG).path("model_type");
    if (!type.isTextual()) {
      throw Messages.malformed(CONFIG, "it has no string model_type");
    }
    String wanted = type.textValue().toUpperCase(Locale.ROOT);
    boolean known =
        Arrays.stream(ModelSupport.ModelType.values()).anyMatch(t -> t.name().equals(wanted));
    if (!known) {
      throw Messages.unsupported(
          CONFIG,
          "its model_type is " + Messages.quote(type.textValue()) + ", which Jlama has not");
    }
  }

  private void checkTokenizer() throws IOException {
    Path file = folder.resolve(TOKENIZER);
    checkSize(TOKENIZER, MAX_TEXT);
    boolean hasModel = false;
    try (JsonParser json = JSON.createParser(file.toFile())) {
      if (json.nextToken() != JsonToken.START_OBJECT) {
        throw Messages.malformed(TOKENIZER, "it is no JSON object");
      }
      for (JsonToken t = json.nextToken(); t == JsonToken.FIELD_NAME; t = json.nextToken()) {
        hasModel |= json.currentName().equals("model");
        json.nextToken();
        json.skipChildren();
      }
      if (json.nextToken() != null) {
        throw Messages.malformed(TOKENIZER, "something follows the JSON object");
      }
    } catch (JacksonException e) {
      throw notJson(TOKENIZER, e);
    }
    if (!hasModel) {
      throw Messages.malformed(TOKENIZER, "it has no model");
    }
  }

  private Map<String, String> readIndex() throws IOException {
    Map<String, String> read = new TreeMap<>();
    for (Map.Entry<String, JsonNode> e :
        readObject(INDEX, MAX_INDEX).path("weight_map").properties()) {
      String file = e.getValue().asText();
      if (!ImportManifest.isPlainName(file) || !file.endsWith(".safetensors")) {
        throw Messages.malformed(
            INDEX, "tensor " + Messages.quote(e.getKey()) + " is in " + Messages.quote(file));
      }
      if (!Files.isRegularFile(folder.resolve(file))) {
        throw Messages.malformed(
            INDEX, "it names " + Messages.quote(file) + ", which is not there");
      }
      read.put(e.getKey(), file);
    }
    if (read.isEmpty()) {
      throw Messages.malformed(INDEX, "its weight_map is empty");
    }
    return read;
  }

  private JsonNode readObject(String file, long limit) throws IOException {
    checkSize(file, limit);
    try {
      JsonNode root = JSON.readTree(Files.readAllBytes(folder.resolve(file)));
      if (!root.isObject()) {
        throw Messages.malformed(file, "it is no JSON object");
      }
      return root;
    } catch (JacksonException e) {
      throw notJson(file, e);
    }
  }

  private void checkSize(String file, long limit) throws IOException {
    long size = Files.size(folder.resolve(file));
    if (size > limit) {
      throw Messages.malformed(file, "it has " + size + " bytes; the limit is " + limit);
    }
  }

  private static KvpException notJson(String file, JacksonException e) {
    return Messages.malformed(file, "it is not JSON: " + Messages.plain(e.getOriginalMessage()));
  }

  /** The files that make the model, sorted. */
  List<String> files() {
    TreeSet<String> files = new TreeSet<>(weightFiles);
    files.add(CONFIG);
    files.add(TOKENIZER);
    if (index != null) {
      files.add(INDEX);
    }
    for (String optional : OPTIONAL) {
      if (Files.isRegularFile(folder.resolve(optional))) {
        files.add(optional);
      }
    }
    return List.copyOf(files);
  }

  /** Checks the headers and that all weights are finite; returns the weights' types. */
  List<String> checkWeights(ImportProgress progress) {
    TreeSet<String> types = new TreeSet<>();
    for (String file : weightFiles) {
      try (Arena arena = Arena.ofShared()) {
        SafetensorsFile weights = SafetensorsFile.open(folder.resolve(file), arena);
        checkIndex(file, weights);
        weights.checkFinite();
        for (SafetensorsFile.Tensor tensor : weights.tensors()) {
          types.add(tensor.type().name());
          progress.advance(tensor.data().byteSize());
        }
      }
    }
    return List.copyOf(types);
  }

  /** Each tensor that the index has in a file must be in it. */
  private void checkIndex(String file, SafetensorsFile weights) {
    if (index == null) {
      return;
    }
    List<String> there = weights.tensors().stream().map(SafetensorsFile.Tensor::name).toList();
    for (Map.Entry<String, String> e : index.entrySet()) {
      if (e.getValue().equals(file) && !there.contains(e.getKey())) {
        throw Messages.malformed(
            INDEX, "tensor " + Messages.quote(e.getKey()) + " is not in " + Messages.quote(file));
      }
    }
  }

  /** Bytes of the weights as they are. */
  long weightBytes() throws IOException {
    long bytes = 0;
    for (String file : weightFiles) {
      bytes += Files.size(folder.resolve(file));
    }
    return bytes;
  }

  /** Copies the model into an empty folder, its weights as {@code encoding}. */
  List<FileRecord> copyTo(Path out, TensorEncoding encoding, ImportProgress progress)
      throws IOException {
    List<FileRecord> written = new ArrayList<>();
    for (String file : files()) {
      if (weightFiles.contains(file)) {
        written.add(copyWeights(file, out.resolve(file), encoding, progress));
      } else if (file.equals(INDEX)) {
        written.add(ImportFiles.writeJson(out.resolve(file), true, this::writeIndex));
      } else {
        written.add(ImportFiles.copy(folder.resolve(file), out.resolve(file), ImportProgress.NONE));
      }
    }
    if (!Files.exists(out.resolve("README.md"))) {
      String readme = "# " + name + "\n\nImported by KVP4J from a folder of that name.\n";
      written.add(
          ImportFiles.write(
              out.resolve("README.md"), o -> o.write(readme.getBytes(StandardCharsets.UTF_8))));
    }
    return written;
  }

  /** Writes the index anew: Jlama needs its metadata, which a file may lack. */
  private void writeIndex(JsonGenerator json) throws IOException {
    json.writeStartObject();
    json.writeObjectFieldStart("metadata");
    json.writeStringField("format", "pt");
    json.writeEndObject();
    json.writeObjectFieldStart("weight_map");
    if (index != null) {
      for (Map.Entry<String, String> e : index.entrySet()) {
        json.writeStringField(e.getKey(), e.getValue());
      }
    }
    json.writeEndObject();
    json.writeEndObject();
  }

  private FileRecord copyWeights(
      String file, Path to, TensorEncoding encoding, ImportProgress progress) throws IOException {
    try (Arena arena = Arena.ofShared()) {
      SafetensorsFile weights = SafetensorsFile.open(folder.resolve(file), arena);
      SafetensorsWriter writer = weights.writer(encoding);
      progress.begin("Writing " + file + " as " + encoding, writer.dataBytes());
      FileRecord record =
          weights.isAll(encoding)
              ? ImportFiles.copy(folder.resolve(file), to, progress)
              : writer.write(to, progress);
      progress.end();
      return record;
    }
  }
}
