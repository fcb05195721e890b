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

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** Many clients, slow ones, clients that go away, and the end of the server. */
class ServerLoadTest extends ServerTestBase {
  @Test
  void whatCanNotWaitIsRefusedWithRetryAfter() throws Exception {
    CountDownLatch inside = new CountDownLatch(2);
    CountDownLatch go = new CountDownLatch(1);
    answerer.answer((_, out) -> {
      inside.countDown();
      go.await();
      out.accept("done");
    });
    start(2, 1, Duration.ofSeconds(20));
    List<CompletableFuture<HttpResponse<String>>> taken = new ArrayList<>();
    HttpRequest request = post("v1/chat/completions", chatBody("x", "")).build();
    taken.add(CLIENT.sendAsync(request, HttpResponse.BodyHandlers.ofString()));
    taken.add(CLIENT.sendAsync(request, HttpResponse.BodyHandlers.ofString()));
    assertThat(inside.await(10, TimeUnit.SECONDS)).isTrue();
    taken.add(CLIENT.sendAsync(request, HttpResponse.BodyHandlers.ofString()));
    while (!send(HttpRequest.newBuilder(uri("metrics")).build()).body().contains("kvp_waiting 1")) {
      Thread.sleep(5);
    }
    HttpResponse<String> refused = send(request);
    assertThat(refused.statusCode()).isEqualTo(429);
    assertThat(refused.headers().firstValueAsLong("Retry-After")).hasValue(1);
    assertThat(json(refused).at("/error/type").asText()).isEqualTo("rate_limit_error");
    go.countDown();
    for (CompletableFuture<HttpResponse<String>> one : taken) {
      assertThat(one.get(10, TimeUnit.SECONDS).statusCode()).isEqualTo(200);
    }
  }

  @Test
  void sixtyFourClientsGetTheirOwnAnswers() throws Exception {
    start(4, 40, Duration.ofSeconds(30));
    answerer.answer((request, out) -> {
      for (String word : FakeAnswerer.words(request.prompt())) {
        Thread.sleep(1);
        out.accept(word);
      }
    });
    int answered = 0;
    try (ExecutorService clients = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<Integer>> all = new ArrayList<>();
      for (int i = 0; i < 64; i++) {
        int client = i;
        all.add(clients.submit(() -> talk(client)));
      }
      for (Future<Integer> one : all) {
        answered += one.get();
      }
    }
    assertThat(answered).as("answers that were not refused with 429").isGreaterThan(64 * 2);
  }

  private int talk(int client) throws IOException, InterruptedException {
    int answered = 0;
    for (int i = 0; i < 8; i++) {
      String said = "client " + client + " says " + i;
      String stream = i % 2 == 0 ? "" : "\"stream\": true";
      HttpResponse<String> r = send(post("v1/chat/completions", chatBody(said, stream)).build());
      if (r.statusCode() == 429) {
        Thread.sleep(10);
        continue;
      }
      assertThat(r.statusCode()).isEqualTo(200);
      String text;
      if (stream.isEmpty()) {
        text = json(r).at("/choices/0/message/content").asText();
      } else {
        StringBuilder parts = new StringBuilder();
        for (String event : KvpServerTest.events(r.body())) {
          if (!event.equals("[DONE]")) {
            parts.append(JSON.readTree(event).at("/choices/0/delta/content").asText());
          }
        }
        text = parts.toString();
      }
      assertThat(text).isEqualTo("U:" + said);
      answered++;
    }
    return answered;
  }

