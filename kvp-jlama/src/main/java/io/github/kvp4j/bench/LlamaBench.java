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

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.kvp4j.KvpException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A native llama.cpp, through its {@code llama-bench}: a process for each measurement, which loads
 * the model and warms up before it takes the time of reading a prompt.
 */
final class LlamaBench implements Contestant {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final String row;
  private final Path program;
  private final Path gguf;
  private final int threads;
  private final Duration limit;
  private volatile @Nullable Process running;

  LlamaBench(String row, Path program, Path gguf, int threads, Duration limit) {
    this.row = row;
    this.program = program;
    this.gguf = gguf;
    this.threads = threads;
    this.limit = limit;
  }

  @Override
  public String row() {
    return row;
  }

  @Override
  public String kernels() {
    return "llama.cpp";
  }

  @Override
  public @Nullable Double loadedMegabytes() {
    return null;
  }

  /** The prompts' texts are not read: llama-bench makes up tokens of its own. */
  @Override
  public Sample measure(List<String> prompts, int length, int maxTokens) {
    List<String> command =
        List.of(
            program.toString(),
            "-m",
            gguf.toString(),
            "-p",
            Integer.toString(length),
            "-n",
            "0",
            "-r",
            Integer.toString(prompts.size()),
            "-t",
            Integer.toString(threads),
            "-o",
            "json");
    Path out = null;
    try {
      out = Files.createTempFile("kvp-llama-bench", ".json");
      Process process =
          new ProcessBuilder(command)
              .redirectOutput(out.toFile())
              .redirectError(ProcessBuilder.Redirect.DISCARD)
              .start();
      running = process;
      if (!process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS)) {
        throw failure("gave no answer in " + limit.toSeconds() + " s; --timeout allows more");
      }
      if (process.exitValue() != 0) {
        throw failure("ended with exit code " + process.exitValue());
      }
      double nanos = nanos(Files.readString(out));
      return new Sample(nanos / 1e6, null, null);
    } catch (IOException e) {
      throw failure("can't be run: " + KvpException.reason(e));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new KvpException(KvpException.Kind.CANCELLED, "The benchmark was cancelled.", e);
    } finally {
      close();
      delete(out);
    }
  }

  /** The prompts' times together, as {@code llama-bench -o json} gives them. */
  private double nanos(String json) throws IOException {
    JsonNode samples = JSON.readTree(json).path(0).path("samples_ns");
    double sum = 0;
    for (JsonNode sample : samples) {
      sum += sample.asDouble();
    }
    if (!(sum > 0)) {
      throw failure("gave no time (the field samples_ns)");
    }
    return sum;
  }

  private KvpException failure(String what) {
    return new KvpException(
        KvpException.Kind.UNSUPPORTED,
        "The program '" + program + "' of the row '" + row + "' " + what + ".");
  }

  private static void delete(@Nullable Path file) {
    try {
      if (file != null) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      // a small file in the temporary folder
    }
  }

  @Override
  public void close() {
    Process process = running;
    if (process != null) {
      process.destroyForcibly();
    }
  }
}
