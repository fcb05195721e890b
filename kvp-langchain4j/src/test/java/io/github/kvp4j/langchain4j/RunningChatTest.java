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
package io.github.kvp4j.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;

import com.github.tjake.jlama.safetensors.DType;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.chat.response.ChatResponse;
import io.github.kvp4j.jlama.KvpMode;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.prefix.PrefixStore;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a running chat costs: each turn reads what is new, however long the chat has become. */
class RunningChatTest {
  private static final int TURNS = 10;

  @TempDir static Path temp;
  private static Path directory;

  /** A turn's prompt, and how many of its tokens were computed. */
  private record Turn(int promptTokens, int computedTokens) {}

  @BeforeAll
  static void write() {
    directory = ScriptedModel.answering("Hello", " there").context(4096).write(temp.resolve("m"));
  }

  private static KvpChatModel.Builder builder() {
    return KvpChatModel.builder().modelDirectory(directory).mode(KvpMode.EXACT);
  }

  private static List<Turn> chat(KvpChatModel model) {
    List<ChatMessage> messages = new ArrayList<>();
    messages.add(SystemMessage.from("You know all about bridges. ".repeat(10)));
    List<Turn> turns = new ArrayList<>();
    for (int turn = 0; turn < TURNS; turn++) {
      messages.add(UserMessage.from("Question " + turn + ": how long is bridge " + turn + "?"));
      ChatResponse response = model.chat(messages);
      messages.add(AiMessage.from(response.aiMessage().text()));
      turns.add(turn(response));
    }
    return turns;
  }

  private static Turn turn(ChatResponse response) {
    KvpChatResponseMetadata metadata = (KvpChatResponseMetadata) response.metadata();
    int tokens = metadata.tokenUsage().inputTokenCount();
    assertThat(metadata.exactPromptTokens()).isEqualTo(tokens - metadata.reusedPromptTokens());
    return new Turn(tokens, tokens - metadata.reusedPromptTokens());
  }

  @Test
  void eachTurnComputesWhatIsNew() {
    try (KvpChatModel model = builder().build()) {
      List<Turn> turns = chat(model);
      assertThat(turns.getFirst().computedTokens()).isEqualTo(turns.getFirst().promptTokens());
      for (int i = 1; i < TURNS; i++) {
        int added = turns.get(i).promptTokens() - turns.get(i - 1).promptTokens();
        assertThat(added).isPositive();
        assertThat(turns.get(i).computedTokens())
            .as("turn %d", i)
            .isLessThan(added + PrefixStore.BLOCK);
      }
    }
  }

  @Test
  void withoutAStoreEachTurnComputesAll() {
    try (KvpChatModel model = builder().prefixStoreBytes(0L).build()) {
      assertThat(chat(model))
          .allSatisfy(turn -> assertThat(turn.computedTokens()).isEqualTo(turn.promptTokens()));
    }
  }

  /** Two key-value heads of 32 numbers, keys and values of two layers, four bytes each. */
  @Test
  void theSettingBoundsWhatIsKept() {
    long position = 2 * 32 * 2 * 2 * 4;
    try (KvpChatModel model = builder().prefixStoreBytes(64 * position).build()) {
      String prompt = "x".repeat(200);
      model.chat(prompt);
      Turn again = turn(model.chat(UserMessage.from(prompt)));
      assertThat(again.promptTokens() - again.computedTokens()).isEqualTo(64);
    }
  }

  @Test
  void whatOneChatModelReadTheOtherReuses() throws Exception {
    try (KvpChatModel model = builder().build();
        KvpStreamingChatModel streaming =
            KvpStreamingChatModel.builder().modelDirectory(directory).mode(KvpMode.EXACT).build()) {
      String prompt = "y".repeat(200);
      model.chat(prompt);
      RecordingHandler handler = new RecordingHandler();
      streaming.chat(prompt, handler);
      assertThat(turn(handler.response()).computedTokens()).isLessThan(1 + PrefixStore.BLOCK);
    }
  }

  /** Whatever else chat models are loaded with, an exact row of the same weights is the same. */
  @Test
  void whatOneReadAllReuseThatAreOnTheSameWeights() {
    String prompt = "z".repeat(200);
    try (KvpChatModel first = builder().build()) {
      first.chat(prompt);
      for (KvpChatModel.Builder other :
          List.of(
              builder().threadCount(1),
              builder().contextLength(1024),
              builder().withoutPredictor(),
              builder().predictor(ScriptedModel.writePredictor(directory, temp.resolve("p"))),
              builder().workingQuantizedType(DType.F32),
              builder().prefixStoreBytes(1L << 20),
              builder().anchors(Anchors.parse("4/24/0")).mode(KvpMode.AUTO))) {
        try (KvpChatModel model = other.build()) {
          Turn turn = turn(model.chat(UserMessage.from(prompt)));
          assertThat(turn.computedTokens()).isLessThan(1 + PrefixStore.BLOCK);
        }
      }
    }
  }
}
