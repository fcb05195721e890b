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

import dev.langchain4j.agent.tool.ReturnBehavior;
import dev.langchain4j.agent.tool.Tool;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.memory.ChatMemory;
import dev.langchain4j.memory.chat.MessageWindowChatMemory;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.ChatResponseMetadata;
import dev.langchain4j.service.AiServices;
import dev.langchain4j.service.TokenStream;
import dev.langchain4j.service.common.AbstractStreamingAiServiceIT;
import dev.langchain4j.service.tool.ToolExecution;
import io.github.kvp4j.langchain4j.KvpChatResponseMetadata;
import io.github.kvp4j.langchain4j.KvpStreamingChatModel;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** LangChain4j's conformance tests for streaming AI services, on the real model. */
@BeyondTheModel({
  "should_execute_tool_without_arguments",
  "should_keep_memory_consistent_when_streaming_using_immediate_tool"
})
class KvpStreamingAiServiceIT extends AbstractStreamingAiServiceIT {
  @Override
  protected List<StreamingChatModel> models() {
    return List.of(ConformanceModels.streaming(null));
  }

  @Override
  protected Class<? extends ChatResponseMetadata> chatResponseMetadataType(
      StreamingChatModel model) {
    return KvpChatResponseMetadata.class;
  }

  interface Assistant {
    TokenStream chat(String message);
  }

  static class Clock {
    private int asked;

    @Tool
    String currentTime() {
      asked++;
      return "17:11:45";
    }
  }

  static final class ImmediateClock extends Clock {
    @Override
    @Tool(returnBehavior = ReturnBehavior.IMMEDIATE)
    String currentTime() {
      return super.currentTime();
    }
  }

  private static ChatResponse ask(Assistant assistant, List<ToolExecution> executions)
      throws Exception {
    CompletableFuture<ChatResponse> answer = new CompletableFuture<>();
    assistant
        .chat("What is the time now?")
        .onPartialResponse(part -> {})
        .onToolExecuted(executions::add)
        .onCompleteResponse(answer::complete)
        .onError(answer::completeExceptionally)
        .start();
    return answer.get(60, TimeUnit.SECONDS);
  }

  /** For {@code should_execute_tool_without_arguments}: a call that is begun for the model. */
  @Test
  void aCallGoesFromTheModelToTheToolAndBack() throws Exception {
    Clock clock = new Clock();
    List<ToolExecution> executions = new ArrayList<>();
    try (KvpStreamingChatModel model = ConformanceModels.streaming(null)) {
      Assistant assistant =
          AiServices.builder(Assistant.class)
              .streamingChatModel(model)
              .tools(clock)
              .chatRequestTransformer(ConformanceModels::callOnce)
              .build();
      ChatResponse response = ask(assistant, executions);
      assertThat(response.aiMessage().text()).isNotBlank();
      assertThat(response.aiMessage().toolExecutionRequests()).isEmpty();
    }
    assertThat(clock.asked).isPositive();
    assertThat(executions).hasSize(clock.asked);
    assertThat(executions.getFirst().result()).isEqualTo("17:11:45");
  }

  /** For {@code should_keep_memory_consistent_when_streaming_using_immediate_tool}. */
  @Test
  void theMemoryStaysConsistentWithAnImmediateTool() throws Exception {
    ChatMemory memory = MessageWindowChatMemory.withMaxMessages(100);
    Clock clock = new ImmediateClock();
    try (KvpStreamingChatModel model = ConformanceModels.streaming(null)) {
      Assistant assistant =
          AiServices.builder(Assistant.class)
              .streamingChatModel(model)
              .tools(clock)
              .chatMemory(memory)
              .chatRequestTransformer(ConformanceModels::callOnce)
              .build();
      for (int turn = 0; turn < 2; turn++) {
        int before = memory.messages().size();
        List<ToolExecution> executions = new ArrayList<>();
        ChatResponse response = ask(assistant, executions);
        assertThat(response.aiMessage().toolExecutionRequests()).isNotEmpty();
        assertThat(executions).hasSameSizeAs(response.aiMessage().toolExecutionRequests());
        List<ChatMessage> added = memory.messages().subList(before, memory.messages().size());
        assertThat(added).hasSize(2 + executions.size());
        assertThat(added.get(0)).isEqualTo(UserMessage.from("What is the time now?"));
        assertThat(added.get(1)).isEqualTo(response.aiMessage());
        assertThat(added.subList(2, added.size()))
            .allSatisfy(message ->
                assertThat(((ToolExecutionResultMessage) message).text()).isEqualTo("17:11:45"));
      }
    }
  }
}
