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
package io.github.kvp4j.jlama.importer;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** A metadata value of a GGUF file. */
sealed interface GgufValue {

  /**
   * A whole number of any width.
   *
   * @param value the number; negative for an unsigned one of 2⁶³ or more, which no field needs
   */
  record Whole(long value) implements GgufValue {
    @Override
    public String toString() {
      return Long.toString(value);
    }
  }

  /**
   * A floating-point number.
   *
   * @param value the number
   * @param single whether the file holds it in 32 bits
   */
  record Real(double value, boolean single) implements GgufValue {
    @Override
    public String toString() {
      return single ? Float.toString((float) value) : Double.toString(value);
    }
  }

  /** True or false. */
  record Flag(boolean value) implements GgufValue {
    @Override
    public String toString() {
      return Boolean.toString(value);
    }
  }

  /** A string. */
  record Text(String value) implements GgufValue {
    @Override
    public String toString() {
      return Messages.quote(value);
    }
  }

  /**
   * An array; its elements stay in the file until asked for.
   *
   * @param type the elements' type
   * @param count elements
   * @param elements the elements' bytes, checked to hold them all
   * @param index where strings start (at their length) in {@code elements}, 8 bytes each; empty for
   *     other types
   */
  record Array(GgufValueType type, int count, MemorySegment elements, MemorySegment index)
      implements GgufValue {
    private static final ValueLayout.OfInt INT =
        ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG =
        ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
        ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Element {@code i} of an array of strings. */
    String text(int i) {
      long at = index.getAtIndex(ValueLayout.JAVA_LONG, i);
      long length = elements.get(LONG, at);
      byte[] bytes = elements.asSlice(at + Long.BYTES, length).toArray(ValueLayout.JAVA_BYTE);
      return new String(bytes, StandardCharsets.UTF_8);
    }

    /** Element {@code i} of an array of 32-bit whole numbers. */
    int int32(int i) {
      return elements.get(INT, (long) i * Integer.BYTES);
    }

    /** Element {@code i} of an array of 32-bit floats. */
    float float32(int i) {
      return elements.get(FLOAT, (long) i * Float.BYTES);
    }

    @Override
    public String toString() {
      return "an array of " + count + " " + type;
    }
  }
}
