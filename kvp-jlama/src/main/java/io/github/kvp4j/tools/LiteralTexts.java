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
package io.github.kvp4j.tools;

import io.github.kvp4j.jlama.ChatMessage;
import io.github.kvp4j.jlama.ToolCall;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Makes every text that goes into a prompt plain text, so that no special token spelled out in it
 * is one: those of messages, and those that tools and calls hold as JSON, unescaped first.
 *
 * @param literal makes one text literal
 */
record LiteralTexts(UnaryOperator<String> literal) {
  ChatMessage message(ChatMessage message) {
    return new ChatMessage(
        message.role(),
        literal.apply(message.text()),
        message.calls().stream().map(this::call).toList());
  }

  private ToolCall call(ToolCall call) {
    Object arguments = ToolJson.arguments(call);
    String text =
        arguments instanceof Map<?, ?> map && !map.isEmpty()
            ? ToolJson.write(values(map))
            : literal.apply(call.arguments());
    return new ToolCall(literal.apply(call.id()), literal.apply(call.name()), text);
  }

  Tool tool(Tool tool) {
    String description = tool.description();
    return new Tool(
        literal.apply(tool.name()),
        description == null ? null : literal.apply(description),
        values(tool.parameters()));
  }

  private Map<String, Object> values(Map<?, ?> map) {
    Map<String, Object> out = new LinkedHashMap<>();
    map.forEach((key, value) -> out.put(literal.apply(String.valueOf(key)), value(value)));
    return out;
  }

  private @Nullable Object value(@Nullable Object value) {
    return switch (value) {
      case String text -> literal.apply(text);
      case Map<?, ?> map -> values(map);
      case List<?> list -> list.stream().map(this::value).toList();
      case null, default -> value;
    };
  }
}
