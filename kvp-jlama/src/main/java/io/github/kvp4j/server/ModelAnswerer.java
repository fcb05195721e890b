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
package io.github.kvp4j.server;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.ChatMessage;
import io.github.kvp4j.jlama.GenerateRequest;
import io.github.kvp4j.jlama.GenerateResult;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.tools.Tool;
import io.github.kvp4j.tools.ToolPrompt;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * Answers from a model.
 *
 * @param model the model, which stays the caller's
 */
public record ModelAnswerer(KvpModel model) implements Answerer {
  @Override
  public ToolPrompt prompt(List<ChatMessage> messages, List<Tool> tools, boolean callRequired) {
    return withoutPath(() -> ToolPrompt.of(model, messages, tools, callRequired));
  }

  @Override
  public int countTokens(String text) {
    return model.tokenizer().encode(text).length;
  }

  @Override
  public GenerateResult generate(GenerateRequest request, Consumer<String> onText) {
    return withoutPath(() -> model.generate(request, onText));
  }

  /** The model's folder is none of a client's business. */
  private <T> T withoutPath(Supplier<T> work) {
    try {
      return work.get();
    } catch (KvpException e) {
      String message = Objects.requireNonNullElse(e.getMessage(), "");
      throw new KvpException(
          e.kind(), message.replace(" in '" + model.directory() + "'", "").strip(), e);
    }
  }
}
