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

import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.Content;
import dev.langchain4j.data.message.ContentType;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import dev.langchain4j.model.chat.request.ToolChoice;
import java.util.List;
import java.util.Locale;

/** Refuses what would otherwise be left undone in silence. */
final class SupportedFeatures {
  private static final String HERE = "by KVP4J.";

  private SupportedFeatures() {}

  /** Refuses parameters that have no effect here, and the name of another model. */
  static void check(ChatRequestParameters p, String modelName) {
    if (p.modelName() != null && !p.modelName().equals(modelName)) {
      throw unsupported(
          "The modelName '" + p.modelName() + "'",
          "by a chat model that has loaded '" + modelName + "'.");
    }
    if (p.frequencyPenalty() != null) {
      throw unsupported("The parameter frequencyPenalty", HERE);
    }
    if (p.presencePenalty() != null) {
      throw unsupported("The parameter presencePenalty", HERE);
    }
    if (p.responseFormat() != null && p.responseFormat().type() == ResponseFormatType.JSON) {
      throw unsupported("The JSON response format", HERE);
    }
  }

  /** Refuses a request for a call where there is nothing to call. */
  static void checkTools(ChatRequestParameters p) {
    if (p.toolChoice() == ToolChoice.REQUIRED && p.toolSpecifications().isEmpty()) {
      throw new InvalidRequestException(
          "The toolChoice is REQUIRED, but there are no tools; add some.");
    }
  }

  /** Refuses messages that are not all text. */
  static void check(List<ChatMessage> messages) {
    for (ChatMessage message : messages) {
      switch (message) {
        case SystemMessage system -> {}
        case UserMessage user -> user.contents().forEach(SupportedFeatures::check);
        case AiMessage ai -> {
          if (!ai.images().isEmpty()) {
            throw unsupported("An AI message with image content", HERE);
          }
        }
        case ToolExecutionResultMessage result -> {
          if (!result.contents().stream().allMatch(TextContent.class::isInstance)) {
            throw unsupported("A tool's result with non-text content", HERE);
          }
        }
        default ->
            throw unsupported(
                "A message of type " + message.type().name().toLowerCase(Locale.ROOT), HERE);
      }
    }
  }

  private static void check(Content content) {
    if (content.type() != ContentType.TEXT) {
      throw unsupported("Content of type " + content.type().name().toLowerCase(Locale.ROOT), HERE);
    }
  }
}
