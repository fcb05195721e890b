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
import io.github.kvp4j.jlama.ChatMessage.Role;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.jlama.ToolCall;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * The prompt of a conversation in which tools may be called: by the model's chat template where it
 * knows tools, else as plain text.
 *
 * <p>The plain wording is that of the Hermes and Qwen models, which many others were tuned on as
 * well: the system message lists the tools, calls stand between tags in the model's messages, and
 * results in a user's message.
 *
 * @param text the prompt, with the begin of the answer
 * @param begin what the answer is made to begin with, part of neither the text nor the answer
 */
public record ToolPrompt(String text, String begin) {
  /**
   * Makes a prompt.
   *
   * @param tools the tools that may be called; none for a conversation whose calls are over
   * @param callRequired whether the answer has to be a call of one of the tools
   * @throws io.github.kvp4j.KvpException UNSUPPORTED if the model has no chat template, or if it
   *     leaves a message out
   */
  public static ToolPrompt of(
      KvpModel model, List<ChatMessage> messages, List<Tool> tools, boolean callRequired) {
    if (tools.isEmpty() && messages.stream().allMatch(message -> message.calls().isEmpty())) {
      return new ToolPrompt(model.chatPrompt(messages), "");
    }
    LiteralTexts literal = new LiteralTexts(model.tokenizer()::literal);
    List<ChatMessage> safe = messages.stream().map(literal::message).toList();
    List<Tool> shown = tools.stream().map(literal::tool).toList();
    String own = ToolTemplate.render(model.jlama().getTokenizer().getModel(), safe, shown);
    String prompt = own == null ? model.chatPrompt(plain(safe, shown)) : own;
    boolean tagged = prompt.contains(ToolCallParser.OPEN);
    return new ToolPrompt(prompt, callRequired ? begin(tools, tagged) : "");
  }

  /** The same conversation with texts only. */
  private static List<ChatMessage> plain(List<ChatMessage> messages, List<Tool> tools) {
    List<ChatMessage> plain = new ArrayList<>();
    List<String> results = new ArrayList<>();
    for (ChatMessage message : messages) {
      if (message.role() == Role.TOOL) {
        results.add("<tool_response>\n" + message.text() + "\n</tool_response>");
        continue;
      }
      addResults(results, plain);
      plain.add(new ChatMessage(message.role(), plainText(message)));
    }
    addResults(results, plain);
    if (!tools.isEmpty()) {
      addTools(tools, plain);
    }
    return plain;
  }

  private static void addResults(List<String> results, List<ChatMessage> to) {
    if (!results.isEmpty()) {
      to.add(new ChatMessage(Role.USER, String.join("\n", results)));
      results.clear();
    }
  }

  /** What a message says and calls, as plain text. */
  public static String plainText(ChatMessage message) {
    List<String> lines = new ArrayList<>();
    if (!message.text().isEmpty()) {
      lines.add(message.text());
    }
    List<ToolCall> calls = message.role() == Role.ASSISTANT ? message.calls() : List.of();
    for (ToolCall call : calls) {
      lines.add(ToolCallParser.OPEN);
      lines.add(ToolJson.write(ToolJson.of(call)));
      lines.add(ToolCallParser.CLOSE);
    }
    return String.join("\n", lines);
  }

  private static void addTools(List<Tool> tools, List<ChatMessage> to) {
    String list =
        tools.stream()
            .map(tool -> ToolJson.write(ToolJson.of(tool)))
            .collect(Collectors.joining("\n"));
    String text =
        """
        # Tools

        You may call one or more functions to assist with the user query.

        You are provided with function signatures within <tools></tools> XML tags:
        <tools>
        %s
        </tools>

        For each function call, return a json object with function name and arguments within \
        <tool_call></tool_call> XML tags:
        <tool_call>
        {"name": <function-name>, "arguments": <args-json-object>}
        </tool_call>\
        """
            .formatted(list);
    if (to.getFirst().role() == Role.SYSTEM) {
      to.set(0, new ChatMessage(Role.SYSTEM, to.getFirst().text() + "\n\n" + text));
    } else {
      to.addFirst(new ChatMessage(Role.SYSTEM, text));
    }
  }

  /**
   * What an answer begins with that has to be a call: where there is but one tool, its name and
   * that of its first argument, which small models find hard, and the quote that begins a text.
   */
  private static String begin(List<Tool> tools, boolean tagged) {
    String begin = (tagged ? ToolCallParser.OPEN + "\n" : "") + "{\"name\": ";
    if (tools.size() > 1) {
      return begin + "\"";
    }
    Tool tool = tools.getFirst();
    return begin
        + ToolJson.write(tool.name())
        + (tagged ? ", \"arguments\": {" : ", \"parameters\": {")
        + firstArgument(tool.parameters());
  }

  private static String firstArgument(Map<String, Object> schema) {
    Map<?, ?> properties = schema.get("properties") instanceof Map<?, ?> map ? map : Map.of();
    Object first =
        schema.get("required") instanceof List<?> required && !required.isEmpty()
            ? required.getFirst()
            : properties.keySet().stream().findFirst().orElse(null);
    if (!(first instanceof String name)) {
      return "}";
    }
    boolean isText =
        properties.get(name) instanceof Map<?, ?> property && "string".equals(property.get("type"));
    return ToolJson.write(name) + (isText ? ": \"" : ":");
  }
}
