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

import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.TokenCountEstimator;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.tools.ToolPrompt;
import java.util.List;

/**
 * Counts tokens with a model's own tokenizer and chat template.
 *
 * <p>A text is counted exactly, as it stands in a message. A message counts its text, its tool
 * calls, and what the template puts around a message; a conversation also what the template adds to
 * each prompt, such as a system message of its own. Content other than text counts nothing.
 */
public final class KvpTokenCountEstimator implements TokenCountEstimator {
  private static final UserMessage USER = UserMessage.from("a");
  private static final AiMessage AI = AiMessage.from("a");

  /** What common templates put around a message, for those that can't be measured. */
  private static final int USUAL_FRAME = 5;

  private final KvpModel model;
  private final int frame;
  private final int once;

  /** For a model that is loaded; it may be closed later. */
  public KvpTokenCountEstimator(KvpModel model) {
    this.model = model;
    int content = estimateTokenCountInText("a");
    int one = USUAL_FRAME + content;
    int three = 3 * one;
    try {
      one = model.encodePrompt(ChatPrompt.of(model, List.of(USER))).length;
      three = model.encodePrompt(ChatPrompt.of(model, List.of(USER, AI, USER))).length;
    } catch (KvpException e) {
      // a template that refuses so plain a conversation is not worth measuring
    }
    this.frame = Math.max(0, (three - one) / 2 - content);
    this.once = Math.max(0, one - frame - content);
  }

  @Override
  public int estimateTokenCountInText(String text) {
    return model.tokenizer().encode(model.tokenizer().literal(text)).length;
  }

  @Override
  public int estimateTokenCountInMessage(ChatMessage message) {
    return frame + estimateTokenCountInText(text(message));
  }

  @Override
  public int estimateTokenCountInMessages(Iterable<ChatMessage> messages) {
    int tokens = once;
    for (ChatMessage message : messages) {
      tokens += estimateTokenCountInMessage(message);
    }
    return tokens;
  }

  private static String text(ChatMessage message) {
    return switch (message) {
      case SystemMessage _, UserMessage _, ToolExecutionResultMessage _, AiMessage _ ->
          ToolPrompt.plainText(ChatPrompt.message(message));
      default -> "";
    };
  }
}
