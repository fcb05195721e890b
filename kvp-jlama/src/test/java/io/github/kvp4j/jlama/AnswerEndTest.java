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

import static io.github.kvp4j.jlama.ModelCases.answer;
import static io.github.kvp4j.jlama.ModelCases.open;
import static io.github.kvp4j.jlama.ModelCases.scripted;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.kvp4j.jlama.TinyModelDirectory.Kind;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Where an answer ends, and what of its last token is shown. */
@Timeout(300)
class AnswerEndTest {
  @TempDir Path folder;

  @Test
  void theEndOfSequenceAsTheVeryFirstTokenEndsTheAnswer() {
    List<Integer> first;
    try (KvpModel model = open(folder, TinyModelDirectory.of(Kind.QWEN2).seed(5))) {
      first = answer(model, "the prompt", KvpMode.EXACT, 1).tokens();
    }
    assertThat(first).hasSize(1);
    TinyModelDirectory ends =
        TinyModelDirectory.of(Kind.QWEN2).seed(5).endOfSequence(first.getFirst());
    try (KvpModel model = open(folder, ends)) {
      for (KvpMode mode : List.of(KvpMode.OFF, KvpMode.EXACT)) {
        List<String> parts = new ArrayList<>();
        GenerateResult result =
            model.generate(
                GenerateRequest.builder("the prompt").mode(mode).maxNewTokens(20).build(),
                parts::add);
        assertThat(result.tokens()).isEmpty();
        assertThat(result.text()).isEmpty();
        assertThat(result.finishReason()).isEqualTo(FinishReason.STOP);
        assertThat(parts).isEmpty();
        assertThat(result.millisPerToken()).isZero();
      }
    }
  }

  @Test
  void theEndOfSequenceEndsTheAnswerWhereverItComes() {
    try (KvpModel model = scripted(folder, "ab", List.of(TinyModelDirectory.IM_END, (int) 'c'))) {
      GenerateResult result = answer(model, "a", KvpMode.EXACT, 20);
      assertThat(result.text()).isEqualTo("b");
      assertThat(result.tokens()).containsExactly((int) 'b');
      assertThat(result.finishReason()).isEqualTo(FinishReason.STOP);
    }
  }

  /** Special tokens other than the end are counted but not shown. */
  @Test
  void specialTokensAreNotShown() {
    try (KvpModel model =
        scripted(folder, "ab", List.of(TinyModelDirectory.END_OF_TEXT, (int) 'c'))) {
      GenerateResult result = answer(model, "a", KvpMode.EXACT, 3);
      assertThat(result.text()).isEqualTo("bc");
      assertThat(result.tokens())
          .containsExactly((int) 'b', TinyModelDirectory.END_OF_TEXT, (int) 'c');
      assertThat(result.finishReason()).isEqualTo(FinishReason.LENGTH);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 10})
  void theAnswerHasAtMostAsManyTokensAsAllowed(int most) {
    try (KvpModel model = scripted(folder, "abcdefghijklmnop", List.of())) {
      for (KvpMode mode : List.of(KvpMode.OFF, KvpMode.EXACT)) {
        GenerateResult result = answer(model, "a", mode, most);
        assertThat(result.text()).isEqualTo("bcdefghijklmnop".substring(0, most));
        assertThat(result.tokens()).hasSize(most);
        assertThat(result.finishReason()).isEqualTo(FinishReason.LENGTH);
      }
    }
  }

  @Test
  void stopStringsEndTheAnswerAndAreNotPartOfIt() {
    try (KvpModel model = scripted(folder, "a bcdefghij", List.of())) {
      assertThat(stopped(model, "a", "e")).isEqualTo(" bcd");
      // over several tokens, each of one letter
      assertThat(stopped(model, "a", "efg")).isEqualTo(" bcd");
      assertThat(stopped(model, "a", "zzz", "ghi", "fgh")).isEqualTo(" bcde");
      assertThat(stopped(model, "a", " b")).isEmpty();
      assertThat(stopped(model, "a", "xyz", "bcdef")).isEqualTo(" ");
    }
  }

  private static String stopped(KvpModel model, String prompt, String... stops) {
    List<String> parts = new ArrayList<>();
    GenerateResult result =
        model.generate(
            GenerateRequest.builder(prompt)
                .stopStrings(List.of(stops))
                .maxNewTokens(9)
                .mode(KvpMode.EXACT)
                .build(),
            parts::add);
    assertThat(result.finishReason()).isEqualTo(FinishReason.STOP);
    assertThat(String.join("", parts)).isEqualTo(result.text());
    return result.text();
  }

  @Test
  void whatOnlyBeginsLikeAStopStringComesOutAtTheEnd() {
    try (KvpModel model = scripted(folder, "abcdefgh", List.of())) {
      List<String> parts = new ArrayList<>();
      GenerateResult result =
          model.generate(
              GenerateRequest.builder("a")
                  .stopStrings(List.of("ghX", "cdX"))
                  .maxNewTokens(7)
                  .build(),
              parts::add);
      assertThat(result.text()).isEqualTo("bcdefgh");
      assertThat(parts).containsExactly("b", "cde", "f", "gh");
      assertThat(result.finishReason()).isEqualTo(FinishReason.LENGTH);
    }
  }

  /** Tokens of single bytes: what is handed out is whole characters. */
  @Test
  void charactersOfSeveralTokensAreHandedOutWhole() {
    String text = "é漢🙂";
    try (KvpModel model = scripted(folder, "a" + text + "z", List.of())) {
      int bytes = text.getBytes(StandardCharsets.UTF_8).length;
      for (int most = 1; most <= bytes + 1; most++) {
        List<String> parts = new ArrayList<>();
        GenerateResult result =
            model.generate(GenerateRequest.builder("a").maxNewTokens(most).build(), parts::add);
        assertThat(result.tokens()).hasSize(most);
        assertThat(String.join("", parts)).isEqualTo(result.text());
        for (String part : parts) {
          assertThat(part).isNotEmpty();
          assertThat(part.codePoints().count()).isEqualTo(1);
        }
        if (most >= bytes) {
          assertThat(result.text()).startsWith(text).doesNotContain("\ufffd");
        }
      }
      assertThat(stopped(model, "a", "🙂")).isEqualTo("é漢");
    }
  }

  /** The parts of a stream are the answer, also where the tokens are random. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6})
  void partsAddUpToTheText(long seed) {
    try (KvpModel model = open(folder, TinyModelDirectory.of(Kind.MISTRAL).seed(6))) {
      List<String> parts = new ArrayList<>();
      GenerateResult result =
          model.generate(
              GenerateRequest.builder("go").temperature(1.5).seed(seed).maxNewTokens(60).build(),
              parts::add);
      assertThat(String.join("", parts)).isEqualTo(result.text());
      for (String part : parts) {
        assertThat(part).isNotEmpty();
        assertThat(new String(part.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8))
            .isEqualTo(part);
      }
      int[] tokens = result.tokens().stream().mapToInt(Integer::intValue).toArray();
      assertThat(result.text()).isEqualTo(model.tokenizer().decode(tokens));
    }
  }
}
