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
package io.github.kvp4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.kvp4j.jlama.importer.ModelStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InfoCommandTest {
  /** A machine where each thing is as good as it can be, or not. */
  private static Machine machine(boolean good) {
    return new Machine(
        "Java",
        List.of(),
        good,
        good,
        good,
        "vector-512",
        Map.of("onednn", good ? "onednn" : "org.bytedeco:dnnl is not on the class path"),
        good,
        good ? 8 : 1,
        good ? 0.2 : 3,
        good ? 4L << 30 : 256L << 20,
        1L << 30,
        8L << 30,
        "/store",
        good ? List.of(new Machine.Model("a_b", "llama", 1, List.of())) : List.of(),
        Map.of());
  }

  @Test
  void nothingIsAdvisedWhereAllIsWell() {
    assertThat(machine(true).advice()).isEmpty();
  }

  @Test
  void eachFlawIsNamedWithItsRemedy() {
    String advice = String.join("\n", machine(false).advice());
    assertThat(advice)
        .contains("--add-modules jdk.incubator.vector")
        .contains("--enable-native-access=ALL-UNNAMED")
        .contains("--add-exports java.base/sun.nio.ch=ALL-UNNAMED")
        .contains("jlama-native")
        .contains("one processor")
        .contains("load 3.0 on 1")
        .contains("-Xmx4g")
        .contains("kvp demo");
    // without the Vector API oneDNN would not be used either
    assertThat(advice).doesNotContain("dnnl");
  }

  @Test
  void modelsAndTheirPredictorsAreListed(@TempDir Path store) throws Exception {
    Path model = Files.createDirectories(store.resolve("owner_name"));
    Files.writeString(model.resolve("config.json"), "{\"model_type\": \"qwen2\"}");
    Files.writeString(model.resolve("predictor-fast.safetensors"), "12345");
    Files.createFile(model.resolve(".finished"));
    Machine found = Machine.look(ModelStore.at(store));
    assertThat(found.models())
        .containsExactly(
            new Machine.Model(
                "owner_name", "qwen2", 5 + 23, List.of("predictor-fast.safetensors")));
    assertThat(found.bundled())
        .containsOnlyKeys("FAITHFUL", "BALANCED", "FAST")
        .hasEntrySatisfying("FAST", s -> assertThat(s).contains("576"));
    assertThat(found.vectorModule()).isTrue();
    assertThat(found.kernels()).contains("because");
    assertThat(found.kernelsFound()).containsOnlyKeys("onednn", "vector", "scalar");
  }

  @Test
  void jsonHoldsWhatIsShown() throws Exception {
    CliRun run = CliRun.of("info", "--json");
    assertThat(run.exit()).as(run.err()).isZero();
    JsonNode root = new ObjectMapper().readTree(run.out());
    assertThat(root.path("cores").asInt()).isPositive();
    assertThat(root.path("kernels").asText()).contains("because");
    assertThat(root.path("kernelsFound").path("scalar").asText()).startsWith("scalar");
    assertThat(root.path("advice").isArray()).isTrue();
    CliRun text = CliRun.of("info");
    assertThat(text.out()).contains(root.path("java").asText()).contains("kernels ");
  }
}
