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
package io.github.kvp4j.cli;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.jlama.Quality;
import io.github.kvp4j.predictor.LinearProjection;
import io.github.kvp4j.predictor.PredictorFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;

/** The predictors that a command is told to use. */
final class NamedPredictors {
  private NamedPredictors() {}

  /**
   * Predictors by the name that is shown.
   *
   * @param named files, or qualities of the model's own; none = all of those
   * @throws KvpException BAD_ARGUMENT where two would be shown alike
   */
  static Map<String, PredictorFile> of(KvpModel loaded, List<Path> named) {
    Map<String, PredictorFile> files = new LinkedHashMap<>();
    for (Path file : named) {
      PredictorFile own = Files.exists(file) ? null : own(loaded, file.toString());
      String name = FileName.of(file);
      if (files.put(name, own == null ? loaded.readPredictor(file) : own) != null) {
        throw new KvpException(
            KvpException.Kind.BAD_ARGUMENT,
            "Two predictors are called '"
                + name
                + "', and rows are told apart by that; name each once, or rename a file.");
      }
    }
    if (named.isEmpty()) {
      for (Quality q : Quality.values()) {
        loaded.predictor(q).ifPresent(f -> files.put(q.name().toLowerCase(Locale.ROOT), f));
      }
    }
    return files;
  }

  private static @Nullable PredictorFile own(KvpModel loaded, String quality) {
    for (Quality q : Quality.values()) {
      if (q.name().equalsIgnoreCase(quality)) {
        return loaded.predictor(q).orElse(null);
      }
    }
    return null;
  }

  /**
   * Tells a predictor from another of the same name: by how it was made and by the numbers of its
   * projections, but not by what was measured, which may be written anew.
   */
  static String checksum(PredictorFile file) {
    CRC32 sum = new CRC32();
    sum.update(file.calibration().toString().getBytes(StandardCharsets.UTF_8));
    for (LinearProjection p : file.predictor().projections()) {
      sum.update(p.key().weight().data().asByteBuffer());
      sum.update(p.value().weight().data().asByteBuffer());
    }
    return HexFormat.of().toHexDigits((int) sum.getValue());
  }
}
