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

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.github.tjake.jlama.util.JsonSupport.JlamaPrettyPrinter;
import io.github.kvp4j.jlama.ToolCall;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** Tools and their calls as JSON, in the form that chat templates and models share. */
final class ToolJson {
  /** Writes as Python's {@code json.dumps} does, the form that models were trained on. */
  static final ObjectMapper SPACED =
      new ObjectMapper()
          .enable(SerializationFeature.INDENT_OUTPUT)
          .setDefaultPrettyPrinter(JlamaPrettyPrinter.INSTANCE);

  /** What is deeper is no call: nobody's function asks for it, and it has to be written again. */
  private static final int MAX_DEPTH = 100;

  private static final ObjectMapper BOUNDED =
      new ObjectMapper(
          JsonFactory.builder()
              .streamReadConstraints(
                  StreamReadConstraints.builder().maxNestingDepth(MAX_DEPTH).build())
              .build());

  private static final ObjectReader WHOLE =
      BOUNDED.reader(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  private static final ObjectReader BEGIN =
      BOUNDED.reader().without(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  private ToolJson() {}

  /** A tool as chat templates get it: name, description, JSON schema. */
  static Map<String, Object> of(Tool tool) {
    Map<String, Object> function = new LinkedHashMap<>();
    function.put("name", tool.name());
    if (tool.description() != null) {
      function.put("description", tool.description());
    }
    function.put("parameters", tool.parameters());
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("type", "function");
    json.put("function", function);
    return json;
  }

  /** A call: its name and its {@link #arguments}. */
  static Map<String, Object> of(ToolCall call) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("name", call.name());
    json.put("arguments", arguments(call));
    return json;
  }

  /** The arguments of a call as an object, or as text where they are no JSON. */
  static Object arguments(ToolCall call) {
    String arguments = call.arguments();
    if (arguments.isBlank()) {
      return Map.of();
    }
    try {
      return WHOLE.forType(new TypeReference<Map<String, Object>>() {}).readValue(arguments);
    } catch (JsonProcessingException e) {
      return arguments;
    }
  }

  /** A value as Python writes it. */
  static String write(Object value) {
    try {
      return SPACED.writeValueAsString(value);
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException("no JSON: " + value.getClass(), e);
    }
  }

  /**
   * Reads one call, or an array of calls: each with a {@code name}, and with {@code arguments}, or
   * Llama's {@code parameters}, as an object or as text that holds one.
   *
   * @param toTheEnd whether the JSON has to reach to the text's end; small models like to add a
   *     comma or a bracket too many
   * @return null unless the text begins with such JSON
   */
  static @Nullable List<ToolCall> readCalls(String text, boolean toTheEnd) {
    JsonNode json;
    try {
      json = (toTheEnd ? WHOLE : BEGIN).readTree(text);
    } catch (JsonProcessingException e) {
      return null;
    }
    List<ToolCall> calls = new ArrayList<>();
    for (JsonNode call : json.isArray() ? json : List.of(json)) {
      ToolCall read = readCall(call);
      if (read == null) {
        return null;
      }
      calls.add(read);
    }
    return calls.isEmpty() ? null : calls;
  }

  private static @Nullable ToolCall readCall(JsonNode call) {
    String name = call.path("name").asText("");
    JsonNode arguments = call.path(call.has("arguments") ? "arguments" : "parameters");
    if (arguments.isTextual()) {
      try {
        arguments = WHOLE.readTree(arguments.textValue());
      } catch (JsonProcessingException e) {
        return null;
      }
    }
    if (arguments.isMissingNode() || arguments.isNull()) {
      arguments = JsonNodeFactory.instance.objectNode();
    }
    if (!call.path("name").isTextual() || name.isBlank() || !arguments.isObject()) {
      return null;
    }
    return new ToolCall("call_" + UUID.randomUUID(), name, arguments.toString());
  }
}
