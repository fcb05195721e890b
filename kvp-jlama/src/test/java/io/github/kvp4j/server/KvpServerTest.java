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

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.GenerateRequest;
import io.github.kvp4j.jlama.KvpMode;
import io.github.kvp4j.jlama.Quality;
import io.github.kvp4j.predictor.Anchors;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The protocol: what is asked, what is answered, what is refused. */
class KvpServerTest extends ServerTestBase {
  @Test
  void aChatIsAnswered() throws Exception {
    HttpResponse<String> response = chat("\"model\": \"owner/model\"");
    assertThat(response.statusCode()).isEqualTo(200);
    assertThat(response.headers().firstValue("Content-Type")).hasValue("application/json");
    JsonNode root = json(response);
    assertThat(root.get("id").asText()).startsWith("chatcmpl-");
    assertThat(root.get("object").asText()).isEqualTo("chat.completion");
    assertThat(root.get("model").asText()).isEqualTo("owner/model");
    JsonNode choice = root.get("choices").get(0);
    assertThat(choice.at("/message/role").asText()).isEqualTo("assistant");
    assertThat(choice.at("/message/content").asText()).isEqualTo("U:one two three");
    assertThat(choice.get("finish_reason").asText()).isEqualTo("stop");
    assertThat(root.at("/usage/prompt_tokens").asInt()).isEqualTo(3);
    assertThat(root.at("/usage/completion_tokens").asInt()).isEqualTo(3);
    assertThat(root.at("/usage/total_tokens").asInt()).isEqualTo(6);
    assertThat(root.at("/usage/prompt_tokens_details/cached_tokens").asInt(-1)).isZero();
    assertThat(root.at("/usage/prompt_tokens_details/predicted_tokens").asInt()).isEqualTo(2);
    assertThat(root.at("/kvp/mode").asText()).isEqualTo("predict");
    assertThat(root.at("/kvp/ttft_ms").asDouble()).isEqualTo(12.3);
  }

  @Test
  void aChatIsStreamed() throws Exception {
    HttpResponse<String> response =
        chat("\"stream\": true, \"stream_options\": {\"include_usage\": true}");
    assertThat(response.headers().firstValue("Content-Type"))
        .hasValue("text/event-stream; charset=utf-8");
    List<String> events = events(response.body());
    assertThat(events.getLast()).isEqualTo("[DONE]");
    StringBuilder text = new StringBuilder();
    JsonNode first = JSON.readTree(events.getFirst());
    assertThat(first.at("/choices/0/delta/role").asText()).isEqualTo("assistant");
    for (String event : events.subList(1, events.size() - 3)) {
      JsonNode chunk = JSON.readTree(event);
      assertThat(chunk.get("id")).isEqualTo(first.get("id"));
      assertThat(chunk.at("/choices/0/finish_reason").isNull()).isTrue();
      text.append(chunk.at("/choices/0/delta/content").asText());
    }
    assertThat(text).hasToString("U:one two three");
    assertThat(events).as("role, three words, end, usage, done").hasSize(7);
    JsonNode end = JSON.readTree(events.get(4));
    assertThat(end.at("/choices/0/finish_reason").asText()).isEqualTo("stop");
    assertThat(end.at("/choices/0/delta").isEmpty()).isTrue();
    assertThat(end.at("/kvp/mode").asText()).isEqualTo("predict");
    JsonNode usage = JSON.readTree(events.get(5));
    assertThat(usage.get("choices").isEmpty()).isTrue();
    assertThat(usage.at("/usage/total_tokens").asInt()).isEqualTo(6);
    assertThat(events(chat("\"stream\": true").body())).hasSize(6);
  }

  static List<String> events(String body) {
    return Stream.of(body.split("\n\n", -1))
        .filter(e -> e.startsWith("data: "))
        .map(e -> e.substring(6))
        .toList();
  }

