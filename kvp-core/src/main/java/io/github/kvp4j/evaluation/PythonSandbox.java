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
package io.github.kvp4j.evaluation;

import io.github.kvp4j.KvpException;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;

/**
 * Runs Python programs that nobody has read, each in a process of its own. The Linux kernel holds
 * it to its limits: seconds, bytes of memory, no other process, no thread, no network, no file
 * written or changed. A program that tries is killed or refused, and has not passed.
 *
 * <p>For one thread.
 */
public final class PythonSandbox {
  private final String python;
  private final String launcher;
  private final Limits limits;
  private final Random words = new Random();

  /**
   * What a program may take.
   *
   * @param processorSeconds of processor time
   * @param wallSeconds from begin to end, also asleep
   * @param memoryBytes of address space, the interpreter's included
   */
  public record Limits(int processorSeconds, int wallSeconds, long memoryBytes) {
    /** Enough for a function and its tests. */
    public static final Limits DEFAULT = new Limits(5, 15, 1L << 30);
  }

  /**
   * Looks for Python and tries whether the kernel does what is asked of it.
   *
   * @param command Python 3, by name or path
   * @throws KvpException UNSUPPORTED where programs can't be run safely
   */
  public PythonSandbox(String command, Limits limits) {
    this.limits = limits;
    if (!System.getProperty("os.name").equals("Linux")) {
      throw new KvpException(
          KvpException.Kind.UNSUPPORTED,
          "Programs that a model writes are run on Linux only, where the kernel confines them; this"
              + " is "
              + System.getProperty("os.name")
              + ".");
    }
    try (InputStream in = PythonSandbox.class.getResourceAsStream("sandbox.py")) {
      this.launcher =
          new String(
              java.util.Objects.requireNonNull(in, "sandbox.py").readAllBytes(),
              StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
    this.python = interpreter(command);
    if (!passes("print('ready')\n") || passes("import socket\nsocket.socket()\n")) {
      throw new KvpException(
          KvpException.Kind.UNSUPPORTED,
          "Programs that a model writes can't be confined here: '"
              + command
              + "' must be Python 3.8 or newer, and the kernel must have seccomp, on x86-64 or"
              + " AArch64.");
    }
  }

  /** The interpreter itself, where the command is a script that looks for one. */
  private static String interpreter(String command) {
    try {
      Process process =
          new ProcessBuilder(command, "-I", "-c", "import sys; print(sys.executable)")
              .redirectError(ProcessBuilder.Redirect.DISCARD)
              .start();
      process.getOutputStream().close();
      String path = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      if (waitFor(process, 30) && process.exitValue() == 0 && !path.isBlank()) {
        return path.strip();
      }
    } catch (IOException e) {
      throw missing(command, e);
    }
    throw missing(command, null);
  }

  private static KvpException missing(
      String command, @org.jspecify.annotations.Nullable IOException cause) {
    return new KvpException(
        KvpException.Kind.UNSUPPORTED,
        "Python is needed to run programs and '"
            + command
            + "' does not start it; install Python 3 or name it with --set python=PATH.",
        cause);
  }

  /** Whether a program runs to its end within the limits and without an exception. */
  public boolean passes(String program) {
    // the last word, drawn anew each time: a program that merely prints or leaves early has not
    // said it; one that goes looking for it among the interpreter's frames could
    byte[] nonce = new byte[16];
    words.nextBytes(nonce);
    byte[] word = HexFormat.of().formatHex(nonce).getBytes(StandardCharsets.US_ASCII);
    ProcessBuilder builder =
        new ProcessBuilder(
                List.of(
                    python,
                    "-I",
                    "-S",
                    "-B",
                    "-c",
                    launcher,
                    String.valueOf(limits.processorSeconds),
                    String.valueOf(limits.memoryBytes)))
            .directory(new File("/"))
            .redirectError(ProcessBuilder.Redirect.DISCARD);
    builder.environment().clear();
    Process process;
    try {
      process = builder.start();
    } catch (IOException e) {
      throw missing(python, e);
    }
    try {
      try (OutputStream in = process.getOutputStream()) {
        in.write(word);
        in.write('\n');
        in.write(program.getBytes(StandardCharsets.UTF_8));
      } catch (IOException e) {
        return false; // it ended before it had read its program
      }
      return waitFor(process, limits.wallSeconds)
          && process.exitValue() == 0
          && java.util.Arrays.equals(word, process.getInputStream().readNBytes(word.length));
    } catch (IOException e) {
      return false;
    } finally {
      process.destroyForcibly(); // it has no children
    }
  }

  private static boolean waitFor(Process process, int seconds) {
    try {
      return process.waitFor(seconds, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
      throw new KvpException(
          KvpException.Kind.CANCELLED, "A program of the model was interrupted.", e);
    }
  }
}
