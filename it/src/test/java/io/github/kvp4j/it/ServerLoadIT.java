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
package io.github.kvp4j.it;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.kvp4j.server.KvpServer;
import io.github.kvp4j.server.ModelAnswerer;
import io.github.kvp4j.server.ServerSettings;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Sixty-four clients at once on the real model, slow ones and ones that vanish among them. {@code
 * -Dkvp.load.seconds=120} lets them stay longer than the few seconds of every build.
 */
class ServerLoadIT {
  private static final int SECONDS = Integer.getInteger("kvp.load.seconds", 5);
  private static final int CLIENTS = 64;
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final List<String> PROMPTS =
      List.of(
          "What is the capital of France?",
          "What is two plus two?",
          "Name a colour.",
          "Which planet do we live on?",
          "What do bees make?",
          "The mill stands by the river and turns all day. ".repeat(4) + "Where does it stand?");

  private static KvpServer server;

  private final AtomicInteger answered = new AtomicInteger();
  private final AtomicInteger refused = new AtomicInteger();
  private final AtomicInteger vanished = new AtomicInteger();

  @BeforeAll
  static void start() {
    ServerSettings settings =
        new ServerSettings(
            InetAddress.getLoopbackAddress(),
            0,
            "HuggingFaceTB/SmolLM2-135M-Instruct",
            null,
            4,
            12,
            Duration.ofMinutes(5),
            Duration.ofSeconds(5),
            64);
    server = KvpServer.start(settings, new ModelAnswerer(RealModel.model()));
  }

  @AfterAll
  static void stop() {
    if (server != null) {
      server.close();
    }
  }

  private static byte[] body(int prompt, boolean stream) throws IOException {
    return JSON.writeValueAsBytes(
        Map.of(
            "messages",
            List.of(Map.of("role", "user", "content", PROMPTS.get(prompt))),
            "temperature",
            0,
            "max_tokens",
            8,
            "stream",
            stream));
  }

