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

import io.github.kvp4j.server.KvpServer;
import io.github.kvp4j.server.ModelAnswerer;
import io.github.kvp4j.server.ServerSettings;
import java.net.InetAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The server with the real model, judged by the public openai client for Python. */
class OpenAiClientIT {
  private static final String KEY = "a-key-for-this-test";

  @Test
  void theOpenAiClientIsContent() throws Exception {
    ServerSettings settings =
        new ServerSettings(
            InetAddress.getLoopbackAddress(),
            0,
            "HuggingFaceTB/SmolLM2-135M-Instruct",
            KEY,
            4,
            16,
            Duration.ofMinutes(5),
            Duration.ofSeconds(5),
            256);
    ModelAnswerer answerer = new ModelAnswerer(RealModel.model());
    Path python = Tools.pythonWith("openai-client", "openai==3.54.0");
    String script = Path.of("reference", "openai_client.py").toString();
    try (KvpServer server = KvpServer.start(settings, answerer)) {
      String output =
          Tools.run(
              List.of(python.toString(), script, server.url() + "v1", KEY, settings.modelName()));
      assertThat(output.lines().filter(line -> line.startsWith("ok test_"))).hasSize(10);
    }
  }
}
