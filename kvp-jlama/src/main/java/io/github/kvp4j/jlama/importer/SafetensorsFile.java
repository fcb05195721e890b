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

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.kvp4j.KvpException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/**
 * A safetensors file with float weights, checked as the format's own reader does: the header is
 * JSON without duplicates, each tensor has the bytes that its shape needs, and together they cover
 * the file without gap or overlap.
 */
final class SafetensorsFile {
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final String METADATA = "__metadata__";
  private static final int MAX_DIMENSIONS = 8;
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION);

  /** Values decoded at once where a tensor is read. */
  private static final int CHUNK = 1 << 16;

  /**
   * A tensor.
   *
   * @param name its name
   * @param type F32, F16 or BF16
   * @param shape its sizes
   * @param data its bytes
   */
  record Tensor(String name, GgufTensorType type, List<Long> shape, MemorySegment data)
      implements SafetensorsWriter.Rows {
    private long values() {
      return data.byteSize() / type.blockBytes();
    }

    @Override
    public long count() {
      return Math.ceilDiv(values(), CHUNK);
    }

    @Override
    public int width(long row) {
      return (int) Math.min(CHUNK, values() - row * CHUNK);
    }

    @Override
    public void read(long row, float[] into) {
      type.decode(data, row * CHUNK * type.blockBytes(), width(row), into);
    }
  }

  private final String name;
  private final List<Tensor> tensors;

  private SafetensorsFile(String name, List<Tensor> tensors) {
    this.name = name;
    this.tensors = tensors;
  }

  /**
   * Maps and checks a file.
   *
   * @param arena how long the file stays mapped
   * @throws KvpException MALFORMED_FILE where it breaks the format, UNSUPPORTED for other types,
   *     FILE_ACCESS where it can't be read
   */
  static SafetensorsFile open(Path path, Arena arena) {
    MemorySegment bytes;
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      bytes = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
    } catch (IOException e) {
      throw Messages.io("read", path, e);
    }
    return parse(Messages.name(path), bytes);
  }

  /** Checks a file that is in memory. */
  static SafetensorsFile parse(String name, MemorySegment bytes) {
    long size = bytes.byteSize();
    if (size < Long.BYTES) {
      throw Messages.malformed(
          name, "it has " + size + " bytes; a safetensors file starts with a length of 8");
    }
    long length = bytes.get(LONG, 0);
    if (length < 2 || length > size - Long.BYTES) {
      throw Messages.malformed(
          name,
          "the header's length is "
              + Long.toUnsignedString(length)
              + ", but "
              + (size - Long.BYTES)
              + " bytes follow");
    }
    if (length > SafetensorsWriter.MAX_HEADER - Long.BYTES) {
      throw Messages.unsupported(
          name,
          "the header has "
              + length
              + " bytes; Jlama reads "
              + (SafetensorsWriter.MAX_HEADER - Long.BYTES));
    }
    MemorySegment header = bytes.asSlice(Long.BYTES, length);
    MemorySegment data = bytes.asSlice(Long.BYTES + length);
    return new SafetensorsFile(name, new HeaderReader(name, data).read(header));
  }

  /** Reads the header of one file. */
  private record HeaderReader(String file, MemorySegment data) {
    /** A tensor and where it starts. */
    private record Placed(Tensor tensor, long begin, long end) {}

    List<Tensor> read(MemorySegment header) {
      List<Placed> placed = new ArrayList<>();
      for (Map.Entry<String, JsonNode> field : parse(header).properties()) {
        if (field.getKey().equals(METADATA)) {
          continue;
        }
        placed.add(tensor(field.getKey(), field.getValue()));
      }
      placed.sort(Comparator.comparingLong(Placed::begin).thenComparingLong(Placed::end));
      long end = 0;
      for (Placed p : placed) {
        if (p.begin() != end) {
          throw malformed(
              quote(p.tensor())
                  + " starts at byte "
                  + p.begin()
                  + ", but the one before ends at "
                  + end);
        }
        end = p.end();
      }
      if (end != data.byteSize()) {
        throw malformed(
            "its tensors have " + end + " bytes, but " + data.byteSize() + " are there");
      }
      return placed.stream().map(Placed::tensor).toList();
    }

    private JsonNode parse(MemorySegment header) {
      JsonNode root;
      try {
        root = JSON.readTree(header.toArray(ValueLayout.JAVA_BYTE));
      } catch (JacksonException e) {
        throw malformed("the header is not JSON: " + Messages.plain(e.getOriginalMessage()));
      } catch (IOException e) {
        throw new IllegalStateException(e); // from memory
      }
      if (!root.isObject()) {
        throw malformed("the header is no JSON object");
      }
      return root;
    }

    private Placed tensor(String name, JsonNode description) {
      String tensor = "tensor " + Messages.quote(name);
      GgufTensorType type =
          switch (description.path("dtype").asText()) {
            case "F32" -> GgufTensorType.F32;
            case "F16" -> GgufTensorType.F16;
            case "BF16" -> GgufTensorType.BF16;
            default ->
                throw Messages.unsupported(
                    file,
                    tensor
                        + " is of type "
                        + Messages.quote(description.path("dtype").asText())
                        + "; F32, F16 and BF16 can be imported");
          };
      List<Long> shape = wholes(tensor, "shape", description, MAX_DIMENSIONS);
      List<Long> offsets = wholes(tensor, "data_offsets", description, 2);
      if (offsets.size() != 2) {
        throw malformed(tensor + " has " + offsets.size() + " data_offsets, not 2");
      }
      long begin = offsets.getFirst();
      long end = offsets.getLast();
      if (begin > end || end > data.byteSize()) {
        throw malformed(
            tensor + " lies at " + begin + " to " + end + " of " + data.byteSize() + " bytes");
      }
      long values = 1;
      for (long size : shape) {
        if (size > Integer.MAX_VALUE || (size > 0 && values > Long.MAX_VALUE / 8 / size)) {
          throw malformed(tensor + " has the shape " + shape + ", which is too large");
        }
        values *= size;
      }
      if (values * type.blockBytes() != end - begin) {
        throw malformed(
            tensor
                + " of shape "
                + shape
                + " and type "
                + type
                + " has "
                + (end - begin)
                + " bytes");
      }
      MemorySegment bytes = data.asSlice(begin, end - begin);
      return new Placed(new Tensor(name, type, shape, bytes), begin, end);
    }

    private List<Long> wholes(String tensor, String field, JsonNode description, int most) {
      JsonNode array = description.path(field);
      if (!array.isArray() || array.size() > most) {
        throw malformed(tensor + " has no " + field + " of up to " + most + " numbers");
      }
      List<Long> numbers = new ArrayList<>();
      for (JsonNode number : array) {
        if (!number.isIntegralNumber() || !number.canConvertToLong() || number.longValue() < 0) {
          throw malformed(tensor + " has " + Messages.plain(number.toString()) + " in " + field);
        }
        numbers.add(number.longValue());
      }
      return List.copyOf(numbers);
    }

    private static String quote(Tensor tensor) {
      return "tensor " + Messages.quote(tensor.name());
    }

    private KvpException malformed(String what) {
      return Messages.malformed(file, what);
    }
  }

  /** The tensors in the file's order. */
  List<Tensor> tensors() {
    return tensors;
  }

  /** Whether all tensors are of the type that {@code encoding} writes. */
  boolean isAll(TensorEncoding encoding) {
    return tensors.stream().allMatch(t -> t.type().name().equals(encoding.name()));
  }

  /** What writes this file's tensors as another type. */
  SafetensorsWriter writer(TensorEncoding encoding) {
    return new SafetensorsWriter(
        name,
        tensors.stream().map(t -> new SafetensorsWriter.Tensor(t.name(), t.shape(), t)).toList(),
        encoding);
  }

  /**
   * Checks that all weights are finite.
   *
   * @throws KvpException MALFORMED_FILE naming the first that is not
   */
  void checkFinite() {
    float[] chunk = new float[CHUNK];
    for (Tensor tensor : tensors) {
      for (long r = 0; r < tensor.count(); r++) {
        ImportFiles.checkInterrupt();
        tensor.read(r, chunk);
        for (int i = 0; i < tensor.width(r); i++) {
          if (!Float.isFinite(chunk[i])) {
            throw Messages.malformed(
                name,
                "tensor "
                    + Messages.quote(tensor.name())
                    + " has "
                    + chunk[i]
                    + " as value "
                    + (r * CHUNK + i));
          }
        }
      }
    }
  }
}
