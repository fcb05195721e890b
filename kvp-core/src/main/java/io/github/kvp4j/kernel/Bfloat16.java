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

import static io.github.kvp4j.kernel.Simd.FLOATS;
import static io.github.kvp4j.kernel.Simd.LANES;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** Floats rounded to bfloat16, the nearest and of two the even one. */
final class Bfloat16 {
  private static final VectorSpecies<Short> SHORTS =
      VectorSpecies.of(short.class, VectorShape.forBitSize(FLOATS.vectorBitSize() / 2));

  private static final int INFINITY = 0x7f800000;
  private static final int NAN = 0x7fc0;

  private Bfloat16() {}

  /** Writes {@code x[from .. from + count)} to {@code out} from {@code offset} on, in bytes. */
  static void round(float[] x, int from, int count, MemorySegment out, long offset) {
    int whole = FLOATS.loopBound(count);
    for (int i = 0; i < whole; i += LANES) {
      put(FloatVector.fromArray(FLOATS, x, from + i), out, offset + 2L * i);
    }
    for (int i = whole; i < count; i++) {
      out.set(ValueLayout.JAVA_SHORT_UNALIGNED, offset + 2L * i, round(x[from + i]));
    }
  }

  /**
   * Writes {@code silu(gate) · up} to {@code out} from {@code offset} on, in bytes.
   *
   * @param gate floats outside the heap, read from number {@code from} on
   * @param up as gate
   */
  static void roundSiluMultiply(
      MemorySegment gate, MemorySegment up, long from, int count, MemorySegment out, long offset) {
    int whole = FLOATS.loopBound(count);
    for (int i = 0; i < whole; i += LANES) {
      long at = (from + i) * Float.BYTES;
      FloatVector g = FloatVector.fromMemorySegment(FLOATS, gate, at, ByteOrder.nativeOrder());
      FloatVector u = FloatVector.fromMemorySegment(FLOATS, up, at, ByteOrder.nativeOrder());
      put(VectorMath.silu(g).mul(u), out, offset + 2L * i);
    }
    for (int i = whole; i < count; i++) {
      float g = gate.getAtIndex(ValueLayout.JAVA_FLOAT, from + i);
      float u = up.getAtIndex(ValueLayout.JAVA_FLOAT, from + i);
      float silu = g / (1 + (float) Math.exp(-g));
      out.set(ValueLayout.JAVA_SHORT_UNALIGNED, offset + 2L * i, round(silu * u));
    }
  }

  private static void put(FloatVector x, MemorySegment out, long offset) {
    IntVector bits = x.reinterpretAsInts();
    IntVector even = bits.lanewise(VectorOperators.LSHR, 16).and(1);
    IntVector rounded = bits.add(even).add(0x7fff).lanewise(VectorOperators.LSHR, 16);
    rounded = rounded.blend(NAN, bits.and(0x7fffffff).compare(VectorOperators.GT, INFINITY));
    ShortVector halves = (ShortVector) rounded.convertShape(VectorOperators.I2S, SHORTS, 0);
    halves.intoMemorySegment(out, offset, ByteOrder.nativeOrder());
  }

  /** The bits of the number nearest to {@code x}. */
  static short round(float x) {
    int bits = Float.floatToRawIntBits(x);
    if ((bits & 0x7fffffff) > INFINITY) {
      return (short) NAN;
    }
    return (short) ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16);
  }
}
