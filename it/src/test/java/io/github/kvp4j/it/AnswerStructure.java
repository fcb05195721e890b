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
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.model.chat.response.ChatResponse;
import org.junit.jupiter.api.Test;

/**
 * What is left of the conformance tests whose words are {@link BeyondTheModel}: their requests, and
 * all that can be said of the answers without knowing them.
 */
interface AnswerStructure {
  /** The model's answer. */
  ChatResponse answer(ChatRequest request);

  /** For {@code should_respect_system_message}. */
  @Test
  default void answersWithSystemMessage() {
    ConformanceModels.assertAnswered(
        answer(ChatRequest.builder().messages(ConformanceModels.WITH_SYSTEM_MESSAGE).build()));
  }

  /** For {@code should_respect_multiple_messages}. */
  @Test
  default void answersSeveralTurns() {
    ConformanceModels.assertAnswered(
        answer(ChatRequest.builder().messages(ConformanceModels.SEVERAL_TURNS).build()));
  }

  /** For {@code should_execute_a_tool_then_answer}. */
  @Test
  default void answersOrCallsWhereToolsAreOffered() {
    ConformanceModels.assertWellFormed(answer(ConformanceModels.WITH_TOOL));
  }

  /** For {@code should_execute_a_tool_without_arguments_then_answer}. */
  @Test
  default void callsAToolWithoutArgumentsThenAnswers() {
    ChatRequest request = ConformanceModels.WITH_TOOL_WITHOUT_ARGUMENTS;
    ChatResponse called = answer(request.toBuilder().toolChoice(ToolChoice.REQUIRED).build());
    ConformanceModels.assertWellFormed(called);
    AiMessage message = called.aiMessage();
    assertThat(message.toolExecutionRequests()).isNotEmpty();
    ToolExecutionRequest call = message.toolExecutionRequests().getFirst();
    assertThat(call.name()).isEqualTo("get_current_time");
    assertThat(call.arguments()).isEqualTo("{}");

    ChatResponse answered =
        answer(
            request.toBuilder()
                .messages(
                    request.messages().getFirst(),
                    AiMessage.from(call),
                    ToolExecutionResultMessage.from(call, "17:11:45"))
                .build());
    ConformanceModels.assertResultsShown(called, answered);
  }

  /** For {@code should_execute_multiple_tools_in_parallel_then_answer}. */
  @Test
  default void readsTheResultsOfParallelCalls() {
    ConformanceModels.assertResultsShown(
        answer(ConformanceModels.withResults("14:35")),
        answer(ConformanceModels.withResults("It is 14:35 in all of France.")));
  }

  /** For {@code should_force_LLM_to_execute_any_tool}. */
  @Test
  default void beginsACallOfAnyTool() {
    ChatResponse response = answer(ConformanceModels.WITH_ANY_TOOL_REQUIRED);
    ConformanceModels.assertWellFormed(response);
    if (!response.aiMessage().hasToolExecutionRequests()) {
      assertThat(response.aiMessage().text()).startsWith("<tool_call>\n{\"name\": \"");
    }
  }
}
