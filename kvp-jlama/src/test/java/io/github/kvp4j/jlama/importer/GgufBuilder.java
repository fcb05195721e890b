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

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Writes GGUF files, sound ones and broken ones, and says where their fields are. */
final class GgufBuilder {
  /** A number in the file's header that a reader must not trust. */
  record Field(String name, int offset, int bytes) {}

  private record Entry(int type, ByteBuffer value, int countAt) {}

  private record Tensor(String name, int type, List<Long> shape, ByteBuffer data) {}

  private final Map<String, Entry> metadata = new LinkedHashMap<>();
  private final Map<String, Tensor> tensors = new LinkedHashMap<>();
  private final List<Field> fields = new ArrayList<>();
  private int magic = 0x46554747;
  private int version = 3;
  private int alignment = 32;

  GgufBuilder magic(int value) {
    magic = value;
    return this;
  }

  GgufBuilder version(int value) {
    version = value;
    return this;
  }

  /** The alignment that is used; {@code general.alignment} must be put, too. */
  GgufBuilder alignment(int value) {
    alignment = value;
    return this;
  }

  GgufBuilder put(String key, Object value) {
    Bytes bytes = new Bytes();
    int countAt = -1;
    int type;
    switch (value) {
      case Integer i -> {
        type = 4;
        bytes.int32(i);
      }
      case Long l -> {
        type = 10;
        bytes.int64(l);
      }
      case Float f -> {
        type = 6;
        bytes.int32(Float.floatToRawIntBits(f));
      }
      case Double d -> {
        type = 12;
        bytes.int64(Double.doubleToRawLongBits(d));
      }
      case Boolean b -> {
        type = 7;
        bytes.int8(b ? 1 : 0);
      }
      case String s -> {
        type = 8;
        bytes.string(s);
      }
      case String[] strings -> {
        type = 9;
        bytes.int32(8).int64(strings.length);
        countAt = 4;
        for (String s : strings) {
          bytes.string(s);
        }
      }
      case int[] ints -> {
        type = 9;
        bytes.int32(5).int64(ints.length);
        countAt = 4;
        for (int i : ints) {
          bytes.int32(i);
        }
      }
      case float[] floats -> {
        type = 9;
        bytes.int32(6).int64(floats.length);
        countAt = 4;
        for (float f : floats) {
          bytes.int32(Float.floatToRawIntBits(f));
        }
      }
      default -> throw new IllegalArgumentException(value.getClass().getName());
    }
    metadata.put(key, new Entry(type, ByteBuffer.wrap(bytes.toByteArray()), countAt));
    return this;
  }

  /** Puts a value as it stands in the file. */
  GgufBuilder raw(String key, int type, byte[] value) {
    metadata.put(key, new Entry(type, ByteBuffer.wrap(value), -1));
    return this;
  }

  GgufBuilder remove(String key) {
    metadata.remove(key);
    return this;
  }

  GgufBuilder tensor(String name, int type, byte[] data, long... shape) {
    tensors.put(
        name, new Tensor(name, type, Arrays.stream(shape).boxed().toList(), ByteBuffer.wrap(data)));
    return this;
  }

  GgufBuilder tensor(String name, GgufTensorType type, byte[] data, long... shape) {
    return tensor(name, type.id(), data, shape);
  }

  GgufBuilder removeTensor(String name) {
    tensors.remove(name);
    return this;
  }

  List<String> keys() {
    return List.copyOf(metadata.keySet());
  }

  List<String> tensorNames() {
    return List.copyOf(tensors.keySet());
  }

  /** Gives a metadata entry or a tensor another name. */
  GgufBuilder rename(String from, String to) {
    Entry entry = metadata.remove(from);
    if (entry != null) {
      metadata.put(to, entry);
    }
    Tensor tensor = tensors.remove(from);
    if (tensor != null) {
      tensors.put(to, new Tensor(to, tensor.type(), tensor.shape(), tensor.data()));
    }
    return this;
  }

  GgufBuilder copy() {
    GgufBuilder copy = new GgufBuilder();
    copy.metadata.putAll(metadata);
    copy.tensors.putAll(tensors);
    copy.magic = magic;
    copy.version = version;
    copy.alignment = alignment;
    return copy;
  }

  /** The file; afterwards {@link #fields} says where its numbers are. */
  byte[] build() {
    fields.clear();
    Bytes out = new Bytes();
    field("magic", out, 4).int32(magic);
    field("version", out, 4).int32(version);
    field("tensor count", out, 8).int64(tensors.size());
    field("metadata count", out, 8).int64(metadata.size());
    metadata.forEach((key, entry) -> {
      field("length of " + key, out, 8).string(key);
      field("type of " + key, out, 4).int32(entry.type());
      if (entry.type() == 8) {
        field("length of the value of " + key, out, 8);
      } else if (entry.type() == 9) {
        field("element type of " + key, out, 4);
        fields.add(new Field("count of " + key, out.size() + entry.countAt(), 8));
        fields.add(new Field("first element of " + key, out.size() + 12, 8));
      } else {
        field("value of " + key, out, entry.value().capacity());
      }
      out.bytes(entry.value().array());
    });
    long offset = 0;
    for (Tensor tensor : tensors.values()) {
      field("length of " + tensor.name(), out, 8).string(tensor.name());
      field("dimensions of " + tensor.name(), out, 4).int32(tensor.shape().size());
      for (long size : tensor.shape()) {
        field("size of " + tensor.name(), out, 8).int64(size);
      }
      field("type of " + tensor.name(), out, 4).int32(tensor.type());
      field("offset of " + tensor.name(), out, 8).int64(offset);
      offset += align(tensor.data().capacity());
    }
    for (Tensor tensor : tensors.values()) {
      while (out.size() % alignment != 0) {
        out.int8(0);
      }
      out.bytes(tensor.data().array());
    }
    return out.toByteArray();
  }

  private long align(long size) {
    return Math.ceilDiv(size, alignment) * (long) alignment;
  }

  private Bytes field(String name, Bytes out, int bytes) {
    fields.add(new Field(name, out.size(), bytes));
    return out;
  }

  /** Where the numbers of the file last built are. */
  List<Field> fields() {
    return List.copyOf(fields);
  }

  GgufFile parse() {
    return parse(build());
  }

  static GgufFile parse(byte[] file) {
    return GgufFile.parse("test.gguf", MemorySegment.ofArray(file));
  }

  /** Little-endian bytes. */
  static final class Bytes {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    Bytes int8(int value) {
      out.write(value);
      return this;
    }

    Bytes int32(int value) {
      return bytes(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array());
    }

    Bytes int64(long value) {
      return bytes(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array());
    }

    Bytes string(String value) {
      byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
      return int64(utf8.length).bytes(utf8);
    }

    Bytes bytes(byte... value) {
      out.writeBytes(value);
      return this;
    }

    int size() {
      return out.size();
    }

    byte[] toByteArray() {
      return out.toByteArray();
    }
  }
}
