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
package io.github.kvp4j.predictor;

import io.github.kvp4j.model.Weight;
import io.github.kvp4j.model.WeightType;
import java.lang.foreign.MemorySegment;

/** Rounding to BF16, nearest even. */
public final class Bf16 {
  private Bf16() {}

  /** The upper 16 bits of a float, rounded to nearest even. */
  public static short of(float value) {
    int bits = Float.floatToRawIntBits(value);
    if ((bits & 0x7fffffff) > 0x7f800000) {
      return (short) 0x7fc0;
    }
    return (short) ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16);
  }

  /** A matrix {@code [rows][columns]} rounded to BF16, on the heap. */
  public static Weight matrix(float[] values, int rows, int columns) {
    byte[] bytes = new byte[2 * values.length];
    for (int i = 0; i < values.length; i++) {
      short b = of(values[i]);
      bytes[2 * i] = (byte) b;
      bytes[2 * i + 1] = (byte) (b >> 8);
    }
    return new Weight(WeightType.BF16, rows, columns, MemorySegment.ofArray(bytes), null);
  }
}
