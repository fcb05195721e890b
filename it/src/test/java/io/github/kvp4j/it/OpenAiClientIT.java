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

import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** {@code ./kvp serve} with the real model, judged by the public openai client for Python. */
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "runs the launcher for POSIX shells")
class OpenAiClientIT {
  private static final String KEY = "a-key-for-this-test";
  private static final Pattern SERVING = Pattern.compile("Serving (\\S+) at (http://127\\S+/)");

  @Test
  @Timeout(300)
  void theOpenAiClientIsContent(@TempDir Path dir) throws Exception {
    Path log = dir.resolve("log");
    Path folder = RealModel.directory();
    Path python = Tools.pythonWith("openai-client", "openai==3.54.0");
    String script = Path.of("reference", "openai_client.py").toString();
    ProcessBuilder builder =
        KvpProcess.launcher(
            "serve",
            "--model",
            folder.toString(),
            "--port",
            "0",
            "--queue",
            "16",
            "--max-tokens",
            "256",
            // 32-bit floats, so that a stream and a whole answer have the same words
            "--kernels",
            "vector");
    builder.environment().put("KVP_API_KEY", KEY);
    Process server = builder.redirectError(log.toFile()).start();
    try (BufferedReader out = server.inputReader(StandardCharsets.UTF_8)) {
      Matcher serving = SERVING.matcher(String.valueOf(out.readLine()));
      assertThat(serving.matches()).as(serving::toString).isTrue();
      String url = serving.group(2) + "v1";
      String output = Tools.run(List.of(python.toString(), script, url, KEY, serving.group(1)));
      assertThat(output.lines().filter(line -> line.startsWith("ok test_"))).hasSize(10);
      // as Ctrl-C does: it ends by itself; the process's own method would close what it says
      server.toHandle().destroy();
      assertThat(server.waitFor(30, TimeUnit.SECONDS)).isTrue();
      assertThat(out.lines().toList()).isEmpty();
      assertThat(Files.readString(log))
          .contains("POST /v1/chat/completions 200")
          .as("no prompts in what is logged")
          .doesNotContain("capital");
    } finally {
      server.destroyForcibly();
    }
  }
}
