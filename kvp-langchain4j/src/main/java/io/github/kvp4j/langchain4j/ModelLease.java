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
package io.github.kvp4j.langchain4j;

import com.github.tjake.jlama.safetensors.DType;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.KvpModel;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * One chat model's share of a loaded model.
 *
 * <p>Models that were loaded here are counted by what they are loaded with: the first lease loads,
 * further ones join, the last one to be released closes. So chat models with the same settings
 * share what was read of prompts, too.
 */
final class ModelLease {
  private static final ReentrantLock LOCK = new ReentrantLock();

  /** Under {@link #LOCK}. */
  private static final Map<Key, Loaded> OPEN = new HashMap<>();

  /**
   * What a model is loaded with; null for the default.
   *
   * @param predictor a file; null for those beside the model and the bundled ones
   * @param predict whether to load any predictor
   */
  record Key(
      Path directory,
      @Nullable Path predictor,
      boolean predict,
      boolean quantize,
      @Nullable DType workingType,
      @Nullable Integer threadCount,
      @Nullable Integer contextLength,
      @Nullable Long prefixStoreBytes,
      @Nullable Double minAgreement) {
    /** With the files' real paths, so that the same files make the same key. */
    Key {
      directory = real(directory);
      predictor = predictor == null ? null : real(predictor);
    }

    /** A model with the predictors that are found for it. */
    static Key of(Path directory) {
      return new Key(directory, null, true, false, null, null, null, null, null);
    }

    KvpModel load() {
      KvpModel.Builder builder =
          KvpModel.builder(directory)
              .predictor(predictor)
              .quantizeModelAtRuntime(quantize)
              .threads(threadCount)
              .contextLength(contextLength);
      if (workingType != null) {
        builder.workingQuantizedType(workingType);
      }
      if (minAgreement != null) {
        builder.minAgreement(minAgreement);
      }
      if (prefixStoreBytes != null) {
        builder.prefixStoreBytes(prefixStoreBytes);
      }
      return (predict ? builder : builder.withoutPredictor()).build();
    }
  }

  private static final class Loaded {
    final KvpModel model;
    int leases; // under LOCK

    Loaded(KvpModel model) {
      this.model = model;
    }
  }

  private final KvpModel model;
  private final @Nullable Key key;
  private boolean released; // under LOCK

  private ModelLease(KvpModel model, @Nullable Key key) {
    this.model = model;
    this.key = key;
  }

  /** A lease on a model that somebody else closes. */
  static ModelLease of(KvpModel model) {
    return new ModelLease(model, null);
  }

  /**
   * A lease on a model, loaded if it is not yet.
   *
   * @throws KvpException if it can't be loaded
   */
  static ModelLease open(Key key) {
    LOCK.lock();
    try {
      Loaded loaded = OPEN.get(key);
      if (loaded == null) {
        loaded = new Loaded(key.load());
        OPEN.put(key, loaded);
      }
      loaded.leases++;
      return new ModelLease(loaded.model, key);
    } finally {
      LOCK.unlock();
    }
  }

  private static Path real(Path path) {
    try {
      return path.toRealPath();
    } catch (IOException e) {
      return path.toAbsolutePath().normalize(); // loading it will say what is wrong
    }
  }

  KvpModel model() {
    return model;
  }

  /** Gives the share back; closes the model if it was the last and was loaded here. Idempotent. */
  void release() {
    LOCK.lock();
    try {
      if (released || key == null) {
        return;
      }
      released = true;
      Loaded loaded = OPEN.get(key);
      if (loaded == null || --loaded.leases > 0) {
        return;
      }
      OPEN.remove(key);
    } finally {
      LOCK.unlock();
    }
    model.close();
  }
}
