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
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.InetAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;

/** A server over a {@link FakeAnswerer}, and a client. */
abstract class ServerTestBase {
  static final ObjectMapper JSON = new ObjectMapper();
  static final HttpClient CLIENT =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

  final FakeAnswerer answerer = new FakeAnswerer();
  @Nullable KvpServer server;

  static ServerSettings settings(int parallel, int queue, Duration timeout, @Nullable String key) {
    return new ServerSettings(
        InetAddress.getLoopbackAddress(),
        0,
        "owner/model",
        key,
        parallel,
        queue,
        timeout,
        Duration.ofSeconds(2),
        64);
  }

  KvpServer start(int parallel, int queue, Duration timeout) {
    return start(settings(parallel, queue, timeout, null));
  }

  KvpServer start(ServerSettings settings) {
    KvpServer started = KvpServer.start(settings, answerer);
    server = started;
    return started;
  }

  KvpServer server() {
    KvpServer running = server;
    return running == null ? start(4, 16, Duration.ofSeconds(20)) : running;
  }

  @AfterEach
  void stop() {
    if (server != null) {
      server.close();
    }
  }

  URI uri(String path) {
    return URI.create(server().url()).resolve(path);
  }

  HttpRequest.Builder post(String path, String body) {
    return HttpRequest.newBuilder(uri(path))
        .timeout(Duration.ofSeconds(20))
        .header("Content-Type", "application/json")
        .POST(HttpRequest.BodyPublishers.ofString(body));
  }

  static HttpResponse<String> send(HttpRequest request) throws IOException, InterruptedException {
    return CLIENT.send(request, HttpResponse.BodyHandlers.ofString());
  }

  HttpResponse<String> chat(String fields) throws IOException, InterruptedException {
    return send(post("v1/chat/completions", chatBody("one two three", fields)).build());
  }

  static String chatBody(String content, String fields) {
    return "{\"messages\": [{\"role\": \"user\", \"content\": \""
        + content
        + "\"}]"
        + (fields.isEmpty() ? "" : ", " + fields)
        + "}";
  }

  static JsonNode json(HttpResponse<String> response) throws IOException {
    return JSON.readTree(response.body());
  }
}
