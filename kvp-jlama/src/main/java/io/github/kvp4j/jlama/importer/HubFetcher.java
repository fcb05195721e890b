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

import com.github.tjake.jlama.safetensors.SafeTensorSupport;
import com.github.tjake.jlama.util.Downloader;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.importer.ImportManifest.FileRecord;
import io.github.kvp4j.jlama.importer.ImportManifest.Kind;
import io.github.kvp4j.jlama.importer.ImportManifest.Source;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * Models from the Hugging Face hub, through Jlama's own downloader.
 *
 * <p>That has no time-outs, so the hub is asked first whether it is there, and the download, in a
 * thread of its own, is given up when nothing comes any more. What came is checked before it
 * counts.
 */
final class HubFetcher implements ModelFetcher {
  private static final Duration REACH = Duration.ofSeconds(3);
  private static final Duration STALL = Duration.ofSeconds(60);
  private static final long POLL_MILLIS = 100;

  private final URI hub;
  private final Duration stall;
  private final @Nullable String token;
  private final Download download;

  /** What downloads a model, {@code owner_name}, into a folder. */
  @FunctionalInterface
  interface Download {
    void run(Path into, ModelName model, Watch watch) throws IOException;
  }

  /** Asks Hugging Face, with the given token if the environment has none. */
  HubFetcher(@Nullable String token) {
    this(
        URI.create("https://huggingface.co"),
        STALL,
        token,
        (into, model, watch) ->
            new Downloader(into.toString(), model.toString())
                .withAuthToken(token)
                .withProgressReporter(watch::update)
                .huggingFaceModel());
  }

  HubFetcher(URI hub, Duration stall, @Nullable String token, Download download) {
    this.hub = hub;
    this.stall = stall;
    this.token = token;
    this.download = download;
  }

  @Override
  public void fetch(ModelName model, Path folder, ImportProgress progress) throws IOException {
    reach(model);
    try (StagedFolder staged = StagedFolder.beside(folder)) {
      download(staged.path(), model, progress);
      Path made =
          SafeTensorSupport.constructLocalModelPath(
              staged.path().toString(), model.owner(), model.name());
      liftUp(made, staged.path());
      finish(model, staged.path(), progress);
      staged.publish(false);
    }
  }

  /** Asks the hub for the model, and does not wait long. */
  void reach(ModelName model) {
    URI uri = hub.resolve("/api/models/" + model);
    HttpClient client =
        HttpClient.newBuilder()
            .connectTimeout(REACH)
            .followRedirects(HttpClient.Redirect.NORMAL)
            .build();
    int status;
    try {
      HttpRequest request = HttpRequest.newBuilder(uri).timeout(REACH).build();
      status =
          client
              .sendAsync(request, HttpResponse.BodyHandlers.discarding())
              .get(REACH.toMillis(), TimeUnit.MILLISECONDS)
              .statusCode();
    } catch (InterruptedException e) {
      throw Messages.cancelled("Asking " + hub.getHost());
    } catch (TimeoutException e) {
      throw unavailable("no answer in " + REACH.toSeconds() + " s", e);
    } catch (ExecutionException e) {
      Throwable cause = e.getCause() == null ? e : e.getCause();
      throw unavailable("it can't be reached, " + cause.getClass().getSimpleName(), e);
    } finally {
      client.shutdownNow();
    }
    if (status == 404) {
      throw unavailable("it has no such model", null);
    }
    boolean secret = status == 401 || status == 403;
    if (secret && !hasToken()) {
      throw unavailable("it has no such model that can be read without a token", null);
    }
    if (!secret && status != 200) {
      throw unavailable("it answers with status " + status, null);
    }
  }

  /** Whether Jlama's downloader has a token to show, as it needs for gated models. */
  private boolean hasToken() {
    return token != null
        || System.getenv("HF_TOKEN") != null
        || System.getProperty("huggingface.auth.token") != null;
  }

  private KvpException unavailable(String why, @Nullable Throwable cause) {
    return new KvpException(
        KvpException.Kind.MODEL_UNAVAILABLE, "from " + hub.getHost() + ": " + why, cause);
  }

