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

import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.CompleteToolCall;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/** Writes down the callbacks, and does something at each part. */
final class RecordingHandler implements StreamingChatResponseHandler {
  final List<String> parts = new CopyOnWriteArrayList<>();
  final List<CompleteToolCall> toolCalls = new CopyOnWriteArrayList<>();
  final List<Throwable> errors = new CopyOnWriteArrayList<>();
  final Set<Thread> threads = ConcurrentHashMap.newKeySet();
  private final BiConsumer<StreamingHandle, Integer> atPart;
  private final CountDownLatch ended = new CountDownLatch(1);
  private volatile @Nullable ChatResponse response;

  RecordingHandler() {
    this((handle, count) -> {});
  }

  /** Calls back at each part, with the number of parts so far. */
  RecordingHandler(BiConsumer<StreamingHandle, Integer> atPart) {
    this.atPart = atPart;
  }

  @Override
  public void onPartialResponse(PartialResponse part, PartialResponseContext context) {
    threads.add(Thread.currentThread());
    parts.add(part.text());
    atPart.accept(context.streamingHandle(), parts.size());
  }

  @Override
  public void onCompleteToolCall(CompleteToolCall call) {
    threads.add(Thread.currentThread());
    toolCalls.add(call);
  }

  @Override
  public void onCompleteResponse(ChatResponse completeResponse) {
    threads.add(Thread.currentThread());
    response = completeResponse;
    ended.countDown();
  }

  @Override
  public void onError(Throwable error) {
    threads.add(Thread.currentThread());
    errors.add(error);
  }

  /** Waits for the response. */
  ChatResponse response() throws InterruptedException {
    if (!ended.await(30, TimeUnit.SECONDS)) {
      throw new AssertionError("no response; errors: " + errors);
    }
    return Objects.requireNonNull(response);
  }

  /** Waits for the thread of the callbacks to end, and tells whether there was a response. */
  boolean endsWithResponse() throws InterruptedException {
    for (int i = 0; threads.isEmpty() && i < 3000; i++) {
      Thread.sleep(10);
    }
    for (Thread thread : threads) {
      if (!thread.join(Duration.ofSeconds(30))) {
        throw new AssertionError("still answering: " + parts);
      }
    }
    return response != null;
  }
}
