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
package io.github.kvp4j.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.kvp4j.KvpException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Writer;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** A row in a JVM of its own, seen from outside: {@link BenchWorker} is the other side. */
final class WorkerProcess implements Contestant {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final String row;
  private final Duration limit;
  private final Process process;
  private final Writer input;
  private final BlockingQueue<Optional<String>> output = new LinkedBlockingQueue<>();
  private volatile String lastError = "";
  private String kernels = "";
  private @Nullable Double loadedMegabytes;

  /**
   * Starts a process, which is then to be {@linkplain #ready set up}.
   *
   * @param limit how long each answer may take
   */
  WorkerProcess(String row, List<String> command, Duration limit) {
    this.row = row;
    this.limit = limit;
    try {
      this.process = new ProcessBuilder(command).start();
    } catch (IOException e) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "The row '" + row + "' can't be started: " + KvpException.reason(e) + ".",
          e);
    }
    this.input = process.outputWriter(StandardCharsets.UTF_8);
    boolean verbose = "DEBUG".equals(System.getProperty("kvp.log"));
    follow(
        process.getInputStream(),
        line -> {
          if (line.startsWith(BenchWorker.MARK)) {
            output.add(Optional.of(line.substring(BenchWorker.MARK.length())));
          }
        },
        () -> output.add(Optional.empty()));
    follow(
        process.getErrorStream(),
        line -> {
          if (verbose) {
            System.err.println(row + ": " + line);
          }
          lastError = line.isBlank() || line.startsWith("WARNING:") ? lastError : line.strip();
        },
        () -> {});
  }

  /** The command of a worker: this JVM's own java, flags and class path, and what the row adds. */
  static List<String> command(RowSpec spec, int threads) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
        // what belongs to one JVM only: a debugger's port, an agent's file
        .filter(a -> !a.startsWith("-agentlib") && !a.startsWith("-javaagent"))
        .forEach(command::add);
    for (String name : List.of("logback.configurationFile", "kvp.log")) {
      String value = System.getProperty(name);
      if (value != null) {
        command.add("-D" + name + "=" + value);
      }
    }
    command.add("-XX:ActiveProcessorCount=" + threads);
    command.add("-Dkvp.threads=" + threads);
    command.addAll(spec.jvmOptions());
    command.add("-cp");
    command.add(System.getProperty("java.class.path"));
    command.add(BenchWorker.class.getName());
    return command;
  }

  private interface Line {
    void accept(String line);
  }

  private static void follow(InputStream stream, Line each, Runnable end) {
    Thread.ofVirtual()
        .start(() -> {
          try (BufferedReader in =
              new BufferedReader(new InputStreamReader(stream, StandardCharsets.UTF_8))) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
              each.accept(line);
            }
          } catch (IOException e) {
            // closed by us, or by the end of the process: the end either way
          } finally {
            end.run();
          }
        });
  }

  /** Sends the setup and waits until the row is loaded. */
  void ready(WorkerSetup setup) {
    WorkerReply reply = ask(setup, "to load");
    kernels = Objects.requireNonNullElse(reply.kernels(), "");
    loadedMegabytes = reply.loadedMegabytes();
  }

  @Override
  public String row() {
    return row;
  }

  @Override
  public String kernels() {
    return kernels;
  }

  @Override
  public @Nullable Double loadedMegabytes() {
    return loadedMegabytes;
  }

  @Override
  public Sample measure(List<String> prompts, int length, int maxTokens) {
    Sample sample =
        ask(new WorkerTask(prompts, length, maxTokens), "for " + length + " tokens").sample();
    if (sample == null) {
      throw broken("answered without a measurement");
    }
    return sample;
  }

  private WorkerReply ask(Object message, String purpose) {
    try {
      input.write(JSON.writeValueAsString(message) + "\n");
      input.flush();
    } catch (IOException e) {
      // it is gone; what it said before, and how it ended, is read below
    }
    Optional<String> line;
    try {
      line = output.poll(limit.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new KvpException(KvpException.Kind.CANCELLED, "The benchmark was cancelled.", e);
    }
    if (line == null) {
      throw broken(
          "gave no answer in " + limit.toSeconds() + " s " + purpose + "; --timeout allows more");
    }
    if (line.isEmpty()) {
      throw broken("ended" + exitCode() + (lastError.isEmpty() ? "" : " after '" + lastError + "'"));
    }
    WorkerReply reply;
    try {
      reply = JSON.readValue(line.get(), WorkerReply.class);
    } catch (JsonProcessingException e) {
      throw broken("answered what can't be read");
    }
    String error = reply.error();
    if (error != null) {
      throw new KvpException(
          Objects.requireNonNullElse(reply.kind(), KvpException.Kind.UNSUPPORTED),
          "The row '" + row + "' failed: " + error);
    }
    return reply;
  }

  private String exitCode() {
    try {
      return process.waitFor(1, TimeUnit.SECONDS) ? " with exit code " + process.exitValue() : "";
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return "";
    }
  }

  private KvpException broken(String what) {
    return new KvpException(
        KvpException.Kind.CLOSED, "The process of the row '" + row + "' " + what + ".");
  }

  @Override
  public void close() {
    process.destroyForcibly();
    try {
      process.waitFor(10, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
