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

import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.model.chat.request.json.JsonObjectSchema;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.output.FinishReason;
import io.github.kvp4j.langchain4j.KvpChatModel;
import io.github.kvp4j.langchain4j.KvpChatRequestParameters;
import io.github.kvp4j.langchain4j.KvpChatResponseMetadata;
import io.github.kvp4j.langchain4j.KvpModelBuilder;
import io.github.kvp4j.langchain4j.KvpStreamingChatModel;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What LangChain4j's conformance tests are run on: chat models over the one loaded model. */
final class ConformanceModels {
  /** From {@code should_respect_system_message}. */
  static final List<ChatMessage> WITH_SYSTEM_MESSAGE =
      List.of(
          SystemMessage.from("Translate messages from user into German"),
          UserMessage.from("Translate: 'I love you'"));

  /** From {@code should_respect_multiple_messages}. */
  static final List<ChatMessage> SEVERAL_TURNS =
      List.of(
          UserMessage.from("Hi, my favorite color is green"),
          AiMessage.from("Hi, nice to meet you"),
          UserMessage.from("What is my favorite color?"));

  static final ToolSpecification WEATHER =
      ToolSpecification.builder()
          .name("getWeather")
          .parameters(JsonObjectSchema.builder().addStringProperty("city").build())
          .build();

  static final ToolSpecification TIME =
      ToolSpecification.builder()
          .name("getTime")
          .parameters(JsonObjectSchema.builder().addStringProperty("country").build())
          .build();

  /** From {@code should_execute_a_tool_then_answer}. */
  static final ChatRequest WITH_TOOL =
      ChatRequest.builder()
          .messages(UserMessage.from("What is the weather in Munich?"))
          .toolSpecifications(WEATHER)
          .build();

  /** From {@code should_execute_a_tool_without_arguments_then_answer}. */
  static final ChatRequest WITH_TOOL_WITHOUT_ARGUMENTS =
      ChatRequest.builder()
          .messages(UserMessage.from("What is the time now? Use the get_current_time tool."))
          .toolSpecifications(ToolSpecification.builder().name("get_current_time").build())
          .build();

  /** From {@code should_force_LLM_to_execute_any_tool}. */
  static final ChatRequest WITH_ANY_TOOL_REQUIRED =
      ChatRequest.builder()
          .messages(UserMessage.from("I live in Munich"))
          .toolSpecifications(
              WEATHER,
              ToolSpecification.builder()
                  .name("add_two_numbers")
                  .parameters(
                      JsonObjectSchema.builder()
                          .addIntegerProperty("a")
                          .addIntegerProperty("b")
                          .build())
                  .build())
          .toolChoice(ToolChoice.REQUIRED)
          .build();

  private static final int MAX_OUTPUT_TOKENS = 64;

  private ConformanceModels() {}

  static KvpChatModel chat(@Nullable ChatRequestParameters defaults) {
    return on(KvpChatModel.builder(), defaults).build();
  }

  static KvpStreamingChatModel streaming(
      @Nullable ChatRequestParameters defaults, ChatModelListener... listeners) {
    return on(KvpStreamingChatModel.builder(), defaults).listeners(List.of(listeners)).build();
  }

  private static <B extends KvpModelBuilder<B>> B on(
      B builder, @Nullable ChatRequestParameters defaults) {
    return builder.model(RealModel.model()).defaultRequestParameters(withLimit(defaults));
  }

  static KvpChatModel chatTo(ChatModelListener listener) {
    return listenedTo(KvpChatModel.builder(), listener).build();
  }

  static KvpStreamingChatModel streamingTo(ChatModelListener listener) {
    return listenedTo(KvpStreamingChatModel.builder(), listener).build();
  }

  /** The settings that the listeners' tests look for. */
  private static <B extends KvpModelBuilder<B>> B listenedTo(
      B builder, ChatModelListener listener) {
    return builder
        .model(RealModel.model())
        .temperature(0.7)
        .topP(1.0)
        .maxOutputTokens(7)
        .listeners(List.of(listener));
  }

  static String modelName() {
    return String.valueOf(RealModel.directory().getFileName());
  }

  private static ChatRequestParameters withLimit(@Nullable ChatRequestParameters defaults) {
    KvpChatRequestParameters limit =
        KvpChatRequestParameters.builder().maxOutputTokens(MAX_OUTPUT_TOKENS).build();
    return defaults == null ? limit : limit.overrideWith(defaults);
  }

  /**
   * The second half of {@code should_execute_multiple_tools_in_parallel_then_answer}.
   *
   * @param second what the second tool returned
   */
  static ChatRequest withResults(String second) {
    ToolExecutionRequest weather =
        ToolExecutionRequest.builder()
            .id("1")
            .name("getWeather")
            .arguments("{\"city\":\"Munich\"}")
            .build();
    ToolExecutionRequest time =
        ToolExecutionRequest.builder()
            .id("2")
            .name("getTime")
            .arguments("{\"country\":\"France\"}")
            .build();
    return ChatRequest.builder()
        .messages(
            UserMessage.from("What is the weather in Munich and time in France?"),
            AiMessage.from(weather, time),
            ToolExecutionResultMessage.from(weather, "sunny"),
            ToolExecutionResultMessage.from(time, second))
        .toolSpecifications(WEATHER, TIME)
        .build();
  }

  /** What can be said of an answer without tools, whatever its words are. */
  static void assertAnswered(ChatResponse response) {
    assertThat(response.aiMessage().text()).isNotBlank();
    assertThat(response.aiMessage().toolExecutionRequests()).isEmpty();
    assertWellFormed(response);
  }

  /** What can be said of any answer. */
  static void assertWellFormed(ChatResponse response) {
    AiMessage message = response.aiMessage();
    for (ToolExecutionRequest call : message.toolExecutionRequests()) {
      assertThat(call.id()).isNotBlank();
      assertThat(call.name()).isNotBlank();
      assertThat(call.arguments()).startsWith("{").endsWith("}");
    }
    if (message.hasToolExecutionRequests()) {
      assertThat(response.finishReason()).isEqualTo(FinishReason.TOOL_EXECUTION);
    } else {
      assertThat(message.text()).isNotNull();
      assertThat(response.finishReason()).isIn(FinishReason.STOP, FinishReason.LENGTH);
    }
    KvpChatResponseMetadata metadata = (KvpChatResponseMetadata) response.metadata();
    assertThat(metadata.id()).isNotBlank();
    assertThat(metadata.modelName()).isEqualTo(modelName());
    assertThat(metadata.tokenUsage().inputTokenCount())
        .isPositive()
        .isEqualTo(
            metadata.reusedPromptTokens()
                + metadata.predictedPromptTokens()
                + metadata.exactPromptTokens());
    assertThat(metadata.tokenUsage().outputTokenCount()).isBetween(1, MAX_OUTPUT_TOKENS);
    assertThat(metadata.timeToFirstTokenMillis()).isPositive();
  }

  /** For AI services: the first request has to be a call, the next must not be one. */
  static ChatRequest callOnce(ChatRequest request) {
    boolean called = request.messages().getLast() instanceof ToolExecutionResultMessage;
    return request.toBuilder().toolChoice(called ? ToolChoice.NONE : ToolChoice.REQUIRED).build();
  }

  /** Whether the model saw what the tools returned, told by the prompt's length. */
  static void assertResultsShown(ChatResponse shorter, ChatResponse longer) {
    assertWellFormed(shorter);
    assertWellFormed(longer);
    assertThat(longer.tokenUsage().inputTokenCount())
        .isGreaterThan(shorter.tokenUsage().inputTokenCount());
  }
}