  /** Sends a request and goes away after the first bytes of the answer, or without any. */
  private void sendAndLeave(String fields, boolean readFirst) throws IOException {
    String body = chatBody("x", fields);
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), server().port())) {
      socket.setSoLinger(true, 0);
      socket
          .getOutputStream()
          .write(
              ("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type:"
                      + " application/json\r\nContent-Length: "
                      + body.length()
                      + "\r\n\r\n"
                      + body)
                  .getBytes(StandardCharsets.UTF_8));
      if (readFirst) {
        assertThat(socket.getInputStream().read()).isEqualTo('H');
      } else {
        while (answerer.requests.isEmpty()) {
          Thread.onSpinWait();
        }
      }
    }
  }

  private void awaitEnded(int count) throws InterruptedException {
    long limit = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
    while (answerer.ended.get() < count) {
      assertThat(System.nanoTime()).as("the request goes on without its client").isLessThan(limit);
      Thread.sleep(5);
    }
  }

  @Test
  void aClientThatLeavesWhileItsAnswerComesEndsIt() throws Exception {
    answerer.answer((_, out) -> {
      while (true) {
        out.accept("word ");
        Thread.sleep(5);
      }
    });
    sendAndLeave("\"stream\": true", true);
    awaitEnded(1);
    sendAndLeave("", true); // a whole answer: blanks go out from time to time
    awaitEnded(2);
    answerer.answer(null);
    assertThat(chat("").statusCode()).isEqualTo(200);
  }

  @Test
  void aClientThatLeavesWhileItsPromptIsReadEndsIt() throws Exception {
    answerer.answer((request, _) -> {
      while (true) {
        Thread.sleep(5);
        request.cancellation().check();
      }
    });
    sendAndLeave("\"stream\": true", false);
    awaitEnded(1);
  }

  @Test
  void timeIsLimited() throws Exception {
    start(1, 4, Duration.ofMillis(700));
    answerer.answer((request, _) -> {
      while (true) {
        Thread.sleep(5);
        request.cancellation().check();
      }
    });
    HttpResponse<String> none = chat("");
    assertThat(none.statusCode()).isEqualTo(503);
    assertThat(json(none).at("/error/code").asText()).isEqualTo("timeout");
    answerer.answer((request, out) -> {
      out.accept("some words ");
      while (true) {
        Thread.sleep(5);
        request.cancellation().check();
      }
    });
    JsonNode cut = json(chat(""));
    assertThat(cut.at("/choices/0/finish_reason").asText()).isEqualTo("length");
    assertThat(cut.at("/choices/0/message/content").asText()).isEqualTo("some words ");
    assertThat(cut.at("/usage/completion_tokens").asInt()).isPositive();
  }

  @Test
  void stoppingLetsRunningRequestsEndButNotForever() throws Exception {
    CountDownLatch inside = new CountDownLatch(2);
    answerer.answer((request, out) -> {
      inside.countDown();
      if (request.prompt().contains("short")) {
        Thread.sleep(300);
        out.accept("done");
        return;
      }
      while (true) {
        Thread.sleep(5);
        request.cancellation().check();
      }
    });
    KvpServer running = start(4, 4, Duration.ofSeconds(30));
    CompletableFuture<HttpResponse<String>> quick =
        CLIENT.sendAsync(
            post("v1/chat/completions", chatBody("short", "")).build(),
            HttpResponse.BodyHandlers.ofString());
    HttpRequest request = post("v1/chat/completions", chatBody("endless", "")).build();
    CompletableFuture<HttpResponse<String>> endless =
        CLIENT.sendAsync(request, HttpResponse.BodyHandlers.ofString());
    assertThat(inside.await(10, TimeUnit.SECONDS)).isTrue();
    long start = System.nanoTime();
    running.close();
    assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(6));
    server = null;
    assertThat(quick.get(5, TimeUnit.SECONDS).statusCode()).isEqualTo(200);
    assertThat(endless.handle((_, failure) -> failure).get(5, TimeUnit.SECONDS)).isNotNull();
    assertThat(answerer.ended.get()).isEqualTo(2);
    assertThat(CLIENT.sendAsync(request, HttpResponse.BodyHandlers.ofString()))
        .failsWithin(Duration.ofSeconds(5));
  }
}
