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
import dev.langchain4j.exception.LangChain4jException;
import dev.langchain4j.exception.ModelNotFoundException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.request.ChatRequest;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.KvpMode;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ChatErrorsTest {
  @TempDir static Path temp;
  private static Path directory;

  @BeforeAll
  static void write() {
    directory = ScriptedModel.answering("Hello").write(temp.resolve("m"));
  }

  private static final Map<KvpException.Kind, Class<? extends RuntimeException>> MAPPED =
      Map.of(
          KvpException.Kind.BAD_ARGUMENT, InvalidRequestException.class,
          KvpException.Kind.PROMPT, InvalidRequestException.class,
          KvpException.Kind.UNSUPPORTED, UnsupportedFeatureException.class,
          KvpException.Kind.MODEL_UNAVAILABLE, ModelNotFoundException.class);

  @ParameterizedTest
  @EnumSource(KvpException.Kind.class)
  void mapsEachKind(KvpException.Kind kind) {
    KvpException e = new KvpException(kind, "What and why.");
    RuntimeException mapped = ChatErrors.of(e);
    if (MAPPED.containsKey(kind)) {
      assertThat(mapped)
          .isExactlyInstanceOf(MAPPED.get(kind))
          .hasCause(e)
          .hasMessageContaining("What and why.");
    } else {
      assertThat(mapped).isSameAs(e);
    }
  }

  enum Failure {
    UNKNOWN_FOLDER(ModelNotFoundException.class) {
      @Override
      void cause() {
        KvpChatModel.builder().modelDirectory(temp.resolve("nowhere")).build();
      }
    },
    UNKNOWN_NAME(ModelNotFoundException.class) {
      @Override
      void cause() {
        KvpChatModel.builder().modelName("nonsense").build();
      }
    },
    NO_PREDICTOR(InvalidRequestException.class) {
      @Override
      void cause() {
        ask(KvpChatRequestParameters.builder().mode(KvpMode.PREDICT).build(), "Hi");
      }
    },
    PROMPT_TOO_LONG(InvalidRequestException.class) {
      @Override
      void cause() {
        ask(KvpChatRequestParameters.builder().build(), "x".repeat(ScriptedModel.CONTEXT - 1));
      }
    },
    PROMPT_FAR_TOO_LONG(InvalidRequestException.class) {
      @Override
      void cause() {
        ask(KvpChatRequestParameters.builder().build(), "x".repeat(1_000_000));
      }
    },
    BAD_PARAMETER(InvalidRequestException.class) {
      @Override
      void cause() {
        ask(KvpChatRequestParameters.builder().topP(2.0).build(), "Hi");
      }
    },
    BAD_SETTING(InvalidRequestException.class) {
      @Override
      void cause() {
        KvpChatModel.builder().modelDirectory(directory).contextLength(1).build();
      }
    };

    private final Class<? extends LangChain4jException> type;

    Failure(Class<? extends LangChain4jException> type) {
      this.type = type;
    }

    abstract void cause();

    private static void ask(KvpChatRequestParameters parameters, String text) {
      try (KvpChatModel model = KvpChatModel.builder().modelDirectory(directory).build()) {
        model.chat(
            ChatRequest.builder().messages(UserMessage.from(text)).parameters(parameters).build());
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Failure.class)
  void saysItInOneSentenceAndTheTypeThatLangchain4jHasForIt(Failure failure) {
    assertThatThrownBy(failure::cause)
        .isExactlyInstanceOf(failure.type)
        .message()
        .matches("[\"A-Z][^\\n]*\\.")
        .doesNotContainPattern("\\. [A-Z]");
  }
}
