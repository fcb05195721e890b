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

import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.Content;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import io.github.kvp4j.jlama.ChatMessage.Role;
import io.github.kvp4j.jlama.KvpModel;
import java.util.List;
import java.util.stream.Collectors;

/** Messages as one prompt, by the model's chat template. */
final class ChatPrompt {
  /**
   * A prompt whose answer may call tools.
   *
   * @param text the prompt, with the begin of the answer
   * @param begin what the answer is made to begin with, part of neither the text nor the answer
   */
  record WithTools(String text, String begin) {}

  private ChatPrompt() {}

  /**
   * The prompt of a conversation, with the begin of the answer.
   *
   * @param messages system, user and AI messages, all text
   * @throws io.github.kvp4j.KvpException as {@link KvpModel#chatPrompt(List)} says
   */
  static String of(KvpModel model, List<ChatMessage> messages) {
    return model.chatPrompt(
        messages.stream()
            .map(message -> new io.github.kvp4j.jlama.ChatMessage(role(message), text(message)))
            .toList());
  }

  private static Role role(ChatMessage message) {
    return switch (message) {
      case SystemMessage system -> Role.SYSTEM;
      case UserMessage user -> Role.USER;
      default -> Role.ASSISTANT;
    };
  }

  /**
   * The prompt of a conversation with tools: by the chat template where it knows them, else in
   * plain words.
   *
   * @param messages as for {@link #of}, and tool calls and results, all text
   * @param tools may be empty
   * @param callRequired whether the answer has to be a call of one of the tools
   */
  static WithTools withTools(
      KvpModel model,
      List<ChatMessage> messages,
      List<ToolSpecification> tools,
      boolean callRequired) {
    String own = ToolTemplate.render(model.jlama().getTokenizer().getModel(), messages, tools);
    String prompt = own == null ? of(model, ToolPrompt.plain(messages, tools)) : own;
    boolean tagged = prompt.contains(ToolCallParser.OPEN);
    return new WithTools(prompt, callRequired ? ToolPrompt.begin(tools, tagged) : "");
  }

  /** The text of a message, without its tool calls. */
  static String text(ChatMessage message) {
    return switch (message) {
      case SystemMessage system -> system.text();
      case UserMessage user -> text(user.contents());
      case ToolExecutionResultMessage result -> text(result.contents());
      case AiMessage ai -> ai.text() == null ? "" : ai.text();
      default -> throw new IllegalArgumentException("unchecked message: " + message.type());
    };
  }

  private static String text(List<Content> contents) {
    return contents.stream()
        .map(content -> ((TextContent) content).text())
        .collect(Collectors.joining("\n"));
  }
}
