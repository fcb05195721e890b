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

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.model.chat.listener.ChatModelErrorContext;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.listener.ChatModelRequestContext;
import dev.langchain4j.model.chat.listener.ChatModelResponseContext;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import io.github.kvp4j.jlama.KvpMode;
import io.github.kvp4j.jlama.Quality;
import io.github.kvp4j.jlama.RefineSettings;
import io.github.kvp4j.predictor.Anchors;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** How parameters merge, and what listeners see of them. */
class ChatParametersTest {
  private static final Anchors ANCHORS = new Anchors(1, 2, 3);
  private static final RefineSettings REFINE = new RefineSettings(96, 20);
  private static final KvpChatRequestParameters OURS =
      KvpChatRequestParameters.builder()
          .temperature(0.5)
          .topK(7)
          .mode(KvpMode.OFF)
          .quality(Quality.FAST)
          .anchors(ANCHORS)
          .refine(REFINE)
          .seed(42L)
          .build();

  @TempDir static Path temp;

  /** Writes down what it is told. */
  private static final class Recorder implements ChatModelListener {
    final List<ChatRequest> requests = new ArrayList<>();
    final List<ChatModelResponseContext> responses = new ArrayList<>();
    final List<Throwable> errors = new ArrayList<>();

    @Override
    public void onRequest(ChatModelRequestContext context) {
      requests.add(context.chatRequest());
      context.attributes().put("id", "1");
    }

    @Override
    public void onResponse(ChatModelResponseContext context) {
      assertThat(context.attributes()).containsEntry("id", "1");
      responses.add(context);
    }

    @Override
    public void onError(ChatModelErrorContext context) {
      errors.add(context.error());
    }
  }

  @Test
  void othersOverrideOursAndKeepWhatOnlyOursHas() {
    ChatRequestParameters plain =
        ChatRequestParameters.builder().temperature(0.1).maxOutputTokens(3).build();
    KvpChatRequestParameters merged = OURS.overrideWith(plain);
    assertThat(merged.temperature()).isEqualTo(0.1);
    assertThat(merged.maxOutputTokens()).isEqualTo(3);
    assertThat(merged.topK()).isEqualTo(7);
    assertThat(merged.mode()).isEqualTo(KvpMode.OFF);
    assertThat(merged.quality()).isEqualTo(Quality.FAST);
    assertThat(merged.anchors()).isEqualTo(ANCHORS);
    assertThat(merged.refine()).isEqualTo(REFINE);
    assertThat(merged.seed()).isEqualTo(42L);
  }

  @Test
  void oursOverrideOurs() {
    KvpChatRequestParameters merged =
        OURS.overrideWith(KvpChatRequestParameters.builder().mode(KvpMode.EXACT).seed(1L).build());
    assertThat(merged.mode()).isEqualTo(KvpMode.EXACT);
    assertThat(merged.seed()).isEqualTo(1L);
    assertThat(merged.anchors()).isEqualTo(ANCHORS);
    assertThat(merged.refine()).isEqualTo(REFINE);
    assertThat(merged.temperature()).isEqualTo(0.5);
  }

  @Test
  void defaultsFillGaps() {
    KvpChatRequestParameters merged =
        OURS.defaultedBy(ChatRequestParameters.builder().temperature(0.1).topP(0.9).build());
    assertThat(merged.temperature()).isEqualTo(0.5);
    assertThat(merged.topP()).isEqualTo(0.9);
    assertThat(merged.mode()).isEqualTo(KvpMode.OFF);
  }

  @Test
  void plainParametersMergeIntoOurs() {
    ChatRequestParameters plain = ChatRequestParameters.builder().temperature(0.1).build();
    assertThat(plain.overrideWith(OURS))
        .isInstanceOfSatisfying(
            KvpChatRequestParameters.class,
            merged -> {
              assertThat(merged.temperature()).isEqualTo(0.5);
              assertThat(merged.seed()).isEqualTo(42L);
            });
    assertThat(plain.defaultedBy(OURS))
        .isInstanceOfSatisfying(
            KvpChatRequestParameters.class,
            merged -> {
              assertThat(merged.temperature()).isEqualTo(0.1);
              assertThat(merged.seed()).isEqualTo(42L);
            });
  }

