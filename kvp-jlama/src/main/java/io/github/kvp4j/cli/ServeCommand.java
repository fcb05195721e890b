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
package io.github.kvp4j.cli;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.GenerateRequest;
import io.github.kvp4j.jlama.KvpMode;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.server.KvpServer;
import io.github.kvp4j.server.ModelAnswerer;
import io.github.kvp4j.server.ServerSettings;
import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code kvp serve}: the OpenAI API over one model. */
@Command(
    name = "serve",
    mixinStandardHelpOptions = true,
    description = {
      "Serves a model to clients of the OpenAI API: /v1/chat/completions, /v1/completions,"
          + " /v1/models, and /health, /metrics and a chat page at /. Ctrl-C stops it: running"
          + " requests may end, new ones are refused.",
      "",
      "Requests may name how their prompt is read in one more field, such as"
          + " \"kvp\": {\"mode\": \"exact\"} (off, exact, predict, refine, auto; quality faithful,"
          + " balanced or fast; anchors)."
    },
    footer = {
      "",
      "Examples:",
      "  kvp serve",
      "  kvp serve --port 9000 --mode exact --parallel 2",
      "  KVP_API_KEY=$(openssl rand -hex 16) kvp serve --host 0.0.0.0",
      "  curl localhost:8080/v1/chat/completions -H 'Content-Type: application/json' \\",
      "    -d '{\"messages\": [{\"role\": \"user\", \"content\": \"Hello!\"}]}'"
    })
final class ServeCommand implements Callable<Integer> {
  @Mixin private ModelOption model = new ModelOption();

  @Mixin private PredictionOptions prediction = new PredictionOptions();

  @Option(
      names = "--host",
      defaultValue = "127.0.0.1",
      description =
          "The address to listen on (default: ${DEFAULT-VALUE}); one that is not a loopback"
              + " address needs an API key.")
  private String host = "";

  @Option(
      names = "--port",
      defaultValue = "8080",
      description = "The port, 0 for any that is free (default: ${DEFAULT-VALUE}).")
  private int port;

  @Option(
      names = "--api-key-file",
      paramLabel = "FILE",
      description =
          "A file with the key that clients must send; without it the variable KVP_API_KEY, if it"
              + " is set.")
  private @Nullable Path apiKeyFile;

  @Option(
      names = "--parallel",
      defaultValue = "4",
      description = "Requests that are answered at once (default: ${DEFAULT-VALUE}).")
  private int parallel;

  @Option(
      names = "--queue",
      defaultValue = "64",
      description = "Requests that may wait; more are refused (default: ${DEFAULT-VALUE}).")
  private int queue;

  @Option(
      names = "--timeout",
      paramLabel = "SECONDS",
      defaultValue = "600",
      description = "The most time for a request (default: ${DEFAULT-VALUE}).")
  private int timeout;

  @Option(
      names = "--grace",
      paramLabel = "SECONDS",
      defaultValue = "10",
      description = "How long running requests may go on after Ctrl-C (default: ${DEFAULT-VALUE}).")
  private int grace;

  @Option(
      names = "--max-tokens",
      defaultValue = "1024",
      description =
          "The most tokens of an answer where a chat request does not say (default:"
              + " ${DEFAULT-VALUE}).")
  private int maxTokens;

  @Override
  public Integer call() throws InterruptedException {
    settings("not known yet"); // what is wrong is refused before a model is fetched
    ServerSettings settings = settings(model.servedName());
    KvpModel loaded = prediction.apply(model.builder()).build();
    // loading warms the prefill engine up; this does so for Jlama's prefill and decoding
    loaded.generate(
        GenerateRequest.builder("Hello. ".repeat(16)).mode(KvpMode.OFF).maxNewTokens(16).build());
    KvpServer server = KvpServer.start(settings, new ModelAnswerer(loaded));
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  server.close();
                  loaded.close();
                },
                "kvp-stop"));
    System.out.println("Serving " + settings.modelName() + " at " + server.url());
    new CountDownLatch(1).await(); // until a signal ends the JVM
    return 0;
  }

  private ServerSettings settings(String modelName) {
    return new ServerSettings(
        address(),
        port,
        modelName,
        apiKey(),
        parallel,
        queue,
        Duration.ofSeconds(timeout),
        Duration.ofSeconds(grace),
        maxTokens);
  }

  private InetAddress address() {
    try {
      return InetAddress.getByName(host);
    } catch (UnknownHostException e) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT, "--host '" + host + "' is no address of a machine.", e);
    }
  }

  private @Nullable String apiKey() {
    if (apiKeyFile == null) {
      String key = System.getenv("KVP_API_KEY");
      return key == null || key.isEmpty() ? null : key;
    }
    try {
      return Files.readString(apiKeyFile).strip();
    } catch (IOException e) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "The API key file '" + apiKeyFile + "' can't be read: " + KvpException.reason(e) + ".",
          e);
    }
  }
}
