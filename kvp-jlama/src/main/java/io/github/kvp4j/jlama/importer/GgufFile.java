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
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A GGUF file, versions 2 and 3, little-endian: its metadata and its tensors.
 *
 * <p>The file is memory-mapped and checked whole when opened: all metadata is well formed, and all
 * tensors lie in the file, aligned, without overlap. Only the tensors' values are not looked at.
 *
 * @see <a href="https://github.com/ggml-org/ggml/blob/master/docs/gguf.md">The format</a>
 */
final class GgufFile {
  private static final int MAGIC = 0x46554747; // "GGUF"
  private static final int HEADER_BYTES = 24;

  /** The least bytes of a metadata entry: name length, a name of one byte, type, a value of one. */
  private static final int LEAST_ENTRY = 8 + 1 + 4 + 1;

  /** The least bytes of a tensor's description: name, dimensions, one size, type, offset. */
  private static final int LEAST_TENSOR = 8 + 1 + 4 + 8 + 4 + 8;

  private static final int MAX_ENTRIES = 1 << 20;
  private static final int MAX_TENSORS = 1 << 20;
  private static final long MAX_KEY = 65_535;
  private static final long MAX_TENSOR_NAME = 64;
  private static final int MAX_DIMENSIONS = 4;
  private static final long MAX_ALIGNMENT = 1 << 16;
  private static final String ALIGNMENT = "general.alignment";

  private final String name;
  private final int version;
  private final Map<String, GgufValue> metadata;
  private final Map<String, GgufTensor> tensors;

  private GgufFile(
      String name, int version, Map<String, GgufValue> metadata, Map<String, GgufTensor> tensors) {
    this.name = name;
    this.version = version;
    this.metadata = Collections.unmodifiableMap(metadata);
    this.tensors = Collections.unmodifiableMap(tensors);
  }

