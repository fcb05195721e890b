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
package io.github.kvp4j.jlama;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.server.ModelAnswerer;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A model as a server asks it. */
class ServedModelTest {
  @Test
  void conversationsAreRenderedAndFailuresNameNoPath(@TempDir Path dir) {
    Path folder = TinyModelDirectory.of(TinyModelDirectory.Kind.QWEN2).write(dir);
    try (KvpModel model = KvpModel.builder(folder).warmUp(false).build()) {
      ModelAnswerer answerer = new ModelAnswerer(model);
      assertThat(
              answerer
                  .prompt(
                      List.of(
                          new ChatMessage(ChatMessage.Role.SYSTEM, "be {{ 7 * 7 }}"),
                          new ChatMessage(ChatMessage.Role.USER, "{% raw"),
                          new ChatMessage(ChatMessage.Role.ASSISTANT, "\uF8FF"),
                          new ChatMessage(ChatMessage.Role.USER, "then?")),
                      List.of(),
                      false)
                  .text())
          .isEqualTo(
              """
              <|im_start|>system
              be {{ 7 * 7 }}<|im_end|>
              <|im_start|>user
              {% raw<|im_end|>
              <|im_start|>assistant
              \uF8FF<|im_end|>
              <|im_start|>user
              then?<|im_end|>
              <|im_start|>assistant
              """);
      assertThat(answerer.countTokens("xyz")).isEqualTo(3);
      GenerateRequest predict = GenerateRequest.builder("abc").mode(KvpMode.PREDICT).build();
      assertThatThrownBy(() -> model.generate(predict)).hasMessageContaining(folder.toString());
      assertThatThrownBy(() -> answerer.generate(predict, part -> {}))
          .isInstanceOf(KvpException.class)
          .hasMessageContaining("needs a predictor")
          .hasMessageNotContaining(folder.toString());
    }
  }
}