  private HttpResponse<String> ask(HttpClient client, int prompt, boolean stream)
      throws IOException, InterruptedException {
    return client.send(
        HttpRequest.newBuilder(URI.create(server.url() + "v1/chat/completions"))
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofByteArray(body(prompt, stream)))
            .build(),
        HttpResponse.BodyHandlers.ofString());
  }

  /** The answer's text, of a whole answer or of a stream that has come to its end. */
  private static String text(String body) throws IOException {
    if (body.stripLeading().startsWith("{")) {
      return JSON.readTree(body).at("/choices/0/message/content").asText();
    }
    assertThat(body).endsWith("data: [DONE]\n\n");
    StringBuilder text = new StringBuilder();
    for (String line : body.lines().filter(l -> l.startsWith("data: {")).toList()) {
      JsonNode delta = JSON.readTree(line.substring(6)).at("/choices/0/delta");
      text.append(delta.path("content").asText(""));
    }
    return text.toString();
  }

  /** Asks one thing after another until the time is over. */
  private void talk(int client, List<String> serial, long end)
      throws IOException, InterruptedException {
    try (HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build()) {
      for (int i = client; System.nanoTime() < end; i++) {
        int prompt = i % PROMPTS.size();
        HttpResponse<String> response = ask(http, prompt, i % 2 == 0);
        if (response.statusCode() == 429) {
          refused.incrementAndGet();
          Thread.sleep(100 + client);
          continue;
        }
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        assertThat(text(response.body())).isEqualTo(serial.get(prompt));
        answered.incrementAndGet();
      }
    }
  }

  private static Socket send(int prompt, int pauseMillis) throws IOException, InterruptedException {
    byte[] body = body(prompt, true);
    String head =
        "POST /v1/chat/completions HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            + "Content-Length: "
            + body.length
            + "\r\n\r\n";
    Socket socket = new Socket(InetAddress.getLoopbackAddress(), server.port());
    OutputStream out = socket.getOutputStream();
    for (byte b : head.getBytes(StandardCharsets.US_ASCII)) {
      out.write(b);
      Thread.sleep(pauseMillis);
    }
    out.write(body);
    return socket;
  }

  /** Sends and reads a little at a time, and still gets the whole answer. */
  private void dawdle(int client, List<String> serial, long end)
      throws IOException, InterruptedException {
    for (int i = client; System.nanoTime() < end; i++) {
      int prompt = i % PROMPTS.size();
      try (Socket socket = send(prompt, 2);
          BufferedReader in =
              new BufferedReader(
                  new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8), 16)) {
        StringBuilder reply = new StringBuilder();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
          reply.append(line).append('\n');
          Thread.sleep(5);
        }
        if (reply.indexOf(" 429 ") == 8) {
          refused.incrementAndGet();
          continue;
        }
        assertThat(reply.toString()).startsWith("HTTP/1.1 200");
        assertThat(text(reply.substring(reply.indexOf("\n\n") + 2))).isEqualTo(serial.get(prompt));
        answered.incrementAndGet();
      }
    }
  }

  /** Sends and goes away: at once, or when the first byte of the answer comes. */
  private void vanish(int client, long end) throws IOException, InterruptedException {
    for (int i = client; System.nanoTime() < end; i++) {
      try (Socket socket = send(i % PROMPTS.size(), 0)) {
        socket.setSoLinger(true, 0);
        if (i % 2 == 0) {
          socket.getInputStream().read();
        }
      }
      vanished.incrementAndGet();
      Thread.sleep(200);
    }
  }

  /** Memory in use after a collection, on the heap and in buffers beside it, in MB. */
  private static long memory() {
    System.gc();
    long bytes = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
    for (BufferPoolMXBean pool : ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class)) {
      bytes += pool.getName().equals("direct") ? pool.getMemoryUsed() : 0;
    }
    return bytes >> 20;
  }

  private String metrics(HttpClient http) throws IOException, InterruptedException {
    return http.send(
            HttpRequest.newBuilder(URI.create(server.url() + "metrics")).build(),
            HttpResponse.BodyHandlers.ofString())
        .body();
  }

  @Test
  void everyAnswerIsTheSerialOneWhateverOthersDo() throws Exception {
    List<String> serial = new ArrayList<>();
    try (HttpClient http = HttpClient.newHttpClient()) {
      for (int prompt = 0; prompt < PROMPTS.size(); prompt++) {
        serial.add(text(ask(http, prompt, false).body()));
      }
    }
    assertThat(serial.getFirst()).contains("Paris");
    long end = System.nanoTime() + Duration.ofSeconds(SECONDS).toNanos();
    List<Long> memory = new ArrayList<>();
    try (ExecutorService clients = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> all = new ArrayList<>();
      for (int i = 0; i < CLIENTS; i++) {
        int client = i;
        all.add(
            clients.submit(() -> {
              switch (client % 16) {
                case 0 -> dawdle(client, serial, end);
                case 1 -> vanish(client, end);
                default -> talk(client, serial, end);
              }
              return null;
            }));
      }
      for (int quarter = 0; quarter < 4; quarter++) {
        Thread.sleep(SECONDS * 250L);
        memory.add(memory());
      }
      for (Future<?> one : all) {
        one.get();
      }
    }
    System.out.printf(
        "%d clients, %d s: %d answers as serial, %d refused with 429, %d vanished; memory in use"
            + " after each quarter, MB: %s%n",
        CLIENTS, SECONDS, answered.get(), refused.get(), vanished.get(), memory);
    assertThat(answered.get()).as("answers").isGreaterThan(SECONDS / 4);
    assertThat(vanished.get()).as("clients that vanished").isPositive();
    assertThat(memory.getLast())
        .as("MB after each quarter: %s", memory)
        .isLessThan(memory.getFirst() + 24);
    try (HttpClient http = HttpClient.newHttpClient()) {
      assertThat(metrics(http)).contains("kvp_running 0", "kvp_waiting 0");
      assertThat(text(ask(http, 0, false).body())).isEqualTo(serial.getFirst());
    }
  }
}