  @Test
  void completionsAreAnsweredAndStreamed() throws Exception {
    HttpResponse<String> whole =
        send(post("v1/completions", "{\"prompt\": \"a b\", \"max_tokens\": 5}").build());
    JsonNode root = json(whole);
    assertThat(root.get("object").asText()).isEqualTo("text_completion");
    assertThat(root.at("/choices/0/text").asText()).isEqualTo("a b");
    assertThat(answerer.requests.getLast().maxNewTokens()).isEqualTo(5);
    HttpResponse<String> streamed =
        send(post("v1/completions", "{\"prompt\": [\"a b\"], \"stream\": true}").build());
    List<String> events = events(streamed.body());
    assertThat(events).as("two words, end, done").hasSize(4);
    assertThat(JSON.readTree(events.get(1)).at("/choices/0/text").asText()).isEqualTo("b");
    assertThat(answerer.requests.getLast().maxNewTokens()).isEqualTo(16);
  }

  @Test
  void settingsReachTheModel() throws Exception {
    HttpResponse<String> response =
        chat(
            "\"temperature\": 0.5, \"top_p\": 0.25, \"max_tokens\": 9, \"max_completion_tokens\":"
                + " 7, \"stop\": [\"x\", \"yy\"], \"seed\": -3, \"user\": \"me\", \"n\": 1,"
                + " \"tools\": [], \"presence_penalty\": 0.0, \"kvp\": {\"mode\": \"predict\","
                + " \"quality\": \"fast\", \"anchors\": \"1/2/3\"}");
    assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
    GenerateRequest r = answerer.requests.getLast();
    assertThat(r.temperature()).isEqualTo(0.5f);
    assertThat(r.topP()).isEqualTo(0.25f);
    assertThat(r.maxNewTokens()).isEqualTo(7);
    assertThat(r.stopStrings()).containsExactly("x", "yy");
    assertThat(r.seed()).isEqualTo(-3);
    assertThat(r.mode()).isEqualTo(KvpMode.PREDICT);
    assertThat(r.quality()).isEqualTo(Quality.FAST);
    assertThat(r.anchors()).isEqualTo(new Anchors(1, 2, 3));
    chat("\"kvp\": {\"mode\": \"refine\"}");
    assertThat(answerer.requests.getLast().mode()).isEqualTo(KvpMode.PREDICT_AND_REFINE);
    chat("\"stop\": \"end\", \"top_p\": 0");
    GenerateRequest d = answerer.requests.getLast();
    assertThat(d.temperature()).as("OpenAI's default").isEqualTo(1);
    assertThat(d.maxNewTokens()).as("the server's default").isEqualTo(64);
    assertThat(d.stopStrings()).containsExactly("end");
    assertThat(d.seed()).isNull();
    assertThat(d.mode()).isNull();
  }

  @Test
  void conversationsAndPartsAreRead() throws Exception {
    send(
        post(
                "v1/chat/completions",
                "{\"messages\": [{\"role\": \"developer\", \"content\": \"be brief\"}, {\"role\":"
                    + " \"user\", \"content\": [{\"type\": \"text\", \"text\": \"a\"}, {\"type\":"
                    + " \"text\", \"text\": \"b\"}]}, {\"role\": \"assistant\", \"content\":"
                    + " \"c\"}, {\"role\": \"user\", \"content\": \"\\u00e9\"}]}")
            .build());
    assertThat(answerer.requests.getLast().prompt()).isEqualTo("S:be brief|U:ab|A:c|U:é");
  }

  private static final String TWO_TOOLS =
      "\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"now\"}}, {\"type\": \"function\","
          + " \"function\": {\"name\": \"add\", \"description\": \"Adds.\", \"parameters\": {\"type\":"
          + " \"object\", \"properties\": {\"a\": {\"type\": \"number\"}}}}}]";

  /** Says something, then calls both tools, in parts that end anywhere. */
  private void callBothTools() {
    answerer.answer((_, out) -> {
      String answer =
          "I look.\n<tool_call>{\"name\": \"now\", \"arguments\": {}}</tool_call>\n"
              + "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_call>";
      for (int i = 0; i < answer.length(); i += 7) {
        out.accept(answer.substring(i, Math.min(answer.length(), i + 7)));
      }
    });
  }

