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
package io.github.kvp4j.predictor;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.format.Safetensors;
import io.github.kvp4j.model.LayerWeights;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.model.Weight;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalDouble;
import java.util.TreeMap;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A predictor on disk: a safetensors file with metadata. The one reader is strict: what it returns
 * holds finite numbers only, fits together, and has passed its checksums: that of the tensors, and
 * that of the metadata where the file has one, as every file has that is written now.
 *
 * @param predictor the predictor
 * @param base the base it was made for
 * @param calibration how it was made, as free key-value pairs (data, tokens, seed, λ)
 * @param quality what was measured when it was made
 */
public record PredictorFile(
    KvPredictor predictor,
    BaseFingerprint base,
    Map<String, String> calibration,
    List<MeasuredQuality> quality) {
  /** Metadata: how many adjacent layers of an auxiliary are read at once, where it is not one. */
  private static final String MAP_WIDTH = "map.width";

  /** Metadata: the checksum of all other metadata, which the first files were written without. */
  private static final String METADATA_SUM = "sha256.metadata";

  private static final String FORMAT = "kvp4j-predictor";
  private static final String VERSION = "1";
  private static final ObjectMapper JSON = new ObjectMapper();

  /** Copies the collections. */
  public PredictorFile {
    calibration = java.util.Collections.unmodifiableMap(new TreeMap<>(calibration));
    quality = List.copyOf(quality);
  }

  /**
   * The share of tokens on which the predictor agreed with the exact base when it was measured, on
   * the task where it did worst.
   *
   * @param anchors which tokens are to stay exact: the figures are those of the largest anchors
   *     that were measured and are no more than these, or else of the smallest
   * @return empty if nothing was measured
   */
  public OptionalDouble worstAgreement(Anchors anchors) {
    List<Anchors> measured =
        quality.stream()
            .map(q -> Anchors.parse(q.anchors()))
            .sorted(Comparator.comparingInt(PredictorFile::size))
            .toList();
    Anchors nearest =
        measured.reversed().stream()
            .filter(a ->
                a.sink() <= anchors.sink()
                    && a.tail() <= anchors.tail()
                    && a.top() <= anchors.top()
                    && (a.top() == 0 || a.look() == anchors.look()))
            .findFirst()
            .orElse(measured.isEmpty() ? Anchors.DEFAULT : measured.getFirst());
    return quality.stream()
        .filter(q -> Anchors.parse(q.anchors()).equals(nearest))
        .mapToDouble(MeasuredQuality::agreement)
        .min();
  }

  private static int size(Anchors a) {
    return a.sink() + a.tail() + a.top();
  }

  /** Opens the models that SIBLING predictors read with. */
  @FunctionalInterface
  public interface SiblingLoader {
    /**
     * Opens a model.
     *
     * @param origin its folder, and the fingerprint that its model must have
     * @throws KvpException {@code FILE_ACCESS}, {@code MALFORMED_FILE} or {@code
     *     PREDICTOR_MISMATCH}
     */
    ModelWeights load(Auxiliary.Sibling.Origin origin);
  }

  /**
   * Writes the file atomically. Of a sibling it keeps the folder, relative to the file where it is
   * beneath it, the fingerprint, and the layers where they were trained.
   *
   * @throws KvpException {@code BAD_ARGUMENT} where a number is not finite, since nobody could read
   *     the file; {@code FILE_ACCESS}
   */
  public void write(Path file) {
    Map<String, Weight> tensors = new LinkedHashMap<>();
    for (LinearProjection p : predictor.projections()) {
      put(tensors, "layers." + p.layer() + ".key", p.key());
      put(tensors, "layers." + p.layer() + ".value", p.value());
    }
    Map<String, String> meta = new LinkedHashMap<>();
    meta.put("format", FORMAT);
    meta.put("version", VERSION);
    meta.put("kind", predictor.auxiliary().kind().name());
    switch (predictor.auxiliary()) {
      case Auxiliary.Prefix prefix -> {
        prefix.linearised().forEach((layer, map) -> put(tensors, "linearised." + layer, map));
        meta.put("layers", Integer.toString(prefix.layers()));
        meta.put("sources", join(prefix.sources()));
        meta.put("linearised", join(prefix.linearised().keySet()));
      }
      case Auxiliary.LayerPruned pruned -> {
        meta.put("kept", join(pruned.kept()));
        put(tensors, meta, pruned);
      }
      case Auxiliary.Sibling sibling -> {
        Auxiliary.Sibling.Origin origin = sibling.origin();
        if (origin == null) {
          throw new KvpException(
              KvpException.Kind.UNSUPPORTED,
              "The predictor's sibling is from no model folder, so the predictor can't be written.");
        }
        meta.put("sibling.directory", besideOrWhole(origin.directory(), file));
        meta.put("sibling.shape", origin.fingerprint().shape());
        meta.put("sibling.tokenizer", origin.fingerprint().tokenizer());
        meta.put("sibling.weights", origin.fingerprint().weights());
        put(tensors, meta, sibling);
      }
    }
    tensors.forEach((name, w) -> {
      float found = notFinite(w);
      if (found != 0) {
        throw new KvpException(
            KvpException.Kind.BAD_ARGUMENT,
            "The predictor has "
                + found
                + " in tensor '"
                + name
                + "', so '"
                + file
                + "' is not written; make it from other text or with a lower learning rate.");
      }
    });
    meta.put("base.shape", base.shape());
    meta.put("base.tokenizer", base.tokenizer());
    meta.put("base.weights", base.weights());
    meta.put("sha256", Safetensors.checksum(tensors));
    meta.put("calibration", json(calibration));
    meta.put("quality", json(quality));
    meta.put(METADATA_SUM, metadataSum(meta));
    new Safetensors(meta, tensors).write(file);
  }

  /**
   * Writes other figures into a file, atomically, and leaves everything else as it is there:
   * numbers of 8 bits, which {@link #read} widens, and the way to a sibling.
   *
   * @throws KvpException {@code FILE_ACCESS} or {@code MALFORMED_FILE}
   */
  public static void replaceQuality(Path file, List<MeasuredQuality> quality) {
    replace(file, Map.of("quality", json(quality)));
  }

  /**
   * The same, with what the file says of its making.
   *
   * @param calibration as {@link #calibration()}
   */
  public static void replaceQuality(
      Path file, List<MeasuredQuality> quality, Map<String, String> calibration) {
    replace(file, Map.of("quality", json(quality), "calibration", json(calibration)));
  }

  private static void replace(Path file, Map<String, String> entries) {
    Safetensors st = sound(file);
    Map<String, String> meta = new LinkedHashMap<>(st.metadata());
    meta.putAll(entries);
    meta.put(METADATA_SUM, metadataSum(meta));
    new Safetensors(meta, st.tensors()).write(file);
  }

  private static String json(Object mapOrRecords) {
    try {
      return JSON.writeValueAsString(mapOrRecords);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("maps of text and records of numbers are JSON", e);
    }
  }

  private static String metadataSum(Map<String, String> meta) {
    Map<String, String> others = new LinkedHashMap<>(meta);
    others.remove(METADATA_SUM);
    return Safetensors.metadataChecksum(others);
  }

  private static String besideOrWhole(Path directory, Path file) {
    Path whole = directory.toAbsolutePath().normalize();
    Path folder = file.toAbsolutePath().normalize().getParent();
    return (folder != null && whole.startsWith(folder) ? folder.relativize(whole) : whole)
        .toString();
  }

  /**
   * Reads and checks a file whose predictor needs no model beside its base.
   *
   * @throws KvpException {@code FILE_ACCESS} or {@code MALFORMED_FILE}; {@code UNSUPPORTED} for a
   *     predictor with a sibling
   */
  public static PredictorFile read(Path file) {
    return read(
        file,
        origin -> {
          throw new KvpException(
              KvpException.Kind.UNSUPPORTED,
              "The predictor file '"
                  + file
                  + "' needs the model in '"
                  + origin.directory()
                  + "'; read it together with its base.");
        });
  }

  /**
   * Reads and checks a file.
   *
   * @param siblings opens the sibling that a predictor names
   * @throws KvpException {@code FILE_ACCESS} or {@code MALFORMED_FILE}, or what the loader throws
   */
  public static PredictorFile read(Path file, SiblingLoader siblings) {
    Safetensors st = sound(file);
    Map<String, String> meta = st.metadata();
    for (Map.Entry<String, Weight> e : st.tensors().entrySet()) {
      checkFinite(file, e.getKey(), e.getValue());
    }
    Map<String, Weight> left = new LinkedHashMap<>(st.tensors());
    Auxiliary auxiliary = auxiliary(file, meta, left, siblings);
    int first = new KvPredictor(auxiliary, List.of()).firstPredictedLayer();
    List<LinearProjection> projections = new ArrayList<>();
    for (int layer = first; left.containsKey("layers." + layer + ".key.weight"); layer++) {
      int at = layer;
      LinearMap key = take(file, left, "layers." + layer + ".key");
      LinearMap value = take(file, left, "layers." + layer + ".value");
      projections.add(together(file, () -> new LinearProjection(at, key, value)));
    }
    if (!left.isEmpty()) {
      throw broken(file, "has the unknown tensor '" + clip(left.keySet().iterator().next()) + "'");
    }
    if (projections.isEmpty()) {
      throw broken(file, "has no projection for layer " + first);
    }
    Map<String, String> calibration;
    List<MeasuredQuality> quality;
    try {
      calibration =
          JSON.readValue(
              text(file, meta, "calibration"), new TypeReference<TreeMap<String, String>>() {});
      quality =
          JSON.readValue(
              text(file, meta, "quality"), new TypeReference<List<MeasuredQuality>>() {});
    } catch (JsonProcessingException e) {
      throw broken(file, "has metadata 'calibration' or 'quality' that can't be read");
    }
    if (calibration == null
        || calibration.containsValue(null)
        || quality == null
        || !quality.stream().allMatch(PredictorFile::isComplete)) {
      throw broken(file, "has incomplete metadata 'calibration' or 'quality'");
    }
    quality.forEach(q -> checkAnchors(file, q.anchors()));
    return new PredictorFile(
        new KvPredictor(auxiliary, projections),
        new BaseFingerprint(
            text(file, meta, "base.shape"),
            text(file, meta, "base.tokenizer"),
            text(file, meta, "base.weights")),
        calibration,
        quality);
  }

  /** The parts of a predictor file whose bytes are those that were written. */
  private static Safetensors sound(Path file) {
    Safetensors st = Safetensors.read(file);
    Map<String, String> meta = st.metadata();
    expect(file, meta, "format", FORMAT);
    expect(file, meta, "version", VERSION);
    String sum = text(file, meta, "sha256");
    String actual = Safetensors.checksum(st.tensors());
    if (!sum.equals(actual)) {
      throw broken(file, "has the checksum " + clip(sum) + " but its tensors give " + actual);
    }
    String metadataSum = meta.get(METADATA_SUM);
    if (metadataSum != null && !metadataSum.equals(metadataSum(meta))) {
      throw broken(
          file,
          "has the checksum "
              + clip(metadataSum)
              + " in '"
              + METADATA_SUM
              + "' but its other entries give "
              + metadataSum(meta));
    }
    return st;
  }

  /** Makes something of what is in the file. */
  private static <T> T together(Path file, Supplier<T> made) {
    try {
      return made.get();
    } catch (KvpException e) {
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE,
          "The predictor file '" + file + "' does not fit together: " + e.getMessage(),
          e);
    }
  }

  private static Auxiliary auxiliary(
      Path file, Map<String, String> meta, Map<String, Weight> left, SiblingLoader siblings) {
    String kind = text(file, meta, "kind");
    return switch (kind) {
      case "PREFIX" -> {
        int layers = number(file, "layers", text(file, meta, "layers"));
        List<Integer> sources = numbers(file, "sources", text(file, meta, "sources"));
        Map<Integer, LinearMap> linearised = new TreeMap<>();
        for (int layer : numbers(file, "linearised", text(file, meta, "linearised"))) {
          linearised.put(layer, take(file, left, "linearised." + layer));
        }
        yield together(file, () -> new Auxiliary.Prefix(layers, sources, linearised));
      }
      case "LAYER_PRUNED" -> {
        List<Integer> kept = numbers(file, "kept", text(file, meta, "kept"));
        List<Integer> map = numbers(file, "map", text(file, meta, "map"));
        int width = mapWidth(file, meta);
        List<LayerWeights> trained = takeTrained(file, left, kept.size());
        yield together(
            file, () -> new Auxiliary.LayerPruned(kept, trained, new LayerMap(map, width)));
      }
      case "SIBLING" -> {
        Path folder = Objects.requireNonNull(file.toAbsolutePath().getParent());
        List<Integer> map = numbers(file, "map", text(file, meta, "map"));
        int width = mapWidth(file, meta);
        Auxiliary.Sibling.Origin origin;
        try {
          origin =
              new Auxiliary.Sibling.Origin(
                  folder.resolve(text(file, meta, "sibling.directory")),
                  new BaseFingerprint(
                      text(file, meta, "sibling.shape"),
                      text(file, meta, "sibling.tokenizer"),
                      text(file, meta, "sibling.weights")));
        } catch (InvalidPathException e) {
          throw broken(file, "has a 'sibling.directory' that is no path");
        }
        ModelWeights model = siblings.load(origin);
        List<LayerWeights> trained = takeTrained(file, left, model.layers().size());
        yield together(
            file, () -> new Auxiliary.Sibling(model, trained, new LayerMap(map, width), origin));
      }
      default ->
          throw broken(
              file, "has kind '" + clip(kind) + "'; PREFIX, LAYER_PRUNED and SIBLING are read");
    };
  }

  /**
   * Refuses this predictor on another base than its own.
   *
   * @throws KvpException {@code PREDICTOR_MISMATCH} that names both fingerprints
   */
  public void checkBase(BaseFingerprint actual) {
    check("shape", base.shape(), actual.shape());
    check("tokenizer", base.tokenizer(), actual.tokenizer());
    check("weights", base.weights(), actual.weights());
  }

  private static void check(String what, String made, String found) {
    if (!made.equals(found)) {
      throw new KvpException(
          KvpException.Kind.PREDICTOR_MISMATCH,
          "The predictor was made for a model with the "
              + what
              + " fingerprint "
              + clip(made, 200)
              + ", but this model has "
              + found
              + "; calibrate one for it.");
    }
  }

  @SuppressWarnings("RedundantNullCheck") // what comes from JSON may lack a field
  private static boolean isComplete(@Nullable MeasuredQuality q) {
    return q != null
        && q.anchors() != null
        && q.task() != null
        && Double.isFinite(q.relativeFlops())
        && Double.isFinite(q.kl())
        && Double.isFinite(q.agreement())
        && Double.isFinite(q.firstTokenAgreement());
  }

  private static void checkAnchors(Path file, String anchors) {
    try {
      Anchors.parse(anchors);
    } catch (KvpException e) {
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE,
          "The predictor file '"
              + file
              + "' has the anchors '"
              + clip(anchors)
              + "' in 'quality'; sink/tail/top is read, for example 4/64/0.",
          e);
    }
  }

  private static void put(Map<String, Weight> tensors, String name, LinearMap map) {
    tensors.put(name + ".weight", map.weight());
    tensors.put(name + ".bias", Weight.of(map.bias(), 1, map.bias().length));
  }

  private static void put(Map<String, Weight> tensors, String at, LayerWeights layer) {
    tensors.put(at + "query", layer.query());
    tensors.put(at + "key", layer.key());
    tensors.put(at + "value", layer.value());
    tensors.put(at + "output", layer.output());
    tensors.put(at + "gate", layer.gate());
    tensors.put(at + "up", layer.up());
    tensors.put(at + "down", layer.down());
    put(tensors, at + "attention_norm", layer.attentionNorm());
    put(tensors, at + "feed_forward_norm", layer.feedForwardNorm());
    put(tensors, at + "query.bias", layer.queryBias());
    put(tensors, at + "key.bias", layer.keyBias());
    put(tensors, at + "value.bias", layer.valueBias());
  }

  private static void put(Map<String, Weight> tensors, String name, float @Nullable [] vector) {
    if (vector != null) {
      tensors.put(name, Weight.of(vector, 1, vector.length));
    }
  }

  /** The trained layers of an auxiliary; none where the file has none. */
  private static List<LayerWeights> takeTrained(
      Path file, Map<String, Weight> tensors, int layers) {
    List<LayerWeights> trained = new ArrayList<>();
    if (tensors.containsKey("auxiliary.0.query")) {
      for (int i = 0; i < layers; i++) {
        trained.add(takeLayer(file, tensors, "auxiliary." + i + "."));
      }
    }
    return trained;
  }

  private static LayerWeights takeLayer(Path file, Map<String, Weight> tensors, String at) {
    return new LayerWeights(
        takeOne(file, tensors, at + "attention_norm").toArray(),
        Int8.toBf16(takeOne(file, tensors, at + "query")),
        Int8.toBf16(takeOne(file, tensors, at + "key")),
        Int8.toBf16(takeOne(file, tensors, at + "value")),
        Int8.toBf16(takeOne(file, tensors, at + "output")),
        takeVector(tensors, at + "query.bias"),
        takeVector(tensors, at + "key.bias"),
        takeVector(tensors, at + "value.bias"),
        takeOne(file, tensors, at + "feed_forward_norm").toArray(),
        Int8.toBf16(takeOne(file, tensors, at + "gate")),
        Int8.toBf16(takeOne(file, tensors, at + "up")),
        Int8.toBf16(takeOne(file, tensors, at + "down")));
  }

  private static Weight takeOne(Path file, Map<String, Weight> tensors, String name) {
    Weight weight = tensors.remove(name);
    if (weight == null) {
      throw broken(file, "lacks the tensor '" + name + "'");
    }
    return weight;
  }

  private static float @Nullable [] takeVector(Map<String, Weight> tensors, String name) {
    Weight weight = tensors.remove(name);
    return weight == null ? null : weight.toArray();
  }

  private static LinearMap take(Path file, Map<String, Weight> tensors, String name) {
    Weight weight = tensors.remove(name + ".weight");
    Weight bias = tensors.remove(name + ".bias");
    if (weight == null || bias == null) {
      throw broken(file, "lacks the tensor '" + name + ".weight' or '" + name + ".bias'");
    }
    if (bias.rows() != 1 || bias.columns() != weight.rows()) {
      throw broken(file, "has a tensor '" + name + ".bias' that does not fit its weight");
    }
    return new LinearMap(Int8.toBf16(weight), bias.toArray());
  }

  private static void checkFinite(Path file, String name, Weight w) {
    float found = notFinite(w);
    if (found != 0) {
      throw broken(file, "has " + found + " in tensor '" + clip(name) + "'");
    }
  }

  /** What a tensor has in the place of a finite number; 0 where it has none. */
  private static float notFinite(Weight w) {
    for (int r = 0; r < w.rows(); r++) {
      for (int c = 0; c < w.columns(); c++) {
        float value = w.get(r, c);
        if (!Float.isFinite(value)) {
          return value;
        }
      }
    }
    return 0;
  }

  private static String join(Iterable<Integer> numbers) {
    List<String> out = new ArrayList<>();
    numbers.forEach(n -> out.add(n.toString()));
    return out.stream().collect(Collectors.joining(","));
  }

  private static void put(
      Map<String, Weight> tensors, Map<String, String> meta, Auxiliary.Separate separate) {
    for (int i = 0; i < separate.trained().size(); i++) {
      put(tensors, "auxiliary." + i + ".", separate.trained().get(i));
    }
    LayerMap map = separate.map();
    meta.put("map", join(map.sources()));
    if (map.width() > 1) {
      meta.put(MAP_WIDTH, String.valueOf(map.width()));
    }
  }

  private static int mapWidth(Path file, Map<String, String> meta) {
    return number(file, MAP_WIDTH, meta.getOrDefault(MAP_WIDTH, "1"));
  }

  private static List<Integer> numbers(Path file, String field, String text) {
    if (text.isEmpty()) {
      return List.of();
    }
    String[] parts = text.split(",", -1);
    if (parts.length > 10_000) {
      throw broken(file, "has " + parts.length + " numbers in '" + field + "'");
    }
    return Arrays.stream(parts).map(t -> number(file, field, t)).toList();
  }

  private static int number(Path file, String field, String text) {
    if (!text.matches("\\d{1,6}")) {
      throw broken(file, "has '" + clip(text) + "' in '" + field + "' where a number is due");
    }
    return Integer.parseInt(text);
  }

  private static String text(Path file, Map<String, String> meta, String field) {
    String value = meta.get(field);
    if (value == null) {
      throw broken(file, "has no metadata '" + field + "'; it is no predictor of this project");
    }
    return value;
  }

  private static void expect(Path file, Map<String, String> meta, String field, String value) {
    String found = text(file, meta, field);
    if (!found.equals(value)) {
      throw broken(file, "has " + field + " '" + clip(found) + "'; '" + value + "' is read");
    }
  }

  private static KvpException broken(Path file, String what) {
    return new KvpException(
        KvpException.Kind.MALFORMED_FILE, "The predictor file '" + file + "' " + what + ".");
  }

  private static String clip(String text) {
    return clip(text, 80);
  }

  private static String clip(String text, int limit) {
    String printable = text.replaceAll("\\p{Cc}", "?");
    return printable.length() <= limit ? printable : printable.substring(0, limit) + "…";
  }
}
