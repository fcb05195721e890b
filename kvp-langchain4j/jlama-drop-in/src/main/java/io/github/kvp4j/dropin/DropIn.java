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
import com.github.tjake.jlama.safetensors.SafeTensorSupport;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.output.FinishReason;
import dev.langchain4j.model.output.Response;
import dev.langchain4j.model.output.TokenUsage;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.ChatMessage.Role;
import io.github.kvp4j.jlama.GenerateRequest;
import io.github.kvp4j.jlama.GenerateResult;
import io.github.kvp4j.jlama.KvpModel;
import java.lang.ref.WeakReference;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What both chat models answer with; what it does not do is left to Jlama. */
final class DropIn {
  /** Set to {@code false}, LangChain4j builds Jlama models as if this artifact were not there. */
  static final String PROPERTY = "kvp.dropin";

  private static final Logger LOG = LoggerFactory.getLogger(DropIn.class);
  private static final float DEFAULT_TEMPERATURE = 0.3f;

  /** LangChain4j's Jlama models have no close(): a model goes when nobody holds it any more. */
  private static final Map<Key, WeakReference<KvpModel>> LOADED = new HashMap<>();

  private record Key(
      Path directory,
      boolean quantize,
      @Nullable DType workingType,
      @Nullable Integer threadCount) {}

  private final @Nullable KvpModel model;
  private final float temperature;
  private final int maxTokens;

  private DropIn(@Nullable KvpModel model, Settings settings) {
    this.model = model;
    this.temperature = settings.temperature == null ? DEFAULT_TEMPERATURE : settings.temperature;
    this.maxTokens =
        Math.min(
            model == null ? 0 : model.usablePositions(),
            settings.maxTokens == null ? Integer.MAX_VALUE : settings.maxTokens);
  }

  static boolean isOn() {
    return !"false".equals(System.getProperty(PROPERTY));
  }

  /**
   * Loads what Jlama has just loaded, or joins those who use it; where it can't, that is logged and
   * everything is left to Jlama.
   */
  static DropIn load(Settings settings) {
    try {
      return new DropIn(shared(settings), settings);
    } catch (KvpException e) {
      LOG.warn("{} Jlama alone will answer.", e.getMessage());
      return new DropIn(null, settings);
    }
  }

  private static KvpModel shared(Settings settings) {
    Key key =
        new Key(
            settings.directory(),
            settings.quantizeModelAtRuntime != null && settings.quantizeModelAtRuntime,
            settings.workingQuantizedType,
            settings.threadCount);
    synchronized (LOADED) {
      WeakReference<KvpModel> reference = LOADED.get(key);
      KvpModel model = reference == null ? null : reference.get();
      if (model == null) {
        KvpModel.Builder builder =
            KvpModel.builder(key.directory)
                .quantizeModelAtRuntime(key.quantize)
                .threads(key.threadCount);
        if (key.workingType != null) {
          builder.workingQuantizedType(key.workingType);
        }
        model = builder.build();
        LOADED.put(key, new WeakReference<>(model));
      }
      return model;
    }
  }

  /** Whether these messages are answered here: those of tools are Jlama's. */
  static boolean answers(List<ChatMessage> messages) {
    return messages.stream().allMatch(DropIn::isText);
  }

  private static boolean isText(ChatMessage message) {
    return switch (message) {
      case SystemMessage system -> true;
      case UserMessage user -> user.contents().stream().allMatch(TextContent.class::isInstance);
      case AiMessage ai -> !ai.hasToolExecutionRequests() && ai.text() != null;
      default -> false;
    };
  }

  /**
   * Answers, or leaves it to Jlama: requests with tools or more than text, and conversations that
   * the chat template does not take, or not whole.
   *
   * @param onText called on this thread with the parts of the answer
   */
  Optional<Response<AiMessage>> answer(
      List<ChatMessage> messages, List<ToolSpecification> tools, Consumer<String> onText) {
    if (model == null || !tools.isEmpty() || !answers(messages)) {
      return Optional.empty();
    }
    String prompt;
    try {
      prompt = model.chatPrompt(messages.stream().map(DropIn::plain).toList());
    } catch (KvpException e) {
      LOG.debug("{} Jlama alone answers.", e.getMessage());
      return Optional.empty();
    }
    // Jlama counts the prompt's tokens in, but for the last; a prompt that has them all is refused
    int limit = 1 + maxTokens - model.encodePrompt(prompt).length;
    if (limit < 2) {
      return Optional.empty();
    }
    GenerateResult result =
        model.generate(
            GenerateRequest.builder(prompt).temperature(temperature).maxNewTokens(limit).build(),
            onText);
    LOG.debug(
        "{} ({}): first token after {} ms",
        result.mode(),
        result.modeReason(),
        result.timeToFirstTokenMillis());
    return Optional.of(
        Response.from(
            AiMessage.from(result.text()),
            new TokenUsage(result.promptTokens(), result.tokens().size()),
            switch (result.finishReason()) {
              case STOP -> FinishReason.STOP;
              case LENGTH -> FinishReason.LENGTH;
            }));
  }

  private static io.github.kvp4j.jlama.ChatMessage plain(ChatMessage message) {
    return switch (message) {
      case SystemMessage system ->
          new io.github.kvp4j.jlama.ChatMessage(Role.SYSTEM, system.text());
      case UserMessage user ->
          new io.github.kvp4j.jlama.ChatMessage(
              Role.USER,
              user.contents().stream()
                  .map(content -> ((TextContent) content).text())
                  .collect(Collectors.joining()));
      default ->
          new io.github.kvp4j.jlama.ChatMessage(Role.ASSISTANT, ((AiMessage) message).text());
    };
  }

  /** What LangChain4j's builders are told. */
  static final class Settings {
    @Nullable Path modelCachePath;
    @Nullable String modelName;
    @Nullable String authToken;
    @Nullable Integer threadCount;
    @Nullable Boolean quantizeModelAtRuntime;
    @Nullable Path workingDirectory;
    @Nullable DType workingQuantizedType;
    @Nullable Float temperature;
    @Nullable Integer maxTokens;

    /** Where Jlama has its models by default, and what it calls their folders. */
    Path directory() {
      Path cache =
          modelCachePath == null
              ? Path.of(System.getProperty("user.home", ""), ".jlama", "models")
              : modelCachePath;
      String name = String.valueOf(modelName);
      int slash = name.indexOf('/');
      String owner = slash < 0 ? "na" : name.substring(0, slash);
      return SafeTensorSupport.constructLocalModelPath(
          cache.toString(), owner, name.substring(slash + 1));
    }
  }
}