  @Test
  void equalsComparesOursToo() {
    assertThat(OURS.overrideWith(KvpChatRequestParameters.builder().build()))
        .isEqualTo(OURS)
        .hasSameHashCodeAs(OURS);
    assertThat(OURS.overrideWith(KvpChatRequestParameters.builder().seed(1L).build()))
        .isNotEqualTo(OURS);
    assertThat(OURS.toString()).contains("OFF", "FAST", "1/2/3", "42", "0.5");
  }

  @Test
  void aChatModelMergesItsDefaultsAndTellsItsListeners() {
    Recorder recorder = new Recorder();
    Path directory = ScriptedModel.endless().write(temp.resolve("listened"));
    try (KvpChatModel model =
        KvpChatModel.builder()
            .modelDirectory(directory)
            .defaultRequestParameters(
                ChatRequestParameters.builder().maxOutputTokens(9).topP(0.8).build())
            .maxOutputTokens(4)
            .temperature(0.7)
            .seed(5L)
            .mode(KvpMode.OFF)
            .listeners(List.of(recorder))
            .build()) {
      assertThat(model.defaultRequestParameters().maxOutputTokens()).isEqualTo(4);
      assertThat(model.defaultRequestParameters().topP()).isEqualTo(0.8);

      assertThat(model.chat("Hi")).isEqualTo(" on and on and");
      assertThat(
              model
                  .chat(
                      ChatRequest.builder()
                          .messages(UserMessage.from("Hi"))
                          .maxOutputTokens(1)
                          .temperature(0.0)
                          .build())
                  .aiMessage()
                  .text())
          .isEqualTo(" on");

      KvpChatRequestParameters first =
          (KvpChatRequestParameters) recorder.requests.getFirst().parameters();
      assertThat(first.modelName()).isEqualTo("listened");
      assertThat(first.temperature()).isEqualTo(0.7);
      assertThat(first.topP()).isEqualTo(0.8);
      assertThat(first.maxOutputTokens()).isEqualTo(4);
      assertThat(first.mode()).isEqualTo(KvpMode.OFF);
      assertThat(first.seed()).isEqualTo(5L);
      KvpChatRequestParameters second =
          (KvpChatRequestParameters) recorder.requests.getLast().parameters();
      assertThat(second.maxOutputTokens()).isEqualTo(1);
      assertThat(second.temperature()).isZero();
      assertThat(second.seed()).isEqualTo(5L);

      assertThat(recorder.responses).hasSize(2);
      assertThat(recorder.errors).isEmpty();

      assertThatThrownBy(() ->
              model.chat(
                  ChatRequest.builder()
                      .messages(UserMessage.from("Hi"))
                      .maxOutputTokens(-1)
                      .build()))
          .isInstanceOf(InvalidRequestException.class);
      assertThat(recorder.requests).hasSize(3);
      assertThat(recorder.errors).singleElement().isInstanceOf(InvalidRequestException.class);
    }
  }

  @Test
  void theSeedDecidesTheAnswer() {
    Path directory = ScriptedModel.random().write(temp.resolve("random"));
    try (KvpChatModel model =
        KvpChatModel.builder()
            .modelDirectory(directory)
            .temperature(1.0)
            .maxOutputTokens(30)
            .build()) {
      String first = answerWithSeed(model, 1);
      assertThat(answerWithSeed(model, 1)).isEqualTo(first);
      assertThat(answerWithSeed(model, 2)).isNotEqualTo(first);
    }
  }

  private static String answerWithSeed(KvpChatModel model, long seed) {
    return model
        .chat(
            ChatRequest.builder()
                .messages(UserMessage.from("Hi"))
                .parameters(KvpChatRequestParameters.builder().seed(seed).build())
                .build())
        .aiMessage()
        .text();
  }

  @Test
  void topKOneIsGreedyWhateverTheTemperature() {
    Path directory = ScriptedModel.random().write(temp.resolve("greedy"));
    try (KvpChatModel model =
        KvpChatModel.builder()
            .modelDirectory(directory)
            .temperature(100.0)
            .topK(1)
            .maxOutputTokens(10)
            .build()) {
      assertThat(model.chat("Hi")).isEqualTo(model.chat("Hi"));
    }
  }
}
