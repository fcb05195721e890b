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
package io.github.kvp4j.jlama;

import com.github.tjake.jlama.safetensors.prompt.PromptSupport;
import io.github.kvp4j.KvpException;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** Conversations as prompts, by a model's chat template, which Jlama renders. */
final class ChatPrompts {
  private ChatPrompts() {}

  /**
   * A conversation as a prompt, as {@link KvpModel#chatPrompt(List)} gives it.
   *
   * @throws KvpException UNSUPPORTED if the template does not take the conversation
   */
  static String render(
      PromptSupport template, KvpTokenizer tokenizer, List<ChatMessage> conversation) {
    List<ChatMessage> messages =
        conversation.stream()
            .map(m -> new ChatMessage(m.role(), tokenizer.literal(m.text()), m.calls()))
            .toList();
    // Jlama renders with nested interpretation on: a message's own braces would be executed. A mark
    // that no message holds, after each opening brace, keeps the template engine from it.
    char mark = unusedIn(messages);
    PromptSupport.Builder builder = template.builder();
    for (ChatMessage message : messages) {
      String marked = message.text().replace("{", "{" + mark);
      switch (message.role()) {
        case SYSTEM -> builder.addSystemMessage(marked);
        case USER -> builder.addUserMessage(marked);
        case ASSISTANT -> builder.addAssistantMessage(marked);
        case TOOL ->
            throw new KvpException(
                KvpException.Kind.BAD_ARGUMENT,
                "A message is a tool's result, which needs a ToolPrompt; give only texts here.");
      }
    }
    String prompt = rendered(builder).replace(String.valueOf(mark), "");
    for (ChatMessage message : messages) {
      // a template may drop the reasoning of earlier answers, so those are not looked for
      if (message.role() != ChatMessage.Role.ASSISTANT
          && !prompt.contains(message.text().strip().trim())) {
        throw new KvpException(
            KvpException.Kind.UNSUPPORTED,
            "The model's chat template leaves out the "
                + message.role().name().toLowerCase(Locale.ROOT)
                + " message at this place of the conversation; put it elsewhere or leave it away.");
      }
    }
    return prompt;
  }

  private static String rendered(PromptSupport.Builder builder) {
    try {
      return builder.build().getPrompt();
    } catch (UnsupportedOperationException e) {
      throw new KvpException(
          KvpException.Kind.UNSUPPORTED,
          "The model's chat template does not take this conversation: " + e.getMessage(),
          e);
    }
  }

  private static char unusedIn(List<ChatMessage> messages) {
    String all = messages.stream().map(ChatMessage::text).collect(Collectors.joining());
    char mark = '\uF8FF';
    while (all.indexOf(mark) >= 0) {
      mark--;
    }
    return mark;
  }
}
