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
package io.github.kvp4j.jlama;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The text that comes out does not depend on how it is cut into tokens. */
class AnswerTextTest {
  @Test
  void textIsHandedOutAsItComes() {
    Answer answer = new Answer();
    answer.add("Hel");
    answer.add("lo");
    assertThat(answer.parts).containsExactly("Hel", "lo");
    assertThat(answer.finish()).isEqualTo("Hello");
    assertThat(answer.parts).containsExactly("Hel", "lo");
  }

  @Test
  void nothingGivesNothing() {
    Answer answer = new Answer("stop");
    assertThat(answer.finish()).isEmpty();
    assertThat(answer.parts).isEmpty();
    answer = new Answer();
    assertThat(answer.text.add(new byte[0])).isFalse();
    assertThat(answer.finish()).isEmpty();
    assertThat(answer.parts).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"é", "漢字", "🙂", "a🙂é漢b", "👩‍👩‍👧"})
  void charactersOfSeveralBytesAreWholeInEachPart(String text) {
    Answer answer = new Answer();
    for (byte b : utf8(text)) {
      answer.text.add(new byte[] {b});
    }
    assertThat(answer.finish()).isEqualTo(text);
    assertThat(String.join("", answer.parts)).isEqualTo(text);
    assertThat(answer.parts).allSatisfy(AnswerTextTest::isWellFormed);
    assertThat(answer.parts).hasSize(text.codePointCount(0, text.length()));
  }

  /** Bytes that are no UTF-8 become U+FFFD, also at the very end. */
  @Test
  void brokenBytesAreReplaced() {
    Answer answer = new Answer();
    answer.text.add(new byte[] {'a', (byte) 0xff, 'b', (byte) 0xc3});
    answer.text.add(new byte[] {'c', (byte) 0xf0, (byte) 0x9f});
    assertThat(answer.finish()).isEqualTo("a\ufffdb\ufffdc\ufffd");
    assertThat(String.join("", answer.parts)).isEqualTo("a\ufffdb\ufffdc\ufffd");
  }

  // --- stop strings

  @Test
  void aStopStringEndsTheAnswerAndIsNotPartOfIt() {
    Answer answer = new Answer("STOP");
    assertThat(answer.add("one ")).isFalse();
    assertThat(answer.add("two STOP three")).isTrue();
    assertThat(answer.finish()).isEqualTo("one two ");
    assertThat(answer.parts).containsExactly("one ", "two ");
  }

  @Test
  void aStopStringOverSeveralTokensIsHeldBack() {
    Answer answer = new Answer("</end>");
    for (String part : List.of("x", "<", "/", "e", "n", "d")) {
      assertThat(answer.add(part)).isFalse();
    }
    assertThat(answer.parts).containsExactly("x");
    assertThat(answer.add("> and more")).isTrue();
    assertThat(answer.finish()).isEqualTo("x");
    assertThat(answer.parts).containsExactly("x");
  }

  @Test
  void whatOnlyLooksLikeAStopStringComesOut() {
    Answer answer = new Answer("</end>");
    answer.add("a</en");
    answer.add("<");
    answer.add("/end");
    assertThat(answer.parts).containsExactly("a", "</en");
    assertThat(answer.finish()).isEqualTo("a</en</end");
    assertThat(String.join("", answer.parts)).isEqualTo("a</en</end");
  }

  /** A beginning within a beginning: aab in aaab. */
  @Test
  void stopStringsThatOverlapThemselvesAreFound() {
    for (String text : List.of("aab", "aaab", "xaaaab", "aabaab", "ababac")) {
      String stop = text.endsWith("c") ? "abac" : "aab";
      Answer answer = new Answer(stop);
      boolean stopped = false;
      for (int i = 0; i < text.length() && !stopped; i++) {
        stopped = answer.add(text.substring(i, i + 1));
      }
      assertThat(stopped).as(text).isTrue();
      assertThat(answer.finish()).as(text).isEqualTo(text.substring(0, text.indexOf(stop)));
      assertThat(String.join("", answer.parts)).isEqualTo(answer.finish());
    }
  }

  @Test
  void theFirstOfSeveralStopStringsEnds() {
    Answer answer = new Answer("later", "no", "\n\n");
    assertThat(answer.add("text\n\nno later")).isTrue();
    assertThat(answer.finish()).isEqualTo("text");
    answer = new Answer("b", "abc");
    assertThat(answer.add("xabc")).isTrue();
    assertThat(answer.finish()).isEqualTo("x");
  }

  @Test
  void aStopStringAtTheVeryBeginningLeavesNothing() {
    Answer answer = new Answer("\n");
    assertThat(answer.add("\nmore")).isTrue();
    assertThat(answer.finish()).isEmpty();
    assertThat(answer.parts).isEmpty();
  }

  @Test
  void stopStringsOfSeveralBytesAreFoundByteByByte() {
    for (String stop : List.of("🙂", "漢字", "é")) {
      Answer answer = new Answer(stop);
      boolean stopped = false;
      for (byte b : utf8("ab" + stop)) {
        stopped = answer.text.add(new byte[] {b});
      }
      assertThat(stopped).isTrue();
      assertThat(answer.finish()).isEqualTo("ab");
      assertThat(answer.parts).containsExactly("a", "b");
    }
  }

  /** Half of a stop string's pair of surrogates may come with another character's second half. */
  @Test
  void partsAreWholeEvenWhereAStopStringBeginsLikeThem() {
    // 🙂 and 🙃 have the same first surrogate
    Answer answer = new Answer("🙃🙃");
    answer.add("🙂");
    answer.add("🙃");
    answer.add("🙂");
    assertThat(answer.finish()).isEqualTo("🙂🙃🙂");
    assertThat(String.join("", answer.parts)).isEqualTo("🙂🙃🙂");
    assertThat(answer.parts).allSatisfy(AnswerTextTest::isWellFormed);
  }

  // --- whatever the cuts

  @Property(tries = 400)
  void anyBytesInAnyCutsAreTheStringOfThem(
      @ForAll("bytes") byte[] bytes, @ForAll("cuts") List<Integer> cuts) {
    Answer answer = new Answer();
    feed(answer, bytes, cuts);
    String expected = new String(bytes, StandardCharsets.UTF_8);
    assertThat(answer.finish()).isEqualTo(expected);
    assertThat(String.join("", answer.parts)).isEqualTo(expected);
    assertThat(answer.parts).allSatisfy(AnswerTextTest::isWellFormed);
  }

  @Property(tries = 600)
  void aStopStringIsFoundInAnyCuts(
      @ForAll("text") String text,
      @ForAll("stop") String stop,
      @ForAll("cuts") List<Integer> cuts) {
    Answer answer = new Answer(stop);
    boolean stopped = feed(answer, utf8(text), cuts);
    int at = text.indexOf(stop);
    assertThat(stopped).isEqualTo(at >= 0);
    String expected = at >= 0 ? text.substring(0, at) : text;
    assertThat(answer.finish()).isEqualTo(expected);
    assertThat(String.join("", answer.parts)).isEqualTo(expected);
    assertThat(answer.parts).allSatisfy(AnswerTextTest::isWellFormed);
  }

  @Provide
  Arbitrary<byte[]> bytes() {
    Arbitrary<Byte> any = Arbitraries.bytes();
    Arbitrary<Byte> likely =
        Arbitraries.of(
            (byte) 'a',
            (byte) 0xc3,
            (byte) 0xa9,
            (byte) 0xe6,
            (byte) 0xbc,
            (byte) 0xa2,
            (byte) 0xf0,
            (byte) 0x9f,
            (byte) 0x99,
            (byte) 0x82,
            (byte) 0xed,
            (byte) 0xa0);
    return Arbitraries.oneOf(any, likely).array(byte[].class).ofMaxSize(40);
  }

  @Provide
  Arbitrary<List<Integer>> cuts() {
    return Arbitraries.integers().between(0, 4).list().ofMinSize(1).ofMaxSize(20);
  }

  @Provide
  Arbitrary<String> text() {
    return Arbitraries.of("a", "b", "ab", "é", "🙂", "🙃", "\n")
        .list()
        .ofMaxSize(25)
        .map(parts -> String.join("", parts));
  }

  @Provide
  Arbitrary<String> stop() {
    return Arbitraries.of("a", "b", "ab", "é", "🙂", "🙃", "\n")
        .list()
        .ofMinSize(1)
        .ofMaxSize(4)
        .map(parts -> String.join("", parts));
  }

  /** Adds the bytes in pieces of these lengths, again and again, until a stop string is met. */
  private static boolean feed(Answer answer, byte[] bytes, List<Integer> cuts) {
    for (int at = 0, i = 0; at < bytes.length; i++) {
      // a length of nought now and then: special tokens have no bytes
      int length = i > 200 ? 1 : cuts.get(i % cuts.size());
      int end = Math.min(bytes.length, at + length);
      if (answer.text.add(Arrays.copyOfRange(bytes, at, end))) {
        return true;
      }
      at = end;
    }
    return false;
  }

  private static void isWellFormed(String part) {
    assertThat(part).isNotEmpty();
    assertThat(new String(utf8(part), StandardCharsets.UTF_8)).isEqualTo(part);
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static final class Answer {
    final List<String> parts = new ArrayList<>();
    final AnswerText text;

    Answer(String... stops) {
      text = new AnswerText(List.of(stops), parts::add);
    }

    boolean add(String part) {
      return text.add(utf8(part));
    }

    String finish() {
      return text.finish();
    }
  }
}
