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

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.kvp4j.KvpException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Texts come in from plain and packed files whole, in an order that a seed decides. */
class TextCorpusTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path folder;

  @Test
  void plainPackedAndLinesGiveTheSamePassages() throws IOException {
    String text = words(30_000, 1);
    List<String> plain = passages(write("a.txt", text));
    assertThat(plain).hasSizeGreaterThan(5);
    assertThat(passages(packed("b.gz", text))).isEqualTo(plain);
    assertThat(passages(write("c.jsonl", line(text)))).isEqualTo(plain);
    assertThat(passages(packed("d", line(text) + "\n\n  \n"))).isEqualTo(plain);
  }

  /** Nothing is lost but white space where it is cut and a short rest. */
  @ParameterizedTest
  @ValueSource(ints = {0, 1, 199, 200, 2_599, 2_600, 2_601, 2_800, 10_000})
  void passagesAreTheTextInOrder(int length) throws IOException {
    String text = words(length, 2);
    List<String> passages = inOrder(write("a.txt", text));
    String joined = String.join("", passages).replaceAll("\\s", "");
    String whole = text.replaceAll("\\s", "");
    assertThat(whole).startsWith(joined);
    assertThat(whole.length() - joined.length()).isLessThan(200);
    for (String passage : passages) {
      assertThat(passage.length()).isLessThanOrEqualTo(2_600);
      assertThat(passage).isEqualTo(passage.strip());
    }
  }

  /** Text without any white space is cut all the same, but never within a character. */
  @ParameterizedTest
  @ValueSource(strings = {"🙂", "a🙂", "漢", "é"})
  void charactersAreNotCut(String unit) throws IOException {
    String text = unit.repeat(9_000 / unit.length());
    List<String> passages = inOrder(write("a.txt", text));
    assertThat(passages).hasSizeGreaterThan(2);
    for (String passage : passages) {
      assertThat(new String(passage.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8))
          .isEqualTo(passage);
    }
    assertThat(text).startsWith(String.join("", passages));
  }

  @Test
  void eachLineIsATextOfItsOwn() throws IOException {
    String lines =
        IntStream.range(0, 10)
            .mapToObj(i -> line(words(300, 10 + i)))
            .collect(Collectors.joining("\n"));
    assertThat(passages(write("a.jsonl", lines))).hasSize(10);
    // other fields do not matter
    Path other =
        write("b.jsonl", "{\"id\":1,\"text\":\"" + "x".repeat(250) + "\",\"more\":[1,2]}\n");
    assertThat(passages(other)).containsExactly("x".repeat(250));
  }

  @Test
  void aSeedDecidesTheOrder() throws IOException {
    Path file = write("a.txt", words(60_000, 3));
    assertThat(read(7, file)).isEqualTo(read(7, file));
    assertThat(read(7, file)).isNotEqualTo(read(8, file));
    assertThat(read(7, file)).containsExactlyInAnyOrderElementsOf(read(8, file));
    // and that of the files, which are read one after the other
    Path second = write("b.txt", words(60_000, 4));
    assertThat(read(7, file, second)).isEqualTo(read(7, file, second));
    assertThat(read(7, file, second)).hasSize(read(7, file).size() + read(7, second).size());
  }

  /** It tells the passages and their order, not the files that they came in. */
  @Test
  void theChecksumIsOfThePassages() throws IOException {
    String text = words(30_000, 5);
    Path file = write("a.txt", text);
    String sum = checksum(1, file);
    assertThat(sum).matches("[0-9a-f]{64}");
    assertThat(checksum(1, file)).isEqualTo(sum);
    assertThat(checksum(1, packed("b.gz", text))).isEqualTo(sum);
    assertThat(checksum(2, file)).isNotEqualTo(sum);
    assertThat(checksum(1, file, write("c.txt", words(300, 6)))).isNotEqualTo(sum);
    Files.writeString(file, text.replaceFirst("[a-z]", "A"));
    assertThat(checksum(1, file)).isNotEqualTo(sum);
  }

  @Test
  void anEmptyFileIsAnEmptyCorpus() throws IOException {
    assertThat(TextCorpus.read(List.of(), 1).size()).isZero();
    assertThat(TextCorpus.read(List.of(write("a.txt", ""), packed("b.gz", "")), 1).size()).isZero();
    assertThat(TextCorpus.read(List.of(write("c.txt", "x")), 1).size()).isZero();
  }

  // --- errors

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"text\": \"no end",
        "{\"text\": }",
        "no json",
        "{]",
        "{\"text\":\"a\"",
        "\u0000",
      })
  void aBrokenLineIsNamed(String broken) throws IOException {
    String good = line("x".repeat(300));
    for (Path file :
        List.of(
            write("broken.jsonl", good + "\n\n" + good + "\n" + broken + "\n" + good),
            packed("broken.jsonl.gz", good + "\n\n" + good + "\n" + broken + "\n" + good))) {
      refused(KvpException.Kind.MALFORMED_FILE, file, "line 4");
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"{}", "{\"text\":1}", "{\"text\":null}", "{\"Text\":\"a\"}", "[]", "5", "\"a\""})
  void aLineWithoutTextIsNamed(String line) throws IOException {
    Path file = write("b.jsonl", line("x".repeat(300)) + "\n" + line);
    refused(KvpException.Kind.MALFORMED_FILE, file, "line 2");
  }

  @Test
  void aFileThatIsNotThereIsNamed() {
    refused(KvpException.Kind.FILE_ACCESS, folder.resolve("none.txt"), "does not exist");
  }

  @Test
  void aFolderIsNamed() {
    refused(KvpException.Kind.FILE_ACCESS, folder, "can't be read");
  }

  @Test
  void aPackedFileThatEndsTooSoonIsNamed() throws IOException {
    Path file = packed("cut.gz", words(50_000, 5));
    byte[] bytes = Files.readAllBytes(file);
    for (int length : new int[] {2, 5, 10, 100, bytes.length - 5}) {
      Files.write(file, Arrays.copyOf(bytes, length));
      refused(KvpException.Kind.FILE_ACCESS, file, "can't be read");
    }
  }

  private void refused(KvpException.Kind kind, Path file, String text) {
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(() -> TextCorpus.read(List.of(file), 1))
        .withMessageContaining(file.toString())
        .withMessageContaining(text)
        .satisfies(e -> assertThat(e.kind()).isEqualTo(kind));
  }

  // --- tokens

  @Test
  void passagesAreTakenWithinTheirLimits() throws IOException {
    TextCorpus corpus = TextCorpus.read(List.of(write("a.txt", words(40_000, 6))), 1);
    int size = corpus.size();
    assertThat(corpus.take(TextCorpusTest::encode, 0, size + 5, 1, 10_000)).hasSize(size);
    assertThat(corpus.take(TextCorpusTest::encode, 0, 3, 1, 10_000)).hasSize(3);
    assertThat(corpus.take(TextCorpusTest::encode, size, 3, 1, 10_000)).isEmpty();
    assertThat(corpus.take(TextCorpusTest::encode, 0, 3, 2_601, 10_000)).isEmpty();
    assertThat(corpus.take(TextCorpusTest::encode, 0, 3, 100, 100))
        .allSatisfy(t -> assertThat(t).hasSize(100));
    assertThat(corpus.take(TextCorpusTest::encode, 2, 1, 1, 10_000).getFirst())
        .isEqualTo(corpus.take(TextCorpusTest::encode, 0, 3, 1, 10_000).get(2));
  }

  @Test
  void tokensAreTakenUntilThereAreEnough() throws IOException {
    TextCorpus corpus = TextCorpus.read(List.of(write("a.txt", words(40_000, 7))), 1);
    List<int[]> some = corpus.takeTokens(TextCorpusTest::encode, 0, 1_000, 1, 300);
    assertThat(some).hasSize(4).allSatisfy(t -> assertThat(t).hasSizeLessThanOrEqualTo(300));
    assertThat(corpus.takeTokens(TextCorpusTest::encode, 0, 0, 1, 300)).isEmpty();
    assertThat(corpus.takeTokens(TextCorpusTest::encode, 0, Long.MAX_VALUE, 1, 300))
        .hasSize(corpus.size());
  }

  /** Whatever the seed, nothing that is fitted with one is measured with another. */
  @Test
  void whatIsHeldOutDependsOnTheFilesAlone() throws IOException {
    Path file = write("a.txt", words(100_000, 8));
    TextCorpus first = TextCorpus.read(List.of(file), 42);
    assertThat(all(first.heldOut())).hasSize(first.size() / 10);
    for (long seed : new long[] {0, 1, 7, 43}) {
      TextCorpus other = TextCorpus.read(List.of(file), seed);
      assertThat(all(other.heldOut())).containsExactlyInAnyOrderElementsOf(all(first.heldOut()));
      assertThat(all(other.fitted()))
          .containsExactlyInAnyOrderElementsOf(all(first.fitted()))
          .isNotEqualTo(all(first.fitted()))
          .doesNotContainAnyElementsOf(all(first.heldOut()));
      assertThat(all(other).subList(0, other.heldOut().size())).isEqualTo(all(other.heldOut()));
    }
    TextCorpus one = TextCorpus.read(List.of(write("b.txt", words(400, 9))), 5);
    assertThat(one.heldOut().size()).isOne();
    assertThat(one.fitted().size()).isZero();
    assertThat(TextCorpus.read(List.of(), 5).heldOut().size()).isZero();
  }

  private static List<String> all(TextCorpus corpus) {
    return IntStream.range(0, corpus.size()).mapToObj(corpus::passage).toList();
  }

  // --- helpers

  /** One token a letter. */
  private static int[] encode(String text) {
    return text.chars().toArray();
  }

  private static List<String> passages(Path file) {
    return read(1, file);
  }

  private static String checksum(long seed, Path... files) {
    return TextCorpus.read(List.of(files), seed).checksum();
  }

  private static List<String> read(long seed, Path... files) {
    TextCorpus corpus = TextCorpus.read(List.of(files), seed);
    return corpus.take(TextCorpusTest::encode, 0, corpus.size(), 0, Integer.MAX_VALUE).stream()
        .map(t -> new String(t, 0, t.length))
        .toList();
  }

  /** The passages as they were before the shuffle. */
  private static List<String> inOrder(Path file) {
    List<String> shuffled = read(42, file);
    List<Integer> order = new ArrayList<>(IntStream.range(0, shuffled.size()).boxed().toList());
    Collections.shuffle(order, new Random(42));
    String[] out = new String[shuffled.size()];
    for (int i = 0; i < out.length; i++) {
      out[order.get(i)] = shuffled.get(i);
    }
    return List.of(out);
  }

  /** Words of one to ten letters with a space or a line's end between, {@code length} letters. */
  private static String words(int length, long seed) {
    Random random = new Random(seed);
    StringBuilder out = new StringBuilder(length);
    while (out.length() < length) {
      for (int i = random.nextInt(10); i >= 0; i--) {
        out.append((char) ('a' + random.nextInt(26)));
      }
      out.append(random.nextInt(8) == 0 ? '\n' : ' ');
    }
    out.setLength(length);
    return out.toString();
  }

  private static String line(String text) {
    return JSON.valueToTree(Map.of("text", text)).toString();
  }

  private Path write(String name, String text) throws IOException {
    return Files.writeString(folder.resolve(name), text);
  }

  private Path packed(String name, String text) throws IOException {
    Path file = folder.resolve(name);
    try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(file))) {
      out.write(text.getBytes(StandardCharsets.UTF_8));
    }
    return file;
  }
}
