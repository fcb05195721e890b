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

import static io.github.kvp4j.langchain4j.ChatErrors.unsupported;

import com.github.tjake.jlama.safetensors.prompt.PromptSupport;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.Content;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import io.github.kvp4j.jlama.KvpModel;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * Messages as one prompt, by the model's chat template.
 *
 * <p>Jlama renders the template with nested interpretation on: what a message puts into the output
 * is read as a template again, so that <code>{{ 7 * 7 }}</code> in a user's message becomes 49 and
 * <code>{% ... %}</code> is executed. A mark after each opening brace of a message keeps Jinja from
 * seeing one; it is taken out of the finished prompt.
 */
final class ChatPrompt {
  /**
   * A prompt whose answer may call tools.
   *
   * @param text the prompt, with the begin of the answer
   * @param begin what the answer is made to begin with, part of neither the text nor the answer
   */
  record WithTools(String text, String begin) {}

  private static final char LAST_PRIVATE_USE = '\uF8FF';

  private ChatPrompt() {}

  /**
   * The prompt of a conversation, with the begin of the answer.
   *
   * @param messages system, user and AI messages, all text
   * @throws io.github.kvp4j.KvpException if the model has no chat template
   * @throws dev.langchain4j.exception.UnsupportedFeatureException if the template leaves out a
   *     message, as some do with system messages
   */
  static String of(KvpModel model, List<ChatMessage> messages) {
    List<String> texts = messages.stream().map(ChatPrompt::text).toList();
    char mark = unused(texts);
    PromptSupport.Builder builder = model.promptSupport().builder();
    for (int i = 0; i < messages.size(); i++) {
      String marked = texts.get(i).replace("{", "{" + mark);
      switch (messages.get(i)) {
        case SystemMessage system -> builder.addSystemMessage(marked);
        case UserMessage user -> builder.addUserMessage(marked);
        default -> builder.addAssistantMessage(marked);
      }
    }
    String prompt = render(builder).replace(String.valueOf(mark), "");
    for (int i = 0; i < messages.size(); i++) {
      requireText(prompt, messages.get(i), texts.get(i));
    }
    return prompt;
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

  private static String render(PromptSupport.Builder builder) {
    try {
      return builder.build().getPrompt();
    } catch (UnsupportedOperationException e) {
      RuntimeException unsupported =
          unsupported("A conversation", "by the model's chat template: " + e.getMessage());
      unsupported.initCause(e);
      throw unsupported;
    }
  }

  /** Templates report errors by leaving things out, and Jlama logs them at most. */
  private static void requireText(String prompt, ChatMessage message, String text) {
    // a template may drop the reasoning of earlier answers, so AI messages are not looked for
    if (!(message instanceof AiMessage) && !prompt.contains(text.strip().trim())) {
      throw unsupported(
          "A " + message.type().name().toLowerCase(Locale.ROOT) + " message at this place",
          "by the model's chat template, which leaves it out.");
    }
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

  /** A character of Unicode's private use area that is in none of the texts. */
  private static char unused(List<String> texts) {
    char mark = LAST_PRIVATE_USE;
    while (isIn(texts, mark)) {
      mark--;
    }
    return mark;
  }

  private static boolean isIn(List<String> texts, char c) {
    return texts.stream().anyMatch(text -> text.indexOf(c) >= 0);
  }
}