  /** What the download tells, from its thread, and the importing thread looks at. */
  static final class Watch {
    private volatile String file = "";
    private volatile long done;
    private volatile long total = -1;
    private volatile long lastChange = System.nanoTime();
    private volatile boolean stopped;

    /** Jlama calls this in a tight loop; so it is slowed down here. */
    void update(String name, long bytes, long size) {
      if (stopped) {
        throw new IllegalStateException("The download was stopped.");
      }
      if (bytes != done || !name.equals(file)) {
        lastChange = System.nanoTime();
      }
      total = size;
      done = bytes;
      file = name;
      try {
        Thread.sleep(POLL_MILLIS / 2);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private void download(Path into, ModelName model, ImportProgress progress) {
    Watch watch = new Watch();
    CompletableFuture<@Nullable Void> result = new CompletableFuture<>();
    Thread thread =
        Thread.ofPlatform()
            .daemon()
            .name("kvp-download")
            .unstarted(() -> {
              try {
                download.run(into, model, watch);
                result.complete(null);
              } catch (IOException | RuntimeException e) {
                result.completeExceptionally(e);
              }
            });
    thread.start();
    try {
      await(result, watch, progress);
    } finally {
      watch.stopped = true;
    }
  }

  private void await(
      CompletableFuture<@Nullable Void> result, Watch watch, ImportProgress progress) {
    String shown = "";
    long told = 0;
    while (true) {
      try {
        result.get(POLL_MILLIS, TimeUnit.MILLISECONDS);
        if (!shown.isEmpty()) {
          progress.end();
        }
        return;
      } catch (TimeoutException e) {
        if (System.nanoTime() - watch.lastChange > stall.toNanos()) {
          throw unavailable("nothing came for " + stall.toSeconds() + " s", e);
        }
      } catch (InterruptedException e) {
        throw Messages.cancelled("The download");
      } catch (ExecutionException e) {
        Throwable cause = e.getCause() == null ? e : e.getCause();
        throw unavailable(Messages.reason(cause), e);
      }
      String file = watch.file;
      if (!file.equals(shown)) {
        if (!shown.isEmpty()) {
          progress.end();
        }
        progress.begin("Downloading " + Messages.plain(file), watch.total);
        shown = file;
        told = 0;
      } else if (watch.done > told) {
        progress.advance(watch.done - told);
        told = watch.done;
      }
    }
  }

  private static void liftUp(Path from, Path to) throws IOException {
    List<Path> files = new ArrayList<>();
    try (DirectoryStream<Path> all = Files.newDirectoryStream(from)) {
      all.forEach(files::add);
    }
    for (Path file : files) {
      Files.move(file, to.resolve(ImportFiles.fileName(file)));
    }
    Files.delete(from);
  }

  /** Checks what was downloaded and writes it down. */
  private void finish(ModelName model, Path folder, ImportProgress progress) throws IOException {
    try {
      HuggingFaceFolder downloaded = new HuggingFaceFolder(folder);
      progress.begin("Checking the weights", downloaded.weightBytes());
      List<String> types = downloaded.checkWeights(progress);
      progress.end();
      Source source = ModelImporter.folderSource(Kind.HUB, model.toString(), folder, downloaded);
      List<FileRecord> files = new ArrayList<>();
      for (String file : downloaded.files()) {
        Path path = folder.resolve(file);
        files.add(
            new FileRecord(file, Files.size(path), ImportFiles.sha256(path, ImportProgress.NONE)));
      }
      ModelImporter.writeMarks(
          folder,
          new ImportManifest(
              new Source(Kind.HUB, source.name(), source.size(), source.sha256(), types),
              String.join("+", types),
              files));
    } catch (KvpException e) {
      throw switch (e.kind()) {
        case BAD_ARGUMENT, MALFORMED_FILE, UNSUPPORTED -> unavailable(Messages.reason(e), e);
        default -> e;
      };
    }
  }
}
