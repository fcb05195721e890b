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

import dev.langchain4j.data.audio.Audio;
import dev.langchain4j.data.message.AudioContent;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.CustomMessage;
import dev.langchain4j.data.message.ImageContent;
import dev.langchain4j.data.message.PdfFileContent;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.data.message.VideoContent;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.model.chat.request.json.JsonObjectSchema;
import dev.langchain4j.model.chat.request.json.JsonSchema;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Each with exactly the exception and the words that LangChain4j's conformance tests ask for. */
class UnsupportedFeaturesTest {
  @TempDir static Path temp;
  private static Path directory;
  private static KvpChatModel model;
  private static KvpStreamingChatModel streaming;

  @BeforeAll
  static void load() {
    directory = ScriptedModel.answering("Yes").write(temp.resolve("m"));
    model = KvpChatModel.builder().modelDirectory(directory).build();
    streaming = KvpStreamingChatModel.builder().modelDirectory(directory).build();
  }

  @AfterAll
  static void close() {
    model.close();
    streaming.close();
  }

  static Stream<Arguments> parameters() {
    return Stream.of(
        Arguments.of("modelName", ChatRequestParameters.builder().modelName("dummy").build()),
        Arguments.of(
            "frequencyPenalty", ChatRequestParameters.builder().frequencyPenalty(0.1).build()),
        Arguments.of(
            "presencePenalty", ChatRequestParameters.builder().presencePenalty(0.1).build()),
        Arguments.of(
            "JSON response format",
            ChatRequestParameters.builder().responseFormat(ResponseFormat.JSON).build()),
        Arguments.of(
            "JSON response format",
            ChatRequestParameters.builder()
                .responseFormat(
                    ResponseFormat.builder()
                        .type(ResponseFormatType.JSON)
                        .jsonSchema(
                            JsonSchema.builder()
                                .name("Answer")
                                .rootElement(
                                    JsonObjectSchema.builder().addStringProperty("city").build())
                                .build())
                        .build())
                .build()));
  }

  @ParameterizedTest
  @MethodSource("parameters")
  void parametersOfARequest(String word, ChatRequestParameters parameters) {
    assertRefused(
        word,
        ChatRequest.builder().messages(UserMessage.from("Hi")).parameters(parameters).build());
  }

  @ParameterizedTest
  @MethodSource("parameters")
  void defaultParameters(String word, ChatRequestParameters parameters) {
    assertThatThrownBy(() ->
            KvpChatModel.builder()
                .modelDirectory(directory)
                .defaultRequestParameters(parameters)
                .build())
        .isExactlyInstanceOf(UnsupportedFeatureException.class)
        .hasMessageContaining(word)
        .hasMessageContaining("not support");
    assertThatThrownBy(() ->
            KvpStreamingChatModel.builder()
                .modelDirectory(directory)
                .defaultRequestParameters(parameters)
                .build())
        .isExactlyInstanceOf(UnsupportedFeatureException.class);
  }

  static Stream<Arguments> messages() {
    return Stream.of(
        Arguments.of(
            "image",
            UserMessage.from(
                TextContent.from("What do you see?"), ImageContent.from("AAAA", "image/png"))),
        Arguments.of("image", UserMessage.from(ImageContent.from("http://localhost/cat.png"))),
        Arguments.of(
            "audio",
            UserMessage.from(
                AudioContent.from(
                    Audio.builder().base64Data("AAAA").mimeType("audio/wav").build()))),
        Arguments.of("video", UserMessage.from(VideoContent.from("http://localhost/cat.mp4"))),
        Arguments.of("pdf", UserMessage.from(PdfFileContent.from("http://localhost/cat.pdf"))),
        Arguments.of(
            "non-text content",
            ToolExecutionResultMessage.builder()
                .id("1")
                .toolName("takePhoto")
                .contents(List.of(ImageContent.from("AAAA", "image/png")))
                .build()),
        Arguments.of("custom", CustomMessage.from(Map.of("a", "b"))));
  }

  @ParameterizedTest
  @MethodSource("messages")
  void messagesOtherThanText(String word, ChatMessage message) {
    assertRefused(word, ChatRequest.builder().messages(UserMessage.from("Hi"), message).build());
  }

  private static void assertRefused(String word, ChatRequest request) {
    assertThatThrownBy(() -> model.chat(request))
        .isExactlyInstanceOf(UnsupportedFeatureException.class)
        .hasMessageContaining(word)
        .hasMessageContaining("not support");
    assertThatThrownBy(() -> streaming.chat(request, new Unused()))
        .isExactlyInstanceOf(UnsupportedFeatureException.class)
        .hasMessageContaining(word)
        .hasMessageContaining("not support");
  }

  @Test
  void whatAsksForNothingSpecialPasses() {
    ChatRequest request =
        ChatRequest.builder()
            .messages(UserMessage.from("Hi"))
            .parameters(
                ChatRequestParameters.builder()
                    .modelName("m")
                    .toolChoice(ToolChoice.AUTO)
                    .toolSpecifications(List.of())
                    .responseFormat(ResponseFormat.TEXT)
                    .build())
            .build();
    assertThat(model.chat(request).aiMessage().text()).isEqualTo("Yes");
  }

  /** Must not be called. */
  private static final class Unused implements StreamingChatResponseHandler {
    @Override
    public void onPartialResponse(String partialResponse) {
      throw new AssertionError(partialResponse);
    }

    @Override
    public void onCompleteResponse(ChatResponse completeResponse) {
      throw new AssertionError(completeResponse);
    }

    @Override
    public void onError(Throwable error) {
      throw new AssertionError(error);
    }
  }
}
