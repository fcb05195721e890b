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
package io.github.kvp4j.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Programs from elsewhere that tests use: Python, with packages below {@code target}, and others.
 */
final class Tools {
  private Tools() {}

  /** The interpreter of an environment that has the packages, made where it is not there yet. */
  static Path pythonWith(String name, String... packages) throws IOException, InterruptedException {
    Path folder = Path.of("target", name).toAbsolutePath();
    Path python = folder.resolve("bin").resolve("python");
    Path ready = folder.resolve("ready");
    if (!Files.exists(ready)) {
      run(List.of("python3", "-m", "venv", "--clear", folder.toString()));
      List<String> install =
          new ArrayList<>(List.of(python.toString(), "-m", "pip", "install", "--quiet"));
      install.addAll(List.of(packages));
      run(install);
      Files.createFile(ready);
    }
    return python;
  }

  /** Runs a command to its end; what it printed. A failure is the test's. */
  static String run(List<String> command) throws IOException, InterruptedException {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor(1, TimeUnit.MINUTES)).as(output).isTrue();
    assertThat(process.exitValue()).as(output).isZero();
    return output;
  }
}
