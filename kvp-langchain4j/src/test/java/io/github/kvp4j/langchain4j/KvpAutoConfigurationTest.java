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

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.ModelNotFoundException;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.listener.ChatModelRequestContext;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import io.github.kvp4j.jlama.KvpMode;
import io.github.kvp4j.jlama.Quality;
import io.github.kvp4j.jlama.RefineSettings;
import io.github.kvp4j.langchain4j.spring.KvpAutoConfiguration;
import io.github.kvp4j.predictor.Anchors;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.test.context.FilteredClassLoader;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;

class KvpAutoConfigurationTest {
  @TempDir static Path temp;
  private static Path directory;

  private final ApplicationContextRunner runner =
      new ApplicationContextRunner()
          .withConfiguration(AutoConfigurations.of(KvpAutoConfiguration.class));

  @BeforeAll
  static void write() {
    directory = ScriptedModel.answering("Hello", " world").write(temp.resolve("greeter"));
  }

  private ApplicationContextRunner withModel() {
    return runner.withPropertyValues(
        "langchain4j.kvp.chat-model.model-name=" + directory,
        "langchain4j.kvp.streaming-chat-model.model-name=" + directory);
  }

  @Test
  void makesBothModels() {
    withModel()
        .run(context -> {
          assertThat(context.getBean(ChatModel.class).chat("Hi")).isEqualTo("Hello world");
          assertThat(context).hasSingleBean(KvpStreamingChatModel.class);
        });
  }

  @Test
  void takesEverySetting() {
    withModel()
        .withPropertyValues(
            "langchain4j.kvp.streaming-chat-model.enabled=false",
            "langchain4j.kvp.chat-model.model-cache-path=" + temp,
            "langchain4j.kvp.chat-model.auth-token=secret",
            "langchain4j.kvp.chat-model.predictor=none",
            "langchain4j.kvp.chat-model.quantize-model-at-runtime=false",
            "langchain4j.kvp.chat-model.working-quantized-type=f32",
            "langchain4j.kvp.chat-model.thread-count=1",
            "langchain4j.kvp.chat-model.context-length=64",
            "langchain4j.kvp.chat-model.prefix-store-bytes=64KB",
            "langchain4j.kvp.chat-model.mode=exact",
            "langchain4j.kvp.chat-model.quality=fast",
            "langchain4j.kvp.chat-model.min-agreement=0.9",
            "langchain4j.kvp.chat-model.anchors=1/2/3",
            "langchain4j.kvp.chat-model.refine-chunk=96/20",
            "langchain4j.kvp.chat-model.temperature=0.5",
            "langchain4j.kvp.chat-model.top-p=0.9",
            "langchain4j.kvp.chat-model.top-k=3",
            "langchain4j.kvp.chat-model.seed=7",
            "langchain4j.kvp.chat-model.max-output-tokens=1",
            "langchain4j.kvp.chat-model.stop-sequences=a,b")
        .run(context -> {
          KvpChatModel model = context.getBean(KvpChatModel.class);
          assertThat(model.defaultRequestParameters())
              .isEqualTo(
                  KvpChatRequestParameters.builder()
                      .modelName("greeter")
                      .mode(KvpMode.EXACT)
                      .quality(Quality.FAST)
                      .anchors(new Anchors(1, 2, 3))
                      .refine(new RefineSettings(96, 20))
                      .temperature(0.5)
                      .topP(0.9)
                      .topK(3)
                      .seed(7L)
                      .maxOutputTokens(1)
                      .stopSequences(List.of("a", "b"))
                      .build());
          assertThatThrownBy(() -> model.chat("x".repeat(64)))
              .isExactlyInstanceOf(InvalidRequestException.class)
              .hasMessageContaining("limit is 63");
          assertThat(context).doesNotHaveBean(KvpStreamingChatModel.class);
        });
  }

  @Test
  void aPredictorFileIsRead() {
    Path file = ScriptedModel.writePredictor(directory, temp.resolve("own.safetensors"));
    withModel()
        .withPropertyValues(
            "langchain4j.kvp.chat-model.predictor=" + file,
            "langchain4j.kvp.chat-model.mode=predict")
        .run(context ->
            assertThat(context.getBean(KvpChatModel.class).chat("Hi")).isEqualTo("Hello world"));
  }

