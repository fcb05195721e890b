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

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.github.tjake.jlama.model.AbstractModel;
import com.github.tjake.jlama.safetensors.DType;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.StreamingResponseHandler;
import dev.langchain4j.model.jlama.JlamaChatModel;
import dev.langchain4j.model.jlama.JlamaChatModel.JlamaChatModelBuilder;
import dev.langchain4j.model.jlama.JlamaStreamingChatModel;
import dev.langchain4j.model.jlama.JlamaStreamingChatModel.JlamaStreamingChatModelBuilder;
import dev.langchain4j.model.output.FinishReason;
import dev.langchain4j.model.output.Response;
import io.github.kvp4j.jlama.TinyModelDirectory;
import io.github.kvp4j.jlama.TinyModelDirectory.Kind;
import java.io.File;
import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Each setting of LangChain4j's builders means with the drop-in what it means without. */
class BuilderSettingsTest {
  private static final String NAME = "owner/tiny";
  private static final List<ChatMessage> QUESTION = List.of(UserMessage.from("the thing in her"));
  private static final List<ToolSpecification> TOOLS =
      List.of(ToolSpecification.builder().name("now").description("the time").build());

  @TempDir static Path cache;

  /**
   * An answer, as far as both ways must agree on it. A random model's answer has bytes that are no
   * text, which Jlama shows as letters; and Jlama does not count an answer's first token.
   */
  record Answer(String text, @Nullable FinishReason reason) {
    /** That Jlama has no kernels for what it was told to compute with. */
    static final Answer FAILED = new Answer("failed", null);

    Answer {
      text = text.replaceAll("[^ -~]", "");
    }

    static Answer of(Response<AiMessage> response) {
      return new Answer(response.content().text(), response.finishReason());
    }
  }

  /** The same settings for both builders. */
  record Setting(
      UnaryOperator<JlamaChatModelBuilder> chat,
      UnaryOperator<JlamaStreamingChatModelBuilder> streaming) {}

  @BeforeAll
  static void write() throws IOException {
    for (String folder : List.of("owner_tiny", "na_tiny")) {
      Path model = TinyModelDirectory.of(Kind.LLAMA_GROUPED_TIED).write(cache.resolve(folder));
      Files.createFile(model.resolve(".finished")); // what Jlama has fetched, it does not fetch
      Path config = model.resolve("tokenizer_config.json");
      String template = Files.readString(config);
      Files.writeString(
          config,
          template.replace("{% for", "{% if tools %}{{ tools | tojson }}{% endif %}{% for"));
    }
  }

  @AfterEach
  void switchOn() {
    System.clearProperty(DropIn.PROPERTY);
  }

  private static <T> T without(Supplier<T> action) {
    System.setProperty(DropIn.PROPERTY, "false");
    try {
      return action.get();
    } finally {
      System.clearProperty(DropIn.PROPERTY);
    }
  }

  private static JlamaChatModel chat(UnaryOperator<JlamaChatModelBuilder> setting) {
    JlamaChatModelBuilder builder = JlamaChatModel.builder().modelCachePath(cache).modelName(NAME);
    return setting.apply(builder.temperature(0f).maxTokens(100)).build();
  }

  private static JlamaStreamingChatModel streaming(
      UnaryOperator<JlamaStreamingChatModelBuilder> setting) {
    JlamaStreamingChatModelBuilder builder =
        JlamaStreamingChatModel.builder().modelCachePath(cache).modelName(NAME);
    return setting.apply(builder.temperature(0f).maxTokens(100)).build();
  }

  private static Answer ask(JlamaChatModel model, List<ToolSpecification> tools) {
    try {
      return Answer.of(model.generate(QUESTION, tools));
    } catch (RuntimeException e) {
      return Answer.FAILED;
    }
  }

  private static Answer ask(JlamaStreamingChatModel model, List<ToolSpecification> tools) {
    CompletableFuture<Answer> answer = new CompletableFuture<>();
    StringBuilder parts = new StringBuilder();
    model.generate(
        QUESTION,
        tools,
        new StreamingResponseHandler<>() {
          @Override
          public void onNext(String token) {
            parts.append(token);
          }

          @Override
          public void onComplete(Response<AiMessage> response) {
            answer.complete(new Answer(parts.toString(), response.finishReason()));
          }

          @Override
          public void onError(Throwable error) {
            answer.complete(Answer.FAILED);
          }
        });
    return answer.join();
  }

