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
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.CompleteToolCall;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import io.github.kvp4j.KvpException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One streamed answer and the handle that cancels it; all callbacks come from {@link #run}. */
final class StreamedAnswer implements Runnable, StreamingHandle, AnswerParts {
  private static final Logger LOG = LoggerFactory.getLogger(StreamedAnswer.class);

  private final ChatTurn turn;
  private final ChatRequest request;
  private final StreamingChatResponseHandler handler;
  private final PartialResponseContext context = new PartialResponseContext(this);
  private volatile boolean cancelled;
  private int toolCalls; // used by the answering thread only

  StreamedAnswer(ChatTurn turn, ChatRequest request, StreamingChatResponseHandler handler) {
    this.turn = turn;
    this.request = request;
    this.handler = handler;
  }

  @Override
  public void cancel() {
    cancelled = true;
  }

  @Override
  public boolean isCancelled() {
    return cancelled;
  }

  @Override
  public void run() {
    ChatResponse response;
    try {
      response = turn.answer(request, this, this::isCancelled);
    } catch (RuntimeException | Error e) {
      if (!cancelled) {
        error(e);
      } else if (!(e instanceof KvpException k && k.kind() == KvpException.Kind.CANCELLED)) {
        LOG.warn("A cancelled answer failed.", e);
      }
      return;
    }
    if (!cancelled) {
      call(() -> handler.onCompleteResponse(response));
    }
  }

  @Override
  public void text(String part) {
    if (!cancelled) { // what the engine held back may come after the cancellation
      call(() -> handler.onPartialResponse(new PartialResponse(part), context));
    }
  }

  @Override
  public void toolCall(ToolExecutionRequest call) {
    int index = toolCalls++;
    if (!cancelled) {
      call(() -> handler.onCompleteToolCall(new CompleteToolCall(index, call)));
    }
  }

  private void call(Runnable callback) {
    try {
      callback.run();
    } catch (Exception e) { // checked ones too: other languages don't declare them
      error(e);
    }
  }

  private void error(Throwable e) {
    try {
      handler.onError(e);
    } catch (Exception second) {
      LOG.warn("The handler's onError threw; this is ignored.", second);
    }
  }
}
