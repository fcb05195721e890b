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

import io.github.kvp4j.KvpException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/**
 * Reads a GGUF file from front to back and believes nothing.
 *
 * <p>Each length is compared with the bytes that are left before anything is read or allocated for
 * it, so what is allocated is at most a small multiple of the file's size.
 */
final class GgufReader {
  private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** Bytes of a string; a chat template has some thousands. */
  static final long MAX_STRING = 16L << 20;

  /** Arrays in arrays; no known field has any. */
  static final int MAX_DEPTH = 4;

  /** Elements of an array. */
  static final int MAX_ELEMENTS = 1 << 28;

  private final String file;
  private final MemorySegment bytes;
  private final CharsetDecoder utf8 =
      StandardCharsets.UTF_8
          .newDecoder()
          .onMalformedInput(CodingErrorAction.REPORT)
          .onUnmappableCharacter(CodingErrorAction.REPORT);
  private long position;

  GgufReader(String file, MemorySegment bytes) {
    this.file = file;
    this.bytes = bytes;
  }

  long position() {
    return position;
  }

  long remaining() {
    return bytes.byteSize() - position;
  }

  KvpException malformed(String what) {
    return Messages.malformed(file, what);
  }

  int int32(String field) {
    long at = take(Integer.BYTES, field);
    return bytes.get(INT, at);
  }

  long int64(String field) {
    long at = take(Long.BYTES, field);
    return bytes.get(LONG, at);
  }

  /**
   * A count of things of at least {@code each} bytes that follow.
   *
   * @param limit the most that is allowed
   */
  int count(String field, int each, int limit) {
    long count = int64(field);
    if (count < 0 || count > remaining() / each) {
      throw malformed(
          field
              + " is "
              + Long.toUnsignedString(count)
              + ", but only "
              + remaining()
              + " bytes follow");
    }
    if (count > limit) {
      throw malformed(field + " is " + count + "; the limit is " + limit);
    }
    return (int) count;
  }

  String string(String field, long limit) {
    long length = stringLength(field, limit);
    byte[] raw = bytes.asSlice(position, length).toArray(BYTE);
    position += length;
    return decode(field, raw);
  }

  private long stringLength(String field, long limit) {
    long length = int64("the length of " + field);
    if (length < 0 || length > remaining()) {
      throw malformed(
          "the length of "
              + field
              + " is "
              + Long.toUnsignedString(length)
              + ", but only "
              + remaining()
              + " bytes follow");
    }
    if (length > limit) {
      throw malformed("the length of " + field + " is " + length + "; the limit is " + limit);
    }
    return length;
  }

  private String decode(String field, byte[] raw) {
    try {
      return utf8.decode(ByteBuffer.wrap(raw)).toString();
    } catch (CharacterCodingException e) {
      throw malformed(field + " is not UTF-8");
    }
  }

  /** The type of a metadata value. */
  GgufValueType valueType(String field) {
    int id = int32("the type of " + field);
    GgufValueType type = GgufValueType.byId(id);
    if (type == null) {
      throw malformed(
          "the type of " + field + " is " + Integer.toUnsignedString(id) + "; types are 0 to 12");
    }
    return type;
  }

  GgufValue value(String field, GgufValueType type) {
    return type == GgufValueType.ARRAY ? array(field, 1) : scalar(field, type);
  }

  private GgufValue scalar(String field, GgufValueType type) {
    if (type == GgufValueType.STRING) {
      return new GgufValue.Text(string(field, MAX_STRING));
    }
    long at = take(type.bytes(), field);
    return switch (type) {
      case UINT8 -> new GgufValue.Whole(bytes.get(BYTE, at) & 0xFF);
      case INT8 -> new GgufValue.Whole(bytes.get(BYTE, at));
      case UINT16 -> new GgufValue.Whole(bytes.get(SHORT, at) & 0xFFFF);
      case INT16 -> new GgufValue.Whole(bytes.get(SHORT, at));
      case UINT32 -> new GgufValue.Whole(bytes.get(INT, at) & 0xFFFF_FFFFL);
      case INT32 -> new GgufValue.Whole(bytes.get(INT, at));
      case UINT64, INT64 -> new GgufValue.Whole(bytes.get(LONG, at));
      case FLOAT32 -> new GgufValue.Real(Float.intBitsToFloat(bytes.get(INT, at)), true);
      case FLOAT64 -> new GgufValue.Real(Double.longBitsToDouble(bytes.get(LONG, at)), false);
      case BOOL -> new GgufValue.Flag(flag(field, bytes.get(BYTE, at)));
      case STRING, ARRAY -> throw new IllegalStateException(type.name());
    };
  }

  private boolean flag(String field, byte value) {
    if (value != 0 && value != 1) {
      throw malformed(field + " is " + (value & 0xFF) + "; a bool is 0 or 1");
    }
    return value == 1;
  }

  private GgufValue.Array array(String field, int depth) {
    if (depth > MAX_DEPTH) {
      throw malformed(field + " holds arrays in arrays, more than " + MAX_DEPTH + " deep");
    }
    GgufValueType type = valueType("the elements of " + field);
    int least =
        switch (type) {
          case STRING -> Long.BYTES;
          case ARRAY -> Integer.BYTES + Long.BYTES;
          default -> type.bytes();
        };
    int count = count("the element count of " + field, least, MAX_ELEMENTS);
    long start = position;
    long[] index = new long[type == GgufValueType.STRING ? count : 0];
    switch (type) {
      case STRING -> {
        for (int i = 0; i < count; i++) {
          index[i] = position - start;
          skipString(field, i);
        }
      }
      case ARRAY -> {
        for (int i = 0; i < count; i++) {
          array(field, depth + 1);
        }
      }
      default -> take((long) count * type.bytes(), field);
    }
    MemorySegment elements = bytes.asSlice(start, position - start);
    if (type == GgufValueType.BOOL) {
      for (int i = 0; i < count; i++) {
        flag(field + "[" + i + "]", elements.get(BYTE, i));
      }
    }
    return new GgufValue.Array(type, count, elements, MemorySegment.ofArray(index));
  }

  /** Checks a string without keeping it. */
  private void skipString(String field, int i) {
    String element = field + "[" + i + "]";
    long length = stringLength(element, MAX_STRING);
    boolean ascii = true;
    for (long p = position; p < position + length && ascii; p++) {
      ascii = bytes.get(BYTE, p) >= 0;
    }
    if (!ascii) {
      decode(element, bytes.asSlice(position, length).toArray(BYTE));
    }
    position += length;
  }

  /** Steps over {@code count} bytes that are there, and returns where they start. */
  private long take(long count, String field) {
    if (count > remaining()) {
      throw malformed(
          "it ends within "
              + field
              + ", "
              + count
              + " bytes at byte "
              + position
              + " of "
              + bytes.byteSize());
    }
    long at = position;
    position += count;
    return at;
  }
}
