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

import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.spi.ServiceHelper;
import java.util.List;
import java.util.function.Supplier;

/**
 * LangChain4j's chat model on this machine, with a predicted KV cache.
 *
 * <pre>{@code
 * try (KvpChatModel model = KvpChatModel.builder().modelDirectory(directory).build()) {
 *   System.out.println(model.chat("What is the capital of France?"));
 * }
 * }</pre>
 *
 * <p>Safe for use by many threads at once. A request ends early when its thread is interrupted.
 *
 * @see KvpModelBuilder for the settings, and for what is refused
 */
public final class KvpChatModel implements ChatModel, AutoCloseable {
  private final ChatTurn turn;
  private final List<ChatModelListener> listeners;

  private KvpChatModel(Builder b) {
    this.turn = b.turn();
    this.listeners = b.listeners();
  }

  /**
   * Starts with the default model, which need not be set; or with what the first {@link
   * KvpChatModelBuilderFactory} that {@code ServiceLoader} finds has set.
   */
  public static Builder builder() {
    return ServiceHelper.loadFactories(KvpChatModelBuilderFactory.class).stream()
        .findFirst()
        .map(Supplier::get)
        .orElseGet(Builder::new);
  }

  /**
   * Answers; {@link #chat(ChatRequest)} calls it with the defaults merged in.
   *
   * @return an answer whose metadata is a {@link KvpChatResponseMetadata}
   * @throws dev.langchain4j.exception.UnsupportedFeatureException for what the model can't do
   * @throws dev.langchain4j.exception.InvalidRequestException for values out of bounds and for a
   *     prompt that does not fit the context
   * @throws io.github.kvp4j.KvpException for what LangChain4j has no exception for
   */
  @Override
  public ChatResponse doChat(ChatRequest request) {
    turn.requireSupported(request);
    return turn.answer(request, AnswerParts.NOBODY, () -> false);
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
   * Cancels what is running and releases the model, unless it was given to the builder or other
   * chat models use it too. Does not wait; idempotent.
   */
  @Override
  public void close() {
    turn.close();
  }

  /** Collects the settings. */
  public static non-sealed class Builder extends KvpModelBuilder<Builder> {
    /** For factories and what extends it; others call {@link KvpChatModel#builder}. */
    public Builder() {}

    @Override
    final Builder self() {
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
    public KvpChatModel build() {
      return new KvpChatModel(this);
    }
  }
}