  /**
   * Maps and checks a file.
   *
   * @param arena how long the file stays mapped
   * @throws KvpException MALFORMED_FILE where the file breaks the format, UNSUPPORTED for another
   *     version, FILE_ACCESS where it can't be read
   */
  static GgufFile open(Path path, Arena arena) {
    MemorySegment bytes;
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      bytes = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
    } catch (IOException e) {
      throw Messages.io("read", path, e);
    }
    return parse(Messages.name(path), bytes);
  }

  /** Checks a file that is in memory. */
  static GgufFile parse(String name, MemorySegment bytes) {
    if (bytes.byteSize() < HEADER_BYTES) {
      throw Messages.malformed(
          name,
          "it has " + bytes.byteSize() + " bytes; the header of a GGUF file has " + HEADER_BYTES);
    }
    GgufReader in = new GgufReader(name, bytes);
    int magic = in.int32("the magic");
    if (magic != MAGIC) {
      throw in.malformed(
          String.format("it starts with 0x%08x, not with \"GGUF\"", Integer.reverseBytes(magic)));
    }
    int version = in.int32("the version");
    if (version != 2 && version != 3) {
      String found =
          (version & 0xFFFF) == 0
              ? "it is big-endian"
              : "it is of GGUF version " + Integer.toUnsignedString(version);
      throw Messages.unsupported(name, found + "; versions 2 and 3, little-endian, can be read");
    }
    int tensorCount = in.count("the tensor count", LEAST_TENSOR, MAX_TENSORS);
    int entryCount = in.count("the metadata count", LEAST_ENTRY, MAX_ENTRIES);
    Map<String, GgufValue> metadata = readMetadata(in, entryCount);
    long alignment = alignment(in, metadata);
    List<Description> descriptions = readDescriptions(in, tensorCount);
    long dataStart = -Math.floorDiv(-in.position(), alignment) * alignment;
    return new GgufFile(
        name, version, metadata, place(in, bytes, descriptions, dataStart, alignment));
  }

  private static Map<String, GgufValue> readMetadata(GgufReader in, int count) {
    Map<String, GgufValue> metadata = new LinkedHashMap<>();
    for (int i = 0; i < count; i++) {
      String key = in.string("the name of metadata " + i, MAX_KEY);
      if (key.isEmpty()) {
        throw in.malformed("the name of metadata " + i + " is empty");
      }
      String field = Messages.quote(key);
      if (metadata.put(key, in.value(field, in.valueType(field))) != null) {
        throw in.malformed("the metadata " + field + " is there twice");
      }
    }
    return metadata;
  }

  private static long alignment(GgufReader in, Map<String, GgufValue> metadata) {
    GgufValue value = metadata.get(ALIGNMENT);
    if (value == null) {
      return 32;
    }
    if (value instanceof GgufValue.Whole(long alignment)
        && alignment >= 8
        && alignment <= MAX_ALIGNMENT
        && Long.bitCount(alignment) == 1) {
      return alignment;
    }
    throw in.malformed(
        ALIGNMENT + " is " + value + "; it must be a power of two from 8 to " + MAX_ALIGNMENT);
  }

  /** What the file says of a tensor, with its offset from the start of the tensor data. */
  private record Description(
      String name, GgufTensorType type, List<Long> shape, long offset, long size) {}

  private static List<Description> readDescriptions(GgufReader in, int count) {
    List<Description> all = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      String name = in.string("the name of tensor " + i, MAX_TENSOR_NAME);
      if (name.isEmpty()) {
        throw in.malformed("the name of tensor " + i + " is empty");
      }
      all.add(readDescription(in, name));
    }
    return all;
  }

  private static Description readDescription(GgufReader in, String name) {
    String tensor = "tensor " + Messages.quote(name);
    int dimensions = in.int32("the dimension count of " + tensor);
    if (dimensions < 1 || dimensions > MAX_DIMENSIONS) {
      throw in.malformed(
          tensor
              + " has "
              + Integer.toUnsignedString(dimensions)
              + " dimensions; 1 to "
              + MAX_DIMENSIONS
              + " are allowed");
    }
    List<Long> shape = new ArrayList<>();
    long values = 1;
    for (int d = 0; d < dimensions; d++) {
      long size = in.int64("dimension " + d + " of " + tensor);
      if (size < 1 || size > Long.MAX_VALUE / values) {
        throw in.malformed(
            "dimension "
                + d
                + " of "
                + tensor
                + " is "
                + Long.toUnsignedString(size)
                + "; it must be at least 1, and all together below 2^63");
      }
      values *= size;
      shape.add(size);
    }
    int typeId = in.int32("the type of " + tensor);
    GgufTensorType type = GgufTensorType.byId(typeId);
    if (type == null) {
      throw in.malformed(
          "the type of "
              + tensor
              + " is "
              + Integer.toUnsignedString(typeId)
              + ", which is no known tensor type");
    }
    if (shape.getFirst() % type.blockValues() != 0) {
      throw in.malformed(
          tensor
              + " has rows of "
              + shape.getFirst()
              + " values; "
              + type
              + " needs a multiple of "
              + type.blockValues());
    }
    long blocks = values / type.blockValues();
    if (blocks > Long.MAX_VALUE / type.blockBytes()) {
      throw in.malformed(tensor + " has " + values + " values; its size overflows");
    }
    long offset = in.int64("the offset of " + tensor);
    return new Description(name, type, List.copyOf(shape), offset, blocks * type.blockBytes());
  }

  private static Map<String, GgufTensor> place(
      GgufReader in,
      MemorySegment bytes,
      List<Description> descriptions,
      long dataStart,
      long alignment) {
    long room = bytes.byteSize() - dataStart;
    Map<String, GgufTensor> tensors = new LinkedHashMap<>();
    for (Description d : descriptions) {
      String tensor = "tensor " + Messages.quote(d.name());
      if (d.offset() < 0 || d.offset() % alignment != 0) {
        throw in.malformed(
            "the offset of "
                + tensor
                + " is "
                + Long.toUnsignedString(d.offset())
                + "; it must be a multiple of "
                + alignment);
      }
      if (d.offset() > room || d.size() > room - d.offset()) {
        throw in.malformed(
            tensor
                + " has "
                + d.size()
                + " bytes at "
                + d.offset()
                + " of the tensor data, which has "
                + Math.max(0, room)
                + " bytes");
      }
      MemorySegment data = bytes.asSlice(dataStart + d.offset(), d.size());
      if (tensors.put(d.name(), new GgufTensor(d.name(), d.type(), d.shape(), data)) != null) {
        throw in.malformed(tensor + " is there twice");
      }
    }
    checkOverlap(in, descriptions);
    return tensors;
  }

  private static void checkOverlap(GgufReader in, List<Description> descriptions) {
    List<Description> sorted = new ArrayList<>(descriptions);
    sorted.sort(Comparator.comparingLong(Description::offset));
    for (int i = 1; i < sorted.size(); i++) {
      Description before = sorted.get(i - 1);
      Description next = sorted.get(i);
      if (next.offset() < before.offset() + before.size()) {
        throw in.malformed(
            "tensors "
                + Messages.quote(before.name())
                + " and "
                + Messages.quote(next.name())
                + " overlap at byte "
                + next.offset()
                + " of the tensor data");
      }
    }
  }

  /** The file's name, for messages. */
  String name() {
    return name;
  }

  /** 2 or 3. */
  int version() {
    return version;
  }

  /** The metadata in the file's order. */
  Map<String, GgufValue> metadata() {
    return metadata;
  }

  /** The tensors by name, in the file's order. */
  Map<String, GgufTensor> tensors() {
    return tensors;
  }
}
