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

import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.DefaultChatRequestParameters;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.KvpMode;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.jlama.Quality;
import io.github.kvp4j.predictor.Anchors;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The settings of both chat models; all but the model are optional, and null stands for the
 * default.
 *
 * <p>Chat models that are built from the same folder and predictor file share one loaded model,
 * which the last of them closes.
 *
 * <p>What a request may set overrides what is set here: mode, quality, anchors and seed (by {@link
 * KvpChatRequestParameters}), temperature, topP, topK, maxOutputTokens and stopSequences. Refused
 * with an {@link dev.langchain4j.exception.UnsupportedFeatureException}, here and in a request: the
 * name of another model, frequency and presence penalty, tools, a JSON response format; in a
 * request also content other than text.
 *
 * @param <B> the builder itself
 */
public abstract sealed class KvpModelBuilder<B extends KvpModelBuilder<B>>
    permits KvpChatModel.Builder, KvpStreamingChatModel.Builder {
  private @Nullable Path modelDirectory;
  private @Nullable KvpModel model;
  private @Nullable Path predictor;
  private ChatRequestParameters common = DefaultChatRequestParameters.EMPTY;
  private final KvpChatRequestParameters.Builder own = KvpChatRequestParameters.builder();
  private List<ChatModelListener> listeners = List.of();

  KvpModelBuilder() {}

  abstract B self();

  /**
   * A model folder that Jlama loads: config.json, safetensors, tokenizer.json. The folder's name is
   * the model's name.
   */
  public B modelDirectory(Path value) {
    this.modelDirectory = value;
    return self();
  }

  /** A loaded model to use in place of a folder; closing the chat model does not close it. */
  public B model(KvpModel value) {
    this.model = value;
    return self();
  }

  /** How prompts are read; the model's default where nothing is said: {@link KvpMode#AUTO}. */
  public B mode(@Nullable KvpMode value) {
    own.mode(value);
    return self();
  }

  /** Which of the model's predictors is used; {@link Quality#FAITHFUL} by default. */
  public B quality(@Nullable Quality value) {
    own.quality(value);
    return self();
  }

  /** A predictor file; by default those beside the model and the bundled ones. */
  public B predictor(@Nullable Path value) {
    this.predictor = value;
    return self();
  }

  /** The exact anchors of {@link KvpMode#PREDICT}; {@link Anchors#DEFAULT} by default. */
  public B anchors(@Nullable Anchors value) {
    own.anchors(value);
    return self();
  }

  /** 0 = greedy, the default; at most 100. */
  public B temperature(@Nullable Double value) {
    own.temperature(value);
    return self();
  }

  /** Samples among the most likely tokens that together have this probability; 1 by default. */
  public B topP(@Nullable Double value) {
    own.topP(value);
    return self();
  }

  /** Samples among this many most likely tokens; 0, the default, = among all. */
  public B topK(@Nullable Integer value) {
    own.topK(value);
    return self();
  }

  /** The sampler's seed; by default a new one for each request. */
  public B seed(@Nullable Long value) {
    own.seed(value);
    return self();
  }

  /** The most tokens of the answer, the prompt not counted; 256 by default. */
  public B maxOutputTokens(@Nullable Integer value) {
    own.maxOutputTokens(value);
    return self();
  }

  /** Texts that end the answer and are no part of it. */
  public B stopSequences(@Nullable List<String> value) {
    own.stopSequences(value);
    return self();
  }

  /** Told of each request, response and error. */
  public B listeners(@Nullable List<ChatModelListener> value) {
    this.listeners = value == null ? List.of() : List.copyOf(value);
    return self();
  }

  /** Defaults for requests, any type; what is set on this builder goes before them. */
  public B defaultRequestParameters(@Nullable ChatRequestParameters value) {
    this.common = value == null ? DefaultChatRequestParameters.EMPTY : value;
    return self();
  }

  List<ChatModelListener> listeners() {
    return listeners;
  }

  /** Checks the settings, then loads the model or joins those who use it. */
  ChatTurn turn() {
    String name = ChatTurn.nameOf(directory());
    KvpChatRequestParameters defaults =
        KvpChatRequestParameters.builder()
            .modelName(name)
            .overrideWith(common)
            .overrideWith(own.build())
            .build();
    ChatTurn.checkDefaults(defaults, name);
    ModelLease lease =
        model == null ? ModelLease.open(directory(), predictor) : ModelLease.of(model);
    return ChatTurn.over(lease, name, defaults);
  }

  private Path directory() {
    if (model == null) {
      if (modelDirectory == null) {
        throw bad("Neither modelDirectory nor model is set; one of them is needed.");
      }
      return modelDirectory;
    }
    if (modelDirectory != null) {
      throw bad("Both modelDirectory and model are set; only one of them is allowed.");
    }
    if (predictor != null) {
      throw bad("Both predictor and model are set; set the predictor where the model is loaded.");
    }
    return Objects.requireNonNull(model).directory();
  }

  private static KvpException bad(String message) {
    return new KvpException(KvpException.Kind.BAD_ARGUMENT, message);
  }
}
