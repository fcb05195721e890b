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

import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.chat.request.json.JsonObjectSchema;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Tools, calls and results as plain text, for models whose chat template knows nothing of them.
 *
 * <p>The wording is that of the Hermes and Qwen models, which many others were tuned on as well:
 * the system message lists the tools, calls stand between tags in the AI's messages, and results in
 * a user's message.
 */
final class ToolPrompt {
  private ToolPrompt() {}

  /** The same conversation with texts only. */
  static List<ChatMessage> plain(List<ChatMessage> messages, List<ToolSpecification> tools) {
    List<ChatMessage> plain = new ArrayList<>();
    List<String> results = new ArrayList<>();
    for (ChatMessage message : messages) {
      if (message instanceof ToolExecutionResultMessage result) {
        results.add("<tool_response>\n" + ChatPrompt.text(result) + "\n</tool_response>");
        continue;
      }
      addResults(results, plain);
      plain.add(message instanceof AiMessage ai ? AiMessage.from(withCalls(ai)) : message);
    }
    addResults(results, plain);
    if (!tools.isEmpty()) {
      addTools(tools, plain);
    }
    return plain;
  }

  private static void addResults(List<String> results, List<ChatMessage> to) {
    if (!results.isEmpty()) {
      to.add(UserMessage.from(String.join("\n", results)));
      results.clear();
    }
  }

  private static String withCalls(AiMessage ai) {
    List<String> lines = new ArrayList<>();
    if (!ChatPrompt.text(ai).isEmpty()) {
      lines.add(ChatPrompt.text(ai));
    }
    for (ToolExecutionRequest call : ai.toolExecutionRequests()) {
      lines.add(ToolCallParser.OPEN);
      lines.add(ToolJson.write(ToolJson.of(call)));
      lines.add(ToolCallParser.CLOSE);
    }
    return String.join("\n", lines);
  }

  private static void addTools(List<ToolSpecification> tools, List<ChatMessage> to) {
    String list =
        tools.stream()
            .map(tool -> ToolJson.write(ToolJson.of(tool)))
            .collect(Collectors.joining("\n"));
    String text =
        """
        # Tools

        You may call one or more functions to assist with the user query.

        You are provided with function signatures within <tools></tools> XML tags:
        <tools>
        %s
        </tools>

        For each function call, return a json object with function name and arguments within \
        <tool_call></tool_call> XML tags:
        <tool_call>
        {"name": <function-name>, "arguments": <args-json-object>}
        </tool_call>\
        """
            .formatted(list);
    if (to.getFirst() instanceof SystemMessage system) {
      to.set(0, SystemMessage.from(system.text() + "\n\n" + text));
    } else {
      to.addFirst(SystemMessage.from(text));
    }
  }

  /**
   * What an answer begins with that has to be a call: where there is but one tool, its name and
   * that of its first argument, which small models find hard.
   */
  static String begin(List<ToolSpecification> tools, boolean tagged) {
    String begin = (tagged ? ToolCallParser.OPEN + "\n" : "") + "{\"name\": ";
    if (tools.size() > 1) {
      return begin + "\"";
    }
    ToolSpecification tool = tools.getFirst();
    return begin
        + ToolJson.write(tool.name())
        + (tagged ? ", \"arguments\": {" : ", \"parameters\": {")
        + firstArgument(tool.parameters());
  }

  private static String firstArgument(@Nullable JsonObjectSchema parameters) {
    if (parameters == null || parameters.properties().isEmpty()) {
      return "}";
    }
    String first =
        parameters.required().isEmpty()
            ? parameters.properties().keySet().iterator().next()
            : parameters.required().getFirst();
    return ToolJson.write(first) + ":";
  }
}
