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
package io.github.kvp4j.corpus;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.kvp4j.KvpException;
import java.io.BufferedInputStream;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.function.Function;
import java.util.zip.GZIPInputStream;

/**
 * Texts for fitting and measuring: from plain files (one text a file) and JSON Lines ({@code
 * {"text": …}} a line), either also gzipped; cut into passages of a few hundred tokens and
 * shuffled.
 *
 * <p>A tenth of the passages is held out from fitting and comes first. Which ones depends on the
 * files alone and not on the seed, so that what was fitted with one seed may be measured with
 * another.
 */
public final class TextCorpus {
  /** Characters of one passage: some 500 tokens of English. */
  private static final int PASSAGE = 2_600;

  /** The seed by which passages are held out, and the order for a seed of the same number. */
  private static final long SPLIT = 42;

  private static final ObjectMapper JSON = new ObjectMapper();

  private final List<String> passages;

  private TextCorpus(List<String> passages) {
    this.passages = passages;
  }

  /**
   * Reads files.
   *
   * @param files plain text or JSON Lines, told apart by a first byte of '{'
   * @param seed of the shuffle, within what is held out and within the others; the same files and
   *     seed give the same order
   */
  public static TextCorpus read(List<Path> files, long seed) {
    List<String> passages = new ArrayList<>();
    for (Path file : files) {
      try (InputStream raw = new BufferedInputStream(Files.newInputStream(file), 1 << 16)) {
        raw.mark(2);
        boolean zipped = raw.read() == 0x1f && raw.read() == 0x8b;
        raw.reset();
        InputStream in =
            zipped ? new BufferedInputStream(new GZIPInputStream(raw, 1 << 16), 1 << 16) : raw;
        in.mark(1);
        boolean lines = in.read() == '{';
        in.reset();
        if (lines) {
          readLines(file, in, passages);
        } else {
          cut(new String(in.readAllBytes(), StandardCharsets.UTF_8), passages);
        }
      } catch (NoSuchFileException e) {
        throw new KvpException(
            KvpException.Kind.FILE_ACCESS, "The data file '" + file + "' does not exist.", e);
      } catch (IOException e) {
        throw new KvpException(
            KvpException.Kind.FILE_ACCESS,
            "The data file '" + file + "' can't be read: " + KvpException.reason(e) + ".",
            e);
      }
    }
    Collections.shuffle(passages, new Random(SPLIT));
    if (seed != SPLIT) {
      int held = heldOut(passages.size());
      Collections.shuffle(passages.subList(0, held), new Random(seed));
      Collections.shuffle(passages.subList(held, passages.size()), new Random(seed));
    }
    return new TextCorpus(passages);
  }

  private static void readLines(Path file, InputStream in, List<String> passages)
      throws IOException {
    BufferedReader reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
    int number = 0;
    for (String line = reader.readLine(); line != null; line = reader.readLine()) {
      number++;
      if (line.isBlank()) {
        continue;
      }
      JsonNode text;
      try {
        text = JSON.readTree(line).path("text");
      } catch (JsonProcessingException e) {
        throw new KvpException(
            KvpException.Kind.MALFORMED_FILE,
            "The data file '" + file + "' has no JSON object in line " + number + ".",
            e);
      }
      if (!text.isTextual()) {
        throw new KvpException(
            KvpException.Kind.MALFORMED_FILE,
            "The data file '" + file + "' has no field 'text' in line " + number + ".");
      }
      cut(text.textValue(), passages);
    }
  }

  /** Cuts a text into passages at white space; a rest of less than 200 characters is left out. */
  private static void cut(String text, List<String> passages) {
    int start = 0;
    while (text.length() - start >= 200) {
      int end = Math.min(text.length(), start + PASSAGE);
      if (end < text.length()) {
        int space = text.lastIndexOf(' ', end);
        end = space > start + PASSAGE / 2 ? space : end;
        if (Character.isHighSurrogate(text.charAt(end - 1))) {
          end--;
        }
      }
      passages.add(text.substring(start, end).strip());
      start = end;
    }
  }

  /** How many passages there are. */
  public int size() {
    return passages.size();
  }

  /** The text of a passage. */
  public String passage(int number) {
    return passages.get(number);
  }

  /** SHA-256 over the passages in their order: the same where any text is taken from the same. */
  public String checksum() {
    MessageDigest sha;
    try {
      sha = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
    for (String passage : passages) {
      byte[] bytes = passage.getBytes(StandardCharsets.UTF_8);
      sha.update((bytes.length + "\n").getBytes(StandardCharsets.UTF_8));
      sha.update(bytes);
    }
    return HexFormat.of().formatHex(sha.digest());
  }

  /** The passages that nothing is fitted on: the first tenth of a corpus as it was read. */
  public TextCorpus heldOut() {
    return new TextCorpus(passages.subList(0, heldOut(size())));
  }

  /** The others, to fit on. */
  public TextCorpus fitted() {
    return new TextCorpus(passages.subList(heldOut(size()), size()));
  }

  /** A tenth of so many, at least one of any. */
  private static int heldOut(int size) {
    return Math.min(size, Math.max(1, size / 10));
  }

  /**
   * Tokenizes passages from number {@code from} on, dropping those of fewer than {@code least}
   * tokens, until there are {@code count}.
   *
   * @param encode text to tokens, begin-of-sequence included
   * @param least fewest tokens of a passage
   * @param most passages are cut after this many tokens
   */
  public List<int[]> take(
      Function<String, int[]> encode, int from, int count, int least, int most) {
    List<int[]> out = new ArrayList<>();
    for (int i = from; i < passages.size() && out.size() < count; i++) {
      int[] tokens = encode.apply(passages.get(i));
      if (tokens.length >= least) {
        out.add(tokens.length > most ? java.util.Arrays.copyOf(tokens, most) : tokens);
      }
    }
    return out;
  }

  /**
   * Tokenizes passages from number {@code from} on until they have {@code tokens} tokens together,
   * or the corpus ends.
   */
  public List<int[]> takeTokens(
      Function<String, int[]> encode, int from, long tokens, int least, int most) {
    List<int[]> out = new ArrayList<>();
    long sum = 0;
    for (int i = from; i < passages.size() && sum < tokens; i++) {
      int[] t = encode.apply(passages.get(i));
      if (t.length >= least) {
        out.add(t.length > most ? java.util.Arrays.copyOf(t, most) : t);
        sum += Math.min(t.length, most);
      }
    }
    return out;
  }
}