  @Test
  void callsOfToolsAreAnswered() throws Exception {
    callBothTools();
    JsonNode choice = json(chat(TWO_TOOLS)).at("/choices/0");
    assertThat(answerer.requests.getLast().prompt()).isEqualTo("U:one two three{now}{add}");
    assertThat(choice.get("finish_reason").asText()).isEqualTo("tool_calls");
    assertThat(choice.at("/message/content").asText()).isEqualTo("I look.");
    JsonNode calls = choice.at("/message/tool_calls");
    assertThat(calls).hasSize(2);
    assertThat(calls.at("/0/id").asText()).startsWith("call_");
    assertThat(calls.at("/1/type").asText()).isEqualTo("function");
    assertThat(calls.at("/1/function/name").asText()).isEqualTo("add");
    assertThat(calls.at("/1/function/arguments").asText()).isEqualTo("{\"a\":1}");
    JsonNode one = json(chat(TWO_TOOLS + ", \"parallel_tool_calls\": false")).at("/choices/0");
    assertThat(one.at("/message/tool_calls")).hasSize(1);
    JsonNode none = json(chat(TWO_TOOLS + ", \"tool_choice\": \"none\"")).at("/choices/0");
    assertThat(none.get("finish_reason").asText()).isEqualTo("stop");
    assertThat(none.at("/message/content").asText()).contains("<tool_call>");
    assertThat(answerer.requests.getLast().prompt()).isEqualTo("U:one two three");
  }

  @Test
  void callsOfToolsAreStreamed() throws Exception {
    callBothTools();
    List<String> events = events(chat(TWO_TOOLS + ", \"stream\": true").body());
    StringBuilder text = new StringBuilder();
    List<JsonNode> calls = new ArrayList<>();
    for (String event : events.subList(1, events.size() - 2)) {
      JsonNode delta = JSON.readTree(event).at("/choices/0/delta");
      text.append(delta.path("content").asText(""));
      delta.path("tool_calls").forEach(calls::add);
    }
    assertThat(text).hasToString("I look.");
    assertThat(calls).hasSize(2);
    assertThat(calls.get(1).get("index").asInt()).isEqualTo(1);
    assertThat(calls.get(1).at("/function/name").asText()).isEqualTo("add");
    JsonNode end = JSON.readTree(events.get(events.size() - 2));
    assertThat(end.at("/choices/0/finish_reason").asText()).isEqualTo("tool_calls");
  }

  @Test
  void aCallThatIsAskedForIsBegun() throws Exception {
    answerer.answer((_, out) -> out.accept("{\"name\": \"add\"}"));
    for (String choice :
        List.of("\"required\"", "{\"type\": \"function\", \"function\": {\"name\": \"add\"}}")) {
      JsonNode root = json(chat(TWO_TOOLS + ", \"tool_choice\": " + choice));
      assertThat(root.at("/choices/0/message/tool_calls/0/function/name").asText())
          .isEqualTo("add");
      assertThat(root.at("/choices/0/message/content").isNull()).isTrue();
    }
    assertThat(answerer.requests)
        .extracting(GenerateRequest::prompt)
        .containsExactly("U:one two three{now}{add}<tool_call>", "U:one two three{add}<tool_call>");
    answerer.answer((_, out) -> out.accept("nothing of the kind"));
    JsonNode text = json(chat(TWO_TOOLS + ", \"tool_choice\": \"required\"")).at("/choices/0");
    assertThat(text.at("/message/content").asText()).isEqualTo("<tool_call>nothing of the kind");
    assertThat(text.get("finish_reason").asText()).isEqualTo("stop");
  }

