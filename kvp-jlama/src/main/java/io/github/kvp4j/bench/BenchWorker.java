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
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.OptionalDouble;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.jspecify.annotations.Nullable;

/**
 * The program in the JVM of one row. It reads JSON lines from its standard input, first a {@link
 * WorkerSetup}, then {@link WorkerTask}s, and answers each with a {@link WorkerReply} after {@link
 * #MARK} on its standard output; it waits without using the CPU, and ends at once when its input
 * does, as it does when the program that started it is gone.
 */
public final class BenchWorker {
  /** Tells replies apart from what a library prints. */
  static final String MARK = "@kvp-bench ";

  private static final ObjectMapper JSON = new ObjectMapper();

  private final PrintStream replies;
  private final BlockingQueue<String> messages = new LinkedBlockingQueue<>();

  private BenchWorker(PrintStream replies) {
    this.replies = replies;
  }

  /** Serves until the standard input ends. */
  public static void main(String[] args) throws InterruptedException, IOException {
    PrintStream replies = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    System.setOut(System.err);
    BenchWorker worker = new BenchWorker(replies);
    Thread.ofPlatform().daemon().name("bench-input").start(worker::listen);
    worker.serve();
  }

  /** Runs beside the work, so that the end of the input stops work that is under way. */
  private void listen() {
    try (BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        messages.add(line);
      }
    } catch (IOException e) {
      // the other side is gone all the same
    }
    Runtime.getRuntime().halt(0);
  }

  private void serve() throws InterruptedException, JsonProcessingException {
    try (Subject subject = start(JSON.readValue(messages.take(), WorkerSetup.class))) {
      System.gc(); // so that what loading left over counts for no one
      reply(WorkerReply.ready(subject.kernels(), boxed(ProcessMemory.used())));
      while (true) {
        WorkerTask task = JSON.readValue(messages.take(), WorkerTask.class);
        System.gc();
        ProcessMemory.resetPeak();
        Subject.Times times = subject.measure(task.prompts(), task.length(), task.maxTokens());
        reply(
            WorkerReply.of(
                new Sample(
                    times.ttftMillis(), times.millisPerToken(), boxed(ProcessMemory.peak()))));
      }
    } catch (KvpException e) {
      reply(WorkerReply.failure(e.kind(), String.valueOf(e.getMessage())));
    } catch (OutOfMemoryError e) {
      reply(
          WorkerReply.failure(
              KvpException.Kind.OUT_OF_MEMORY,
              "the Java heap is too small; start Java with a larger -Xmx."));
    } catch (RuntimeException | LinkageError e) {
      e.printStackTrace();
      reply(WorkerReply.failure(KvpException.Kind.UNSUPPORTED, e + "."));
    }
  }

  private static Subject start(WorkerSetup setup) {
    if (setup.engine() == RowSpec.Engine.KVP) {
      return new KvpSubject(setup);
    }
    try {
      return new LlamaCppSubject(setup);
    } catch (NoClassDefFoundError e) {
      throw new KvpException(
          KvpException.Kind.UNSUPPORTED,
          "it needs de.kherud:llama 4.2.0, which is not on the class path.",
          e);
    }
  }

  private void reply(WorkerReply reply) throws JsonProcessingException {
    replies.println(MARK + JSON.writeValueAsString(reply));
  }

  private static @Nullable Double boxed(OptionalDouble value) {
    return value.isPresent() ? (Double) value.getAsDouble() : null;
  }
}
