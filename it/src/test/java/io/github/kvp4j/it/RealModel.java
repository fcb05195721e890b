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
package io.github.kvp4j.it;

import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.jlama.importer.ImportManifest;
import io.github.kvp4j.jlama.importer.ImportProgress;
import io.github.kvp4j.jlama.importer.ModelStore;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;

/**
 * The real model that the integration tests run on, loaded once: SmolLM2-135M-Instruct, fetched
 * where it is not there yet. Where it can't be had the tests fail; only {@code -Dkvp.model=none}
 * leaves them out, and then each says so.
 */
final class RealModel {
  private RealModel() {}

  /** The model's folder. */
  static Path directory() {
    Assumptions.assumeFalse(
        "none".equals(System.getProperty("kvp.model")),
        "left out: tests on the real model were switched off by -Dkvp.model=none");
    return ModelStore.ofUser().resolve(null, ImportProgress.NONE);
  }

  /** Whether the model is a hub's original, whose weights and tokenizer file are others. */
  static boolean isFromHub() {
    ImportManifest manifest = ImportManifest.read(directory());
    return manifest == null || manifest.source().kind() == ImportManifest.Kind.HUB;
  }

  /**
   * The model, with its bundled predictors; never closed, as the JVM ends with the tests. It
   * computes in 32-bit floats (Vector API), so that tests may ask for what is exact.
   */
  static KvpModel model() {
    Path directory = directory();
    return Holder.model(directory);
  }

  private static final class Holder {
    private static @org.jspecify.annotations.Nullable KvpModel loaded;

    private Holder() {}

    static synchronized KvpModel model(Path directory) {
      KvpModel model = loaded;
      if (model == null) {
        model = KvpModel.builder(directory).kernels("vector").build();
        loaded = model;
      }
      return model;
    }
  }
}
