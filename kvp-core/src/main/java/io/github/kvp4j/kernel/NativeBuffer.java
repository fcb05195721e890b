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

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Memory outside the heap that grows to what was last asked for, and goes with its owner. */
final class NativeBuffer {
  private static final long ALIGNMENT = 64;

  private MemorySegment memory = MemorySegment.NULL;

  /** At least {@code count} bytes with any content. */
  MemorySegment bytes(long count) {
    if (memory.byteSize() < count) {
      memory = Arena.ofAuto().allocate(count, ALIGNMENT);
    }
    return memory;
  }

  /** At least {@code count} floats with any content. */
  MemorySegment floats(long count) {
    return bytes(Math.multiplyExact(count, Float.BYTES));
  }
}
