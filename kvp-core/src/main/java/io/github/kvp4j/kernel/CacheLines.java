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
package io.github.kvp4j.kernel;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import org.jspecify.annotations.Nullable;

/**
 * Finds where cache lines begin in an array. A vector as wide as a cache line that lies across two
 * of them costs two reads, and the JVM puts arrays anywhere: on an Intel processor the micro-kernel
 * loses a sixth of its speed that way.
 */
final class CacheLines {
  /** Floats in a cache line: what an array needs to be longer by. */
  static final int FLOATS = 16;

  private static final @Nullable MethodHandle PLACE = place();

  private CacheLines() {}

  /**
   * How many floats to leave out at the front of an array so that the next one begins a cache line,
   * below {@link #FLOATS}. The garbage collector may move the array at any time; then speed is lost
   * until the next call, and nothing else.
   */
  static int skip(float[] array) {
    if (PLACE == null) {
      return 0;
    }
    try {
      long at = (long) PLACE.invokeExact(MemorySegment.ofArray(array), 0, 0L);
      return (int) (-(at >> 2) & (FLOATS - 1));
    } catch (Throwable t) {
      throw new IllegalStateException("memset of no bytes failed", t);
    }
  }

  /** A function that does nothing and returns the place that it is given: memset of no bytes. */
  @SuppressWarnings("restricted")
  private static @Nullable MethodHandle place() {
    if (!CacheLines.class.getModule().isNativeAccessEnabled() || ADDRESS.byteSize() != 8) {
      return null;
    }
    Linker linker = Linker.nativeLinker();
    FunctionDescriptor type = FunctionDescriptor.of(JAVA_LONG, ADDRESS, JAVA_INT, JAVA_LONG);
    return linker
        .defaultLookup()
        .find("memset")
        .map(memset -> linker.downcallHandle(memset, type, Linker.Option.critical(true)))
        .orElse(null);
  }
}
