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
package io.github.kvp4j.langchain4j.spring;

import com.github.tjake.jlama.safetensors.DType;
import io.github.kvp4j.jlama.KvpMode;
import io.github.kvp4j.jlama.Quality;
import io.github.kvp4j.jlama.RefineSettings;
import io.github.kvp4j.langchain4j.KvpModelBuilder;
import io.github.kvp4j.predictor.Anchors;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;
import org.springframework.util.unit.DataSize;

/**
 * What application properties say of the chat models.
 *
 * @param chatModel the settings of the bean KvpChatModel
 * @param streamingChatModel the settings of the bean KvpStreamingChatModel
 */
@ConfigurationProperties("langchain4j.kvp")
public record KvpProperties(@DefaultValue Model chatModel, @DefaultValue Model streamingChatModel) {

  /**
   * The settings of one chat model; those that are left out have the defaults of its builder.
   *
   * @param enabled whether there is such a bean
   * @param modelName a model on the Hugging Face hub as owner/name, or a folder; fetched once
   * @param modelCachePath where fetched models are kept
   * @param authToken shown to the hub, unless the variable HF_TOKEN is set
   * @param predictor auto, none, or a predictor file
   * @param quantizeModelAtRuntime whether Jlama decodes with weights rounded to four bits
   * @param workingQuantizedType what Jlama rounds activations to while decoding
   * @param threadCount how many threads compute; one for each core by default
   * @param contextLength the most tokens of prompt and answer together; the model's own by default
   * @param prefixStoreBytes how much of earlier prompts is kept for those that begin alike, such as
   *     64MB; 0 is nothing
   * @param mode how prompts are read: auto, predict, predict_and_refine, exact or off
   * @param quality which of the model's predictors is used: faithful, balanced or fast
   * @param minAgreement the least measured agreement, 0 to 1, of a predictor that auto uses
   * @param anchors the exact tokens of a predicted prompt, as sink/tail/top
   * @param refineChunk prompt tokens that predict_and_refine makes exact at a time, as tokens or
   *     tokens/milliseconds
   * @param temperature 0 is greedy
   * @param topP samples among the tokens that together have this probability
   * @param topK samples among this many tokens; 0 is all
   * @param seed makes sampling repeatable
   * @param maxOutputTokens the most tokens of an answer
   * @param stopSequences texts that end an answer
   */
  public record Model(
      @DefaultValue("true") boolean enabled,
      @Nullable String modelName,
      @Nullable Path modelCachePath,
      @Nullable String authToken,
      @DefaultValue("auto") String predictor,
      @Nullable Boolean quantizeModelAtRuntime,
      @Nullable DType workingQuantizedType,
      @Nullable Integer threadCount,
      @Nullable Integer contextLength,
      @Nullable DataSize prefixStoreBytes,
      @Nullable KvpMode mode,
      @Nullable Quality quality,
      @Nullable Double minAgreement,
      @Nullable String anchors,
      @Nullable String refineChunk,
      @Nullable Double temperature,
      @Nullable Double topP,
      @Nullable Integer topK,
      @Nullable Long seed,
      @Nullable Integer maxOutputTokens,
      @Nullable List<String> stopSequences) {

    <B extends KvpModelBuilder<B>> B applyTo(B builder) {
      switch (predictor) {
        case "auto" -> {}
        case "none" -> builder.withoutPredictor();
        default -> builder.predictor(Path.of(predictor));
      }
      return builder
          .modelName(modelName)
          .modelCachePath(modelCachePath)
          .authToken(authToken)
          .quantizeModelAtRuntime(quantizeModelAtRuntime)
          .workingQuantizedType(workingQuantizedType)
          .threadCount(threadCount)
          .contextLength(contextLength)
          .prefixStoreBytes(prefixStoreBytes == null ? null : prefixStoreBytes.toBytes())
          .mode(mode)
          .quality(quality)
          .minAgreement(minAgreement)
          .anchors(anchors == null ? null : Anchors.parse(anchors))
          .refine(refineChunk == null ? null : RefineSettings.parse(refineChunk))
          .temperature(temperature)
          .topP(topP)
          .topK(topK)
          .seed(seed)
          .maxOutputTokens(maxOutputTokens)
          .stopSequences(stopSequences);
    }
  }
}