  @Test
  void anotherChatModelGoesBefore() {
    ChatModel own =
        new ChatModel() {
          @Override
          public ChatResponse doChat(ChatRequest request) {
            return ChatResponse.builder().aiMessage(AiMessage.from("own")).build();
          }
        };
    withModel()
        .withBean("own", ChatModel.class, () -> own)
        .run(context -> {
          assertThat(context).doesNotHaveBean(KvpChatModel.class);
          assertThat(context).hasSingleBean(KvpStreamingChatModel.class);
        });
  }

  @Test
  void listenersAreToldOfRequests() {
    AtomicInteger requests = new AtomicInteger();
    ChatModelListener counting =
        new ChatModelListener() {
          @Override
          public void onRequest(ChatModelRequestContext context) {
            requests.incrementAndGet();
          }
        };
    withModel()
        .withBean("counting", ChatModelListener.class, () -> counting)
        .run(context -> {
          context.getBean(KvpChatModel.class).chat("Hi");
          assertThat(requests).hasValue(1);
        });
  }

  @Test
  void metersWhereThereIsARegistry() {
    withModel()
        .withBean("registry", MeterRegistry.class, SimpleMeterRegistry::new)
        .run(context -> {
          context.getBean(KvpChatModel.class).chat("Hi");
          assertThat(
                  context
                      .getBean(MeterRegistry.class)
                      .get("gen_ai.server.time_to_first_token")
                      .timer()
                      .count())
              .isEqualTo(1);
        });
  }

  @Test
  void doesWithoutMicrometer() {
    withModel()
        .withClassLoader(new FilteredClassLoader("io.micrometer"))
        .run(context ->
            assertThat(context.getBean(KvpChatModel.class).chat("Hi")).isEqualTo("Hello world"));
  }

  @Test
  void theModelIsClosedWithTheApplication() {
    KvpChatModel[] model = new KvpChatModel[1];
    withModel().run(context -> model[0] = context.getBean(KvpChatModel.class));
    assertThatThrownBy(() -> model[0].chat("Hi"))
        .hasMessage("The chat model 'greeter' was closed.");
  }

  @Test
  void aWrongNameStopsTheApplication() {
    runner
        .withPropertyValues("langchain4j.kvp.chat-model.model-name=nonsense")
        .run(context ->
            assertThat(context)
                .getFailure()
                .hasRootCauseInstanceOf(io.github.kvp4j.KvpException.class)
                .hasStackTraceContaining(ModelNotFoundException.class.getName()));
  }

  /** Written by Boot's annotation processor; the names are those that the binder knows. */
  @Test
  void metadataDescribesTheProperties() throws Exception {
    try (InputStream in =
        Objects.requireNonNull(
            KvpAutoConfiguration.class.getResourceAsStream(
                "/META-INF/spring-configuration-metadata.json"))) {
      JsonNode properties = new ObjectMapper().readTree(in).path("properties");
      Set<String> described = new TreeSet<>();
      for (JsonNode property : properties) {
        assertThat(property.path("description").asText()).as(property.toString()).isNotBlank();
        described.add(property.path("name").asText());
      }
      assertThat(described)
          .contains(
              "langchain4j.kvp.chat-model.enabled",
              "langchain4j.kvp.chat-model.model-name",
              "langchain4j.kvp.streaming-chat-model.anchors")
          .hasSize(42);
    }
  }

  @Test
  void isAnnouncedToSpringBoot() throws Exception {
    try (InputStream in =
        Objects.requireNonNull(
            KvpAutoConfiguration.class.getResourceAsStream(
                "/META-INF/spring/"
                    + "org.springframework.boot.autoconfigure.AutoConfiguration.imports"))) {
      assertThat(new String(in.readAllBytes(), java.nio.charset.StandardCharsets.UTF_8).strip())
          .isEqualTo(KvpAutoConfiguration.class.getName());
    }
  }
}