  @Test
  void callsAndTheirResultsAreRead() throws Exception {
    String call =
        "{\"id\": \"c1\", \"type\": \"function\", \"function\": {\"name\": \"add\", \"arguments\":"
            + " \"{}\"}}";
    send(
        post(
                "v1/chat/completions",
                "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\","
                    + " \"content\": null, \"tool_calls\": ["
                    + call
                    + "]}, {\"role\": \"tool\", \"tool_call_id\": \"c1\", \"content\": \"3\"}]}")
            .build());
    assertThat(answerer.requests.getLast().prompt()).isEqualTo("U:a|A:{add{}}|T:3{add{}}");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "\"temperature\": -1; temperature",
        "\"temperature\": 1e999; temperature",
        "\"temperature\": \"hot\"; temperature",
        "\"top_p\": 1.5; top_p",
        "\"max_tokens\": 0; max_tokens",
        "\"max_tokens\": 1.5; max_tokens",
        "\"max_tokens\": 99999999999999999999; max_tokens",
        "\"max_completion_tokens\": -1; max_completion_tokens",
        "\"seed\": 1e3; seed",
        "\"stop\": [\"\"]; stop",
        "\"stop\": [1]; stop",
        "\"stop\": [\"a\",\"b\",\"c\",\"d\",\"e\"]; stop",
        "\"stream\": \"yes\"; stream",
        "\"stream_options\": true; stream_options",
        "\"stream_options\": {\"x\": 1}; stream_options.x",
        "\"n\": 2; n",
        "\"tools\": {}; tools",
        "\"tools\": [{\"type\": \"code\"}]; tools[0].type",
        "\"tools\": [{\"type\": \"function\"}]; tools[0].function",
        "\"tools\": [{\"type\": \"function\", \"function\": {}}]; tools[0].function.name",
        "\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"a b\"}}]; tools[0].function.name",
        "\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\", \"strict\": true}}];"
            + " tools[0].function.strict",
        "\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": []}}];"
            + " tools[0].function.parameters",
        "\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\"}}, {\"type\": \"function\","
            + " \"function\": {\"name\": \"f\"}}]; tools[1].function.name",
        "\"tool_choice\": \"required\"; tool_choice",
        "\"tool_choice\": \"some\"; tool_choice",
        "\"tool_choice\": 1; tool_choice",
        "\"tool_choice\": {\"type\": \"function\", \"function\": {\"name\": \"f\"}};"
            + " tool_choice.function.name",
        "\"parallel_tool_calls\": 1; parallel_tool_calls",
        "\"functions\": [1]; functions",
        "\"response_format\": {\"type\": \"json_object\"}; response_format",
        "\"logprobs\": true; logprobs",
        "\"logit_bias\": {\"5\": 1}; logit_bias",
        "\"presence_penalty\": 0.5; presence_penalty",
        "\"kvp\": {\"mode\": \"sideways\"}; kvp.mode",
        "\"kvp\": {\"anchors\": \"4/0/0\"}; kvp.anchors",
        "\"kvp\": 1; kvp",
        "\"temprature\": 1; temprature",
        "\"model\": 7; model",
      })
  void wrongFieldsAreRefusedByName(String field, String name) throws Exception {
    HttpResponse<String> response = chat(field);
    assertThat(response.statusCode()).as(response.body()).isEqualTo(400);
    JsonNode error = json(response).get("error");
    assertThat(error.get("param").asText()).isEqualTo(name);
    assertThat(error.get("type").asText()).isEqualTo("invalid_request_error");
    assertThat(error.get("message").asText()).contains(name).endsWith(".").doesNotContain("\n");
    assertThat(answerer.requests).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "nonsense",
        "[]",
        "7",
        "null",
        "{",
        "{\"messages\": []}",
        "{\"messages\": {}}",
        "{}",
        "{\"messages\": [{\"role\": \"user\"}]}",
        "{\"messages\": [{\"role\": \"nobody\", \"content\": \"x\"}]}",
        "{\"messages\": [{\"role\": \"tool\", \"content\": \"x\"}]}",
        "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\"}]}]}",
        "{\"messages\": [{\"role\": \"tool\", \"content\": \"x\", \"tool_call_id\": \"1\"}]}",
        "{\"messages\": [{\"role\": \"user\", \"content\": \"x\", \"tool_calls\": [{}]}]}",
        "{\"messages\": [{\"role\": \"assistant\", \"tool_calls\": []}]}",
        "{\"messages\": [{\"role\": \"assistant\", \"tool_calls\": [{\"id\": \"1\"}]}]}",
        "{\"messages\": [7]}",
        "{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}]} trailing",
        "{\"a\": 1, \"a\": 2}",
        "{\"temperature\": NaN}",
        "{\"messages\": [{\"role\": \"user\", \"content\": \"\\ud8zz\"}]}",
      })
  void wrongBodiesAreRefused(String body) throws Exception {
    HttpResponse<String> response = send(post("v1/chat/completions", body).build());
    assertThat(response.statusCode()).as(response.body()).isEqualTo(400);
    assertThat(json(response).at("/error/message").asText()).endsWith(".").doesNotContain("\n");
    assertThat(answerer.requests).isEmpty();
  }

  @Test
  void whatIsTooLargeOrTooDeepIsRefused() throws Exception {
    String large = "x".repeat(10 << 20);
    assertThat(send(post("v1/chat/completions", chatBody(large, "")).build()).statusCode())
        .isEqualTo(413);
    String deep = "[".repeat(50_000) + "]".repeat(50_000);
    assertThat(
            send(post("v1/chat/completions", "{\"messages\": " + deep + "}").build()).statusCode())
        .isEqualTo(400);
    String many = "{\"role\":\"user\",\"content\":\"\"},".repeat(5000);
    String list = "{\"messages\": [" + many.substring(0, many.length() - 1) + "]}";
    assertThat(send(post("v1/chat/completions", list).build()).statusCode()).isEqualTo(400);
    assertThat(answerer.requests).isEmpty();
    assertThat(chat("").statusCode()).as("the next one is answered").isEqualTo(200);
  }

  @Test
  void wrongPathsMethodsTypesAndHostsAreRefused() throws Exception {
    assertThat(send(HttpRequest.newBuilder(uri("nothing")).build()).statusCode()).isEqualTo(404);
    assertThat(send(HttpRequest.newBuilder(uri("v1/chat/completions")).build()).statusCode())
        .isEqualTo(405);
    HttpRequest plain =
        HttpRequest.newBuilder(uri("v1/chat/completions"))
            .header("Content-Type", "text/plain")
            .POST(HttpRequest.BodyPublishers.ofString(chatBody("x", "")))
            .build();
    assertThat(send(plain).statusCode()).isEqualTo(415);
    assertThat(raw("GET /health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"))
        .startsWith("HTTP/1.1 403");
    assertThat(raw("GET /health HTTP/1.1\r\nHost: localhost:1\r\nConnection: close\r\n\r\n"))
        .startsWith("HTTP/1.1 200");
    assertThat(raw("nonsense\r\n\r\n")).startsWith("HTTP/1.1 400");
    String header = "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + "x".repeat(100_000) + "\r\n\r\n";
    assertThat(raw(header)).doesNotContain("200 OK");
  }

  /** What the server answers to these very bytes. */
  String raw(String text) throws Exception {
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), server().port())) {
      socket.setSoTimeout(10_000);
      socket.getOutputStream().write(text.getBytes(StandardCharsets.ISO_8859_1));
      InputStream in = socket.getInputStream();
      return new String(in.readAllBytes(), StandardCharsets.ISO_8859_1);
    } catch (java.net.SocketException e) {
      return "closed"; // the server hung up on what it did not want to read
    }
  }

  @Test
  void modelsAreListed() throws Exception {
    JsonNode list = json(send(HttpRequest.newBuilder(uri("v1/models")).build()));
    assertThat(list.at("/data/0/id").asText()).isEqualTo("owner/model");
    JsonNode one = json(send(HttpRequest.newBuilder(uri("v1/models/owner%2Fmodel")).build()));
    assertThat(one.get("object").asText()).isEqualTo("model");
    assertThat(send(HttpRequest.newBuilder(uri("v1/models/other")).build()).statusCode())
        .isEqualTo(404);
    HttpResponse<String> wrong = chat("\"model\": \"gpt-4\"");
    assertThat(wrong.statusCode()).isEqualTo(404);
    assertThat(json(wrong).at("/error/code").asText()).isEqualTo("model_not_found");
  }

  @Test
  void healthAndMetricsAreShown() throws Exception {
    assertThat(json(send(HttpRequest.newBuilder(uri("health")).build())).get("status").asText())
        .isEqualTo("ok");
    chat("");
    chat("\"n\": 2");
    String metrics = send(HttpRequest.newBuilder(uri("metrics")).build()).body();
    assertThat(metrics)
        .contains("kvp_requests_seconds_count{route=\"/v1/chat/completions\",status=\"200\"} 1")
        .contains("kvp_requests_seconds_count{route=\"/v1/chat/completions\",status=\"400\"} 1")
        .contains("kvp_tokens_total{kind=\"predicted\"} 2.0")
        .contains("kvp_tokens_total{kind=\"answer\"} 3.0")
        .contains("kvp_time_to_first_token_seconds_count{mode=\"PREDICT\"} 1")
        .contains("kvp_waiting 0.0");
  }

  @Test
  void aKeyIsAskedFor() throws Exception {
    String key = "0123456789abcdef";
    start(settings(1, 1, Duration.ofSeconds(5), key));
    assertThat(chat("").statusCode()).isEqualTo(401);
    String body = chatBody("a", "");
    HttpRequest wrong =
        post("v1/chat/completions", body).header("Authorization", "Bearer x" + key).build();
    assertThat(send(wrong).statusCode()).isEqualTo(401);
    HttpRequest right =
        post("v1/chat/completions", body).header("Authorization", "Bearer " + key).build();
    assertThat(send(right).statusCode()).isEqualTo(200);
    assertThat(send(HttpRequest.newBuilder(uri("v1/models")).build()).statusCode()).isEqualTo(401);
    assertThat(send(HttpRequest.newBuilder(uri("metrics")).build()).statusCode()).isEqualTo(401);
    assertThat(send(HttpRequest.newBuilder(uri("health")).build()).statusCode()).isEqualTo(200);
    assertThat(settings(1, 1, Duration.ofSeconds(5), key).toString()).doesNotContain(key);
  }

  @Test
  void anOpenAddressNeedsAKey() throws Exception {
    InetAddress any = InetAddress.getByName("0.0.0.0");
    Duration time = Duration.ofSeconds(5);
    assertThatThrownBy(() -> new ServerSettings(any, 0, "m", null, 1, 1, time, time, 1))
        .isInstanceOf(KvpException.class)
        .hasMessageContaining("needs an API key");
    assertThatThrownBy(() -> new ServerSettings(any, 0, "m", "short", 1, 1, time, time, 1))
        .hasMessageContaining("at least 16");
    assertThat(new ServerSettings(any, 0, "m", "0123456789abcdef", 1, 1, time, time, 1).port())
        .isZero();
  }

  @Test
  void failuresTellNoPathAndNoStack() throws Exception {
    answerer.answer((_, _) -> {
      throw new IllegalStateException("/secret/path broke");
    });
    HttpResponse<String> response = chat("");
    assertThat(response.statusCode()).isEqualTo(500);
    assertThat(response.body()).doesNotContain("secret").doesNotContain("Exception");
    answerer.answer((_, _) -> {
      throw new KvpException(KvpException.Kind.FILE_ACCESS, "The file '/secret' is gone.");
    });
    assertThat(chat("").body()).contains("internal_error").doesNotContain("secret");
    answerer.answer((_, _) -> {
      throw new KvpException(KvpException.Kind.PROMPT, "The prompt has 9 tokens; the limit is 8.");
    });
    HttpResponse<String> tooLong = chat("\"stream\": true");
    assertThat(tooLong.statusCode()).isEqualTo(400);
    assertThat(json(tooLong).at("/error/code").asText()).isEqualTo("context_length_exceeded");
    answerer.answer((_, out) -> {
      out.accept("half");
      throw new KvpException(KvpException.Kind.OUT_OF_MEMORY, "Too little memory.");
    });
    List<String> events = events(chat("\"stream\": true").body());
    assertThat(JSON.readTree(events.getLast()).at("/error/code").asText())
        .isEqualTo("out_of_memory");
  }

  @Test
  void thePageNeedsNothingFromElsewhere() throws Exception {
    HttpResponse<String> page = send(HttpRequest.newBuilder(uri("")).build());
    assertThat(page.statusCode()).isEqualTo(200);
    assertThat(page.headers().firstValue("Content-Type")).hasValue("text/html; charset=utf-8");
    assertThat(page.headers().firstValue("Content-Security-Policy").orElse(""))
        .startsWith("default-src 'none'")
        .contains("connect-src 'self'");
    assertThat(page.body())
        .contains("KVP on", "KVP off", "v1/chat/completions")
        .doesNotContain("http:", "https:", "src=", "innerHTML");
  }
}
