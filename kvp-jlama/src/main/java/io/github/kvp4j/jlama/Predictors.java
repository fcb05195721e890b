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

import io.github.kvp4j.KvpException;
import io.github.kvp4j.predictor.BaseFingerprint;
import io.github.kvp4j.predictor.PredictorFile;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Finds a predictor for a base: the user's file, one beside the model, or one that is bundled. */
public final class Predictors {
  private static final Logger LOG = LoggerFactory.getLogger(Predictors.class);

  /** What the bundled predictors were found to be made for: other models need not read them. */
  private static final Map<Quality, BaseFingerprint> BUNDLED_FOR = new ConcurrentHashMap<>();

  private Predictors() {}

  /** The user's file, refused unless it was made for this base. */
  static PredictorFile fromFile(Path file, BaseFingerprint base, Siblings siblings) {
    PredictorFile predictor = PredictorFile.read(file, siblings);
    predictor.checkBase(base);
    return predictor;
  }

  /**
   * Looks for {@code predictor-faithful.safetensors}, or {@code -balanced} or {@code -fast}, in the
   * model's folder, then among those bundled; empty where none was made for this base.
   */
  static Optional<PredictorFile> find(
      Path modelDirectory, BaseFingerprint base, Quality quality, Siblings siblings) {
    String name = "predictor-" + quality.name().toLowerCase(Locale.ROOT) + ".safetensors";
    Path beside = modelDirectory.resolve(name);
    if (Files.isRegularFile(beside)) {
      return Optional.of(fromFile(beside, base, siblings));
    }
    BaseFingerprint known = BUNDLED_FOR.get(quality);
    if (known != null && !known.equals(base)) {
      return Optional.empty();
    }
    Optional<PredictorFile> bundled = bundled(quality);
    bundled.ifPresent(file -> BUNDLED_FOR.put(quality, file.base()));
    if (bundled.isPresent() && !bundled.get().base().equals(base)) {
      LOG.debug(
          "The bundled predictor was made for {}, this model is {}", bundled.get().base(), base);
      return Optional.empty();
    }
    return bundled;
  }

  /** The predictor of a quality that comes with this library, whatever model it is for. */
  public static Optional<PredictorFile> bundled(Quality quality) {
    String resource =
        "/io/github/kvp4j/predictors/smollm2-135m-instruct-"
            + quality.name().toLowerCase(Locale.ROOT)
            + ".safetensors";
    try (InputStream in = Predictors.class.getResourceAsStream(resource)) {
      if (in == null) {
        return Optional.empty();
      }
      Path copy = Files.createTempFile("kvp-predictor", ".safetensors");
      try {
        Files.copy(in, copy, StandardCopyOption.REPLACE_EXISTING);
        return Optional.of(PredictorFile.read(copy));
      } finally {
        Files.deleteIfExists(copy);
      }
    } catch (IOException e) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "The bundled predictor can't be unpacked to the temporary folder: "
              + KvpException.reason(e)
              + ".",
          e);
    }
  }
}
