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

import com.github.tjake.jlama.safetensors.tokenizer.TokenizerModel;
import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.LegacyOverrides;
import com.hubspot.jinjava.interpret.RenderResult;
import com.hubspot.jinjava.interpret.TemplateError;
import com.hubspot.jinjava.lib.fn.ELFunctionDefinition;
import io.github.kvp4j.jlama.ChatMessage;
import io.github.kvp4j.jlama.ToolCall;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A conversation with tools, by the model's own chat template.
 *
 * <p>The template gets what Hugging Face's {@code apply_chat_template} gives it. Jlama's prompt
 * builder is of no use here: it knows one call a message, and leaves out parts of a JSON schema.
 */
final class ToolTemplate {
  private static final Jinjava JINJA =
      new Jinjava(
          JinjavaConfig.newBuilder()
              .withTrimBlocks(true)
              .withLstripBlocks(true)
              .withNestedInterpretationEnabled(false)
              .withLegacyOverrides(
                  LegacyOverrides.newBuilder()
                      .withParseWhitespaceControlStrictly(true)
                      .withUseTrimmingForNotesAndExpressions(true)
                      .withUseSnakeCasePropertyNaming(true)
                      .withKeepNullableLoopValues(true)
                      .build())
              .withObjectMapper(ToolJson.SPACED)
              .build());

  static {
    JINJA
        .getGlobalContext()
        .registerFunction(
            new ELFunctionDefinition(
                "", "raise_exception", ToolTemplate.class, "raiseException", String.class));
  }

  private ToolTemplate() {}

  /** What templates call to refuse a conversation. */
  public static void raiseException(String message) {
    throw new Refusal(message);
  }

  private static final class Refusal extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Refusal(String message) {
      super(message);
    }
  }

  private static boolean isRefusal(TemplateError error) {
    return Stream.<Throwable>iterate(error.getException(), e -> e != null, Throwable::getCause)
        .anyMatch(Refusal.class::isInstance);
  }

  /**
   * The prompt, with the begin of the answer.
   *
   * @return null if the template knows no tools, refuses the conversation, or leaves out something
   */
  static @Nullable String render(
      TokenizerModel tokenizer, List<ChatMessage> messages, List<Tool> tools) {
    String template = template(tokenizer);
    if (template == null || !template.contains("tools")) {
      return null;
    }
    Map<String, Object> values = new HashMap<>();
    values.put("messages", messages.stream().map(ToolTemplate::message).toList());
    values.put("add_generation_prompt", true);
    values.put("bos_token", ""); // the model's encoder adds it
    values.put("eos_token", tokenizer.eosToken());
    if (!tools.isEmpty()) {
      values.put("tools", tools.stream().map(ToolJson::of).toList());
    }
    RenderResult result = JINJA.renderForResult(template, values);
    // other errors are no reason to give up: Jinjava reports some where Jinja has none
    boolean refused = result.getErrors().stream().anyMatch(ToolTemplate::isRefusal);
    String prompt = result.getOutput();
    return refused || !shows(prompt, messages, tools) ? null : prompt;
  }

  private static @Nullable String template(TokenizerModel tokenizer) {
    Map<String, String> templates = tokenizer.promptTemplates().orElse(Map.of());
    String own = templates.getOrDefault("tool_use", templates.get("tool"));
    return own == null ? templates.get("default") : own;
  }

  private static Map<String, Object> message(ChatMessage message) {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("role", message.role().name().toLowerCase(Locale.ROOT));
    map.put("content", message.text());
    if (message.role() == ChatMessage.Role.TOOL) {
      ToolCall answered = message.calls().getFirst();
      map.put("name", answered.name());
      map.put("tool_call_id", answered.id());
    } else if (!message.calls().isEmpty()) {
      List<Map<String, Object>> calls = new ArrayList<>();
      for (ToolCall call : message.calls()) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("id", call.id());
        json.put("type", "function");
        json.put("function", ToolJson.of(call));
        calls.add(json);
      }
      map.put("tool_calls", calls);
    }
    return map;
  }

  /** Whether all tools, calls and results are there: templates leave out what they don't know. */
  private static boolean shows(String prompt, List<ChatMessage> messages, List<Tool> tools) {
    for (Tool tool : tools) {
      if (!prompt.contains("\"" + tool.name() + "\"")) {
        return false;
      }
    }
    for (ChatMessage message : messages) {
      String text = message.text().strip().trim();
      String escaped = ToolJson.write(text);
      if (!prompt.contains(text) && !prompt.contains(escaped.substring(1, escaped.length() - 1))) {
        return false;
      }
      if (message.role() == ChatMessage.Role.ASSISTANT
          && !message.calls().stream().allMatch(call -> shows(prompt, call))) {
        return false;
      }
    }
    return true;
  }

  private static boolean shows(String prompt, ToolCall call) {
    return prompt.contains(call.name())
        && prompt.contains(ToolJson.write(ToolJson.arguments(call)));
  }
}
