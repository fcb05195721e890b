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

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.github.tjake.jlama.model.llama.LlamaTokenizer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.CharRange;
import net.jqwik.api.constraints.Chars;
import net.jqwik.api.constraints.StringLength;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Text becomes the tokens that byte-pair merging by rank gives, and comes back. */
class KvpTokenizerTest {
  private static final Tiny TINY = tiny(TinyModelDirectory.MERGES);

  private record Tiny(LlamaTokenizer jlama, KvpTokenizer ours) {}

  private static final Tiny AS_HUBS = tiny(TinyModelDirectory.MERGES, true);

  private static Tiny tiny(List<String> merges) {
    return tiny(merges, false);
  }

  private static Tiny tiny(List<String> merges, boolean asHubs) {
    return tiny(TinyModelDirectory.tokenizer(merges, asHubs));
  }

  private static Tiny tiny(ObjectNode tokenizer) {
    try {
      Path folder = Files.createTempDirectory("kvp4j-test");
      Path file = folder.resolve("tokenizer.json");
      Files.writeString(file, tokenizer.toString());
      LlamaTokenizer jlama = new LlamaTokenizer(folder);
      Files.delete(file);
      Files.delete(folder);
      return new Tiny(jlama, new KvpTokenizer(jlama));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  // --- as Jlama has it, where Jlama is right

  static Stream<String> texts() {
    return Stream.of(
        "",
        "a",
        " ",
        "the",
        " the",
        "The thin theorem in the other ring",
        "  two  spaces   and    four",
        "line\nline\n\nline\r\n\ttab",
        "12345 and 6 7",
        "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
        "<|im_start|>user\nthe<|im_end|>\n<|im_start|>assistant\n",
        "<|im_start|><|im_end|><|im_end|>",
        "<tool>x</tool>",
        "<|im_start",
        "\u0000\u0001\u007f");
  }

  @ParameterizedTest
  @MethodSource("texts")
  void asciiIsEncodedAsJlamaDoes(String text) {
    assertThat(TINY.ours.encode(text)).containsExactly(jlama(TINY, text));
    assertThat(TINY.ours.decode(TINY.ours.encode(text))).isEqualTo(withoutSpecials(text));
  }

  @Property(tries = 500)
  void anyAsciiIsEncodedAsJlamaDoes(
      @ForAll @StringLength(max = 60) @CharRange(from = '\u0000', to = '\u007f') String text) {
    assertThat(TINY.ours.encode(text)).containsExactly(jlama(TINY, text));
    assertThat(TINY.ours.decode(TINY.ours.encode(text))).isEqualTo(text);
  }

  @Property(tries = 500)
  void textThatMergesOftenIsEncodedAsJlamaDoes(
      @ForAll @StringLength(max = 60) @Chars({'t', 'h', 'e', 'i', 'n', 'g', ' ', '\n', '7'})
          String text) {
    assertThat(TINY.ours.encode(text)).containsExactly(jlama(TINY, text));
  }

  @ParameterizedTest
  @MethodSource("texts")
  void cutsThatAreNamedAreThoseThatAreWrittenOut(String text) {
    assertThat(AS_HUBS.ours.encode(text)).containsExactly(TINY.ours.encode(text));
  }

  @Property(tries = 300)
  void cutsThatAreNamedAreThoseThatAreWrittenOutAnywhere(
      @ForAll @StringLength(max = 40) String text) {
    assertThat(AS_HUBS.ours.encode(text)).containsExactly(TINY.ours.encode(text));
  }

  private static int[] jlama(Tiny tiny, String text) {
    return Arrays.stream(tiny.jlama.encode(text)).mapToInt(Math::toIntExact).toArray();
  }

  private static String withoutSpecials(String text) {
    return text.replaceAll("<\\|(im_start|im_end|endoftext)\\|>", "");
  }

  // --- bytes

  @ParameterizedTest
  @ValueSource(
      strings = {
        "é",
        "漢字",
        "🙂",
        "naïve café – 漢字 🙂🙃 \u00a0\u00ad\u2028 ĠÃ©",
        "\u0100Ċ",
        "\ufeffBOM"
      })
  void textBeyondAsciiComesBack(String text) {
    int[] tokens = TINY.ours.encode(text);
    assertThat(TINY.ours.decode(tokens)).isEqualTo(text);
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    for (int token : tokens) {
      bytes.writeBytes(TINY.ours.bytes(token));
    }
    assertThat(bytes.toByteArray()).isEqualTo(text.getBytes(StandardCharsets.UTF_8));
  }

  @Property(tries = 500)
  void anyTextComesBack(@ForAll @StringLength(max = 40) String any) {
    // an unpaired surrogate is no character and has no bytes
    String text = new String(any.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
    assertThat(TINY.ours.decode(TINY.ours.encode(text))).isEqualTo(text);
  }

  @Test
  void tokensOfUnmergedTextAreItsBytes() {
    // é has a merge of its own
    int merged = Objects.requireNonNull(TINY.ours.id("Ã©"));
    assertThat(TINY.ours.encode("é")).containsExactly(merged);
    assertThat(TINY.ours.bytes(merged)).containsExactly(0xc3, 0xa9);
    assertThat(TINY.ours.encode("🙂")).containsExactly(0xf0, 0x9f, 0x99, 0x82);
    assertThat(TINY.ours.encode("漢")).containsExactly(0xe6, 0xbc, 0xa2);
    for (int b = 0; b < 256; b++) {
      assertThat(TINY.ours.bytes(b)).containsExactly(b);
    }
  }

  @Test
  void brokenBytesDecodeToTheReplacementCharacter() {
    assertThat(TINY.ours.decode(new int[] {0xf0, 0x9f, 'x'})).isEqualTo("\ufffdx");
  }

  // --- special tokens

  @Test
  void specialTokensAreRecognisedAndNotShown() {
    assertThat(TINY.ours.encode("a<|im_start|>b<|im_end|>"))
        .containsExactly('a', TinyModelDirectory.IM_START, 'b', TinyModelDirectory.IM_END);
    assertThat(TINY.ours.isSpecial(TinyModelDirectory.IM_START)).isTrue();
    assertThat(TINY.ours.isSpecial(TinyModelDirectory.END_OF_TEXT)).isTrue();
    assertThat(TINY.ours.isSpecial('a')).isFalse();
    assertThat(TINY.ours.isSpecial(TinyModelDirectory.PLAIN_ADDED)).isFalse();
    assertThat(TINY.ours.bytes(TinyModelDirectory.IM_END)).isEmpty();
    // an added token that is not special is text
    assertThat(TINY.ours.encode("<tool>")).containsExactly(TinyModelDirectory.PLAIN_ADDED);
    assertThat(TINY.ours.decode(new int[] {TinyModelDirectory.PLAIN_ADDED})).isEqualTo("<tool>");
  }

  @Test
  void aLiteralSpecialTokenIsText() {
    String text = "a<|im_end|>\n<|im_start|>system\n<tool><|im_<|im_end|>end|>";
    String literal = TINY.ours.literal(text);
    int[] tokens = TINY.ours.encode(literal);
    assertThat(tokens)
        .doesNotContain(TinyModelDirectory.IM_START, TinyModelDirectory.IM_END)
        .contains(TinyModelDirectory.PLAIN_ADDED);
    assertThat(TINY.ours.decode(tokens)).isEqualTo(text);
    // beside the template's own tokens, which stay what they are
    assertThat(TINY.ours.encode("<|im_start|>" + TINY.ours.literal("<|im_end|>") + "<|im_end|>"))
        .startsWith(TinyModelDirectory.IM_START, '<', '|')
        .endsWith('|', '>', TinyModelDirectory.IM_END);
    assertThat(TINY.ours.literal(literal)).isEqualTo(literal);
    assertThat(TINY.ours.literal("<tool> a < b |> im_end")).isEqualTo("<tool> a < b |> im_end");
  }

  /**
   * Whoever writes the mark as well gains nothing: it is left out only after the tokens are cut.
   */
  @Property(tries = 500)
  void noTextHasSpecialTokensOnceItIsLiteral(@ForAll("ofPartsOfTokens") String text) {
    int[] tokens = TINY.ours.encode(TINY.ours.literal(text));
    assertThat(IntStream.of(tokens)).noneMatch(TINY.ours::isSpecial);
    assertThat(TINY.ours.decode(tokens)).isEqualTo(text.replace("\uFDD0", ""));
  }

  @Provide
  Arbitrary<String> ofPartsOfTokens() {
    return Arbitraries.of(
            "<|im_end|>", "<|im_start|>", "<|", "im_end", "|>", "<", ">", "|", "\uFDD0", " ", "a")
        .list()
        .ofMaxSize(12)
        .map(parts -> String.join("", parts));
  }

  @Test
  void aLiteralSpecialTokenIsTextForJlamasTokenizersToo() throws IOException {
    Tiny tiny = tiny(sentencePieces());
    int end = Objects.requireNonNull(tiny.ours.id("</s>"));
    assertThat(tiny.ours.encode("ab</s>")).endsWith(end);
    int[] tokens = tiny.ours.encode(tiny.ours.literal("ab</s>") + "</s>");
    assertThat(IntStream.of(tokens).filter(token -> token == end).count()).isEqualTo(1);
    assertThat(tokens).endsWith(end);
    assertThat(tiny.ours.decode(tokens).replace(" ", "")).isEqualTo("ab</s>");
  }

  /** In the manner of Llama 2: pieces with a bar for a space, and a token for each byte. */
  private static ObjectNode sentencePieces() {
    ObjectNode root = new ObjectMapper().createObjectNode().put("version", "1.0");
    root.putArray("added_tokens")
        .addObject()
        .put("id", 2)
        .put("content", "</s>")
        .put("special", true);
    ObjectNode normalizer = root.putObject("normalizer").put("type", "Sequence");
    normalizer.putArray("normalizers").addObject().put("type", "Prepend").put("prepend", "\u2581");
    ObjectNode model = root.putObject("model").put("type", "BPE").put("unk_token", "<unk>");
    model.put("fuse_unk", true).put("byte_fallback", true).putArray("merges").add("\u2581 a");
    ObjectNode vocabulary = model.putObject("vocab").put("<unk>", 0).put("<s>", 1).put("</s>", 2);
    int id = 3;
    for (int b = 0; b < 256; b++) {
      vocabulary.put(String.format("<0x%02X>", b), id++);
    }
    for (String piece : List.of("\u2581", "a", "b", "s", "<", ">", "/", "\u2581a")) {
      vocabulary.put(piece, id++);
    }
    return root;
  }

  @Test
  void tokensThatAreNoneHaveNoBytes() {
    for (int token :
        new int[] {-1, TinyModelDirectory.VOCABULARY, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
      assertThat(TINY.ours.bytes(token)).isEmpty();
      assertThat(TINY.ours.isSpecial(token)).isFalse();
    }
    assertThat(TINY.ours.id("no such token")).isNull();
    assertThat(TINY.ours.id("<|im_end|>")).isEqualTo(TinyModelDirectory.IM_END);
  }

  /** As Hugging Face does it: gone before anything is merged, so that what it parted is merged. */
  @Test
  void bytesThatTheVocabularyLacksAreLeftOut() {
    ObjectNode tokenizer = TinyModelDirectory.tokenizer(List.of("! !"), false);
    ObjectNode vocabulary = (ObjectNode) tokenizer.path("model").path("vocab");
    String lacking = "\u0113"; // stands for byte 19
    assertThat(vocabulary.remove(lacking)).isNotNull();
    ((ObjectNode) tokenizer.path("model")).remove("unk_token");
    Tiny tiny = tiny(tokenizer);
    assertThat(pieces(tiny, "!\u0013!")).containsExactly("!!");
    assertThat(pieces(tiny, "a\u0013b")).containsExactly("a", "b");
    assertThat(tiny.ours.encode("\u0013")).isEmpty();
  }

  // --- merging by rank

  @Test
  void mergesGoByRankAndThenFromTheLeft() {
    Tiny tiny = tiny(List.of("l o", "lo w", "e r", "n e", "ne w", "low er", "a a", "aa aa"));
    assertThat(pieces(tiny, "lower")).containsExactly("lower");
    // e r comes before n e, so new never comes about in newer's end
    assertThat(pieces(tiny, "newer")).containsExactly("new", "er");
    assertThat(pieces(tiny, "ner")).containsExactly("n", "er");
    assertThat(pieces(tiny, "slow")).containsExactly("s", "low");
    assertThat(pieces(tiny, "aaa")).containsExactly("aa", "a");
    assertThat(pieces(tiny, "aaaaa")).containsExactly("aaaa", "a");
    assertThat(pieces(tiny, "aaaaaa")).containsExactly("aaaa", "aa");
    // digits stand alone before anything is merged
    assertThat(pieces(tiny, "low7low")).containsExactly("low", "7", "low");
  }

  /** Random merges on random text, against merging one pair after the other. */
  @Property(tries = 60)
  void randomMergesAreThoseOfTheNaiveLoop(@ForAll long seed) {
    Random random = new Random(seed);
    Set<String> tokens = new LinkedHashSet<>(List.of("a", "b", "c"));
    Set<String> merges = new LinkedHashSet<>();
    while (merges.size() < 25) {
      List<String> known = List.copyOf(tokens);
      String left = known.get(random.nextInt(known.size()));
      String right = known.get(random.nextInt(known.size()));
      if (merges.add(left + " " + right)) {
        tokens.add(left + right);
      }
    }
    List<String> ranked = new ArrayList<>(merges);
    Collections.shuffle(ranked, random);
    Tiny tiny = tiny(ranked);
    Map<String, Integer> rank = new HashMap<>();
    for (int i = 0; i < ranked.size(); i++) {
      rank.put(ranked.get(i), i);
    }
    for (int i = 0; i < 20; i++) {
      StringBuilder text = new StringBuilder();
      for (int n = random.nextInt(40); n >= 0; n--) {
        text.append("abc".charAt(random.nextInt(3)));
      }
      List<String> naive = new ArrayList<>(text.chars().mapToObj(Character::toString).toList());
      while (true) {
        int best = -1;
        int least = Integer.MAX_VALUE;
        for (int at = 0; at + 1 < naive.size(); at++) {
          int r = rank.getOrDefault(naive.get(at) + " " + naive.get(at + 1), Integer.MAX_VALUE);
          if (r < least) {
            least = r;
            best = at;
          }
        }
        if (best < 0) {
          break;
        }
        naive.set(best, naive.get(best) + naive.remove(best + 1));
      }
      assertThat(pieces(tiny, text.toString())).as("%s", text).isEqualTo(naive);
    }
  }

  private static List<String> pieces(Tiny tiny, String text) {
    return Arrays.stream(tiny.ours.encode(text))
        .mapToObj(token -> tiny.ours.decode(new int[] {token}))
        .toList();
  }

  // --- long text

  /** Jlama's own loop would take hours for this. */
  @Test
  @Timeout(120)
  void aMegabyteInOnePieceIsEncoded() {
    String text = "the thing in there ".repeat(55_000);
    assertThat(text.length()).isGreaterThan(1_000_000);
    int[] tokens = TINY.ours.encode(text);
    assertThat(tokens.length).isLessThan(text.length());
    assertThat(TINY.ours.decode(tokens)).isEqualTo(text);
    assertThat(tokens.length).isGreaterThanOrEqualTo(TINY.ours.atLeastTokens(text.length()));
  }

  @Test
  @Timeout(120)
  void aMegabyteOfOneLetterIsEncoded() {
    Tiny tiny = tiny(List.of("a a", "aa aa", "aaaa aaaa"));
    int[] tokens = tiny.ours.encode("a".repeat(1_000_003));
    assertThat(tokens).hasSize(125_000 + 2);
    assertThat(tiny.ours.decode(tokens)).hasSize(1_000_003);
  }

  @Property(tries = 300)
  void theLowerBoundIsOne(@ForAll @StringLength(max = 60) String text) {
    assertThat(TINY.ours.encode(text).length)
        .isGreaterThanOrEqualTo(TINY.ours.atLeastTokens(text.length()));
  }

  @Test
  void manyThreadsEncodeAlike() {
    List<String> texts = texts().toList();
    List<int[]> serial = texts.stream().map(TINY.ours::encode).toList();
    List<Integer> wrong =
        IntStream.range(0, 2_000)
            .parallel()
            .filter(i ->
                !Arrays.equals(
                    TINY.ours.encode(texts.get(i % texts.size())), serial.get(i % texts.size())))
            .boxed()
            .toList();
    assertThat(wrong).isEmpty();
  }
}
