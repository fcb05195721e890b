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

import com.github.tjake.jlama.model.AbstractModel;
import com.github.tjake.jlama.tensor.KvBufferCache;
import com.github.tjake.jlama.tensor.KvBufferCache.KvBuffer;
import io.github.kvp4j.model.ModelShape;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * KV buffers of Jlama for one request each, without room that is never used.
 *
 * <p>A page of a buffer holds some layers at some positions. For the size that Jlama asks for, a
 * megabyte, it finds the split that fills the page best, and not the one that fills the last page
 * of layers: a model of 30 layers gets pages of 22, and half of every second page stays empty, a
 * third of the whole. A size that is an exact multiple of all layers is split into all of them.
 */
final class JlamaBuffers implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(JlamaBuffers.class);

  /** About as many as Jlama's own pages have, for models of a few hundred million parameters. */
  static final int PAGE_POSITIONS = 32;

  /** {@code (KvBufferCache, UUID, int pageBytes, boolean ephemeral)}; null where it has changed. */
  private static final @Nullable MethodHandle OPEN = constructor();

  private final KvBufferCache buffers;
  private final int pageBytes;

  /** For a model. */
  JlamaBuffers(AbstractModel jlama, ModelShape shape) {
    this.buffers = new KvBufferCache(jlama);
    long position = shape.kvBytesPerPosition();
    long positions = Math.min(PAGE_POSITIONS, shape.contextLength()); // no page may be longer
    this.pageBytes = (int) (position * Math.min(Integer.MAX_VALUE / position, positions));
  }

  /** A new buffer, empty; to be closed. */
  KvBuffer open() {
    if (OPEN == null || pageBytes == 0) {
      return asJlamaDoes();
    }
    try {
      return (KvBuffer) OPEN.invokeExact(buffers, UUID.randomUUID(), pageBytes, true);
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }

  /** The same with the pages that Jlama chooses. */
  KvBuffer asJlamaDoes() {
    return buffers.getEphemeralKvBuffer();
  }

  @Override
  public void close() {
    buffers.close();
  }

  private static @Nullable MethodHandle constructor() {
    try {
      return MethodHandles.privateLookupIn(KvBuffer.class, MethodHandles.lookup())
          .findConstructor(
              KvBuffer.class,
              MethodType.methodType(
                  void.class, KvBufferCache.class, UUID.class, int.class, boolean.class));
    } catch (ReflectiveOperationException e) {
      LOG.debug("Jlama's KV buffers can't be given a page size; its own is taken.", e);
      return null;
    }
  }
}
