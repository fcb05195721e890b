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

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.TextNode;
import io.github.kvp4j.tools.Tool;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * What the answer to a request may call.
 *
 * @param tools the tools, none where nothing may be called
 * @param required whether the answer has to be a call
 * @param parallel whether it may be several
 */
record ToolChoice(List<Tool> tools, boolean required, boolean parallel) {
  /** Calls nothing. */
  static final ToolChoice NONE = new ToolChoice(List.of(), false, false);

  private static final int MAX_TOOLS = 128;
  private static final ObjectMapper JSON = new ObjectMapper();

  /** Reads a chat request's fields on tools. */
  static ToolChoice read(Fields request) {
    Map<String, Tool> tools = new LinkedHashMap<>();
    for (Fields tool : request.list("tools", MAX_TOOLS)) {
      if (!tool.text("type").orElse("").equals("function")) {
        throw tool.wrong("type", "'function'");
      }
      Fields function = tool.object("function");
      Tool read = tool(function);
      if (tools.put(read.name(), read) != null) {
        throw function.wrong("name", "another tool's name no more");
      }
      tool.noOthers();
    }
    boolean parallel = request.bool("parallel_tool_calls", true);
    JsonNode choice = request.get("tool_choice").orElse(TextNode.valueOf("auto"));
    if (choice.isObject()) {
      Fields one = request.object("tool_choice");
      if (!one.text("type").orElse("").equals("function")) {
        throw one.wrong("type", "'function'");
      }
      Fields function = one.object("function");
      Tool chosen = tools.get(name(function));
      if (chosen == null) {
        throw function.wrong("name", "the name of one of the tools");
      }
      function.noOthers();
      one.noOthers();
      return new ToolChoice(List.of(chosen), true, parallel);
    }
    List<Tool> all = new ArrayList<>(tools.values());
    return switch (choice.asText()) {
      case "none" -> NONE;
      case "auto" -> new ToolChoice(all, false, parallel);
      case "required" -> {
        if (all.isEmpty()) {
          throw request.wrong("tool_choice", "'auto' or 'none' where there are no tools");
        }
        yield new ToolChoice(all, true, parallel);
      }
      default ->
          throw request.wrong("tool_choice", "'none', 'auto', 'required' or one of the tools");
    };
  }

  private static Tool tool(Fields function) {
    String name = name(function);
    String description = function.text("description").orElse(null);
    Map<String, Object> parameters = new LinkedHashMap<>();
    if (function.get("parameters").isPresent()) {
      JsonNode schema = function.get("parameters").get();
      if (!schema.isObject()) {
        throw function.wrong("parameters", "a JSON schema, an object");
      }
      parameters = JSON.convertValue(schema, new TypeReference<LinkedHashMap<String, Object>>() {});
    } else {
      parameters.put("type", "object");
      parameters.put("properties", Map.of());
    }
    function.onlyNeutral("strict", BooleanNode.FALSE); // nothing holds an answer to a schema here
    function.noOthers();
    return new Tool(name, description, parameters);
  }

  /** A function's name. */
  static String name(Fields function) {
    String name = function.text("name").orElse("");
    if (!name.matches("[A-Za-z0-9_-]{1,64}")) {
      throw function.wrong("name", "1 to 64 letters, digits, underscores and dashes");
    }
    return name;
  }

  Set<String> names() {
    return tools.stream().map(Tool::name).collect(Collectors.toSet());
  }
}
