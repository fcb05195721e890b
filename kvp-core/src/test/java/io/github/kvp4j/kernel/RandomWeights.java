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

import io.github.kvp4j.model.Weight;
import io.github.kvp4j.model.WeightType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/** Weights of every type with random content, in memory that ends exactly where they end. */
final class RandomWeights {
  private static final ValueLayout.OfFloat FLOAT_LE =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort SHORT_LE =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private RandomWeights() {}

  /**
   * A random weight.
   *
   * @param arena where the memory comes from, aligned to two bytes for bfloat16 and else at an odd
   *     address; null for the heap
   */
  static Weight of(Random random, WeightType type, int rows, int columns, @Nullable Arena arena) {
    long count = (long) rows * columns;
    MemorySegment data = allocate(arena, type.bytes(count), type == WeightType.BF16 ? 2 : 1);
    MemorySegment scales = null;
    switch (type) {
      case F32 -> {
        for (long i = 0; i < count; i++) {
          data.set(FLOAT_LE, i * 4, number(random));
        }
      }
      case BF16 -> {
        for (long i = 0; i < count; i++) {
          int bits = Float.floatToRawIntBits(number(random));
          data.set(SHORT_LE, i * 2, (short) (bits >>> 16));
        }
      }
      case F16 -> {
        for (long i = 0; i < count; i++) {
          // now and then a subnormal number
          float value = random.nextInt(50) == 0 ? 1e-6f * number(random) : number(random);
          data.set(SHORT_LE, i * 2, Float.floatToFloat16(value));
        }
      }
      case Q8, Q4 -> {
        for (long i = 0; i < data.byteSize(); i++) {
          data.set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt());
        }
        long blocks = count / WeightType.BLOCK;
        scales = allocate(arena, blocks * 4, 1);
        for (long i = 0; i < blocks; i++) {
          scales.set(FLOAT_LE, i * 4, 0.01f * number(random));
        }
      }
    }
    return new Weight(type, rows, columns, data, scales);
  }

  /** An array of random numbers in [-1, 1). */
  static float[] floats(Random random, int count) {
    float[] out = new float[count];
    for (int i = 0; i < count; i++) {
      out[i] = number(random);
    }
    return out;
  }

  private static float number(Random random) {
    return random.nextFloat() * 2 - 1;
  }

  private static MemorySegment allocate(@Nullable Arena arena, long bytes, int off) {
    return arena == null
        ? MemorySegment.ofArray(new byte[Math.toIntExact(bytes)])
        : arena.allocate(bytes + off, 64).asSlice(off, bytes);
  }
}
