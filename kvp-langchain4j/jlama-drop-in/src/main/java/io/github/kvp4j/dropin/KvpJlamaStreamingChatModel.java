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
package io.github.kvp4j.dropin;

import com.github.tjake.jlama.safetensors.DType;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.model.StreamingResponseHandler;
import dev.langchain4j.model.jlama.JlamaStreamingChatModel;
import dev.langchain4j.model.jlama.spi.JlamaStreamingChatModelBuilderFactory;
import dev.langchain4j.model.output.Response;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * LangChain4j's {@link JlamaStreamingChatModel}, answering with a predicted KV cache; requests with
 * tools are left to Jlama.
 */
public final class KvpJlamaStreamingChatModel extends JlamaStreamingChatModel {
  private final DropIn dropIn;

  private KvpJlamaStreamingChatModel(DropIn.Settings s) {
    super(
        s.modelCachePath,
        s.modelName,
        s.authToken,
        s.threadCount,
        s.quantizeModelAtRuntime,
        s.workingDirectory,
        s.workingQuantizedType,
        s.temperature,
        s.maxTokens);
    this.dropIn = DropIn.load(s);
  }

  @Override
  public void generate(List<ChatMessage> messages, StreamingResponseHandler<AiMessage> handler) {
    generate(messages, List.of(), handler);
  }

  @Override
  public void generate(
      List<ChatMessage> messages,
      List<ToolSpecification> tools,
      StreamingResponseHandler<AiMessage> handler) {
    Optional<Response<AiMessage>> answer;
    try {
      answer = dropIn.answer(messages, tools, handler::onNext);
      answer.ifPresent(handler::onComplete);
    } catch (RuntimeException | Error e) {
      handler.onError(e);
      return;
    }
    if (answer.isEmpty()) {
      super.generate(messages, tools, handler);
    }
  }

  /** Found by {@link JlamaStreamingChatModel#builder}. */
  public static final class Factory implements JlamaStreamingChatModelBuilderFactory {
    @Override
    public JlamaStreamingChatModel.JlamaStreamingChatModelBuilder get() {
      return DropIn.isOn()
          ? new Builder()
          : new JlamaStreamingChatModel.JlamaStreamingChatModelBuilder();
    }
  }

  private static final class Builder extends JlamaStreamingChatModelBuilder {
    private final DropIn.Settings settings = new DropIn.Settings();

    @Override
    public JlamaStreamingChatModelBuilder modelCachePath(@Nullable Path value) {
      settings.modelCachePath = value;
      return this;
    }

    @Override
    public JlamaStreamingChatModelBuilder modelName(@Nullable String value) {
      settings.modelName = value;
      return this;
    }

    @Override
    public JlamaStreamingChatModelBuilder authToken(@Nullable String value) {
      settings.authToken = value;
      return this;
    }

    @Override
    public JlamaStreamingChatModelBuilder threadCount(@Nullable Integer value) {
      settings.threadCount = value;
      return this;
    }

    @Override
    public JlamaStreamingChatModelBuilder quantizeModelAtRuntime(@Nullable Boolean value) {
      settings.quantizeModelAtRuntime = value;
      return this;
    }

    @Override
    public JlamaStreamingChatModelBuilder workingDirectory(@Nullable Path value) {
      settings.workingDirectory = value;
      return this;
    }

    @Override
    public JlamaStreamingChatModelBuilder workingQuantizedType(@Nullable DType value) {
      settings.workingQuantizedType = value;
      return this;
    }

    @Override
    public JlamaStreamingChatModelBuilder temperature(@Nullable Float value) {
      settings.temperature = value;
      return this;
    }

    @Override
    public JlamaStreamingChatModelBuilder maxTokens(@Nullable Integer value) {
      settings.maxTokens = value;
      return this;
    }

    @Override
    public JlamaStreamingChatModel build() {
      return new KvpJlamaStreamingChatModel(settings);
    }
  }
}
