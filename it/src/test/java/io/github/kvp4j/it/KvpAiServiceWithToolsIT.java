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
import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.image.Image;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.service.AiServices;
import dev.langchain4j.service.Result;
import dev.langchain4j.service.common.AbstractAiServiceWithToolsIT;
import io.github.kvp4j.langchain4j.KvpChatModel;
import io.github.kvp4j.langchain4j.KvpChatRequestParameters;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;

/**
 * LangChain4j's conformance tests for AI services with tools, on the real model. All of them need
 * answers that are right in their words, which a model of 135M parameters does not know: it is
 * asked, and {@linkplain WordedModel the words are given}. So requests, schemas, calls, results and
 * memory are as in the tests, and every request is one that the model answers.
 */
class KvpAiServiceWithToolsIT extends AbstractAiServiceWithToolsIT {
  private static final String ALICE = "{\"arg0\": \"62dbcc27-aaf3-449a-b12d-5a904271a57f\"}";

  private static final Map<String, List<AiMessage>> WORDS =
      Map.ofEntries(
          entry(
              "should_execute_tool_with_primitive_parameters",
              add(37, 87),
              AiMessage.from("37 + 87 = 124")),
          entry(
              "should_execute_tool_with_pojo_with_primitives",
              call(
                  "process",
                  """
                  {"arg0": {"name": "Klaus", "age": 37, "height": 1.78, "married": false}}\
                  """),
              AiMessage.from("Done.")),
          entry(
              "should_execute_tool_with_pojo_with_nested_pojo",
              call(
                  "process",
                  """
                  {"arg0": {"name": "Klaus", "address": {"city": "Langley Falls"}}}\
                  """),
              AiMessage.from("Done.")),
          entry(
              "should_execute_tool_with_pojo_with_recursion",
              call(
                  "process",
                  """
                  {"arg0": {"name": "Francine", "children": [
                    {"name": "Steve", "children": []}, {"name": "Hayley", "children": []}]}}\
                  """),
              AiMessage.from("Done.")),
          entry(
              "should_execute_tool_without_parameters",
              call("currentTime", "{}"),
              AiMessage.from("It is 17:11:45.")),
          entry(
              "should_execute_tool_with_enum_parameter",
              call("currentTemperature", "{\"arg0\": \"Munich\", \"arg1\": \"CELSIUS\"}"),
              AiMessage.from("It is 19 degrees.")),
          entry(
              "should_execute_tool_with_map_parameter",
              call("process", "{\"arg0\": {\"Klaus\": 42, \"Francine\": 47}}"),
              AiMessage.from("Done.")),
          entry(
              "should_execute_tool_with_list_of_strings_parameter",
              call("processNames", "{\"arg0\": [\"Klaus\", \"Franny\"]}"),
              AiMessage.from("Done.")),
          entry(
              "should_execute_tool_with_set_of_enums_parameter",
              call("process", "{\"arg0\": [\"RED\", \"GREEN\"]}"),
              AiMessage.from("Done.")),
          entry(
              "should_execute_tool_with_collection_of_integers_parameter",
              call("processNumbers", "{\"arg0\": [37, 73]}"),
              AiMessage.from("Done.")),
          entry(
              "should_execute_tool_with_list_of_POJOs_parameter",
              call("process", "{\"arg0\": [{\"name\": \"Klaus\"}, {\"name\": \"Franny\"}]}"),
              AiMessage.from("Done.")),
          entry(
              "should_execute_tool_with_uuid_parameter",
              call("getUsernameFromId", ALICE),
              AiMessage.from("It is Alice.")),
          entry(
              "should_execute_normal_tool_with_primitive_parameters",
              add(37, 87),
              AiMessage.from("37 + 87 = 124")),
          entry("should_execute_immediate_tool_with_primitive_parameters", add(37, 87)),
          entry(
              "should_execute_normal_tool_in_parallel_with_primitive_parameters",
              addBoth(),
              AiMessage.from("124 and 151")),
          entry("should_execute_immediate_tool_in_parallel_with_primitive_parameters", addBoth()),
          entry(
              "should_return_to_LLM",
              add(2, 3),
              call("multiply", "{\"arg0\": 5, \"arg1\": 4}"),
              AiMessage.from("It is 20."),
              add(37, 87),
              AiMessage.from("It is 124.")),
          entry(
              "should_return_immediately_from_first_tool_when_not_called_in_parallel",
              add(2, 3),
              add(37, 87)),
          entry("should_keep_memory_consistent_using_return_immediate", add(37, 87), add(124, 47)),
          entry("should_throw_using_immediate_tool_on_service_not_returning_Result", add(37, 87)),
          entry(
              "should_allow_empty_tool_result",
              call("modify", "{\"arg0\": 7}"),
              AiMessage.from("Done.")),
          entry(
              "should_allow_blank_tool_result",
              call("modify", "{\"arg0\": 7}"),
              AiMessage.from("Done.")),
          entry(
              "should_fail_when_tool_returns_image_and_provider_does_not_support_it",
              call("takePhoto", "{}")));

  /** Its own words are not read, so a few are enough. */
  private final WordedModel model =
      new WordedModel(
          ConformanceModels.chat(KvpChatRequestParameters.builder().maxOutputTokens(4).build()));

  private static Map.Entry<String, List<AiMessage>> entry(String test, AiMessage... words) {
    return Map.entry(test, List.of(words));
  }

  private static AiMessage add(int a, int b) {
    return call("add", sum(a, b));
  }

  private static AiMessage addBoth() {
    return AiMessage.from(request("add", sum(37, 87)), request("add", sum(73, 78)));
  }

  private static String sum(int a, int b) {
    return "{\"arg0\": " + a + ", \"arg1\": " + b + "}";
  }

  private static AiMessage call(String tool, String arguments) {
    return AiMessage.from(request(tool, arguments));
  }

  private static ToolExecutionRequest request(String tool, String arguments) {
    return ToolExecutionRequest.builder()
        .id(UUID.randomUUID().toString())
        .name(tool)
        .arguments(arguments)
        .build();
  }

  @BeforeEach
  void giveWords(TestInfo test) {
    model.say(WORDS.getOrDefault(test.getTestMethod().orElseThrow().getName(), List.of()));
  }

  @AfterEach
  void allWasAskedFor() {
    assertThat(model.unsaid()).isZero();
  }

  @Override
  protected List<ChatModel> models() {
    return List.of(model);
  }

  @Override
  protected boolean supportsRecursion() {
    return true;
  }

  @Override
  protected boolean supportsMultimodalToolResults() {
    return false;
  }

  /** The original is fetched from the web. */
  @Override
  protected Image catImage() {
    return Image.builder().base64Data("AAAA").mimeType("image/png").build();
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

  /** The same way in the model's own words, which are begun for it. */
  @Test
  void aCallGoesFromTheModelToTheToolAndBack() {
    Clock clock = new Clock();
    List<ChatRequest> requests = new ArrayList<>();
    try (KvpChatModel real = ConformanceModels.chat(null)) {
      Assistant assistant =
          AiServices.builder(Assistant.class)
              .chatModel(real)
              .tools(clock)
              .chatRequestTransformer(request -> {
                ChatRequest changed = ConformanceModels.callOnce(request);
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
