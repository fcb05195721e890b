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
package io.github.kvp4j.evaluation;

import com.fasterxml.jackson.annotation.JsonSetter;
import com.fasterxml.jackson.annotation.Nulls;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.kvp4j.KvpException;
import java.io.BufferedInputStream;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.zip.GZIPInputStream;
import org.jspecify.annotations.Nullable;

/** Reads data files, plain or gzipped, and says in which line one is malformed. */
public final class DataFile {
  private static final JsonMapper JSON =
      JsonMapper.builder()
          .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
          .enable(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES)
          .enable(DeserializationFeature.FAIL_ON_NULL_CREATOR_PROPERTIES)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .defaultSetterInfo(JsonSetter.Value.forContentNulls(Nulls.FAIL))
          .build();

  private DataFile() {}

  /** Reads something from an open file. */
  @FunctionalInterface
  private interface Reading<T> {
    T read(InputStream in) throws IOException;
  }

  /**
   * Reads a file line by line; blank lines are left out.
   *
   * @param parse a line to a record; an {@link IllegalArgumentException} says why it is none
   * @return at least one record
   */
  public static <T> List<T> lines(Path file, Function<String, T> parse) {
    List<T> out =
        open(
            file,
            in -> {
              List<T> records = new ArrayList<>();
              // a character for each byte, so that a line that is no UTF-8 can be named
              BufferedReader reader =
                  new BufferedReader(new InputStreamReader(in, StandardCharsets.ISO_8859_1));
              int number = 0;
              for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                number++;
                if (!line.isBlank()) {
                  records.add(parsed(file, number, line, l -> parse.apply(utf8(l))));
                }
              }
              return records;
            });
    if (out.isEmpty()) {
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE, "The data file '" + file + "' is empty.");
    }
    return out;
  }

  private static String utf8(String bytes) {
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .decode(ByteBuffer.wrap(bytes.getBytes(StandardCharsets.ISO_8859_1)))
          .toString();
    } catch (CharacterCodingException e) {
      throw new IllegalArgumentException("it is not UTF-8", e);
    }
  }

  private static <T> T parsed(Path file, int number, String line, Function<String, T> parse) {
    try {
      return parse.apply(line);
    } catch (IllegalArgumentException e) {
      throw malformed(file, number, String.valueOf(e.getMessage()), e);
    }
  }

  /**
   * Reads JSON Lines.
   *
   * @param type a record class; fields that it lacks are left out, fields of its that a line lacks
   *     are an error
   */
  public static <T> List<T> jsonLines(Path file, Class<T> type) {
    return jsonLines(file, type, line -> line);
  }

  /**
   * Reads JSON Lines; {@code type} as in {@link #jsonLines(Path, Class)}.
   *
   * @param make what a line is to become; an {@link IllegalArgumentException} says why it can't
   */
  public static <T, R> List<R> jsonLines(Path file, Class<T> type, Function<T, R> make) {
    return lines(
        file,
        line -> {
          try {
            T read = JSON.readValue(line, type);
            if (read == null) {
              throw new IllegalArgumentException("it is null where an object is due");
            }
            return make.apply(read);
          } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(reason(e), e);
          }
        });
  }

  /** Reads one JSON document; {@code type} as in {@link #jsonLines(Path, Class)}. */
  public static <T> T json(Path file, Class<T> type) {
    return open(
        file,
        in -> {
          try {
            T read = JSON.readValue(in, type);
            if (read == null) {
              throw malformed(file, 1, "it is null where an object is due", null);
            }
            return read;
          } catch (JsonProcessingException e) {
            int line = e.getLocation() == null ? 1 : e.getLocation().getLineNr();
            throw malformed(file, line, reason(e), e);
          }
        });
  }

  /** The one-sentence failure for a line that is not what it should be. */
  public static KvpException malformed(Path file, int line, String why, @Nullable Throwable cause) {
    return new KvpException(
        KvpException.Kind.MALFORMED_FILE,
        "The data file '" + file + "' is malformed in line " + line + ": " + why + ".",
        cause);
  }

  /** What Jackson found, without its second sentence and its references to classes. */
  private static String reason(JsonProcessingException e) {
    String message =
        e.getOriginalMessage().lines().findFirst().orElse("no JSON").replaceAll("\\p{Cc}", "?");
    return message
        .replaceAll(" of type `[^`]*`", "")
        .replaceAll("`[a-z.]*\\.([A-Z][A-Za-z0-9]*)[^`]*`", "a $1")
        .replaceAll(" \\(.*\\)", "")
        .replaceAll("\\.$", "");
  }

  private static <T> T open(Path file, Reading<T> reading) {
    try (InputStream raw = new BufferedInputStream(Files.newInputStream(file), 1 << 16)) {
      raw.mark(2);
      boolean zipped = raw.read() == 0x1f && raw.read() == 0x8b;
      raw.reset();
      return reading.read(
          zipped ? new BufferedInputStream(new GZIPInputStream(raw, 1 << 16), 1 << 16) : raw);
    } catch (IOException e) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "The data file '" + file + "' can't be read: " + KvpException.reason(e) + ".",
          e);
    }
  }
}
