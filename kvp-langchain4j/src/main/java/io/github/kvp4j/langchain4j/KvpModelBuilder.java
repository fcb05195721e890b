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

import com.github.tjake.jlama.safetensors.DType;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.ModelNotFoundException;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.DefaultChatRequestParameters;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.KvpMode;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.jlama.Quality;
import io.github.kvp4j.jlama.RefineSettings;
import io.github.kvp4j.jlama.importer.ImportProgress;
import io.github.kvp4j.jlama.importer.ModelStore;
import io.github.kvp4j.predictor.Anchors;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The settings of both chat models; all are optional, and null stands for the default. The names
 * are those of LangChain4j's builder for Jlama where the thing is the same.
 *
 * <p>Chat models that load the same with the same settings share one loaded model and what it keeps
 * of prompts; the last of them closes it.
 *
 * <p>What a request may set overrides what is set here: mode, quality, anchors, refine and seed (by
 * {@link KvpChatRequestParameters}), temperature, topP, topK, maxOutputTokens and stopSequences.
 * Refused with an {@link dev.langchain4j.exception.UnsupportedFeatureException}, here and in a
 * request: the name of another model, frequency and presence penalty, a JSON response format; in a
 * request also content other than text.
 *
 * @param <B> the builder itself
 */
public abstract sealed class KvpModelBuilder<B extends KvpModelBuilder<B>>
    permits KvpChatModel.Builder, KvpStreamingChatModel.Builder {
  private static final Logger LOG = LoggerFactory.getLogger(KvpModelBuilder.class);

  private @Nullable String modelName;
  private @Nullable Path modelDirectory;
  private @Nullable KvpModel model;
  private @Nullable Path modelCachePath;
  private @Nullable String authToken;
  private @Nullable Path predictor;
  private boolean predict = true;
  private boolean quantize;
  private @Nullable DType workingType;
  private @Nullable Integer threadCount;
  private @Nullable Integer contextLength;
  private @Nullable Long prefixStoreBytes;
  private @Nullable Double minAgreement;
  private ChatRequestParameters common = DefaultChatRequestParameters.EMPTY;
  private final KvpChatRequestParameters.Builder own = KvpChatRequestParameters.builder();
  private List<ChatModelListener> listeners = List.of();

  KvpModelBuilder() {}

  abstract B self();

  /**
   * A model on the Hugging Face hub, {@code owner/name}, fetched once; or a folder as for {@link
   * #modelDirectory}. Without any model it is {@link ModelStore#DEFAULT_MODEL}, or the folder that
   * the property {@code kvp.model} or the variable {@code KVP_MODEL} names.
   */
  public B modelName(@Nullable String value) {
    this.modelName = value;
    return self();
  }

  /** Where fetched models are kept; {@code ~/.cache/kvp4j} by default. */
  public B modelCachePath(@Nullable Path value) {
    this.modelCachePath = value;
    return self();
  }

  /**
   * Shown to the hub, for models that are not open to all; the variable {@code HF_TOKEN} and the
   * property {@code huggingface.auth.token} go before it.
   */
  public B authToken(@Nullable String value) {
    this.authToken = value;
    return self();
  }

  /**
   * A model folder that Jlama loads: config.json, safetensors, tokenizer.json. The folder's name is
   * the model's name.
   */
  public B modelDirectory(@Nullable Path value) {
    this.modelDirectory = value;
    return self();
  }

  /** A loaded model to use in place of a folder; closing the chat model does not close it. */
  public B model(@Nullable KvpModel value) {
    this.model = value;
    return self();
  }

  /**
   * Whether Jlama decodes with weights that it rounds to four bits while loading; false by default.
   * Prompts are read with the weights as they are in the file.
   */
  public B quantizeModelAtRuntime(@Nullable Boolean value) {
    this.quantize = value != null && value;
    return self();
  }

  /** What Jlama rounds activations to while decoding; {@link DType#I8} by default. */
  public B workingQuantizedType(@Nullable DType value) {
    this.workingType = value;
    return self();
  }

  /**
   * How many threads compute, 1 to 1024; by default as many as the property {@code kvp.threads}
   * says, or one for each core. Jlama decodes with one pool for the process, whose size the first
   * model to set one decides.
   */
  public B threadCount(@Nullable Integer value) {
    this.threadCount = value;
    return self();
  }

  /**
   * The most tokens of prompt and answer together, from 2 to the model's own context length, which
   * is the default.
   */
  public B contextLength(@Nullable Integer value) {
    this.contextLength = value;
    return self();
  }

  /**
   * How many bytes of the exact keys and values of prompts are kept on the heap, for prompts that
   * begin alike: a running chat, a system message, documents. 0 keeps nothing; 96 MiB by default,
   * and a sixteenth of the heap at most.
   */
  public B prefixStoreBytes(@Nullable Long value) {
    this.prefixStoreBytes = value;
    return self();
  }

  /** Jlama's place for working files, of which KVP4J writes none: it makes no difference here. */
  public B workingDirectory(@Nullable Path value) {
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

  /**
   * The least share of tokens on which a predictor must have agreed with the exact model, when it
   * was measured, for {@link KvpMode#AUTO} to predict with it; 0.5 by default, 0 asks for nothing.
   */
  public B minAgreement(@Nullable Double value) {
    this.minAgreement = value;
    return self();
  }

  /** A predictor file; by default those beside the model and the bundled ones. */
  public B predictor(@Nullable Path value) {
    this.predictor = value;
    return self();
  }

  /** Loads no predictor, so that prompts are read exactly. */
  public B withoutPredictor() {
    this.predict = false;
    return self();
  }

  /** The exact anchors of the modes that predict; {@link Anchors#DEFAULT} by default. */
  public B anchors(@Nullable Anchors value) {
    own.anchors(value);
    return self();
  }

  /**
   * How {@link KvpMode#PREDICT_AND_REFINE} goes on after the first token; {@link
   * RefineSettings#DEFAULT} by default.
   */
  public B refine(@Nullable RefineSettings value) {
    own.refine(value);
    return self();
  }

  /** 0 = greedy, the default; at most 100. */
  public B temperature(@Nullable Number value) {
    own.temperature(value == null ? null : value.doubleValue());
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

  /** The same as {@link #maxOutputTokens}, under the name that Jlama's builder has for it. */
  public B maxTokens(@Nullable Integer value) {
    return maxOutputTokens(value);
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

  /**
   * Checks the settings, then loads the model or joins those who use it.
   *
   * @throws dev.langchain4j.exception.ModelNotFoundException if there is no such model
   * @throws dev.langchain4j.exception.InvalidRequestException if settings are out of bounds or
   *     contradict each other
   * @throws KvpException if the model's or the predictor's files are no good
   */
  ChatTurn turn() {
    checkSource();
    try {
      KvpModel given = model;
      Path folder = given == null ? folder() : given.directory();
      String name = name(folder);
      KvpChatRequestParameters defaults =
          KvpChatRequestParameters.builder()
              .modelName(name)
              .overrideWith(common)
              .overrideWith(own.build())
              .build();
      ChatTurn.checkDefaults(defaults, name);
      ModelLease lease =
          given == null
              ? ModelLease.open(
                  new ModelLease.Key(
                      folder,
                      predictor,
                      predict,
                      quantize,
                      workingType,
                      threadCount,
                      contextLength,
                      prefixStoreBytes,
                      minAgreement))
              : ModelLease.of(given);
      return ChatTurn.over(lease, name, defaults);
    } catch (KvpException e) {
      throw ChatErrors.of(e);
    }
  }

  private void checkSource() {
    if (model != null) {
      refuse("modelName", modelName, "model");
      refuse("modelDirectory", modelDirectory, "model");
      refuse("modelCachePath", modelCachePath, "model");
      refuse("authToken", authToken, "model");
      refuse("predictor", predictor, "model");
      refuse("withoutPredictor", predict ? null : "", "model");
      refuse("quantizeModelAtRuntime", quantize ? "" : null, "model");
      refuse("workingQuantizedType", workingType, "model");
      refuse("threadCount", threadCount, "model");
      refuse("contextLength", contextLength, "model");
      refuse("prefixStoreBytes", prefixStoreBytes, "model");
      refuse("minAgreement", minAgreement, "model");
    }
    if (modelDirectory != null) {
      refuse("modelName", modelName, "modelDirectory");
    }
    if (!predict) {
      refuse("predictor", predictor, "withoutPredictor");
    }
  }

  private static void refuse(String setting, @Nullable Object value, String other) {
    if (value != null) {
      throw new InvalidRequestException(
          "Both " + setting + " and " + other + " are set; leave out one of them.");
    }
  }

  /** The model's folder, fetched if need be. */
  private Path folder() {
    if (modelDirectory != null) {
      if (!Files.isDirectory(modelDirectory)) {
        throw new ModelNotFoundException(
            "The model folder '" + modelDirectory + "' does not exist; name another.");
      }
      return modelDirectory;
    }
    ModelStore store = modelCachePath == null ? ModelStore.ofUser() : ModelStore.at(modelCachePath);
    if (authToken != null) {
      store = store.withAuthToken(authToken);
    }
    try {
      return store.resolve(
          modelName,
          new ImportProgress() {
            @Override
            public void begin(String step, long total) {
              LOG.info("{}", step);
            }

            @Override
            public void advance(long amount) {}

            @Override
            public void end() {}
          });
    } catch (KvpException e) {
      throw e.kind() == KvpException.Kind.BAD_ARGUMENT
          ? new ModelNotFoundException(e.getMessage(), e)
          : e;
    }
  }

  /** A fetched model is known by its name on the hub, any other by its folder's. */
  private String name(Path folder) {
    String name = ChatTurn.nameOf(folder);
    String asked = modelName == null ? ModelStore.DEFAULT_MODEL : modelName;
    boolean fetched =
        model == null && modelDirectory == null && name.equals(asked.replace('/', '_'));
    return fetched ? asked : name;
  }
}
