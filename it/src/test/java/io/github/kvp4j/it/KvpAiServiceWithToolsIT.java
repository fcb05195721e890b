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

import dev.langchain4j.agent.tool.Tool;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.service.AiServices;
import dev.langchain4j.service.Result;
import dev.langchain4j.service.common.AbstractAiServiceWithToolsIT;
import io.github.kvp4j.langchain4j.KvpChatModel;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * LangChain4j's conformance tests for AI services with tools, on the real model. All of them need
 * answers that are right in their words; the way of a call through the service, from the model to
 * the tool and back, is tested here instead.
 */
@BeyondTheModel({
  "should_execute_tool_with_primitive_parameters",
  "should_execute_tool_with_pojo_with_primitives",
  "should_execute_tool_with_pojo_with_nested_pojo",
  "should_execute_tool_with_pojo_with_recursion",
  "should_execute_tool_without_parameters",
  "should_execute_tool_with_enum_parameter",
  "should_execute_tool_with_map_parameter",
  "should_execute_tool_with_list_of_strings_parameter",
  "should_execute_tool_with_set_of_enums_parameter",
  "should_execute_tool_with_collection_of_integers_parameter",
  "should_execute_tool_with_list_of_POJOs_parameter",
  "should_execute_tool_with_uuid_parameter",
  "should_execute_normal_tool_with_primitive_parameters",
  "should_execute_immediate_tool_with_primitive_parameters",
  "should_execute_normal_tool_in_parallel_with_primitive_parameters",
  "should_execute_immediate_tool_in_parallel_with_primitive_parameters",
  "should_return_to_LLM",
  "should_return_immediately_from_first_tool_when_not_called_in_parallel",
  "should_keep_memory_consistent_using_return_immediate",
  "should_throw_using_immediate_tool_on_service_not_returning_Result",
  "should_allow_empty_tool_result",
  "should_allow_blank_tool_result",
  "should_fail_when_tool_returns_image_and_provider_does_not_support_it"
})
class KvpAiServiceWithToolsIT extends AbstractAiServiceWithToolsIT {
  @Override
  protected List<ChatModel> models() {
    return List.of(ConformanceModels.chat(null));
  }

  @Override
  protected boolean supportsMultimodalToolResults() {
    return false;
  }

  interface Assistant {
    Result<String> chat(String message);
  }

  static final class Clock {
    private int asked;

    @Tool("The time now")
    String currentTime() {
      asked++;
      return "17:11:45";
    }
  }

  /** The first request has to be a call, the next must not be one. */
  private static ChatRequest callOnce(ChatRequest request) {
    boolean called = request.messages().getLast() instanceof ToolExecutionResultMessage;
    return request.toBuilder().toolChoice(called ? ToolChoice.NONE : ToolChoice.REQUIRED).build();
  }

  @Test
  void aCallGoesFromTheModelToTheToolAndBack() {
    Clock clock = new Clock();
    List<ChatRequest> requests = new ArrayList<>();
    try (KvpChatModel model = ConformanceModels.chat(null)) {
      Assistant assistant =
          AiServices.builder(Assistant.class)
              .chatModel(model)
              .tools(clock)
              .chatRequestTransformer(request -> {
                ChatRequest changed = callOnce(request);
                requests.add(changed);
                return changed;
              })
              .build();
      Result<String> result = assistant.chat("What is the time now?");
      assertThat(result.content()).isNotBlank();
      assertThat(clock.asked).isPositive();
      assertThat(result.toolExecutions()).hasSize(clock.asked);
      assertThat(result.toolExecutions().getFirst().result()).isEqualTo("17:11:45");
      assertThat(requests).hasSize(2);
      assertThat(requests.getFirst().toolSpecifications())
          .extracting(ToolSpecification::name)
          .containsExactly("currentTime");
      assertThat(((ToolExecutionResultMessage) requests.getLast().messages().getLast()).text())
          .isEqualTo("17:11:45");
    }
  }
}
