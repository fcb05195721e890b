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

import io.github.kvp4j.predictor.BaseFingerprint;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.prefix.PrefixStore;
import java.io.IOException;
import java.lang.ref.WeakReference;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.WeakHashMap;
import org.jspecify.annotations.Nullable;

/**
 * One model's share of a prefix store.
 *
 * <p>An exact row depends on the weights and the kernels alone. So open models that read the same
 * weights with the same kernels have one store, whatever else they were loaded with: predictor,
 * threads, context length, how Jlama decodes. Its bound is the largest of theirs; the last one to
 * leave empties it. Models that nobody closes leave when they are collected.
 */
final class SharedPrefixes implements AutoCloseable {
  /** Guards itself and what is in it. */
  private static final Map<Key, WeakReference<Shared>> OPEN = new HashMap<>();

  /**
   * What rows come from.
   *
   * @param directory the weights' place; what follows tells whether others have taken it since
   * @param fingerprint of sizes, vocabulary and norms, which training may leave as they are
   * @param weights a {@link WeightSample} of what it does not
   */
  private record Key(Path directory, BaseFingerprint fingerprint, String weights, String kernels) {}

  /** A store, and who has a share of it. */
  private static final class Shared {
    final PrefixStore store;
    final Set<SharedPrefixes> members = Collections.newSetFromMap(new WeakHashMap<>());

    Shared(PrefixStore store) {
      this.store = store;
    }

    void bound() {
      store.bound(members.stream().mapToLong(member -> member.bound).max().orElse(0));
    }
  }

  private final Shared shared;
  private final @Nullable Key key;
  private final long bound;

  private SharedPrefixes(Shared shared, @Nullable Key key, long bound) {
    this.shared = shared;
    this.key = key;
    this.bound = bound;
  }

  /** A store that nobody else uses. */
  static SharedPrefixes alone(PrefixStore store) {
    return new SharedPrefixes(new Shared(store), null, 0);
  }

  /**
   * The store of a model's weights.
   *
   * @param bound bytes; with 0 the model keeps nothing and is shown nothing
   */
  static SharedPrefixes join(
      Path directory, BaseFingerprint fingerprint, PrefillEngine engine, long bound) {
    PrefixStore own = new PrefixStore(engine.weights().shape(), bound);
    if (bound == 0) {
      return alone(own);
    }
    Key key =
        new Key(
            real(directory),
            fingerprint,
            WeightSample.of(engine.weights()),
            engine.kernels().name());
    synchronized (OPEN) {
      OPEN.values().removeIf(reference -> reference.get() == null);
      WeakReference<Shared> reference = OPEN.get(key);
      Shared shared = reference == null ? null : reference.get();
      if (shared == null) {
        shared = new Shared(own);
        OPEN.put(key, new WeakReference<>(shared));
      }
      SharedPrefixes member = new SharedPrefixes(shared, key, bound);
      shared.members.add(member);
      shared.bound();
      return member;
    }
  }

  private static Path real(Path directory) {
    try {
      return directory.toRealPath();
    } catch (IOException e) {
      return directory.toAbsolutePath().normalize();
    }
  }

  PrefixStore store() {
    return shared.store;
  }

  /** Leaves the store to the others; idempotent. */
  @Override
  public void close() {
    if (key == null) {
      shared.store.clear();
      return;
    }
    synchronized (OPEN) {
      if (!shared.members.remove(this)) {
        return;
      }
      if (shared.members.isEmpty()) {
        OPEN.remove(key);
        shared.store.clear();
      } else {
        shared.bound();
      }
    }
  }
}
