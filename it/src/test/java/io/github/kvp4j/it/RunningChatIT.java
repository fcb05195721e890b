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
package io.github.kvp4j.it;

import static org.assertj.core.api.Assertions.assertThat;

import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.chat.response.ChatResponse;
import io.github.kvp4j.langchain4j.KvpChatModel;
import io.github.kvp4j.langchain4j.KvpChatResponseMetadata;
import io.github.kvp4j.prefix.PrefixStore;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A chat of ten turns on the real model, as it is built by default. */
class RunningChatIT {
  private static final List<String> QUESTIONS =
      List.of(
          "What is the capital of France?",
          "Which river runs through it?",
          "How long is that river?",
          "What else is the city known for?",
          "Who built the tower there?",
          "When was that?",
          "How high is it?",
          "Which museum should I see?",
          "What can I eat nearby?",
          "How do I get to the airport?");

  @Test
  void eachTurnReadsWhatIsNew() {
    List<ChatMessage> messages = new ArrayList<>();
    messages.add(SystemMessage.from("You are a helpful guide. Answer in one short sentence."));
    int before = 0;
    try (KvpChatModel model = ConformanceModels.chat(null)) {
      System.out.println("turn  tokens  reused  TTFT ms  mode");
      for (int turn = 0; turn < QUESTIONS.size(); turn++) {
        messages.add(UserMessage.from(QUESTIONS.get(turn)));
        ChatResponse response = model.chat(messages);
        messages.add(response.aiMessage());
        KvpChatResponseMetadata metadata = (KvpChatResponseMetadata) response.metadata();
        int tokens = metadata.tokenUsage().inputTokenCount();
        System.out.printf(
            "%4d  %6d  %6d  %7.0f  %s%n",
            turn + 1,
            tokens,
            metadata.reusedPromptTokens(),
            metadata.timeToFirstTokenMillis(),
            metadata.mode());
        if (turn > 0) {
          assertThat(tokens - metadata.reusedPromptTokens())
              .as("turn %d", turn)
              .isLessThan(tokens - before + PrefixStore.BLOCK);
        }
        before = tokens;
      }
    }
  }
}
