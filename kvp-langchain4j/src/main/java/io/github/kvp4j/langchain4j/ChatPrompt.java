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
import dev.langchain4j.data.message.Content;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.internal.JsonSchemaElementUtils;
import dev.langchain4j.model.chat.request.json.JsonObjectSchema;
import io.github.kvp4j.jlama.ChatMessage.Role;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.jlama.ToolCall;
import io.github.kvp4j.tools.Tool;
import io.github.kvp4j.tools.ToolPrompt;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;

/** LangChain4j's messages and tools as a prompt, by the model's chat template. */
final class ChatPrompt {
  private ChatPrompt() {}

  /**
   * The prompt of a conversation, with the begin of the answer.
   *
   * @param messages system, user and AI messages, all text
   * @throws io.github.kvp4j.KvpException as {@link ToolPrompt#of} says
   */
  static String of(KvpModel model, List<ChatMessage> messages) {
    return withTools(model, messages, List.of(), false).text();
  }

  /**
   * The prompt of a conversation with tools.
   *
   * @param messages as for {@link #of}, and tool calls and results, all text
   * @param tools may be empty
   * @param callRequired whether the answer has to be a call of one of the tools
   */
  static ToolPrompt withTools(
      KvpModel model,
      List<ChatMessage> messages,
      List<ToolSpecification> tools,
      boolean callRequired) {
    return ToolPrompt.of(
        model,
        messages.stream().map(ChatPrompt::message).toList(),
        tools.stream().map(ChatPrompt::tool).toList(),
        callRequired);
  }

  /** A message as the engine has it. */
  static io.github.kvp4j.jlama.ChatMessage message(ChatMessage message) {
    return switch (message) {
      case SystemMessage system -> of(Role.SYSTEM, system.text(), List.of());
      case UserMessage user -> of(Role.USER, text(user.contents()), List.of());
      case ToolExecutionResultMessage result ->
          of(
              Role.TOOL,
              text(result.contents()),
              List.of(
                  new ToolCall(
                      Objects.requireNonNullElse(result.id(), ""), result.toolName(), "")));
      case AiMessage ai ->
          of(
              Role.ASSISTANT,
              Objects.requireNonNullElse(ai.text(), ""),
              ai.toolExecutionRequests().stream().map(ChatPrompt::call).toList());
      default -> throw new IllegalArgumentException("unchecked message: " + message.type());
    };
  }

  private static io.github.kvp4j.jlama.ChatMessage of(
      Role role, String text, List<ToolCall> calls) {
    return new io.github.kvp4j.jlama.ChatMessage(role, text, calls);
  }

  private static ToolCall call(ToolExecutionRequest call) {
    return new ToolCall(
        Objects.requireNonNullElse(call.id(), ""),
        call.name(),
        Objects.requireNonNullElse(call.arguments(), ""));
  }

  /** A call that the model has made, as LangChain4j has it. */
  static ToolExecutionRequest request(ToolCall call) {
    return ToolExecutionRequest.builder()
        .id(call.id())
        .name(call.name())
        .arguments(call.arguments())
        .build();
  }

  private static Tool tool(ToolSpecification tool) {
    JsonObjectSchema schema =
        tool.parameters() == null ? JsonObjectSchema.builder().build() : tool.parameters();
    return new Tool(tool.name(), tool.description(), JsonSchemaElementUtils.toMap(schema));
  }

  private static String text(List<Content> contents) {
    return contents.stream()
        .filter(TextContent.class::isInstance)
        .map(content -> ((TextContent) content).text())
        .collect(Collectors.joining("\n"));
  }
}
