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
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.FinishReason;
import io.github.kvp4j.jlama.GenerateRequest;
import io.github.kvp4j.jlama.GenerateResult;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.tools.ToolPrompt;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Serves a model to clients of the OpenAI API: {@code /v1/chat/completions}, {@code
 * /v1/completions}, {@code /v1/models}, and {@code /health}, {@code /metrics} and a chat page at
 * {@code /}.
 *
 * <p>Each request has a virtual thread; a few are answered at once, some wait, the rest is refused
 * with 429. A client that goes away ends its request. Requests are logged without what is in them.
 *
 * <p>The limits on slow requests, headers and connections are the JDK server's, which takes them
 * from system properties once in a JVM; those that are not set are set here.
 */
public final class KvpServer implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(KvpServer.class);
  private static final Logger ACCESS = LoggerFactory.getLogger("io.github.kvp4j.server.access");

  private static final String CHAT = "/v1/chat/completions";
  private static final String COMPLETIONS = "/v1/completions";
  private static final String MODELS = "/v1/models";
  private static final Set<String> LOCAL_NAMES = Set.of("localhost", "127.0.0.1", "[::1]");

  /** Waiting connections that the operating system keeps; many clients may come at once. */
  private static final int BACKLOG = 256;

  private final ServerSettings settings;
  private final Answerer answerer;
  private final HttpServer http;
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
  private final Turns turns;
  private final ServerMetrics metrics;
  private final long started = Instant.now().getEpochSecond();
  private volatile boolean stopping;
  private volatile boolean cancelling;

  private KvpServer(ServerSettings settings, Answerer answerer) throws IOException {
    this.settings = settings;
    this.answerer = answerer;
    this.turns = new Turns(settings.parallel(), settings.queue());
    this.metrics = new ServerMetrics(turns);
    limit("sun.net.httpserver.maxReqTime", 30);
    limit("sun.net.httpserver.maxRspTime", settings.timeout().toSeconds() + 60);
    limit("sun.net.httpserver.maxReqHeaders", 100);
    limit("sun.net.httpserver.maxReqHeaderSize", 32 << 10);
    limit("jdk.httpserver.maxConnections", 1024);
    if (System.getProperty("sun.net.httpserver.nodelay") == null) {
      System.setProperty("sun.net.httpserver.nodelay", "true"); // tokens go out one by one
    }
    this.http =
        HttpServer.create(new InetSocketAddress(settings.address(), settings.port()), BACKLOG);
    http.setExecutor(threads);
    http.createContext("/", this::handle);
  }

  private static void limit(String property, long value) {
    if (System.getProperty(property) == null) {
      System.setProperty(property, Long.toString(value));
    }
  }

  /**
   * Starts a server.
   *
   * @param answerer has the answers; it stays the caller's
   * @throws KvpException FILE_ACCESS if the port can't be listened on
   */
  public static KvpServer start(ServerSettings settings, Answerer answerer) {
    try {
      KvpServer server = new KvpServer(settings, answerer);
      server.http.start();
      return server;
    } catch (IOException e) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "Can't listen on "
              + settings.address().getHostAddress()
              + ", port "
              + settings.port()
              + ": "
              + KvpException.reason(e)
              + "; name another --port.",
          e);
    }
  }

  /** The port that the server listens on. */
  public int port() {
    return http.getAddress().getPort();
  }

  /** Where clients find the server. */
  public String url() {
    String host = settings.address().getHostAddress();
    return "http://" + (host.contains(":") ? "[" + host + "]" : host) + ":" + port() + "/";
  }

  /**
   * Stops: takes no more requests, lets those that run end for as long as the settings allow, then
   * cancels them.
   */
  @Override
  public void close() {
    stopping = true;
    http.stop((int) Math.min(Integer.MAX_VALUE, settings.grace().toSeconds()));
    cancelling = true;
    threads.close();
  }

  private void handle(HttpExchange exchange) {
    long start = System.nanoTime();
    Route route = Route.of(exchange);
    Outcome outcome = new Outcome();
    try {
      respond(exchange, route, start, outcome);
    } catch (HttpError e) {
      outcome.status = e.status;
      send(exchange, e);
    } catch (AnswerWriter.ClientGoneException | IOException e) {
      outcome.status = 499; // as other servers log it; nobody is there to see it
    } catch (RuntimeException | Error e) {
      LOG.error("A request to {} failed", route.label, e);
      outcome.status = 500;
      send(exchange, HttpError.internal());
    } finally {
      exchange.close();
      long nanos = System.nanoTime() - start;
      metrics.request(route.label, outcome.status, nanos);
      ACCESS.info(
          "{} {} {} {} ms{}",
          route.method,
          route.label,
          outcome.status,
          nanos / 1_000_000,
          outcome.detail);
    }
  }

  /** What is logged of a request. */
  private static final class Outcome {
    int status = 200;
    String detail = "";
  }

  /** What is asked for: one of a few labels, so that logs and metrics hold no client's text. */
  private record Route(String method, String label, String path) {
    static Route of(HttpExchange exchange) {
      String path = String.valueOf(exchange.getRequestURI().getPath());
      String method =
          switch (exchange.getRequestMethod()) {
            case "GET" -> "GET";
            case "POST" -> "POST";
            default -> "other";
          };
      String label =
          switch (path) {
            case "/", "/health", "/metrics", CHAT, COMPLETIONS, MODELS -> path;
            default -> path.startsWith(MODELS + "/") ? MODELS : "other";
          };
      return new Route(method, label, path);
    }

    void require(String wanted) {
      if (!method.equals(wanted)) {
        throw new HttpError(
            405, "method_not_allowed", "The path " + label + " takes " + wanted + " only.");
      }
    }
  }

  private void respond(HttpExchange exchange, Route route, long start, Outcome outcome)
      throws IOException {
    requireLocalName(exchange);
    switch (route.label) {
      case "/" -> {
        route.require("GET");
        page(exchange);
      }
      case "/health" -> {
        route.require("GET");
        ObjectNode health = JsonNodeFactory.instance.objectNode();
        send(exchange, 200, health.put("status", stopping ? "stopping" : "ok"));
      }
      case "/metrics" -> {
        route.require("GET");
        requireKey(exchange);
        send(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", metrics.text());
      }
      case MODELS -> {
        route.require("GET");
        requireKey(exchange);
        models(exchange, route.path);
      }
      case CHAT, COMPLETIONS -> {
        route.require("POST");
        requireKey(exchange);
        JsonNode body = RequestBody.read(exchange);
        ApiRequest request =
            route.label.equals(CHAT)
                ? ApiRequest.chat(body, settings)
                : ApiRequest.completion(body, settings);
        answer(exchange, request, start, outcome);
      }
      default -> throw new HttpError(404, "not_found", "There is nothing at this path.");
    }
  }

  private void answer(HttpExchange exchange, ApiRequest request, long start, Outcome outcome) {
    long deadline = start + settings.timeout().toNanos();
    if (stopping) {
      throw HttpError.stopping();
    }
    try (AnswerWriter writer = new AnswerWriter(exchange, request, settings.modelName())) {
      try {
        Answer answer = generate(request, writer, deadline);
        writer.finish(answer);
        outcome.detail = detail(answer);
      } catch (HttpError e) {
        if (!writer.isStarted()) {
          throw e;
        }
        outcome.status = e.status;
        if (request.stream()) {
          writer.fail(e);
        }
      }
    }
  }

  private Answer generate(ApiRequest request, AnswerWriter writer, long deadline) {
    try (Turns.Turn _ = turns.take(deadline)) {
      Cancellation cancellation =
          () -> writer.isGone() || cancelling || System.nanoTime() - deadline > 0;
      GenerateRequest full = null;
      try {
        cancellation.check();
        ToolPrompt prompt = request.prompt(answerer);
        writer.begin(prompt.begin());
        full = request.build(prompt, cancellation);
        GenerateResult result = answerer.generate(full, writer::add);
        metrics.answer(result);
        return Answer.of(result);
      } catch (KvpException e) {
        return cutShort(e, full, writer, deadline);
      }
    }
  }

  /** What has been answered when the time is over, or why there is nothing. */
  private Answer cutShort(
      KvpException e, @Nullable GenerateRequest request, AnswerWriter writer, long deadline) {
    if (e.kind() == KvpException.Kind.CANCELLED) {
      if (writer.isGone()) {
        throw new AnswerWriter.ClientGoneException();
      }
      if (System.nanoTime() - deadline > 0) {
        if (request == null || writer.text().isEmpty()) {
          throw HttpError.timeout();
        }
        int prompt = answerer.countTokens(request.prompt());
        int answer = answerer.countTokens(writer.text());
        return new Answer(writer.text(), FinishReason.LENGTH, prompt, answer, null);
      }
    }
    HttpError error = HttpError.of(e);
    if (error.status == 500) {
      LOG.error("A request failed", e);
    }
    throw error;
  }

  private static String detail(Answer answer) {
    return ", "
        + answer.promptTokens()
        + "+"
        + answer.answerTokens()
        + " tokens"
        + (answer.result() == null ? "" : ", " + answer.result().mode());
  }

  private void models(HttpExchange exchange, String path) throws IOException {
    ObjectNode model =
        JsonNodeFactory.instance
            .objectNode()
            .put("id", settings.modelName())
            .put("object", "model")
            .put("created", started)
            .put("owned_by", "kvp4j");
    if (!path.equals(MODELS)) {
      if (!path.equals(MODELS + "/" + settings.modelName())) {
        throw new HttpError(404, "model_not_found", "This model is not served here.");
      }
      send(exchange, 200, model);
      return;
    }
    ObjectNode list = JsonNodeFactory.instance.objectNode().put("object", "list");
    list.putArray("data").add(model);
    send(exchange, 200, list);
  }

  private static void page(HttpExchange exchange) throws IOException {
    try (InputStream in = KvpServer.class.getResourceAsStream("page.html")) {
      if (in == null) {
        throw new IllegalStateException("the page is part of this program");
      }
      exchange
          .getResponseHeaders()
          .set(
              "Content-Security-Policy",
              "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline';"
                  + " connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none';"
                  + " frame-ancestors 'none'");
      String html = new String(in.readAllBytes(), StandardCharsets.UTF_8);
      send(exchange, 200, "text/html; charset=utf-8", html);
    }
  }

  /**
   * Refuses, on a loopback address, requests that were sent to another name: a page from elsewhere
   * can make its own name mean this machine, and its visitor's browser ask in its name.
   */
  private void requireLocalName(HttpExchange exchange) {
    if (settings.apiKey() != null || !settings.address().isLoopbackAddress()) {
      return;
    }
    String host = exchange.getRequestHeaders().getFirst("Host");
    String name = host == null ? "" : host.toLowerCase(Locale.ROOT).replaceFirst(":\\d+$", "");
    if (!LOCAL_NAMES.contains(name)) {
      throw new HttpError(
          403, "wrong_host", "This server answers to localhost, 127.0.0.1 and [::1] only.");
    }
  }

  private void requireKey(HttpExchange exchange) {
    String key = settings.apiKey();
    if (key == null) {
      return;
    }
    String shown = exchange.getRequestHeaders().getFirst("Authorization");
    byte[] expected = ("Bearer " + key).getBytes(StandardCharsets.UTF_8);
    byte[] actual = (shown == null ? "" : shown).getBytes(StandardCharsets.UTF_8);
    if (!MessageDigest.isEqual(expected, actual)) {
      exchange.getResponseHeaders().set("WWW-Authenticate", "Bearer");
      throw new HttpError(
          401, "invalid_api_key", "The header 'Authorization: Bearer KEY' is missing or wrong.");
    }
  }

  private static void send(HttpExchange exchange, HttpError error) {
    if (error.retryAfterSeconds > 0) {
      exchange.getResponseHeaders().set("Retry-After", Integer.toString(error.retryAfterSeconds));
    }
    try {
      send(exchange, error.status, error.json());
    } catch (IOException e) {
      LOG.debug("The client did not wait for its error", e);
    }
  }

  private static void send(HttpExchange exchange, int status, ObjectNode json) throws IOException {
    send(exchange, status, "application/json", json.toString());
  }

  private static void send(HttpExchange exchange, int status, String type, String text)
      throws IOException {
    if (exchange.getResponseCode() >= 0) {
      return; // the status has gone out
    }
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("Content-Type", type);
    exchange.getResponseHeaders().set("X-Content-Type-Options", "nosniff");
    boolean head = exchange.getRequestMethod().equals("HEAD");
    exchange.sendResponseHeaders(status, head ? -1 : bytes.length);
    if (!head) {
      OutputStream out = exchange.getResponseBody();
      out.write(bytes);
      out.flush(); // the end of the exchange drops it where the request's body is cut short
    }
  }
}
