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

import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.UnsupportedFeatureException;
import io.github.kvp4j.jlama.KvpModel;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ChatPromptTest {
  @TempDir static Path temp;
  private static KvpModel model;

  @BeforeAll
  static void load() {
    model = KvpModel.builder(ScriptedModel.answering("Yes").write(temp.resolve("m"))).build();
  }

  @AfterAll
  static void close() {
    model.close();
  }

  @Test
  void followsTheTemplate() {
    assertThat(
            ChatPrompt.of(
                model,
                List.of(
                    SystemMessage.from("S"),
                    UserMessage.from("U1"),
                    AiMessage.from("A"),
                    UserMessage.from("U2"))))
        .isEqualTo(
            """
            <|im_start|>system
            S<|im_end|>
            <|im_start|>user
            U1<|im_end|>
            <|im_start|>assistant
            A<|im_end|>
            <|im_start|>user
            U2<|im_end|>
            <|im_start|>assistant
            """);
  }

  @Test
  void joinsTheTextsOfAMessage() {
    assertThat(
            ChatPrompt.of(
                model, List.of(UserMessage.from(TextContent.from("one"), TextContent.from("two")))))
        .contains("<|im_start|>user\none\ntwo<|im_end|>");
  }

  /** Jlama's rendering alone would run these as templates. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "Explain {{ 7 * 7 }} in Vue",
        "{% for x in range(3) %}hi{% endfor %}",
        "{# a comment #} and more",
        "{{ unclosed",
        "a {{{b}}} c {",
        "{% raw %}{{x}}{% endraw %}",
        "\uF8FF{{ 1 }}\uF8FE",
        "{{ messages }}{{ eos_token }}",
        "f'{x:{y}}' and LaTeX \\frac{{a}}{{b}}",
        "line\n\n  {%- indented -%}  \n",
        "  two\r\nlines\twith tab ",
        "<b>&amp;\"quotes\" \\n \\u0041 \u00e4\uD83D\uDE00"
      })
  void takesMessagesAsTheyAre(String text) {
    assertThat(ChatPrompt.of(model, List.of(SystemMessage.from(text), UserMessage.from(text))))
        .contains("system\n" + text + "<|im_end|>", "user\n" + text + "<|im_end|>");
    assertThat(ChatPrompt.of(model, List.of(UserMessage.from("U"), AiMessage.from(text))))
        .contains("assistant\n" + text + "<|im_end|>");
  }

  @Test
  void refusesAMessageThatTheTemplateLeavesOut() {
    Path directory =
        ScriptedModel.answering("Yes")
            .template(ScriptedModel.CHATML_WITHOUT_SYSTEM)
            .write(temp.resolve("without-system"));
    try (KvpChatModel chat = KvpChatModel.builder().modelDirectory(directory).build()) {
      assertThat(chat.chat("Hi")).isEqualTo("Yes");
      assertThatThrownBy(() -> chat.chat(SystemMessage.from("Be brief"), UserMessage.from("Hi")))
          .isExactlyInstanceOf(UnsupportedFeatureException.class)
          .hasMessageContaining("system")
          .hasMessageContaining("not support");
    }
  }

  @Test
  void refusesABrokenTemplate() {
    Path directory =
        ScriptedModel.answering("Yes").template("{% for %}").write(temp.resolve("broken"));
    try (KvpChatModel chat = KvpChatModel.builder().modelDirectory(directory).build()) {
      assertThatThrownBy(() -> chat.chat("Hi"))
          .isExactlyInstanceOf(UnsupportedFeatureException.class)
          .hasMessageContaining("not support");
    }
  }

  @Test
  void needsATemplate() {
    Path directory = ScriptedModel.answering("Yes").template(null).write(temp.resolve("without"));
    assertThatThrownBy(() -> KvpChatModel.builder().modelDirectory(directory).build())
        .isExactlyInstanceOf(UnsupportedFeatureException.class)
        .hasMessageContaining("chat template")
        .hasMessageContaining("not support");
  }
}
