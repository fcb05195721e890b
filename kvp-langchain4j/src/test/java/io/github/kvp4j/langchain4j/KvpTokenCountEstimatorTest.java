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
import static org.assertj.core.api.Assertions.within;

import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.ImageContent;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The scripted model has a token for each byte. */
class KvpTokenCountEstimatorTest {
  @TempDir static Path temp;
  private static KvpChatModel model;
  private static KvpTokenCountEstimator estimator;

  @BeforeAll
  static void load() {
    model =
        KvpChatModel.builder()
            .modelDirectory(ScriptedModel.answering("Yes").write(temp.resolve("m")))
            .build();
    estimator = model.tokenCountEstimator();
  }

  @AfterAll
  static void close() {
    model.close();
  }

  @Test
  void aTextHasItsTokens() {
    assertThat(estimator.estimateTokenCountInText("")).isZero();
    assertThat(estimator.estimateTokenCountInText("naïve")).isEqualTo(6);
  }

  @Test
  void aConversationHasTheTokensOfItsPrompt() {
    List<ChatMessage> messages =
        List.of(
            UserMessage.from("What is the capital of France?"),
            AiMessage.from("Paris."),
            UserMessage.from(TextContent.from("And"), TextContent.from("of Spain?")));
    assertThat(estimator.estimateTokenCountInMessages(messages))
        .isCloseTo(model.chat(messages).tokenUsage().inputTokenCount(), within(1));
  }

  /** User and assistant differ by five letters; their mean is taken for all. */
  @Test
  void aMessageHasItsTextAndItsFrame() {
    int empty = estimator.estimateTokenCountInMessage(SystemMessage.from("x")) - 1;
    assertThat(empty).isBetween("user\n\n".length() + 2, "assistant\n\n".length() + 2);
    assertThat(estimator.estimateTokenCountInMessage(UserMessage.from("x".repeat(50))))
        .isEqualTo(empty + 50);
  }

  @Test
  void countsCallsAndResultsButNoImages() {
    ToolExecutionRequest call =
        ToolExecutionRequest.builder().id("1").name("now").arguments("{}").build();
    int empty = estimator.estimateTokenCountInMessage(UserMessage.from("x")) - 1;
    assertThat(estimator.estimateTokenCountInMessage(AiMessage.from(call)))
        .isEqualTo(
            empty + "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>".length());
    assertThat(
            estimator.estimateTokenCountInMessage(ToolExecutionResultMessage.from(call, "12:00")))
        .isEqualTo(empty + 5);
    assertThat(
            estimator.estimateTokenCountInMessage(
                UserMessage.from(TextContent.from("ab"), ImageContent.from("AAAA", "image/png"))))
        .isEqualTo(empty + 2);
  }

  @Test
  void doesWithoutATemplateThatCanBeMeasured() {
    Path folder =
        ScriptedModel.answering("Yes").template("{{ 'nothing' }}").write(temp.resolve("bare"));
    try (KvpChatModel bare = KvpChatModel.builder().modelDirectory(folder).build()) {
      assertThat(bare.tokenCountEstimator().estimateTokenCountInMessage(UserMessage.from("abc")))
          .isEqualTo(8);
    }
  }
}
