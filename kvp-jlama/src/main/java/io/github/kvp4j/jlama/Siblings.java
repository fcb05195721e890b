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

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.NullNode;
import com.github.tjake.jlama.model.AbstractModel;
import com.github.tjake.jlama.safetensors.DType;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.BaseFingerprint;
import io.github.kvp4j.predictor.LayerMap;
import io.github.kvp4j.predictor.PredictorFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Opens the models that SIBLING predictors read with, and closes them all together. */
public final class Siblings implements PredictorFile.SiblingLoader, AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final @Nullable Path base;
  private final List<AbstractModel> open = new ArrayList<>();

  /** Siblings of no base in particular: their tokenizers are not compared with any. */
  public Siblings() {
    this(null);
  }

  /** Siblings of the base in a folder. */
  Siblings(@Nullable Path base) {
    this.base = base;
  }

  @Override
  public ModelWeights load(Auxiliary.Sibling.Origin origin) {
    Auxiliary.Sibling found = open(origin.directory());
    BaseFingerprint actual = Objects.requireNonNull(found.origin()).fingerprint();
    if (!actual.equals(origin.fingerprint())) {
      throw new KvpException(
          KvpException.Kind.PREDICTOR_MISMATCH,
          "The predictor's sibling was "
              + origin.fingerprint()
              + ", but the model in '"
              + origin.directory()
              + "' is "
              + actual
              + "; calibrate the predictor again.");
    }
    return found.model();
  }

  /**
   * Opens a sibling; its layer map is empty.
   *
   * @throws KvpException {@code PREDICTOR_MISMATCH} where its tokenizer is not the base's, {@code
   *     UNSUPPORTED} where the prefill engine does not read its architecture
   */
  Auxiliary.Sibling open(Path directory) {
    AbstractModel model = JlamaLoader.load(directory, DType.I8, false, null);
    open.add(model);
    if (base != null) {
      compareTokenizers(base, directory);
    }
    if (!JlamaWeights.supports(model)) {
      throw new KvpException(
          KvpException.Kind.UNSUPPORTED,
          "The model in '"
              + directory
              + "' is of type "
              + model.getModelType()
              + " and can't be a sibling; LLAMA, MISTRAL and QWEN2 can.");
    }
    ModelWeights weights = JlamaWeights.load(model);
    BaseFingerprint fingerprint =
        BaseFingerprint.of(weights, new KvpTokenizer(model.getTokenizer()).vocabulary());
    return new Auxiliary.Sibling(
        weights,
        List.of(),
        new LayerMap(List.of()),
        new Auxiliary.Sibling.Origin(directory, fingerprint));
  }

  /**
   * Refuses two folders whose tokenizers differ in anything that decides about tokens. What a file
   * leaves out is what it would be by default: files of different age spell out more or less.
   */
  static void compareTokenizers(Path base, Path sibling) {
    JsonNode a = tokenizer(base);
    JsonNode b = tokenizer(sibling);
    for (String part :
        List.of(
            "/model/type",
            "/model/vocab",
            "/model/unk_token",
            "/added_tokens",
            "/normalizer",
            "/pre_tokenizer",
            "/post_processor")) {
      differ(part, orNull(a.at(part)).equals(orNull(b.at(part))), base, sibling);
    }
    for (String part : List.of("/model/ignore_merges", "/model/byte_fallback")) {
      differ(part, a.at(part).asBoolean(false) == b.at(part).asBoolean(false), base, sibling);
    }
    differ("/model/merges", merges(a).equals(merges(b)), base, sibling);
  }

  private static JsonNode orNull(JsonNode node) {
    return node.isMissingNode() ? NullNode.getInstance() : node;
  }

  private static void differ(String part, boolean same, Path base, Path sibling) {
    if (!same) {
      throw new KvpException(
          KvpException.Kind.PREDICTOR_MISMATCH,
          "The tokenizers of '"
              + base
              + "' and '"
              + sibling
              + "' differ in "
              + part
              + "; a sibling must have the base's own.");
    }
  }

  /** Merges as "left right", whichever of its two forms the file has. */
  private static List<String> merges(JsonNode tokenizer) {
    List<String> out = new ArrayList<>();
    for (JsonNode merge : tokenizer.at("/model/merges")) {
      out.add(
          merge.isArray() ? merge.path(0).asText() + " " + merge.path(1).asText() : merge.asText());
    }
    return out;
  }

  private static JsonNode tokenizer(Path directory) {
    Path file = directory.resolve("tokenizer.json");
    try {
      return JSON.readTree(file.toFile());
    } catch (IOException e) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "The tokenizer '" + file + "' can't be read: " + KvpException.reason(e) + ".",
          e);
    }
  }

  @Override
  public void close() {
    open.forEach(AbstractModel::close);
    open.clear();
  }
}
