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

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.kvp4j.server.KvpServer;
import io.github.kvp4j.server.ModelAnswerer;
import io.github.kvp4j.server.ServerSettings;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** The server's chat page in headless Chromium, with the real model. Needs Node and npm. */
class ChatPageIT {
  private static final Path FOLDER = Path.of("target", "page").toAbsolutePath();

  private static void prepare() throws IOException, InterruptedException {
    Files.createDirectories(FOLDER);
    Files.copy(
        Path.of("reference", "page.mjs"),
        FOLDER.resolve("page.mjs"),
        StandardCopyOption.REPLACE_EXISTING);
    if (!Files.exists(FOLDER.resolve("node_modules").resolve("puppeteer-core"))) {
      Files.writeString(FOLDER.resolve("package.json"), "{\"private\": true}");
      Tools.run(
          List.of(
              "npm",
              "install",
              "--prefix",
              FOLDER.toString(),
              "--no-audit",
              "--no-fund",
              "--silent",
              "@sparticuz/chromium@153.0.0",
              "puppeteer-core@24.43.1"));
    }
  }

  private static boolean isOnPath(String program) {
    return List.of(System.getenv("PATH").split(java.io.File.pathSeparator, -1)).stream()
        .anyMatch(dir -> Files.isExecutable(Path.of(dir, program)));
  }

  @Test
  void thePageShowsBothAnswersAndTheirTimes() throws Exception {
    Assumptions.assumeTrue(
        isOnPath("node") && isOnPath("npm"), "left out: Node and npm are not on the PATH");
    ServerSettings settings =
        new ServerSettings(
            InetAddress.getLoopbackAddress(),
            0,
            "HuggingFaceTB/SmolLM2-135M-Instruct",
            null,
            2,
            4,
            Duration.ofMinutes(5),
            Duration.ofSeconds(2),
            64);
    ModelAnswerer answerer = new ModelAnswerer(RealModel.model());
    prepare();
    Path screenshot = FOLDER.resolve("page.png");
    JsonNode shown;
    try (KvpServer server = KvpServer.start(settings, answerer)) {
      String out =
          Tools.run(
              List.of(
                  "node",
                  FOLDER.resolve("page.mjs").toString(),
                  server.url(),
                  screenshot.toString()));
      shown = new ObjectMapper().readTree(out.lines().toList().getLast());
    }
    assertThat(shown.get("errors")).as("errors of the page").isEmpty();
    assertThat(shown.get("model").asText()).contains(settings.modelName());
    assertThat(shown.get("on").asText()).contains("Paris");
    assertThat(shown.get("off").asText()).contains("Paris");
    assertThat(shown.get("onStats").asText()).startsWith("TTFT ").contains("(exact;");
    assertThat(shown.get("offStats").asText()).startsWith("TTFT ").contains("(off;");
    assertThat(shown.get("result").asText()).contains("times as fast");
    assertThat(Files.size(screenshot)).isGreaterThan(5000);
  }
}
