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
package io.github.kvp4j.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.corpus.TextCorpus;
import io.github.kvp4j.evaluation.Continuation;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Items are what they are said to be; a token is a byte here, and 1 begins a sequence. */
class TrainingItemsTest {
  private static final TrainingItems.Encoding BYTES =
      new TrainingItems.Encoding(t -> tokens("\u0001" + t), TrainingItemsTest::tokens);

  @TempDir private Path folder;
  private TextCorpus corpus = TextCorpus.read(List.of(), 1);

  private static int[] tokens(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    return IntStream.range(0, bytes.length).map(i -> bytes[i] & 255).toArray();
  }

  private static String text(int[] tokens) {
    byte[] bytes = new byte[tokens.length];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) tokens[i];
    }
    return new String(bytes, StandardCharsets.UTF_8);
  }

  @BeforeEach
  void write() throws IOException {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < 400; i++) {
      text.append("The miller of village number ").append(i).append(" counts his many sacks. ");
    }
    corpus = TextCorpus.read(List.of(Files.writeString(folder.resolve("a.txt"), text)), 1);
  }

  private TrainingItems items(double text, double copy, double question) {
    return new TrainingItems(corpus, BYTES, new TrainingItems.Mix(text, copy, question), 100, 1000);
  }

  @Test
  void runningTextGoesOn() {
    SplittableRandom random = new SplittableRandom(2);
    for (int i = 0; i < 50; i++) {
      Continuation item = items(1, 0, 0).next(random);
      assertThat(item.prompt().length).isBetween(100, 1000);
      assertThat(item.prompt()[0]).isEqualTo(1);
      String whole = text(item.prompt()).substring(1) + text(item.following());
      assertThat(IntStream.range(0, corpus.size()).mapToObj(corpus::passage))
          .anyMatch(p -> p.startsWith(whole));
      assertThat(item.following()).hasSize(64);
    }
  }

  @Test
  void copiesAreOfTheText() {
    SplittableRandom random = new SplittableRandom(2);
    for (int i = 0; i < 50; i++) {
      Continuation item = items(0, 1, 0).next(random);
      assertThat(item.prompt().length).isBetween(100, 1000);
      assertThat(text(item.prompt())).endsWith("\n\n").contains(text(item.following()));
      assertThat(item.following()).hasSize(64);
    }
  }

  @Test
  void questionsAreAnsweredByThePassage() {
    SplittableRandom random = new SplittableRandom(2);
    for (int i = 0; i < 50; i++) {
      Continuation item = items(0, 0, 1).next(random);
      String prompt = text(item.prompt());
      assertThat(prompt).startsWith("\u0001Passage: ").endsWith("\"?\nAnswer:");
      String asked = prompt.substring(prompt.indexOf("missing in \"") + 12, prompt.length() - 10);
      String answer = text(item.following()).split("\n", 2)[0].substring(1);
      assertThat(prompt).contains(asked.replace("___", answer));
      assertThat(item.following().length).isLessThanOrEqualTo(64);
    }
  }

  @Test
  void theMixIsKept() {
    SplittableRandom random = new SplittableRandom(3);
    int[] kinds = new int[3];
    TrainingItems items = items(2, 1, 1);
    for (int i = 0; i < 400; i++) {
      String prompt = text(items.next(random).prompt());
      kinds[prompt.endsWith("Answer:") ? 2 : prompt.endsWith("\n\n") ? 1 : 0]++;
    }
    assertThat(kinds[0]).isBetween(150, 250);
    assertThat(kinds[1]).isBetween(60, 140);
    assertThat(Arrays.stream(kinds).sum()).isEqualTo(400);
  }

  @Test
  void textsForAFitAreWholeItems() {
    List<int[]> texts = items(1, 1, 1).texts(new SplittableRandom(4), 20_000);
    assertThat(texts.stream().mapToInt(t -> t.length).sum()).isBetween(20_000, 21_064);
    assertThat(texts).allSatisfy(t -> assertThat(t.length).isBetween(101, 1064));
    List<int[]> again = items(1, 1, 1).texts(new SplittableRandom(4), 20_000);
    assertThat(again.toArray(int[][]::new)).isDeepEqualTo(texts.toArray(int[][]::new));
    assertThat(texts.stream().filter(t -> text(t).contains("\n\n")).toList())
        .isNotEmpty()
        .allSatisfy(t -> {
          String[] parts = text(t).split("\n\n", 2);
          assertThat(parts[0]).contains(parts[1]);
        });
  }

  @Test
  void whatCanNotBeMadeIsRefused() {
    for (double[] mix : new double[][] {{0, 0, 0}, {-1, 2, 0}, {Double.NaN, 1, 1}}) {
      refused("The mix is", () -> new TrainingItems.Mix(mix[0], mix[1], mix[2]));
    }
    TrainingItems.Mix mix = new TrainingItems.Mix(1, 1, 1);
    refused("no room", () -> new TrainingItems(corpus, BYTES, mix, 101, 100));
    TrainingItems tooLong = new TrainingItems(corpus, BYTES, mix, 50_000, 60_000);
    refused("give more text", () -> tooLong.next(new SplittableRandom(1)));
  }

  /** One text of a thousand is long enough, and it is found each time. */
  @Test
  void theFewPassagesThatWillDoAreFound() throws IOException {
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < 1000; i++) {
      String sentence = "The miller of village " + i + " counts his many sacks of flour again. ";
      lines.append("{\"text\":\"").append(sentence.repeat(i == 500 ? 12 : 4)).append("\"}\n");
    }
    TextCorpus few =
        TextCorpus.read(List.of(Files.writeString(folder.resolve("few.jsonl"), lines)), 1);
    assertThat(few.size()).isEqualTo(1000);
    TrainingItems items = new TrainingItems(few, BYTES, new TrainingItems.Mix(1, 1, 0), 200, 600);
    SplittableRandom random = new SplittableRandom(6);
    for (int i = 0; i < 20; i++) {
      assertThat(text(items.next(random).prompt())).contains("village 500 ");
    }
  }

  /** More text would not help: what is too small is named, and how much is enough. */
  @Test
  void copiesThatHaveNoRoomAreRefusedBeforeAnyText() {
    TrainingItems.Mix copies = new TrainingItems.Mix(1, 1, 0);
    refused("must be at least 166,", () -> new TrainingItems(corpus, BYTES, copies, 100, 165));
    TrainingItems enough = new TrainingItems(corpus, BYTES, copies, 100, 166);
    SplittableRandom random = new SplittableRandom(5);
    for (int i = 0; i < 50; i++) {
      assertThat(enough.next(random).prompt().length).isBetween(100, 166);
    }
    TrainingItems.Mix others = new TrainingItems.Mix(1, 0, 1);
    assertThat(new TrainingItems(corpus, BYTES, others, 100, 165)).isNotNull();
    TrainingItems.Mix questions = new TrainingItems.Mix(0, 0, 1);
    TrainingItems small = new TrainingItems(corpus, BYTES, questions, 100, 165);
    refused("questions in prompts of 100 to 165", () -> small.next(new SplittableRandom(1)));
    refused("allow longer prompts", () -> small.next(new SplittableRandom(1)));
  }

  private static void refused(String message, Runnable call) {
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(call::run)
        .withMessageContaining(message)
        .satisfies(e -> assertThat(e.kind()).isEqualTo(KvpException.Kind.BAD_ARGUMENT));
  }
}
