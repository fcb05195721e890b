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
package io.github.kvp4j.jlama.importer;

import static io.github.kvp4j.KvpException.Kind.CANCELLED;
import static io.github.kvp4j.KvpException.Kind.MODEL_UNAVAILABLE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assumptions.assumeThat;

import com.github.tjake.jlama.safetensors.DType;
import com.sun.net.httpserver.HttpServer;
import io.github.kvp4j.KvpException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The hub, played by a server on this machine, and Jlama's downloader, played by a copy. */
class HubFetcherTest {
  private static final ModelName MODEL = new ModelName("some-owner", "tiny");

  @TempDir Path temp;
  private Path cache = Path.of("");
  private Path source = Path.of("");
  private HttpServer server;
  private volatile int status = 200;
  private final List<String> asked = new ArrayList<>();

  HubFetcherTest() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
  }

  @BeforeEach
  void start() throws IOException {
    cache = Files.createDirectories(temp.resolve("cache"));
    source = temp.resolve("source");
    Path gguf =
        Files.write(
            temp.resolve("t.gguf"), TinyModels.floats(TinyModels.SMALL, true, 1).builder().build());
    ModelImporter.importModel(gguf, source, DType.BF16, false, ImportProgress.NONE);
    Files.delete(source.resolve(ImportManifest.FILE_NAME));
    server.createContext(
        "/",
        exchange -> {
          asked.add(exchange.getRequestURI().getPath());
          exchange.sendResponseHeaders(status, -1);
          exchange.close();
        });
    server.start();
  }

  @AfterEach
  void stop() {
    server.stop(0);
  }

  private URI hub() {
    return URI.create("http://localhost:" + server.getAddress().getPort());
  }

  private void fetch(URI hub, HubFetcher.Download download) throws IOException {
    new HubFetcher(hub, Duration.ofSeconds(1), null, download)
        .fetch(MODEL, cache.resolve(MODEL.folder()), ImportProgress.NONE);
  }

  private String unavailable(URI hub, HubFetcher.Download download) throws IOException {
    Throwable thrown = catchThrowable(() -> fetch(hub, download));
    assertThat(thrown).isInstanceOf(KvpException.class);
    assertThat(((KvpException) thrown).kind()).isEqualTo(MODEL_UNAVAILABLE);
    assertThat(Tests.names(cache)).isEmpty();
    return String.valueOf(thrown.getMessage());
  }

  /** Copies the source, as Jlama would download it. */
  private void copy(Path into, ModelName model, HubFetcher.Watch watch) throws IOException {
    Path folder = Files.createDirectories(into.resolve(model.folder()));
    for (String file : Tests.names(source)) {
      watch.update(file, 0, Files.size(source.resolve(file)));
      Files.copy(source.resolve(file), folder.resolve(file));
      watch.update(file, Files.size(folder.resolve(file)), Files.size(folder.resolve(file)));
    }
  }

  @Test
  void checksWhatItDownloadedAndWritesItDown() throws IOException {
    fetch(hub(), this::copy);

    assertThat(asked).containsExactly("/api/models/some-owner/tiny");
    assertThat(Tests.names(cache)).containsExactly("some-owner_tiny");
    Path folder = cache.resolve("some-owner_tiny");
    ImportManifest manifest = Objects.requireNonNull(ImportManifest.read(folder));
    assertThat(manifest.source().kind()).isEqualTo(ImportManifest.Kind.HUB);
    assertThat(manifest.source().name()).isEqualTo("some-owner/tiny");
    assertThat(manifest.dtype()).isEqualTo("BF16");
    manifest.verify(folder, true);
    assertThat(Tests.names(folder)).contains(".finished");
  }

  @Test
  void tellsWhyNot() throws IOException {
    status = 404;
    assertThat(unavailable(hub(), this::copy)).isEqualTo("from localhost: it has no such model");
    status = 503;
    assertThat(unavailable(hub(), this::copy))
        .isEqualTo("from localhost: it answers with status 503");
    status = 200;
    assertThat(
            unavailable(
                hub(),
                (into, model, watch) -> {
                  throw new IOException("HTTP response code: 403");
                }))
        .isEqualTo("from localhost: HTTP response code: 403");
    assertThat(
            unavailable(
                hub(),
                (into, model, watch) -> {
                  copy(into, model, watch);
                  Path weights = into.resolve(model.folder()).resolve("model.safetensors");
                  Files.write(weights, new byte[100]);
                }))
        .contains("model.safetensors: the header's length is 0");
    server.stop(0);
    assertThat(unavailable(hub(), this::copy))
        .isEqualTo("from localhost: it can't be reached, ConnectException");
    assertThat(unavailable(URI.create("https://no-such-host.invalid"), this::copy))
        .startsWith("from no-such-host.invalid: it can't be reached");
  }

  @Test
  void triesAGatedModelOnlyWithAToken() throws IOException {
    assumeThat(System.getenv("HF_TOKEN")).isNull();
    status = 401;
    assertThat(unavailable(hub(), this::copy))
        .isEqualTo("from localhost: it has no such model that can be read without a token");
    new HubFetcher(hub(), Duration.ofSeconds(1), "secret", this::copy)
        .fetch(MODEL, cache.resolve(MODEL.folder()), ImportProgress.NONE);
    assertThat(Tests.names(cache)).containsExactly("some-owner_tiny");
  }

  @Test
  void doesNotWaitForAServerThatDoesNotAnswer() throws IOException {
    try (ServerSocket silent = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      long start = System.nanoTime();
      String message =
          unavailable(URI.create("http://localhost:" + silent.getLocalPort()), this::copy);
      assertThat(message).contains("localhost");
      assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(6));
    }
  }

  @Test
  void givesUpADownloadThatStalls() throws IOException {
    assertThat(
            unavailable(
                hub(),
                (into, model, watch) -> {
                  while (true) {
                    watch.update("model.safetensors", 5, 100); // throws when it was stopped
                  }
                }))
        .isEqualTo("from localhost: nothing came for 1 s");
  }

  @Test
  void stopsWhenInterrupted() throws IOException {
    HubFetcher fetcher =
        new HubFetcher(
            hub(),
            Duration.ofSeconds(60),
            null,
            (into, model, watch) -> {
              while (true) {
                watch.update("model.safetensors", 5, 100);
              }
            });
    Thread caller = Thread.currentThread();
    Thread.ofVirtual()
        .start(() -> {
          try {
            Thread.sleep(700);
            caller.interrupt();
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        });
    Tests.failure(
        CANCELLED, () -> fetcher.fetch(MODEL, cache.resolve(MODEL.folder()), ImportProgress.NONE));
    assertThat(Thread.interrupted()).isTrue();
    assertThat(Tests.names(cache)).isEmpty();
  }
}
