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

import io.github.kvp4j.jlama.ChatMessage;
import io.github.kvp4j.jlama.GenerateRequest;
import io.github.kvp4j.jlama.GenerateResult;
import io.github.kvp4j.tools.Tool;
import io.github.kvp4j.tools.ToolPrompt;
import java.util.List;
import java.util.function.Consumer;

/**
 * What a server has its answers from: a model, or a stand-in.
 *
 * <p>Safe for many threads at once. Failures are {@link io.github.kvp4j.KvpException}s whose
 * messages may be shown to a client: they name no path.
 */
public interface Answerer {
  /**
   * A conversation as a prompt.
   *
   * @param tools what the answer may call, or none
   * @param callRequired whether the answer has to be a call of one of them
   */
  ToolPrompt prompt(List<ChatMessage> messages, List<Tool> tools, boolean callRequired);

  /** How many tokens a text has. */
  int countTokens(String text);

  /** Answers, handing out text on this thread as it comes; what the consumer throws ends it. */
  GenerateResult generate(GenerateRequest request, Consumer<String> onText);
}
