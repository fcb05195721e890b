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

import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ImageContent;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.jlama.JlamaChatModel;
import dev.langchain4j.model.jlama.JlamaStreamingChatModel;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class DropInTest {
  @AfterEach
  void switchOn() {
    System.clearProperty(DropIn.PROPERTY);
  }

  @Test
  void langchain4jFindsTheBuilders() {
    assertThat(JlamaChatModel.builder().getClass().getName())
        .isEqualTo("io.github.kvp4j.dropin.KvpJlamaChatModel$Builder");
    assertThat(JlamaStreamingChatModel.builder().getClass().getName())
        .isEqualTo("io.github.kvp4j.dropin.KvpJlamaStreamingChatModel$Builder");
  }

  @Test
  void switchedOffTheyAreLangchain4js() {
    System.setProperty(DropIn.PROPERTY, "false");
    assertThat(JlamaChatModel.builder().getClass())
        .isEqualTo(JlamaChatModel.JlamaChatModelBuilder.class);
    assertThat(JlamaStreamingChatModel.builder().getClass())
        .isEqualTo(JlamaStreamingChatModel.JlamaStreamingChatModelBuilder.class);
  }

  @Test
  void conversationsWithToolsOrImagesAreJlamas() {
    ToolExecutionRequest call =
        ToolExecutionRequest.builder().id("1").name("now").arguments("{}").build();
    assertThat(
            DropIn.answers(
                List.of(SystemMessage.from("s"), UserMessage.from("u"), AiMessage.from("a"))))
        .isTrue();
    assertThat(DropIn.answers(List.of(UserMessage.from("u"), AiMessage.from(call)))).isFalse();
    assertThat(DropIn.answers(List.of(ToolExecutionResultMessage.from(call, "12:00")))).isFalse();
    assertThat(DropIn.answers(List.of(UserMessage.from(ImageContent.from("AAAA", "image/png")))))
        .isFalse();
  }
}
