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

import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.spi.ServiceHelper;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * LangChain4j's streaming chat model on this machine, with a predicted KV cache.
 *
 * <p>Each request has a thread of its own, on which all its callbacks come, one after the other.
 * The parts hold whole characters and, put together, are the answer's text. After {@link
 * dev.langchain4j.model.chat.response.StreamingHandle#cancel()} no callback comes any more. An
 * exception that a callback throws is handed to {@code onError}, and the answer goes on.
 *
 * <p>Safe for use by many threads at once.
 *
 * @see KvpModelBuilder for the settings, and for what is refused
 */
public final class KvpStreamingChatModel implements StreamingChatModel, AutoCloseable {
  private static final AtomicLong STREAMS = new AtomicLong();

  private final ChatTurn turn;
  private final List<ChatModelListener> listeners;
  private final Executor executor;

  private KvpStreamingChatModel(Builder b) {
    this.turn = b.turn();
    this.listeners = b.listeners();
    this.executor = b.executor == null ? KvpStreamingChatModel::startThread : b.executor;
  }

  /**
   * Starts with the default model, which need not be set; or with what the first {@link
   * KvpStreamingChatModelBuilderFactory} that {@code ServiceLoader} finds has set.
   */
  public static Builder builder() {
    return ServiceHelper.loadFactories(KvpStreamingChatModelBuilderFactory.class).stream()
        .findFirst()
        .map(Supplier::get)
        .orElseGet(Builder::new);
  }

  /**
   * A platform thread, since the work is all arithmetic: it would keep a virtual thread's carrier
   * to itself.
   */
  private static void startThread(Runnable task) {
    Thread.ofPlatform().daemon().name("kvp-chat-stream-" + STREAMS.incrementAndGet()).start(task);
  }

  /**
   * Answers; {@code chat} calls it with the defaults merged in.
   *
   * @throws dev.langchain4j.exception.UnsupportedFeatureException at once, on the caller's thread,
   *     for what the model can't do; every other failure reaches {@code onError}
   */
  @Override
  public void doChat(ChatRequest request, StreamingChatResponseHandler handler) {
    turn.requireSupported(request);
    executor.execute(new StreamedAnswer(turn, request, handler));
  }

  @Override
  public KvpChatRequestParameters defaultRequestParameters() {
    return turn.defaults();
  }

  /** Counts tokens as this model does, for token windows of chat memories. */
  public KvpTokenCountEstimator tokenCountEstimator() {
    return turn.tokenCountEstimator();
  }

  @Override
  public List<ChatModelListener> listeners() {
    return listeners;
  }

  /**
   * Cancels what is running, which reaches {@code onError}, and releases the model, unless it was
   * given to the builder or other chat models use it too. Does not wait, so that a callback may
   * call it; idempotent.
   */
  @Override
  public void close() {
    turn.close();
  }

  /** Collects the settings. */
  public static non-sealed class Builder extends KvpModelBuilder<Builder> {
    private @Nullable Executor executor;

    /** For factories and what extends it; others call {@link KvpStreamingChatModel#builder}. */
    public Builder() {}

    @Override
    final Builder self() {
      return this;
    }

    /**
     * Where requests run and callbacks come; null = a new daemon thread for each request.
     *
     * @param value must not run tasks on the thread that hands them in
     */
    public Builder executor(@Nullable Executor value) {
      this.executor = value;
      return this;
    }

    /**
     * Fetches the model if need be, and loads it.
     *
     * @throws dev.langchain4j.exception.ModelNotFoundException if there is no such model
     * @throws dev.langchain4j.exception.InvalidRequestException if settings are out of bounds or
     *     contradict each other
     * @throws io.github.kvp4j.KvpException if the model's or the predictor's files are no good
     */
    public KvpStreamingChatModel build() {
      return new KvpStreamingChatModel(this);
    }
  }
}
