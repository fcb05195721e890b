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

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.IntNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.TextNode;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.ChatMessage;
import io.github.kvp4j.jlama.GenerateRequest;
import io.github.kvp4j.jlama.KvpMode;
import io.github.kvp4j.jlama.Quality;
import io.github.kvp4j.jlama.ToolCall;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.tools.ToolPrompt;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;

/**
 * A request for an answer, checked.
 *
 * @param chat whether it came as a conversation, and is answered as one
 * @param messages the conversation, empty for a completion
 * @param text the prompt of a completion, empty for a conversation
 * @param tools what the answer may call, and whether it has to
 * @param stream whether the answer goes out as it comes
 * @param includeUsage whether a stream ends with the usage
 * @param settings everything but the prompt
 */
record ApiRequest(
    boolean chat,
    List<ChatMessage> messages,
    String text,
    ToolChoice tools,
    boolean stream,
    boolean includeUsage,
    GenerateRequest.Builder settings) {
  private static final int MAX_MESSAGES = 4096;
  private static final int MAX_STOPS = 4;
  private static final int MAX_CALLS = 128;

  /** OpenAI's default for completions. */
  private static final int COMPLETION_TOKENS = 16;

  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  /** Fields for bookkeeping at OpenAI's; nothing here depends on them. */
  private static final List<String> IGNORED =
      List.of(
          "user",
          "metadata",
          "store",
          "service_tier",
          "safety_identifier",
          "prompt_cache_key",
          "prompt_cache_retention");

  /** Reads a chat request. */
  static ApiRequest chat(JsonNode body, ServerSettings server) {
    Fields fields = new Fields(body, "");
    model(fields, server);
    List<ChatMessage> messages = messages(fields);
    ToolChoice tools = ToolChoice.read(fields);
    fields.onlyNeutral("functions", JSON.arrayNode());
    fields.onlyNeutral("function_call", TextNode.valueOf("none"), TextNode.valueOf("auto"));
    fields.onlyNeutral("response_format", JSON.objectNode().put("type", "text"));
    fields.onlyNeutral("modalities", JSON.arrayNode().add("text"));
    fields.onlyNeutral("logprobs", BooleanNode.FALSE);
    fields.onlyNeutral("top_logprobs", IntNode.valueOf(0));
    OptionalLong tokens = fields.integer("max_completion_tokens", 1, Integer.MAX_VALUE);
    OptionalLong older = fields.integer("max_tokens", 1, Integer.MAX_VALUE);
    long most = tokens.orElse(older.orElse(server.maxTokens()));
    return finish(true, fields, messages, "", tools, (int) most);
  }

  /** Reads a completion request. */
  static ApiRequest completion(JsonNode body, ServerSettings server) {
    Fields fields = new Fields(body, "");
    model(fields, server);
    JsonNode prompt =
        fields.get("prompt").orElseThrow(() -> fields.wrong("prompt", "given, as a string"));
    if (prompt.isArray() && prompt.size() == 1) {
      prompt = prompt.get(0);
    }
    if (!prompt.isTextual()) {
      throw fields.wrong("prompt", "one string; lists of tokens or of several are not supported");
    }
    fields.onlyNeutral("echo", BooleanNode.FALSE);
    fields.onlyNeutral("suffix", TextNode.valueOf(""));
    fields.onlyNeutral("best_of", IntNode.valueOf(1));
    fields.onlyNeutral("logprobs");
    long most = fields.integer("max_tokens", 1, Integer.MAX_VALUE).orElse(COMPLETION_TOKENS);
    return finish(false, fields, List.of(), prompt.textValue(), ToolChoice.NONE, (int) most);
  }

  /** What both have. */
  private static ApiRequest finish(
      boolean chat,
      Fields fields,
      List<ChatMessage> messages,
      String text,
      ToolChoice tools,
      int maxTokens) {
    fields.onlyNeutral("n", IntNode.valueOf(1));
    fields.onlyNeutral("presence_penalty", IntNode.valueOf(0));
    fields.onlyNeutral("frequency_penalty", IntNode.valueOf(0));
    fields.onlyNeutral("logit_bias", JSON.objectNode());
    fields.ignore(IGNORED);
    GenerateRequest.Builder settings =
        GenerateRequest.builder("")
            .maxNewTokens(maxTokens)
            .temperature(fields.number("temperature", 0, 2).orElse(1))
            .stopStrings(stops(fields));
    double topP = fields.number("top_p", 0, 1).orElse(1);
    // OpenAI allows 0, which leaves the most likely token
    settings.topP(Math.max(topP, Float.MIN_NORMAL));
    OptionalLong seed = fields.integer("seed", Long.MIN_VALUE, Long.MAX_VALUE);
    settings.seed(seed.isPresent() ? seed.getAsLong() : null);
    boolean stream = fields.bool("stream");
    boolean usage =
        fields
            .get("stream_options")
            .map(o -> {
              Fields options = new Fields(o, "stream_options");
              boolean include = options.bool("include_usage");
              options.ignore(List.of("include_obfuscation"));
              options.noOthers();
              return include;
            })
            .orElse(false);
    fields.get("kvp").ifPresent(o -> prediction(new Fields(o, "kvp"), settings));
    fields.noOthers();
    return new ApiRequest(chat, messages, text, tools, stream, usage, settings);
  }

  /** The one extension: how the prompt is read. */
  private static void prediction(Fields kvp, GenerateRequest.Builder settings) {
    boolean refines = kvp.text("mode").filter("refine"::equals).isPresent(); // as options have it
    settings.mode(
        refines ? KvpMode.PREDICT_AND_REFINE : kvp.oneOf("mode", KvpMode.class).orElse(null));
    settings.quality(kvp.oneOf("quality", Quality.class).orElse(null));
    kvp.text("anchors")
        .ifPresent(text -> {
          try {
            settings.anchors(Anchors.parse(text));
          } catch (KvpException e) {
            throw kvp.wrong("anchors", "sink/tail/top tokens, such as '4/64/0'");
          }
        });
    kvp.noOthers();
  }

  private static void model(Fields fields, ServerSettings server) {
    fields
        .text("model")
        .ifPresent(name -> {
          if (!name.equals(server.modelName())) {
            throw new HttpError(
                404,
                "model_not_found",
                "The model '"
                    + Fields.shown(name)
                    + "' is not served here; '"
                    + server.modelName()
                    + "' is.");
          }
        });
  }

  private static List<ChatMessage> messages(Fields fields) {
    JsonNode list =
        fields.get("messages").orElseThrow(() -> fields.wrong("messages", "given, as a list"));
    if (!list.isArray() || list.isEmpty() || list.size() > MAX_MESSAGES) {
      throw fields.wrong("messages", "a list of 1 to " + MAX_MESSAGES + " messages");
    }
    List<ChatMessage> out = new ArrayList<>();
    Map<String, ToolCall> calls = new HashMap<>();
    for (int i = 0; i < list.size(); i++) {
      ChatMessage message = message(new Fields(list.get(i), "messages[" + i + "]"), calls);
      message.calls().forEach(call -> calls.put(call.id(), call));
      out.add(message);
    }
    return out;
  }

  /**
   * Reads one message.
   *
   * @param called by their ids, what the messages before it have called
   */
  private static ChatMessage message(Fields m, Map<String, ToolCall> called) {
    ChatMessage.Role role =
        switch (m.text("role").orElse("")) {
          case "system", "developer" -> ChatMessage.Role.SYSTEM;
          case "user" -> ChatMessage.Role.USER;
          case "assistant" -> ChatMessage.Role.ASSISTANT;
          case "tool" -> ChatMessage.Role.TOOL;
          case "function" -> throw HttpError.unsupported("messages.role");
          default -> throw m.wrong("role", "'system', 'developer', 'user', 'assistant' or 'tool'");
        };
    List<ToolCall> calls = new ArrayList<>();
    if (role == ChatMessage.Role.ASSISTANT) {
      m.list("tool_calls", MAX_CALLS).forEach(call -> calls.add(call(call)));
    } else if (role == ChatMessage.Role.TOOL) {
      ToolCall answered = called.get(m.text("tool_call_id").orElse(""));
      if (answered == null) {
        throw m.wrong("tool_call_id", "the id of a call in an assistant's message before it");
      }
      calls.add(answered);
    }
    boolean silent = role == ChatMessage.Role.ASSISTANT && !calls.isEmpty();
    String text = silent && m.get("content").isEmpty() ? "" : content(m);
    m.onlyNeutral("function_call");
    m.onlyNeutral("audio");
    m.ignore(List.of("name", "refusal", "annotations"));
    m.noOthers();
    return new ChatMessage(role, text, calls);
  }

  /** A call that an earlier answer has made, as it went out. */
  private static ToolCall call(Fields call) {
    String id = call.text("id").orElseThrow(() -> call.wrong("id", "given"));
    call.onlyNeutral("type", TextNode.valueOf("function"));
    Fields function = call.object("function");
    ToolCall out =
        new ToolCall(id, ToolChoice.name(function), function.text("arguments").orElse(""));
    function.noOthers();
    call.ignore(List.of("index")); // of a streamed answer's part
    call.noOthers();
    return out;
  }

  /** A text, or a list of parts that are all text. */
  private static String content(Fields m) {
    JsonNode content = m.get("content").orElseThrow(() -> m.wrong("content", "given"));
    if (content.isTextual()) {
      return content.textValue();
    }
    if (!content.isArray()) {
      throw m.wrong("content", "a string or a list of text parts");
    }
    StringBuilder out = new StringBuilder();
    for (JsonNode part : content) {
      Fields p = new Fields(part, "messages.content");
      if (!p.text("type").orElse("").toLowerCase(Locale.ROOT).equals("text")) {
        throw HttpError.unsupported("messages.content.type");
      }
      out.append(p.text("text").orElseThrow(() -> p.wrong("text", "given")));
      p.noOthers();
    }
    return out.toString();
  }

  private static List<String> stops(Fields fields) {
    JsonNode stop = fields.get("stop").orElse(JSON.arrayNode());
    if (stop.isTextual()) {
      stop = JSON.arrayNode().add(stop);
    }
    List<String> out = new ArrayList<>();
    if (!stop.isArray() || stop.size() > MAX_STOPS) {
      throw fields.wrong("stop", "a string or a list of up to " + MAX_STOPS + " strings");
    }
    for (JsonNode s : stop) {
      if (!s.isTextual() || s.textValue().isEmpty()) {
        throw fields.wrong("stop", "made of strings that are not empty");
      }
      out.add(s.textValue());
    }
    return out;
  }

  /** The prompt, with what the answer is made to begin with. */
  ToolPrompt prompt(Answerer answerer) {
    return chat
        ? answerer.prompt(messages, tools.tools(), tools.required())
        : new ToolPrompt(text, "");
  }

  /** The request for the model. */
  GenerateRequest build(ToolPrompt prompt, Cancellation cancellation) {
    return settings.prompt(prompt.text() + prompt.begin()).cancellation(cancellation).build();
  }
}
