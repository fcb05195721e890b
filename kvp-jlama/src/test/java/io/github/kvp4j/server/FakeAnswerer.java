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
import io.github.kvp4j.jlama.FinishReason;
import io.github.kvp4j.jlama.GenerateRequest;
import io.github.kvp4j.jlama.GenerateResult;
import io.github.kvp4j.jlama.KvpMode;
import io.github.kvp4j.jlama.ToolCall;
import io.github.kvp4j.tools.Tool;
import io.github.kvp4j.tools.ToolPrompt;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Answers each prompt with its words, or as a test wants it. */
final class FakeAnswerer implements Answerer {
  /** A test's own way to answer: gives out text, and may block or throw. */
  @FunctionalInterface
  interface Script {
    void run(GenerateRequest request, Consumer<String> onText) throws InterruptedException;
  }

  final List<GenerateRequest> requests = Collections.synchronizedList(new ArrayList<>());
  final AtomicInteger ended = new AtomicInteger();
  private volatile @Nullable Script script;

  void answer(@Nullable Script value) {
    this.script = value;
  }

  @Override
  public ToolPrompt prompt(List<ChatMessage> messages, List<Tool> tools, boolean callRequired) {
    String conversation =
        messages.stream()
            .map(m -> m.role().name().charAt(0) + ":" + m.text() + shown(m.calls()))
            .collect(Collectors.joining("|"));
    String offered = tools.stream().map(t -> "{" + t.name() + "}").collect(Collectors.joining());
    return new ToolPrompt(conversation + offered, callRequired ? "<tool_call>" : "");
  }

  private static String shown(List<ToolCall> calls) {
    return calls.stream()
        .map(c -> "{" + c.name() + c.arguments() + "}")
        .collect(Collectors.joining());
  }

  @Override
  public int countTokens(String text) {
    return text.isBlank() ? 0 : words(text).size();
  }

  static List<String> words(String text) {
    return List.of(text.split("(?<= )", -1));
  }

  @Override
  public GenerateResult generate(GenerateRequest request, Consumer<String> onText) {
    requests.add(request);
    StringBuilder text = new StringBuilder();
    Consumer<String> out =
        part -> {
          text.append(part);
          onText.accept(part);
        };
    Script own = script;
    try {
      if (own == null) {
        words(request.prompt()).forEach(out);
      } else {
        own.run(request, out);
      }
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    } finally {
      ended.incrementAndGet();
    }
    return new GenerateResult(
        text.toString(),
        Collections.nCopies(countTokens(text.toString()), 7),
        FinishReason.STOP,
        countTokens(request.prompt()),
        0,
        2,
        countTokens(request.prompt()) - 2,
        KvpMode.PREDICT,
        "asked for",
        12_345_678,
        99_000_000,
        null);
  }
}
