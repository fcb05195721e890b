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

import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.model.chat.request.json.JsonObjectSchema;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.output.FinishReason;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tools on a model whose answers are known, as a whole and streamed. */
class ToolsTest {
  private static final ToolSpecification WEATHER =
      ToolSpecification.builder()
          .name("getWeather")
          .parameters(JsonObjectSchema.builder().addStringProperty("city").build())
          .build();

  private static final String CALL =
      "{\"name\": \"getWeather\", \"arguments\": {\"city\": \"Ulm\"}}";

  @TempDir static Path temp;
  private static KvpChatModel model;
  private static KvpStreamingChatModel streaming;

  @BeforeAll
  static void load() {
    Path directory =
        ScriptedModel.answering(
                "Let me",
                " see",
                ".\n\n",
                "<tool_call>",
                CALL,
                "</tool_call>",
                " <tool_call> ",
                "[{\"name\": \"now\"}]")
            .follow("\"", "Bonn\"}")
            .follow("Bonn\"}", "}\n</tool_call>\n")
            .follow("}\n</tool_call>\n", ScriptedModel.END)
            .context(2048)
            .write(temp.resolve("m"));
    model = KvpChatModel.builder().modelDirectory(directory).build();
    streaming = KvpStreamingChatModel.builder().modelDirectory(directory).build();
  }

  @AfterAll
  static void close() {
    model.close();
    streaming.close();
  }

  private static ChatRequest.Builder request() {
    return ChatRequest.builder().messages(UserMessage.from("Weather?")).toolSpecifications(WEATHER);
  }

  private static void assertTwoCalls(ChatResponse response) {
    assertThat(response.aiMessage().text()).isEqualTo("Let me see.");
    List<ToolExecutionRequest> calls = response.aiMessage().toolExecutionRequests();
    assertThat(calls).extracting(ToolExecutionRequest::name).containsExactly("getWeather", "now");
    assertThat(calls)
        .extracting(ToolExecutionRequest::arguments)
        .containsExactly("{\"city\":\"Ulm\"}", "{}");
    assertThat(calls).extracting(ToolExecutionRequest::id).doesNotHaveDuplicates();
    assertThat(response.finishReason()).isEqualTo(FinishReason.TOOL_EXECUTION);
  }

  @Test
  void callsComeWithTheTextBefore() {
    assertTwoCalls(model.chat(request().build()));
  }

  @Test
  void callsAreStreamedOneByOneAndNeverAsText() throws Exception {
    RecordingHandler handler = new RecordingHandler();
    streaming.chat(request().build(), handler);
    ChatResponse response = handler.response();
    assertTwoCalls(response);
    assertThat(handler.parts).containsExactly("Let me", " see", ".");
    assertThat(handler.toolCalls).extracting(call -> call.index()).containsExactly(0, 1);
    assertThat(handler.toolCalls)
        .extracting(call -> call.toolExecutionRequest())
        .isEqualTo(response.aiMessage().toolExecutionRequests());
    assertThat(handler.threads).hasSize(1).doesNotContain(Thread.currentThread());
    assertThat(handler.errors).isEmpty();
  }

  @Test
  void withoutToolsTheSameAnswerIsText() {
    String text = model.chat("Weather?");
    assertThat(text).startsWith("Let me see.\n\n<tool_call>" + CALL + "</tool_call>");
  }

  @Test
  void choiceNoneOffersNoToolsAndReadsNoCalls() {
    ChatResponse none = model.chat(request().toolChoice(ToolChoice.NONE).build());
    ChatResponse without =
        model.chat(ChatRequest.builder().messages(request().build().messages()).build());
    assertThat(none.aiMessage()).isEqualTo(without.aiMessage());
    assertThat(none.tokenUsage()).isEqualTo(without.tokenUsage());
    assertThat(none.finishReason()).isEqualTo(FinishReason.STOP);
  }

  @Test
  void choiceRequiredMakesTheAnswerACall() {
    ChatResponse response = model.chat(request().toolChoice(ToolChoice.REQUIRED).build());
    assertThat(response.aiMessage().text()).isNull();
    assertThat(response.aiMessage().toolExecutionRequests())
        .extracting(call -> call.name() + call.arguments())
        .containsExactly("getWeather{\"city\":\"Bonn\"}");
  }

  @Test
  void choiceRequiredWithoutToolsIsRefused() {
    ChatRequest request =
        ChatRequest.builder()
            .messages(UserMessage.from("Hi"))
            .toolChoice(ToolChoice.REQUIRED)
            .build();
    assertThatThrownBy(() -> model.chat(request))
        .isExactlyInstanceOf(InvalidRequestException.class)
        .hasMessage("The toolChoice is REQUIRED, but there are no tools; add some.");
  }

  @Test
  void anAnswerCutInACallIsText() {
    ChatResponse response = model.chat(request().maxOutputTokens(4).build());
    assertThat(response.aiMessage().text()).isEqualTo("Let me see.\n\n<tool_call>");
    assertThat(response.aiMessage().toolExecutionRequests()).isEmpty();
    assertThat(response.finishReason()).isEqualTo(FinishReason.LENGTH);
  }

  @Test
  void resultsReachTheModel() {
    ToolExecutionRequest call =
        ToolExecutionRequest.builder().id("1").name("getWeather").arguments("{}").build();
    ChatRequest.Builder builder =
        ChatRequest.builder()
            .messages(
                UserMessage.from("Weather?"),
                AiMessage.from(call),
                ToolExecutionResultMessage.from(call, "x".repeat(100)));
    int without = model.chat(builder.build()).tokenUsage().inputTokenCount();
    ChatRequest more =
        ChatRequest.builder()
            .messages(
                UserMessage.from("Weather?"),
                AiMessage.from(call),
                ToolExecutionResultMessage.from(call, "x".repeat(150)))
            .build();
    assertThat(model.chat(more).tokenUsage().inputTokenCount()).isEqualTo(without + 50);
  }

  @Test
  void anEmptyResultIsFine() {
    ToolExecutionRequest call =
        ToolExecutionRequest.builder().id("1").name("getWeather").arguments("{}").build();
    ChatRequest request =
        ChatRequest.builder()
            .messages(
                UserMessage.from("Weather?"),
                AiMessage.from(call),
                ToolExecutionResultMessage.from(call, ""))
            .build();
    assertThat(model.chat(request).aiMessage().text()).startsWith("Let me see.");
  }
}