  static Stream<Arguments> settings() throws IOException {
    Path pages = Files.createDirectories(cache.resolve("pages"));
    return Stream.of(
        Arguments.of("defaults", new Setting(b -> b, b -> b)),
        Arguments.of("maxTokens", new Setting(b -> b.maxTokens(70), b -> b.maxTokens(70))),
        Arguments.of(
            "maxTokens, the context", new Setting(b -> b.maxTokens(null), b -> b.maxTokens(null))),
        Arguments.of(
            "modelName without an owner",
            new Setting(b -> b.modelName("tiny"), b -> b.modelName("tiny"))),
        Arguments.of("authToken", new Setting(b -> b.authToken("hf_x"), b -> b.authToken("hf_x"))),
        Arguments.of(
            "quantizeModelAtRuntime",
            new Setting(b -> b.quantizeModelAtRuntime(true), b -> b.quantizeModelAtRuntime(true))),
        Arguments.of(
            "workingQuantizedType F32",
            new Setting(
                b -> b.workingQuantizedType(DType.F32), b -> b.workingQuantizedType(DType.F32))),
        Arguments.of(
            "workingQuantizedType BF16",
            new Setting(
                b -> b.workingQuantizedType(DType.BF16), b -> b.workingQuantizedType(DType.BF16))),
        Arguments.of(
            "workingDirectory",
            new Setting(b -> b.workingDirectory(pages), b -> b.workingDirectory(pages))));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("settings")
  void answersAreThoseOfJlama(String name, Setting setting) throws Exception {
    JlamaChatModel with = chat(setting.chat);
    JlamaChatModel without = without(() -> chat(setting.chat));
    assertThat(with).isInstanceOf(KvpJlamaChatModel.class);
    assertThat(without.getClass()).isEqualTo(JlamaChatModel.class);
    assertThat(ask(with, List.of())).isEqualTo(ask(without, List.of()));
    assertThat(ask(with, TOOLS)).as("with tools").isEqualTo(ask(without, TOOLS));
    assertThat(loaded(with)).isEqualTo(loaded(without));

    JlamaStreamingChatModel streamed = streaming(setting.streaming);
    assertThat(streamed).isInstanceOf(KvpJlamaStreamingChatModel.class);
    JlamaStreamingChatModel plain = without(() -> streaming(setting.streaming));
    assertThat(ask(streamed, List.of())).isEqualTo(ask(plain, List.of()));
    assertThat(loaded(streamed)).isEqualTo(loaded(plain));
  }

  @Test
  void theSettingsMakeADifference() throws IOException {
    Set<Answer> answers = new HashSet<>();
    for (Arguments one : settings().toList()) {
      String name = (String) one.get()[0];
      if (Set.of("defaults", "maxTokens").contains(name)) {
        answers.add(ask(chat(((Setting) one.get()[1]).chat), List.of()));
      }
    }
    assertThat(answers).hasSize(2).doesNotContain(Answer.FAILED);
  }

  @Test
  void temperatureSamples() {
    Set<String> greedy = new HashSet<>();
    Set<String> sampled = new HashSet<>();
    JlamaChatModel cold = chat(b -> b.temperature(0f));
    JlamaChatModel hot = chat(b -> b.temperature(2f));
    for (int i = 0; i < 4; i++) {
      greedy.add(ask(cold, List.of()).text);
      sampled.add(ask(hot, List.of()).text);
    }
    assertThat(greedy).hasSize(1);
    assertThat(sampled).hasSizeGreaterThan(1);
  }

  /** Jlama takes the number of threads once in a JVM, and an earlier test here has set it. */
  @Test
  void threadCountReachesJlama() {
    Throwable with = catchThrowable(() -> chat(b -> b.threadCount(1)));
    Throwable without = catchThrowable(() -> without(() -> chat(b -> b.threadCount(1))));
    assertThat(with)
        .isInstanceOf(IllegalStateException.class)
        .hasMessage(without.getMessage())
        .hasSameClassAs(without);
  }

  @Test
  void aPromptThatHasAllTokensIsRefusedAsByJlama() {
    Answer with = ask(chat(b -> b.maxTokens(20)), List.of());
    assertThat(with).isEqualTo(Answer.FAILED);
    assertThat(with).isEqualTo(without(() -> ask(chat(b -> b.maxTokens(20)), List.of())));
  }

  /** What LangChain4j's builder has, each to the last is kept for both Jlama and KVP4J. */
  @Test
  void everySettingIsTaken() throws Exception {
    Map<String, Object> values =
        Map.of(
            "modelCachePath",
            Path.of("a"),
            "modelName",
            "b/c",
            "authToken",
            "hf_d",
            "threadCount",
            3,
            "quantizeModelAtRuntime",
            true,
            "workingDirectory",
            Path.of("e"),
            "workingQuantizedType",
            DType.BF16,
            "temperature",
            0.7f,
            "maxTokens",
            99);
    for (Object builder : List.of(JlamaChatModel.builder(), JlamaStreamingChatModel.builder())) {
      List<Method> setters =
          Arrays.stream(builder.getClass().getSuperclass().getMethods())
              .filter(m -> m.getReturnType() == builder.getClass().getSuperclass())
              .toList();
      assertThat(setters).extracting(Method::getName).containsAll(values.keySet()).hasSize(9);
      for (Method setter : setters) {
        setter.invoke(builder, values.get(setter.getName()));
      }
      Object settings = field(builder.getClass(), builder, "settings");
      for (Map.Entry<String, Object> value : values.entrySet()) {
        assertThat(field(DropIn.Settings.class, settings, value.getKey()))
            .as(value.getKey())
            .isEqualTo(value.getValue());
      }
    }
  }

  @Test
  void modelsLieWhereJlamaPutsThem() {
    DropIn.Settings settings = new DropIn.Settings();
    settings.modelName = "owner/name";
    assertThat(settings.directory())
        .isEqualTo(Path.of(System.getProperty("user.home"), ".jlama", "models", "owner_name"));
  }

  /** What Jlama's own model was told, the drop-in's one and LangChain4j's alike. */
  private static List<Object> loaded(Object model) throws Exception {
    Class<?> type =
        model instanceof JlamaChatModel ? JlamaChatModel.class : JlamaStreamingChatModel.class;
    AbstractModel jlama = (AbstractModel) field(type, model, "model");
    return List.of(
        field(AbstractModel.class, jlama, "workingQType"),
        field(AbstractModel.class, jlama, "modelQType"),
        // where none is given, Jlama makes a new one each time
        jlama
            .getConfig()
            .workingDirectory()
            .map(File::toPath)
            .filter(cache.resolve("pages")::equals),
        field(type, model, "temperature"),
        field(type, model, "maxTokens"));
  }

  private static Object field(Class<?> type, Object object, String name) throws Exception {
    Field field = type.getDeclaredField(name);
    field.setAccessible(true);
    return Objects.requireNonNull(field.get(object), name);
  }
}
