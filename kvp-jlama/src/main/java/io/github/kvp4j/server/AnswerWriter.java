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

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import io.github.kvp4j.jlama.ToolCall;
import io.github.kvp4j.tools.ToolCallParser;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Sends one answer, whole or as a stream of server-sent events, in OpenAI's form.
 *
 * <p>A client that went away shows only when something is written to it. So something is written
 * now and then: to a stream comments, also while its request waits, before a whole answer blanks,
 * from the first token on. Whatever fails before the first byte still gets its own status.
 */
final class AnswerWriter implements AutoCloseable {
  /** Thrown out of the model's loop once the client is known to be gone. */
  static final class ClientGoneException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    ClientGoneException() {
      super("The client went away.", null, false, false);
    }
  }

  /** A comment in a stream. */
  private static final String WAITING = ": waiting\n\n";

  private static final long SIGN_OF_LIFE_NANOS = 1_000_000_000L;
  private static final SplittableRandom RANDOM = new SplittableRandom();

  private final HttpExchange exchange;
  private final ApiRequest request;
  private final String model;
  private final String id;
  private final long created = Instant.now().getEpochSecond();
  private final StringBuilder text = new StringBuilder();
  private final StringBuilder shown = new StringBuilder();
  private final List<ToolCall> calls = new ArrayList<>();
  private final ToolCallParser parser;
  private final ReentrantLock lock = new ReentrantLock();
  private final Thread signs;
  private long lastWrite = System.nanoTime();
  private boolean started;
  private boolean answering;
  private volatile boolean gone;

  AnswerWriter(HttpExchange exchange, ApiRequest request, String model) {
    this.exchange = exchange;
    this.request = request;
    this.model = model;
    this.id = (request.chat() ? "chatcmpl-" : "cmpl-") + randomName();
    this.parser = new ToolCallParser(request.tools().names(), this::show, this::show);
    this.signs = Thread.ofVirtual().name("kvp-signs-of-life").unstarted(this::signsOfLife);
    if (request.stream()) {
      signs.start();
    }
  }

  private static synchronized String randomName() {
    return HexFormat.of().toHexDigits(RANDOM.nextLong());
  }

  /** Whether the client is known to have gone. */
  boolean isGone() {
    return gone;
  }

  /** Whether the status has gone out, so that no other can. */
  boolean isStarted() {
    lock.lock();
    try {
      return started;
    } finally {
      lock.unlock();
    }
  }

  /** Says what the answer was made to begin with. */
  void begin(String text) {
    parser.accept(text);
  }

  /** What was answered up to now, calls included. */
  String text() {
    return text.toString();
  }

  /** Takes the next part of the answer. */
  void add(String part) {
    text.append(part);
    guarded(() -> {
      if (request.tools().tools().isEmpty()) {
        show(part);
      } else {
        parser.accept(part);
      }
      if (System.nanoTime() - lastWrite > SIGN_OF_LIFE_NANOS) {
        write(request.stream() ? WAITING : " ");
      }
    });
  }

  private void show(String part) {
    shown.append(part);
    if (request.stream()) {
      guarded(() -> {
        firstEvent();
        event(chunk(part, null));
      });
    }
  }

  private void show(ToolCall call) {
    int index = calls.size();
    if (index > 0 && !request.tools().parallel()) {
      return;
    }
    calls.add(call);
    if (request.stream()) {
      guarded(() -> {
        firstEvent();
        ObjectNode chunk = chunk("", null);
        ObjectNode delta = JsonNodeFactory.instance.objectNode();
        delta.putArray("tool_calls").add(json(call).put("index", index));
        ((ObjectNode) chunk.get("choices").get(0)).set("delta", delta);
        event(chunk);
      });
    }
  }

  private static ObjectNode json(ToolCall call) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("id", call.id()).put("type", "function");
    json.putObject("function").put("name", call.name()).put("arguments", call.arguments());
    return json;
  }

  /** Ends the answer. */
  void finish(Answer answer) {
    guarded(() -> {
      parser.finish();
      String reason = calls.isEmpty() ? answer.finishReason() : "tool_calls";
      if (!request.stream()) {
        write(whole(answer, reason).toString());
        return;
      }
      firstEvent();
      ObjectNode last = chunk("", reason);
      last.set("kvp", answer.kvp());
      event(last);
      if (request.includeUsage()) {
        ObjectNode usage = header(request.chat() ? "chat.completion.chunk" : "text_completion");
        usage.putArray("choices");
        usage.set("usage", answer.usage());
        event(usage);
      }
      write("data: [DONE]\n\n");
    });
  }

  /** Ends a stream that has begun with an error. */
  void fail(HttpError error) {
    guarded(() -> event(error.json()));
  }

  @Override
  public void close() {
    signs.interrupt();
  }

  /** Comments on a stream until the answer begins. */
  private void signsOfLife() {
    try {
      while (!gone) {
        Thread.sleep(SIGN_OF_LIFE_NANOS / 1_000_000);
        lock.lockInterruptibly();
        try {
          if (answering) {
            return;
          }
          write(WAITING);
        } finally {
          lock.unlock();
        }
      }
    } catch (InterruptedException e) {
      // the request has ended
      Thread.currentThread().interrupt();
    } catch (IOException e) {
      gone = true;
    }
  }

  private interface Output {
    void run() throws IOException;
  }

  private void guarded(Output output) {
    lock.lock();
    try {
      if (gone) {
        throw new ClientGoneException();
      }
      output.run();
    } catch (IOException e) {
      gone = true;
      throw new ClientGoneException();
    } finally {
      lock.unlock();
    }
  }

  private void firstEvent() throws IOException {
    if (answering) {
      return;
    }
    answering = true;
    if (request.chat()) {
      ObjectNode first = header("chat.completion.chunk");
      ObjectNode choice = first.putArray("choices").addObject().put("index", 0);
      ObjectNode delta = choice.putObject("delta").put("role", "assistant");
      delta.put("content", request.tools().tools().isEmpty() ? "" : null);
      choice.putNull("finish_reason");
      event(first);
    }
  }

  private ObjectNode chunk(String part, @org.jspecify.annotations.Nullable String reason) {
    ObjectNode chunk = header(request.chat() ? "chat.completion.chunk" : "text_completion");
    ObjectNode choice = chunk.putArray("choices").addObject().put("index", 0);
    if (request.chat()) {
      ObjectNode delta = choice.putObject("delta");
      if (reason == null) {
        delta.put("content", part);
      }
    } else {
      choice.put("text", part).putNull("logprobs");
    }
    choice.put("finish_reason", reason);
    return chunk;
  }

  private ObjectNode whole(Answer answer, String reason) {
    ObjectNode root = header(request.chat() ? "chat.completion" : "text_completion");
    ObjectNode choice = root.putArray("choices").addObject().put("index", 0);
    if (request.chat()) {
      ObjectNode message = choice.putObject("message").put("role", "assistant");
      message.put("content", calls.isEmpty() || !shown.isEmpty() ? shown.toString() : null);
      message.putNull("refusal");
      if (!calls.isEmpty()) {
        calls.forEach(call -> message.withArray("tool_calls").add(json(call)));
      }
    } else {
      choice.put("text", shown.toString());
    }
    choice.putNull("logprobs").put("finish_reason", reason);
    root.set("usage", answer.usage());
    root.set("kvp", answer.kvp());
    return root;
  }

  private ObjectNode header(String object) {
    return JsonNodeFactory.instance
        .objectNode()
        .put("id", id)
        .put("object", object)
        .put("created", created)
        .put("model", model);
  }

  private void event(ObjectNode data) throws IOException {
    write("data: " + data + "\n\n");
  }

  private void write(String data) throws IOException {
    if (!started) {
      exchange
          .getResponseHeaders()
          .set(
              "Content-Type",
              request.stream() ? "text/event-stream; charset=utf-8" : "application/json");
      exchange.getResponseHeaders().set("Cache-Control", "no-store");
      exchange.sendResponseHeaders(200, 0);
      started = true;
    }
    OutputStream out = exchange.getResponseBody();
    out.write(data.getBytes(StandardCharsets.UTF_8));
    out.flush();
    lastWrite = System.nanoTime();
  }
}
