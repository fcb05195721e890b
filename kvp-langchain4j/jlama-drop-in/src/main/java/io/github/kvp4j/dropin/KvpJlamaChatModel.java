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
import dev.langchain4j.model.jlama.JlamaChatModel;
import dev.langchain4j.model.jlama.spi.JlamaChatModelBuilderFactory;
import dev.langchain4j.model.output.Response;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * LangChain4j's {@link JlamaChatModel}, answering with a predicted KV cache; requests with tools
 * are left to Jlama.
 */
public final class KvpJlamaChatModel extends JlamaChatModel {
  private final DropIn dropIn;

  private KvpJlamaChatModel(DropIn.Settings s) {
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
  public Response<AiMessage> generate(List<ChatMessage> messages) {
    return generate(messages, List.of());
  }

  @Override
  public Response<AiMessage> generate(List<ChatMessage> messages, List<ToolSpecification> tools) {
    return dropIn
        .answer(messages, tools, part -> {})
        .orElseGet(() -> super.generate(messages, tools));
  }

  /** Found by {@link JlamaChatModel#builder}. */
  public static final class Factory implements JlamaChatModelBuilderFactory {
    @Override
    public JlamaChatModel.JlamaChatModelBuilder get() {
      return DropIn.isOn() ? new Builder() : new JlamaChatModel.JlamaChatModelBuilder();
    }
  }

  private static final class Builder extends JlamaChatModelBuilder {
    private final DropIn.Settings settings = new DropIn.Settings();

    @Override
    public JlamaChatModelBuilder modelCachePath(@Nullable Path value) {
      settings.modelCachePath = value;
      return this;
    }

    @Override
    public JlamaChatModelBuilder modelName(@Nullable String value) {
      settings.modelName = value;
      return this;
    }

    @Override
    public JlamaChatModelBuilder authToken(@Nullable String value) {
      settings.authToken = value;
      return this;
    }

    @Override
    public JlamaChatModelBuilder threadCount(@Nullable Integer value) {
      settings.threadCount = value;
      return this;
    }

    @Override
    public JlamaChatModelBuilder quantizeModelAtRuntime(@Nullable Boolean value) {
      settings.quantizeModelAtRuntime = value;
      return this;
    }

    @Override
    public JlamaChatModelBuilder workingDirectory(@Nullable Path value) {
      settings.workingDirectory = value;
      return this;
    }

    @Override
    public JlamaChatModelBuilder workingQuantizedType(@Nullable DType value) {
      settings.workingQuantizedType = value;
      return this;
    }

    @Override
    public JlamaChatModelBuilder temperature(@Nullable Float value) {
      settings.temperature = value;
      return this;
    }

    @Override
    public JlamaChatModelBuilder maxTokens(@Nullable Integer value) {
      settings.maxTokens = value;
      return this;
    }

    @Override
    public JlamaChatModel build() {
      return new KvpJlamaChatModel(settings);
    }
  }
}
