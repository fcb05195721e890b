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

import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.output.FinishReason;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;

/**
 * A model that knows what its test wants to hear: each request is put to the real one, whose answer
 * has to be well-formed, and the answer's words are then replaced by those that were given.
 */
class WordedModel implements ChatModel {
  private final ChatModel model;
  private final Queue<AiMessage> words = new ArrayDeque<>();

  WordedModel(ChatModel model) {
    this.model = model;
  }

  /** What the next answers say. */
  void say(List<AiMessage> messages) {
    words.clear();
    words.addAll(messages);
  }

  /** How many answers have not been asked for. */
  int unsaid() {
    return words.size();
  }

  @Override
  public ChatResponse doChat(ChatRequest request) {
    ChatResponse real = model.chat(request);
    ConformanceModels.assertWellFormed(real);
    AiMessage said = words.remove();
    FinishReason reason =
        said.hasToolExecutionRequests() ? FinishReason.TOOL_EXECUTION : FinishReason.STOP;
    return ChatResponse.builder()
        .aiMessage(said)
        .metadata(real.metadata().toBuilder().finishReason(reason).build())
        .build();
  }
}
