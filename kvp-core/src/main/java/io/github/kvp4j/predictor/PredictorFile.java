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
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.Weight;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A predictor on disk: a safetensors file with metadata. The one reader is strict: what it returns
 * has passed its checksum, holds finite numbers only, and fits together.
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
  private static final String FORMAT = "kvp4j-predictor";
  private static final String VERSION = "1";
  private static final ObjectMapper JSON = new ObjectMapper();

  /** Copies the collections. */
  public PredictorFile {
    calibration = java.util.Collections.unmodifiableMap(new TreeMap<>(calibration));
    quality = List.copyOf(quality);
  }

  /** Writes the file atomically; only {@link AuxiliaryKind#PREFIX} predictors are kept so far. */
  public void write(Path file) {
    if (!(predictor.auxiliary() instanceof Auxiliary.Prefix prefix)) {
      throw new KvpException(
          KvpException.Kind.UNSUPPORTED,
          "A predictor of kind "
              + predictor.auxiliary().kind()
              + " can't be written; only PREFIX.");
    }
    Map<String, Weight> tensors = new LinkedHashMap<>();
    for (LinearProjection p : predictor.projections()) {
      put(tensors, "layers." + p.layer() + ".key", p.key());
      put(tensors, "layers." + p.layer() + ".value", p.value());
    }
    prefix.linearised().forEach((layer, map) -> put(tensors, "linearised." + layer, map));
    Map<String, String> meta = new LinkedHashMap<>();
    meta.put("format", FORMAT);
    meta.put("version", VERSION);
    meta.put("kind", prefix.kind().name());
    meta.put("layers", Integer.toString(prefix.layers()));
    meta.put("sources", join(prefix.sources()));
    meta.put("linearised", join(prefix.linearised().keySet()));
    meta.put("base.shape", base.shape());
    meta.put("base.tokenizer", base.tokenizer());
    meta.put("base.weights", base.weights());
    meta.put("sha256", checksum(tensors));
    try {
      meta.put("calibration", JSON.writeValueAsString(calibration));
      meta.put("quality", JSON.writeValueAsString(quality));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("maps of text and records of numbers are JSON", e);
    }
    new Safetensors(meta, tensors).write(file);
  }

  /**
   * Reads and checks a file.
   *
   * @throws KvpException {@code FILE_ACCESS} or {@code MALFORMED_FILE}
   */
  public static PredictorFile read(Path file) {
    Safetensors st = Safetensors.read(file);
    Map<String, String> meta = st.metadata();
    expect(file, meta, "format", FORMAT);
    expect(file, meta, "version", VERSION);
    expect(file, meta, "kind", AuxiliaryKind.PREFIX.name());
    String sum = text(file, meta, "sha256");
    String actual = checksum(st.tensors());
    if (!sum.equals(actual)) {
      throw broken(file, "has the checksum " + clip(sum) + " but its tensors give " + actual);
    }
    for (Map.Entry<String, Weight> e : st.tensors().entrySet()) {
      checkFinite(file, e.getKey(), e.getValue());
    }
    int layers = number(file, "layers", text(file, meta, "layers"));
    List<Integer> sources = numbers(file, "sources", text(file, meta, "sources"));
    List<Integer> linear = numbers(file, "linearised", text(file, meta, "linearised"));
    Map<String, Weight> left = new LinkedHashMap<>(st.tensors());
    Map<Integer, LinearMap> linearised = new TreeMap<>();
    for (int layer : linear) {
      linearised.put(layer, take(file, left, "linearised." + layer));
    }
    List<LinearProjection> projections = new ArrayList<>();
    for (int layer = layers; left.containsKey("layers." + layer + ".key.weight"); layer++) {
      projections.add(
          new LinearProjection(
              layer,
              take(file, left, "layers." + layer + ".key"),
              take(file, left, "layers." + layer + ".value")));
    }
    if (!left.isEmpty()) {
      throw broken(file, "has the unknown tensor '" + clip(left.keySet().iterator().next()) + "'");
    }
    if (projections.isEmpty()) {
      throw broken(file, "has no projection for layer " + layers);
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
    try {
      return new PredictorFile(
          new KvPredictor(new Auxiliary.Prefix(layers, sources, linearised), projections),
          new BaseFingerprint(
              text(file, meta, "base.shape"),
              text(file, meta, "base.tokenizer"),
              text(file, meta, "base.weights")),
          calibration,
          quality);
    } catch (KvpException e) {
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE,
          "The predictor file '" + file + "' does not fit together: " + e.getMessage(),
          e);
    }
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

  private static void put(Map<String, Weight> tensors, String name, LinearMap map) {
    tensors.put(name + ".weight", map.weight());
    tensors.put(name + ".bias", Weight.of(map.bias(), 1, map.bias().length));
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
    for (int r = 0; r < w.rows(); r++) {
      for (int c = 0; c < w.columns(); c++) {
        if (!Float.isFinite(w.get(r, c))) {
          throw broken(file, "has " + w.get(r, c) + " in tensor '" + clip(name) + "'");
        }
      }
    }
  }

  private static String checksum(Map<String, Weight> tensors) {
    MessageDigest sha = BaseFingerprint.sha256();
    new TreeMap<>(tensors)
        .forEach((name, w) -> {
          sha.update(
              (name + " " + w.type() + " " + w.rows() + " " + w.columns() + "\n")
                  .getBytes(StandardCharsets.UTF_8));
          MemorySegment data = w.data();
          long bytes = (long) w.rows() * w.type().bytes(w.columns());
          sha.update(data.asSlice(0, bytes).toArray(ValueLayout.JAVA_BYTE));
          MemorySegment scales = w.scales();
          if (scales != null) {
            sha.update(scales.asSlice(0, w.scaleBytes()).toArray(ValueLayout.JAVA_BYTE));
          }
        });
    return HexFormat.of().formatHex(sha.digest());
  }

  private static String join(Iterable<Integer> numbers) {
    List<String> out = new ArrayList<>();
    numbers.forEach(n -> out.add(n.toString()));
    return out.stream().collect(Collectors.joining(","));
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
    String printable = text.replaceAll("[\\p{Cntrl}]", "?");
    return printable.length() <= limit ? printable : printable.substring(0, limit) + "…";
  }
}
