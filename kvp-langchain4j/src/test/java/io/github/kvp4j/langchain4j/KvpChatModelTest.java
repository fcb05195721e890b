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
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.output.FinishReason;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.KvpMode;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class KvpChatModelTest {
  @TempDir static Path temp;
  private static Path directory;
  private static KvpChatModel model;

  @BeforeAll
  static void load() {
    directory =
        ScriptedModel.answering("Hello", ", ", "World", " of", " \u00fc\uD83D\uDE00", "!")
            .write(temp.resolve("greeter"));
    model = KvpChatModel.builder().modelDirectory(directory).build();
  }

  @AfterAll
  static void close() {
    model.close();
  }

  private static ChatResponse ask(ChatRequest.Builder request) {
    return model.chat(request.messages(UserMessage.from("Hi")).build());
  }

  @Test
  void answersAMessage() {
    assertThat(model.chat("Hi")).isEqualTo("Hello, World of \u00fc\uD83D\uDE00!");
  }

  @Test
  void answersAConversation() {
    ChatResponse response =
        model.chat(
            SystemMessage.from("Be brief"),
            UserMessage.from("Hi"),
            AiMessage.from("Hello"),
            UserMessage.from("Again"));
    assertThat(response.aiMessage().text()).startsWith("Hello");
  }

  @Test
  void tellsHowItWentInTheMetadata() {
    ChatResponse response = ask(ChatRequest.builder());
    assertThat(response.metadata()).isExactlyInstanceOf(KvpChatResponseMetadata.class);
    KvpChatResponseMetadata metadata = (KvpChatResponseMetadata) response.metadata();
    assertThat(metadata.id()).isNotBlank().isNotEqualTo(ask(ChatRequest.builder()).id());
    assertThat(metadata.modelName()).isEqualTo("greeter");
    assertThat(metadata.finishReason()).isEqualTo(FinishReason.STOP);
    assertThat(metadata.tokenUsage().outputTokenCount()).isEqualTo(6);
    assertThat(metadata.tokenUsage().inputTokenCount()).isPositive();
    assertThat(metadata.tokenUsage().totalTokenCount())
        .isEqualTo(metadata.tokenUsage().inputTokenCount() + 6);
    assertThat(metadata.reusedPromptTokens() + metadata.exactPromptTokens())
        .isEqualTo(metadata.tokenUsage().inputTokenCount());
    assertThat(metadata.predictedPromptTokens()).isZero();
    assertThat(metadata.mode()).isEqualTo(KvpMode.EXACT);
    assertThat(metadata.modeReason()).contains("predictor");
    assertThat(metadata.timeToFirstTokenMillis()).isPositive();
    assertThat(metadata.millisPerToken()).isPositive();
  }

  @Test
  void tellsWhatWasReused() {
    ask(ChatRequest.builder());
    ChatResponse again = ask(ChatRequest.builder());
    assertThat(((KvpChatResponseMetadata) again.metadata()).reusedPromptTokens())
        .isPositive()
        .isLessThan(again.tokenUsage().inputTokenCount());
  }

  @Test
  void limitsTheAnswerAndNotThePrompt() {
    ChatResponse response = ask(ChatRequest.builder().maxOutputTokens(2));
    assertThat(response.aiMessage().text()).isEqualTo("Hello, ");
    assertThat(response.finishReason()).isEqualTo(FinishReason.LENGTH);
    assertThat(response.tokenUsage().outputTokenCount()).isEqualTo(2);
  }

  @Test
  void endsAtAStopSequenceWithoutIt() {
    ChatResponse response = ask(ChatRequest.builder().stopSequences(List.of("World", " World")));
    assertThat(response.aiMessage().text()).isEqualTo("Hello,");
    assertThat(response.finishReason()).isEqualTo(FinishReason.STOP);
  }

  @Test
  void givesAnEmptyTextWhereTheModelSaysNothing() {
    Path silent = ScriptedModel.answering().write(temp.resolve("silent"));
    try (KvpChatModel quiet = KvpChatModel.builder().modelDirectory(silent).build()) {
      ChatResponse response = quiet.chat(UserMessage.from("Hi"));
      assertThat(response.aiMessage().text()).isEmpty();
      assertThat(response.finishReason()).isEqualTo(FinishReason.STOP);
      assertThat(response.tokenUsage().outputTokenCount()).isZero();
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = KvpMode.class,
      names = {"OFF", "EXACT"})
  void readsThePromptInTheModeAskedFor(KvpMode mode) {
    ChatRequest request =
        ChatRequest.builder()
            .messages(UserMessage.from("Hi"))
            .parameters(KvpChatRequestParameters.builder().mode(mode).build())
            .build();
    ChatResponse response = model.chat(request);
    assertThat(response.aiMessage().text()).startsWith("Hello");
    assertThat(((KvpChatResponseMetadata) response.metadata()).mode()).isEqualTo(mode);
  }

  @Test
  void acceptsItsOwnName() {
    assertThat(ask(ChatRequest.builder().modelName("greeter")).modelName()).isEqualTo("greeter");
    assertThat(model.defaultRequestParameters().modelName()).isEqualTo("greeter");
  }

  @Test
  void refusesValuesOutOfBounds() {
    assertThatThrownBy(() -> ask(ChatRequest.builder().temperature(-1.0)))
        .isExactlyInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("temperature is -1.0")
        .hasCauseInstanceOf(KvpException.class);
    assertThatThrownBy(() -> ask(ChatRequest.builder().temperature(Double.NaN)))
        .isExactlyInstanceOf(InvalidRequestException.class);
    assertThatThrownBy(() -> ask(ChatRequest.builder().topP(0.0)))
        .isExactlyInstanceOf(InvalidRequestException.class);
    assertThatThrownBy(() -> ask(ChatRequest.builder().topK(-1)))
        .isExactlyInstanceOf(InvalidRequestException.class);
    assertThatThrownBy(() -> ask(ChatRequest.builder().maxOutputTokens(0)))
        .isExactlyInstanceOf(InvalidRequestException.class);
    assertThatThrownBy(() -> ask(ChatRequest.builder().stopSequences(List.of(""))))
        .isExactlyInstanceOf(InvalidRequestException.class);
    assertThatThrownBy(
            () -> ask(ChatRequest.builder().stopSequences(java.util.Arrays.asList("a", null))))
        .isExactlyInstanceOf(InvalidRequestException.class);
  }

  @Test
  void refusesAPromptLongerThanTheContext() {
    assertThatThrownBy(() -> model.chat("word ".repeat(ScriptedModel.CONTEXT)))
        .isExactlyInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("limit");
    assertThat(model.chat("Hi")).startsWith("Hello"); // and goes on working
  }

  @Test
  void stopsWhenItsThreadIsInterrupted() {
    Thread.currentThread().interrupt();
    try {
      assertThatThrownBy(() -> model.chat("Hi"))
          .isInstanceOfSatisfying(
              KvpException.class, e -> assertThat(e.kind()).isEqualTo(KvpException.Kind.CANCELLED));
    } finally {
      assertThat(Thread.interrupted()).isTrue();
    }
  }

  @Test
  void refusesDefaultsThatNoRequestCouldMeet() {
    assertThatThrownBy(
            () -> KvpChatModel.builder().modelDirectory(directory).temperature(-1.0).build())
        .isExactlyInstanceOf(InvalidRequestException.class);
  }
}
