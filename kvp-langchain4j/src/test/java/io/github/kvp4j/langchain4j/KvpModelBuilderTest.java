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

import com.github.tjake.jlama.safetensors.DType;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.LangChain4jException;
import dev.langchain4j.exception.ModelNotFoundException;
import dev.langchain4j.model.output.TokenUsage;
import io.github.kvp4j.jlama.KvpMode;
import io.github.kvp4j.jlama.KvpModel;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which model the builders load, and with what. */
class KvpModelBuilderTest {
  @TempDir static Path temp;
  private static Path cache;
  private static Path directory;

  @BeforeAll
  static void write() throws IOException {
    cache = temp.resolve("cache");
    directory = ScriptedModel.answering("Hello").write(cache.resolve("someone_greeter"));
    Files.createFile(directory.resolve(".finished"));
  }

  private static void assertRefused(
      Class<? extends LangChain4jException> type,
      String sentence,
      Consumer<KvpChatModel.Builder> settings) {
    KvpChatModel.Builder builder = KvpChatModel.builder();
    settings.accept(builder);
    assertThatThrownBy(builder::build).isExactlyInstanceOf(type).hasMessage(sentence);
  }

  @Test
  void aNameIsLookedForInTheCache() {
    try (KvpChatModel model =
        KvpChatModel.builder().modelCachePath(cache).modelName("someone/greeter").build()) {
      assertThat(model.chat("Hi")).isEqualTo("Hello");
      assertThat(model.defaultRequestParameters().modelName()).isEqualTo("someone/greeter");
    }
  }

  @Test
  void aNameMayBeAFolder() {
    try (KvpStreamingChatModel model =
        KvpStreamingChatModel.builder().modelName(directory.toString()).build()) {
      assertThat(model.defaultRequestParameters().modelName()).isEqualTo("someone_greeter");
    }
  }

  @Test
  void theDefaultModelNeedsNoName() throws IOException {
    Path other = temp.resolve("other");
    Path folder = other.resolve("HuggingFaceTB_SmolLM2-135M-Instruct");
    ScriptedModel.answering("Hello").write(folder);
    Files.createFile(folder.resolve(".finished"));
    String before = System.clearProperty("kvp.model");
    try (KvpChatModel model = KvpChatModel.builder().modelCachePath(other).build()) {
      assertThat(model.defaultRequestParameters().modelName())
          .isEqualTo("HuggingFaceTB/SmolLM2-135M-Instruct");
    } finally {
      if (before != null) {
        System.setProperty("kvp.model", before);
      }
    }
  }

  /** As a framework would bring it along. */
  public static final class Factory implements KvpChatModelBuilderFactory {
    @Override
    public KvpChatModel.Builder get() {
      return new KvpChatModel.Builder().modelDirectory(directory).temperature(0.7);
    }
  }

  /** The same for streams. */
  public static final class StreamingFactory implements KvpStreamingChatModelBuilderFactory {
    @Override
    public KvpStreamingChatModel.Builder get() {
      return new KvpStreamingChatModel.Builder().modelDirectory(directory).temperature(0.7);
    }
  }

  @Test
  void aFactoryThatIsFoundMakesTheBuilders() throws IOException {
    Path services = Files.createDirectories(temp.resolve("spi/META-INF/services"));
    Files.writeString(
        services.resolve(KvpChatModelBuilderFactory.class.getName()), Factory.class.getName());
    Files.writeString(
        services.resolve(KvpStreamingChatModelBuilderFactory.class.getName()),
        StreamingFactory.class.getName());
    Thread thread = Thread.currentThread();
    ClassLoader before = thread.getContextClassLoader();
    try (URLClassLoader loader =
        new URLClassLoader(new URL[] {temp.resolve("spi").toUri().toURL()}, before)) {
      thread.setContextClassLoader(loader);
      try (KvpChatModel model = KvpChatModel.builder().build();
          KvpStreamingChatModel streaming = KvpStreamingChatModel.builder().topK(3).build()) {
        assertThat(model.chat("Hi")).isEqualTo("Hello");
        assertThat(model.defaultRequestParameters().temperature()).isEqualTo(0.7);
        assertThat(streaming.defaultRequestParameters().temperature()).isEqualTo(0.7);
        assertThat(streaming.defaultRequestParameters().topK()).isEqualTo(3);
      }
    } finally {
      thread.setContextClassLoader(before);
    }
  }

  @Test
  void saysThatThereIsNoSuchModel() {
    assertRefused(
        ModelNotFoundException.class,
        "The model folder '" + temp.resolve("nowhere") + "' does not exist; name another.",
        builder -> builder.modelDirectory(temp.resolve("nowhere")));
    assertThatThrownBy(() -> KvpChatModel.builder().modelName("nonsense").build())
        .isExactlyInstanceOf(ModelNotFoundException.class)
        .hasMessageContaining("nonsense")
        .hasMessageContaining("owner/name");
  }

