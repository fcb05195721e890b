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
package io.github.kvp4j.format;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.model.WeightType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.regex.Pattern;

/**
 * A safetensors file of matrices and vectors in F32 or BF16, or in 8 bits: eight bytes of header
 * length (little-endian), a JSON header, then the tensors one after the other without gaps. A
 * matrix of type {@link WeightType#Q8} is a tensor I8 with a tensor F32 of its name and {@code .qb}
 * beside it that holds the scales {@code [rows][columns / 32]}, as in Jlama's own files.
 *
 * @param metadata the header's {@code __metadata__}
 * @param tensors matrices by name; a vector is a matrix of one row
 */
public record Safetensors(Map<String, String> metadata, Map<String, Weight> tensors) {
  private static final long MAX_HEADER = 16L << 20;
  private static final String SCALES = ".qb";

  /** What was not written to for so long has no writer any more. */
  private static final Duration STALE = Duration.ofMinutes(10);

  private static final ObjectMapper JSON =
      JsonMapper.builder(
              JsonFactory.builder()
                  .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(8).build())
                  .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                  .build())
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  /** Copies the maps, keeping their order. */
  public Safetensors {
    metadata = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(metadata));
    tensors = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(tensors));
  }

  private record Entry(String name, WeightType type, int rows, int columns, long begin, long end) {}

  /**
   * Reads a file whole; every bound is checked before anything of its size is allocated.
   *
   * @throws KvpException {@code FILE_ACCESS} or {@code MALFORMED_FILE}, naming the file and the
   *     field
   */
  public static Safetensors read(Path file) {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      long size = channel.size();
      if (size < 8) {
        throw broken(file, "has " + size + " bytes, fewer than the 8 of its header length");
      }
      ByteBuffer length = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
      readFully(channel, length, 0, file);
      long header = length.getLong(0);
      if (header < 2 || header > Math.min(MAX_HEADER, size - 8)) {
        throw broken(
            file,
            "says that its header has "
                + Long.toUnsignedString(header)
                + " bytes; "
                + Math.min(MAX_HEADER, size - 8)
                + " are possible");
      }
      ByteBuffer json = ByteBuffer.allocate((int) header);
      readFully(channel, json, 8, file);
      long dataSize = size - 8 - header;
      Map<String, String> metadata = new LinkedHashMap<>();
      List<Entry> entries = parse(file, json.array(), dataSize, metadata);

      MemorySegment data = Arena.ofAuto().allocate(Math.max(1, dataSize), 64);
      for (long at = 0; at < dataSize; ) {
        ByteBuffer part = data.asSlice(at, Math.min(1 << 24, dataSize - at)).asByteBuffer();
        readFully(channel, part, 8 + header + at, file);
        at += part.capacity();
      }
      return new Safetensors(metadata, tensors(file, entries, data));
    } catch (IOException e) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "The file '" + file + "' can't be read: " + KvpException.reason(e) + ".",
          e);
    }
  }

  private static Map<String, Weight> tensors(Path file, List<Entry> entries, MemorySegment data) {
    Map<String, Entry> byName = new LinkedHashMap<>();
    entries.forEach(e -> byName.put(e.name, e));
    Map<String, Weight> tensors = new LinkedHashMap<>();
    for (Entry e : entries) {
      if (e.name.endsWith(SCALES)) {
        Entry owner = byName.get(e.name.substring(0, e.name.length() - SCALES.length()));
        if (owner != null && owner.type == WeightType.Q8) {
          continue;
        }
      }
      MemorySegment scales = null;
      if (e.type == WeightType.Q8) {
        Entry s = byName.get(e.name + SCALES);
        if (e.columns % WeightType.BLOCK != 0
            || s == null
            || s.type != WeightType.F32
            || s.rows != e.rows
            || s.columns != e.columns / WeightType.BLOCK) {
          throw broken(
              file,
              "has tensor '"
                  + clip(e.name)
                  + "' of type I8 without scales F32 of "
                  + e.rows
                  + " x "
                  + e.columns
                  + " / 32 in '"
                  + clip(e.name + SCALES)
                  + "'");
        }
        scales = data.asSlice(s.begin, s.end - s.begin);
      }
      tensors.put(
          e.name,
          new Weight(e.type, e.rows, e.columns, data.asSlice(e.begin, e.end - e.begin), scales));
    }
    return tensors;
  }

  private static List<Entry> parse(
      Path file, byte[] json, long dataSize, Map<String, String> metadata) {
    JsonNode root;
    try {
      root = JSON.readTree(json);
    } catch (JsonProcessingException e) {
      throw broken(
          file,
          "has a header that is no JSON ("
              + e.getOriginalMessage().replaceAll("\\p{Cc}", "?")
              + ")");
    } catch (IOException e) {
      throw broken(file, "has a header that is no UTF-8 JSON");
    }
    if (!root.isObject()) {
      throw broken(file, "has a header that is no JSON object");
    }
    List<Entry> entries = new ArrayList<>();
    for (Map.Entry<String, JsonNode> field : root.properties()) {
      if (field.getKey().equals("__metadata__")) {
        if (!field.getValue().isObject()) {
          throw broken(file, "has metadata that is no JSON object");
        }
        for (Map.Entry<String, JsonNode> m : field.getValue().properties()) {
          if (!m.getValue().isTextual()) {
            throw broken(file, "has metadata '" + clip(m.getKey()) + "' that is no text");
          }
          metadata.put(m.getKey(), m.getValue().textValue());
        }
      } else {
        entries.add(entry(file, field.getKey(), field.getValue(), dataSize));
      }
    }
    entries.sort(Comparator.comparingLong(Entry::begin));
    long at = 0;
    for (Entry e : entries) {
      if (e.begin != at) {
        throw broken(
            file,
            "has tensor '" + clip(e.name) + "' at byte " + e.begin + " where " + at + " is due");
      }
      at = e.end;
    }
    if (at != dataSize) {
      throw broken(file, "has tensors of " + at + " bytes but " + dataSize + " bytes of data");
    }
    return entries;
  }

  private static Entry entry(Path file, String rawName, JsonNode node, long dataSize) {
    String name = clip(rawName);
    JsonNode dtype = node.path("dtype");
    WeightType type =
        switch (dtype.asText()) {
          case "F32" -> WeightType.F32;
          case "BF16" -> WeightType.BF16;
          case "I8" -> WeightType.Q8;
          default ->
              throw broken(
                  file,
                  "has tensor '"
                      + name
                      + "' of type '"
                      + clip(dtype.asText())
                      + "'; F32, BF16 and I8 are read");
        };
    JsonNode shape = node.path("shape");
    if (!shape.isArray() || shape.size() < 1 || shape.size() > 2) {
      throw broken(file, "has tensor '" + name + "' whose shape is not one or two numbers");
    }
    for (JsonNode n : shape) {
      if (!n.isInt() || n.intValue() < 1) {
        throw broken(
            file, "has tensor '" + name + "' with " + clip(n.toString()) + " in its shape");
      }
    }
    int columns = shape.get(shape.size() - 1).intValue();
    int rows = shape.size() == 2 ? shape.get(0).intValue() : 1;
    JsonNode offsets = node.path("data_offsets");
    if (!offsets.isArray()
        || offsets.size() != 2
        || !offsets.get(0).canConvertToLong()
        || !offsets.get(1).canConvertToLong()
        || !offsets.get(0).isIntegralNumber()
        || !offsets.get(1).isIntegralNumber()) {
      throw broken(file, "has tensor '" + name + "' without two data offsets");
    }
    long begin = offsets.get(0).longValue();
    long end = offsets.get(1).longValue();
    long bytes;
    try {
      bytes = Math.multiplyExact((long) rows, type.bytes(columns));
    } catch (ArithmeticException e) {
      throw broken(file, "has tensor '" + name + "' of " + rows + " x " + columns + " numbers");
    }
    if (begin < 0 || end > dataSize || begin > end || end - begin != bytes) {
      throw broken(
          file,
          "has tensor '"
              + name
              + "' at bytes "
              + begin
              + " to "
              + end
              + "; it needs "
              + bytes
              + " within "
              + dataSize);
    }
    return new Entry(rawName, type, rows, columns, begin, end);
  }

  /**
   * Writes a file atomically: into a temporary sibling, flushed to the disk, then renamed, so that
   * an old file stays whole whatever happens. Temporary files that writers of the same file left
   * when they were killed are removed.
   *
   * @throws KvpException {@code FILE_ACCESS}
   */
  public void write(Path file) {
    Path target = file.toAbsolutePath();
    Path parent = target.getParent();
    Path temporary = null;
    try {
      if (parent == null) {
        throw new IOException("it has no parent folder");
      }
      Files.createDirectories(parent);
      removeStale(parent, "." + target.getFileName() + ".");
      // not Files.createTempFile, whose files only their owner can read
      temporary = parent.resolve("." + target.getFileName() + "." + UUID.randomUUID() + ".part");
      try (FileChannel channel =
          FileChannel.open(temporary, StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW)) {
        byte[] json = header();
        ByteBuffer length = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
        length.putLong(0, json.length);
        writeFully(channel, length);
        writeFully(channel, ByteBuffer.wrap(json));
        for (Weight w : tensors.values()) {
          write(channel, w.data().asSlice(0, (long) w.rows() * w.type().bytes(w.columns())));
          MemorySegment scales = w.scales();
          if (scales != null) {
            write(channel, scales.asSlice(0, w.scaleBytes()));
          }
        }
        channel.force(true);
      }
      Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
      temporary = null;
    } catch (IOException e) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "The file '" + file + "' can't be written: " + KvpException.reason(e) + ".",
          e);
    } finally {
      if (temporary != null) {
        try {
          Files.deleteIfExists(temporary);
        } catch (IOException e) {
          // what stays is a hidden .part file beside the target; the first failure is what matters
        }
      }
    }
  }

  /** Removes old temporary files whose names begin so; another writer's, at work now, stays. */
  private static void removeStale(Path parent, String prefix) {
    Pattern name =
        Pattern.compile(Pattern.quote(prefix) + "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\\.part");
    FileTime before = FileTime.from(Instant.now().minus(STALE));
    try (DirectoryStream<Path> parts =
        Files.newDirectoryStream(
            parent, p -> name.matcher(String.valueOf(p.getFileName())).matches())) {
      for (Path part : parts) {
        if (Files.isRegularFile(part, LinkOption.NOFOLLOW_LINKS)
            && Files.getLastModifiedTime(part).compareTo(before) < 0) {
          Files.deleteIfExists(part);
        }
      }
    } catch (IOException | DirectoryIteratorException e) {
      // they are in nobody's way; what is to be written is what matters
    }
  }

  private byte[] header() throws IOException {
    ObjectNode root = JSON.createObjectNode();
    ObjectNode meta = root.putObject("__metadata__");
    metadata.forEach(meta::put);
    long at = 0;
    for (Map.Entry<String, Weight> e : tensors.entrySet()) {
      Weight w = e.getValue();
      String type = w.type() == WeightType.Q8 ? "I8" : w.type().name();
      long bytes = (long) w.rows() * w.type().bytes(w.columns());
      at = describe(root.putObject(e.getKey()), type, w.rows(), w.columns(), at, bytes);
      if (w.type() == WeightType.Q8) {
        int blocks = w.columns() / WeightType.BLOCK;
        ObjectNode node = root.putObject(e.getKey() + SCALES);
        at = describe(node, "F32", w.rows(), blocks, at, w.scaleBytes());
      }
    }
    String json = JSON.writeValueAsString(root);
    int length = json.getBytes(StandardCharsets.UTF_8).length;
    return (json + " ".repeat((8 - length % 8) % 8)).getBytes(StandardCharsets.UTF_8);
  }

  /** Fills in a tensor's entry and returns where the next begins. */
  private static long describe(
      ObjectNode node, String type, int rows, int columns, long at, long bytes) {
    node.put("dtype", type);
    if (rows == 1) {
      node.putArray("shape").add(columns);
    } else {
      node.putArray("shape").add(rows).add(columns);
    }
    node.putArray("data_offsets").add(at).add(at + bytes);
    return at + bytes;
  }

  private static void write(FileChannel channel, MemorySegment data) throws IOException {
    for (long at = 0; at < data.byteSize(); at += 1 << 24) {
      MemorySegment part = data.asSlice(at, Math.min(1 << 24, data.byteSize() - at));
      writeFully(channel, ByteBuffer.wrap(part.toArray(ValueLayout.JAVA_BYTE)));
    }
  }

  private static void readFully(FileChannel channel, ByteBuffer into, long from, Path file)
      throws IOException {
    while (into.hasRemaining()) {
      int n = channel.read(into, from + into.position());
      if (n < 0) {
        throw broken(file, "ended while it was read");
      }
    }
  }

  private static void writeFully(FileChannel channel, ByteBuffer from) throws IOException {
    while (from.hasRemaining()) {
      channel.write(from);
    }
  }

  /** SHA-256 over the names, types, sizes and numbers of some tensors, in the order of names. */
  public static String checksum(Map<String, Weight> tensors) {
    MessageDigest sha = sha256();
    new TreeMap<>(tensors)
        .forEach((name, w) -> {
          sha.update(
              (name + " " + w.type() + " " + w.rows() + " " + w.columns() + "\n")
                  .getBytes(StandardCharsets.UTF_8));
          MemorySegment data = w.data();
          long bytes = (long) w.rows() * w.type().bytes(w.columns());
          sha.update(data.asSlice(0, bytes).toArray(ValueLayout.JAVA_BYTE));
          MemorySegment scales = w.scales();
          if (scales != null) {
            sha.update(scales.asSlice(0, w.scaleBytes()).toArray(ValueLayout.JAVA_BYTE));
          }
        });
    return HexFormat.of().formatHex(sha.digest());
  }

  /** SHA-256 over metadata, in the order of keys, each key and value with its length. */
  public static String metadataChecksum(Map<String, String> metadata) {
    MessageDigest sha = sha256();
    new TreeMap<>(metadata)
        .forEach((key, value) -> {
          for (String text : List.of(key, value)) {
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            sha.update((bytes.length + "\n").getBytes(StandardCharsets.UTF_8));
            sha.update(bytes);
          }
        });
    return HexFormat.of().formatHex(sha.digest());
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }

  private static KvpException broken(Path file, String what) {
    return new KvpException(
        KvpException.Kind.MALFORMED_FILE, "The file '" + file + "' " + what + ".");
  }

  private static String clip(String text) {
    String printable = text.replaceAll("\\p{Cc}", "?");
    return printable.length() <= 60 ? printable : printable.substring(0, 60) + "…";
  }
}
