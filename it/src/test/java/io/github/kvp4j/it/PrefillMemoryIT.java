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
import io.github.kvp4j.cli.CliRun;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** What a long prompt takes in memory, of a process that does nothing else, as Linux counts it. */
@EnabledOnOs(OS.LINUX)
class PrefillMemoryIT {
  /**
   * Over the loaded model; 180 MB of it are the prompt's keys and values in Jlama's buffer, and
   * what the JVM compiles on its first prompt counts too.
   */
  private static final double MOST_MEGABYTES = 300;

  @Test
  void aPromptOf4096TokensAddsLittle(@TempDir Path dir) throws Exception {
    Path json = dir.resolve("bench.json");
    CliRun o =
        CliRun.of(
            "bench",
            "--model",
            RealModel.directory().toString(),
            "--rows",
            "exact",
            "--lengths",
            "4096",
            "--runs",
            "1",
            "--warm-up",
            "0",
            "--max-tokens",
            "1",
            "--json",
            json.toString());
    assertThat(o.exit()).as(o.err()).isZero();
    JsonNode row = new ObjectMapper().readTree(Files.readString(json)).get("rows").get(0);
    double added = row.get("peak_mb").asDouble() - row.get("loaded_mb").asDouble();
    System.out.printf(
        Locale.ROOT,
        "4096 tokens: peak %.0f MB, loaded %.0f MB, %.0f MB more%n",
        row.get("peak_mb").asDouble(),
        row.get("loaded_mb").asDouble(),
        added);
    assertThat(added).isBetween(50.0, MOST_MEGABYTES);
  }
}