  @Test
  void refusesSettingsThatContradictEachOther() {
    assertRefused(
        InvalidRequestException.class,
        "Both modelName and modelDirectory are set; leave out one of them.",
        builder -> builder.modelName("a/b").modelDirectory(directory));
    assertRefused(
        InvalidRequestException.class,
        "Both predictor and withoutPredictor are set; leave out one of them.",
        builder -> builder.modelDirectory(directory).predictor(directory).withoutPredictor());
    try (KvpModel model = KvpModel.builder(directory).warmUp(false).build()) {
      assertRefused(
          InvalidRequestException.class,
          "Both modelDirectory and model are set; leave out one of them.",
          builder -> builder.model(model).modelDirectory(directory));
      assertRefused(
          InvalidRequestException.class,
          "Both modelName and model are set; leave out one of them.",
          builder -> builder.model(model).modelName("a/b"));
      assertRefused(
          InvalidRequestException.class,
          "Both modelCachePath and model are set; leave out one of them.",
          builder -> builder.model(model).modelCachePath(cache));
      assertRefused(
          InvalidRequestException.class,
          "Both authToken and model are set; leave out one of them.",
          builder -> builder.model(model).authToken("t"));
      assertRefused(
          InvalidRequestException.class,
          "Both predictor and model are set; leave out one of them.",
          builder -> builder.model(model).predictor(directory));
      assertRefused(
          InvalidRequestException.class,
          "Both withoutPredictor and model are set; leave out one of them.",
          builder -> builder.model(model).withoutPredictor());
      assertRefused(
          InvalidRequestException.class,
          "Both threadCount and model are set; leave out one of them.",
          builder -> builder.model(model).threadCount(1));
      assertRefused(
          InvalidRequestException.class,
          "Both contextLength and model are set; leave out one of them.",
          builder -> builder.model(model).contextLength(9));
      assertRefused(
          InvalidRequestException.class,
          "Both prefixStoreBytes and model are set; leave out one of them.",
          builder -> builder.model(model).prefixStoreBytes(0L));
    }
  }

  @Test
  void refusesValuesOutOfBounds() {
    assertRefused(
        InvalidRequestException.class,
        "The setting temperature is -1.0; it must be between 0 and 100.",
        builder -> builder.modelDirectory(directory).temperature(-1));
    assertRefused(
        InvalidRequestException.class,
        "The number of threads is 0; it must be between 1 and 1024.",
        builder -> builder.modelDirectory(directory).threadCount(0));
    assertRefused(
        InvalidRequestException.class,
        "The context length is 513; it must be between 2 and the model's own, 512.",
        builder -> builder.modelDirectory(directory).contextLength(513));
    assertRefused(
        InvalidRequestException.class,
        "The prefix store's bound is -1 bytes; it must be 0 or more.",
        builder -> builder.modelDirectory(directory).prefixStoreBytes(-1L));
  }

  @Test
  void theContextLengthBoundsPromptAndAnswer() {
    Path endless = ScriptedModel.endless().write(temp.resolve("endless"));
    try (KvpChatModel model =
        KvpChatModel.builder().modelDirectory(endless).contextLength(100).build()) {
      TokenUsage usage = model.chat(UserMessage.from("Hi")).tokenUsage();
      assertThat(usage.totalTokenCount()).isEqualTo(100);
      assertThatThrownBy(() -> model.chat("x".repeat(100)))
          .isExactlyInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("the limit is 99");
    }
  }

  /** Jlama's builder takes a float, and says maxTokens. */
  @Test
  void takesTheNamesAndTypesOfJlamasBuilder() {
    try (KvpChatModel model =
        KvpChatModel.builder()
            .modelCachePath(cache)
            .modelName("someone/greeter")
            .authToken(null)
            .quantizeModelAtRuntime(true)
            .workingQuantizedType(DType.F32)
            .workingDirectory(temp)
            .threadCount(1)
            .temperature(0.3f)
            .maxTokens(7)
            .build()) {
      KvpChatRequestParameters defaults = model.defaultRequestParameters();
      assertThat(Objects.requireNonNull(defaults.temperature()).floatValue()).isEqualTo(0.3f);
      assertThat(defaults.maxOutputTokens()).isEqualTo(7);
      assertThat(model.chat("Hi")).isEqualTo("Hello");
    }
  }

  @Test
  void withoutPredictorNothingIsPredicted() {
    Path own = ScriptedModel.answering("Hello").write(temp.resolve("own"));
    ScriptedModel.writePredictor(own, own.resolve("predictor-faithful.safetensors"));
    try (KvpChatModel with =
            KvpChatModel.builder().modelDirectory(own).mode(KvpMode.PREDICT).build();
        KvpChatModel without =
            KvpChatModel.builder()
                .modelDirectory(own)
                .mode(KvpMode.PREDICT)
                .withoutPredictor()
                .build()) {
      assertThat(with.chat("Hi")).isEqualTo("Hello");
      assertThatThrownBy(() -> without.chat("Hi"))
          .isExactlyInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("The mode PREDICT needs a predictor");
    }
  }
}
