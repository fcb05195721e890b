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
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.KvpMode;
import io.github.kvp4j.jlama.Quality;
import io.github.kvp4j.predictor.Anchors;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Chat models with a predictor. */
class PredictedChatTest {
  @TempDir static Path temp;
  private static Path directory;
  private static Path predictor;

  @BeforeAll
  static void write() {
    directory = ScriptedModel.answering("Hello", " there").write(temp.resolve("m"));
    predictor = ScriptedModel.writePredictor(directory, temp.resolve("p.safetensors"));
  }

  private static KvpChatResponseMetadata metadata(ChatResponse response) {
    return (KvpChatResponseMetadata) response.metadata();
  }

  @Test
  void predictsWithTheFileThatWasNamed() {
    try (KvpChatModel model =
        KvpChatModel.builder()
            .modelDirectory(directory)
            .predictor(predictor)
            .mode(KvpMode.PREDICT)
            .anchors(new Anchors(2, 5, 0))
            .build()) {
      ChatResponse response = model.chat(UserMessage.from("x".repeat(100)));
      assertThat(response.aiMessage().text()).isEqualTo("Hello there");
      KvpChatResponseMetadata metadata = metadata(response);
      assertThat(metadata.mode()).isEqualTo(KvpMode.PREDICT);
      assertThat(metadata.exactPromptTokens()).isEqualTo(7);
      assertThat(metadata.predictedPromptTokens())
          .isEqualTo(metadata.tokenUsage().inputTokenCount() - 7);

      KvpChatRequestParameters override =
          KvpChatRequestParameters.builder().anchors(new Anchors(0, 1, 0)).build();
      ChatRequest request =
          ChatRequest.builder()
              .messages(UserMessage.from("x".repeat(100)))
              .parameters(override)
              .build();
      assertThat(metadata(model.chat(request)).exactPromptTokens()).isEqualTo(1);
    }
  }

  @Test
  void asksForAPredictorWhereThereIsNone() {
    try (KvpChatModel model =
        KvpChatModel.builder().modelDirectory(directory).mode(KvpMode.PREDICT).build()) {
      assertThatThrownBy(() -> model.chat("Hi"))
          .isExactlyInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("PREDICT needs a predictor");
    }
  }

  @Test
  void usesThePredictorOfTheQualityAskedFor() {
    Path folder = ScriptedModel.answering("Hello").write(temp.resolve("fast-only"));
    ScriptedModel.writePredictor(folder, folder.resolve("predictor-fast.safetensors"));
    try (KvpChatModel model =
        KvpChatModel.builder()
            .modelDirectory(folder)
            .mode(KvpMode.PREDICT)
            .quality(Quality.FAST)
            .build()) {
      assertThat(model.chat("Hi")).isEqualTo("Hello");
      ChatRequest faithful =
          ChatRequest.builder()
              .messages(UserMessage.from("Hi"))
              .parameters(KvpChatRequestParameters.builder().quality(Quality.FAITHFUL).build())
              .build();
      assertThatThrownBy(() -> model.chat(faithful))
          .isExactlyInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("FAITHFUL");
    }
  }

  @Test
  void refusesAPredictorForAnotherModel() {
    Path other = ScriptedModel.answering("Bye").write(temp.resolve("other"));
    assertThatThrownBy(
            () -> KvpChatModel.builder().modelDirectory(other).predictor(predictor).build())
        .isInstanceOfSatisfying(
            KvpException.class,
            e -> assertThat(e.kind()).isEqualTo(KvpException.Kind.PREDICTOR_MISMATCH));
  }
}
