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
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The command line from end to end, in this JVM. */
class CommandLineIT {
  @Test
  void demoShowsTheTableAndRightAnswers(@TempDir Path dir) throws Exception {
    String model = RealModel.directory().toString();
    Path json = dir.resolve("demo.json");
    CliRun o = CliRun.of("demo", "--model", model, "--runs", "1", "--json", json.toString());
    assertThat(o.exit()).as(o.err()).isZero();
    JsonNode root = new ObjectMapper().readTree(Files.readString(json));
    assertThat(root.get("prompt_tokens").asInt()).isBetween(400, 700);
    List<String> modes = new ArrayList<>();
    for (JsonNode row : root.get("rows")) {
      String mode = row.get("mode").asText();
      modes.add(mode);
      assertThat(row.get("ttft_ms").asDouble()).isPositive();
      assertThat(row.get("ms_per_token").asDouble()).isPositive();
      assertThat(o.out()).contains(mode).contains(row.get("answer").asText().strip());
      if (!mode.equals("PREDICT_FAST")) {
        assertThat(row.get("answer").asText()).as(mode).contains("Margaret Ellison");
      }
    }
    assertThat(modes).containsExactly("OFF", "EXACT", "PREDICT", "PREDICT_FAST");
  }

  @Test
  void benchMeasuresRowsInProcessesOfTheirOwn(@TempDir Path dir) throws Exception {
    Path json = dir.resolve("bench.json");
    CliRun o =
        CliRun.of(
            "bench",
            "--model",
            RealModel.directory().toString(),
            "--rows",
            "jlama,exact,predict",
            "--lengths",
            "16,24",
            "--batch",
            "1,2",
            "--runs",
            "1",
            "--warm-up",
            "0",
            "--max-tokens",
            "2",
            "--json",
            json.toString(),
            "--csv",
            dir.resolve("bench.csv").toString());
    assertThat(o.exit()).as(o.err()).isZero();
    JsonNode rows = new ObjectMapper().readTree(Files.readString(json)).get("rows");
    assertThat(rows).hasSize(3 * 2 * 2);
    for (JsonNode row : rows) {
      String name = row.get("row").asText();
      double ttft = row.get("ttft_ms").asDouble();
      assertThat(ttft).as(name).isPositive();
      assertThat(row.get("ttft_ms_min").asDouble()).isEqualTo(ttft);
      assertThat(row.get("ttft_ms_max").asDouble()).isEqualTo(ttft);
      assertThat(row.get("tokens_per_second").asDouble()).isPositive();
      assertThat(row.get("ratio_to_jlama").isNumber()).as(name).isTrue();
      if (name.equals("jlama")) {
        assertThat(row.get("ratio_to_jlama").asDouble()).isEqualTo(1);
      }
      assertThat(row.has("ms_per_token")).isTrue();
      // the weights alone are more, and only Linux tells
      if (Files.exists(Path.of("/proc/self/status"))) {
        assertThat(row.get("peak_mb").asDouble()).as(name).isGreaterThan(100);
      }
      assertThat(o.out()).contains(name);
    }
    assertThat(Files.readAllLines(dir.resolve("bench.csv"))).hasSize(1 + rows.size());
  }

  @Test
  void completeAnswers() {
    CliRun o =
        CliRun.of(
            "complete",
            "--model",
            RealModel.directory().toString(),
            "--stats",
            "What is the capital of France?");
    assertThat(o.exit()).as(o.err()).isZero();
    assertThat(o.out()).contains("Paris");
    assertThat(o.err()).contains("first token after");
  }

  private static Path text(Path dir) throws IOException {
    StringBuilder words = new StringBuilder();
    String source = "The mill stands by the river and turns all day; the miller counts his sacks. ";
    for (int i = 0; i < 1200; i++) {
      words.append(source, 0, 20 + i % 50).append(i).append(' ').append(source.substring(i % 40));
    }
    return Files.writeString(dir.resolve("text.txt"), words);
  }

  /** A layer-pruned predictor from nothing to an answer: calibrated, trained, interrupted. */
  @Test
  void trainGoesOnFromACalibratedPredictor(@TempDir Path dir) throws Exception {
    String model = RealModel.directory().toString();
    String text = text(dir).toString();
    Path calibrated = dir.resolve("lp.safetensors");
    CliRun o =
        CliRun.of(
            "calibrate",
            "--model",
            model,
            "--data",
            text,
            "--kind",
            "layer-pruned",
            "--keep",
            "0,12", // two layers alone, whose training is soon saved
            "--map-width",
            "2",
            "--tokens",
            "3000",
            "--prompts",
            "1",
            "--out",
            calibrated.toString());
    assertThat(o.exit()).as(o.err()).isZero();
    Path trained = dir.resolve("trained.safetensors");
    for (int round = 0; round < 2; round++) {
      // the first run is out of time after one step, the second goes on
      List<String> line =
          new ArrayList<>(
              List.of(
                  "train",
                  "--model",
                  model,
                  "--data",
                  text,
                  "--predictor",
                  calibrated.toString(),
                  "--learn",
                  "projections,auxiliary",
                  "--steps",
                  "2",
                  "--batch",
                  "1",
                  "--warm-up",
                  "0",
                  "--length",
                  "128",
                  "--mix",
                  "1,1,0",
                  "--prompts",
                  "1",
                  "--dtype",
                  "I8",
                  "--resume",
                  "--out",
                  trained.toString()));
      if (round == 0) {
        line.addAll(List.of("--minutes", "0.0001"));
      }
      o = CliRun.of(line.toArray(String[]::new));
      assertThat(o.exit()).as(o.err()).isZero();
      assertThat(o.out()).contains(round == 0 ? "after step 1 of 2; go on" : "step 1 of 2;");
    }
    assertThat(Files.readAllLines(dir.resolve("trained.safetensors.csv"))).hasSize(3);
    // the head of the file names each tensor's type
    assertThat(Files.readString(trained, java.nio.charset.StandardCharsets.ISO_8859_1))
        .contains("\"dtype\":\"I8\"");
    CliRun info = CliRun.of("predictor", "info", trained.toString());
    assertThat(info.out()).contains("LAYER_PRUNED").contains("weights      trained");
    Path again = dir.resolve("again.safetensors");
    o =
        CliRun.of(
            "calibrate",
            "--model",
            model,
            "--data",
            text,
            "--kind",
            "layer-pruned",
            "--auxiliary",
            trained.toString(),
            "--tokens",
            "3000",
            "--prompts",
            "1",
            "--out",
            again.toString());
    assertThat(o.exit()).as(o.err()).isZero();
    info = CliRun.of("predictor", "info", again.toString());
    assertThat(info.out()).contains("0, 12").contains("weights      trained");
    CliRun answer =
        CliRun.of(
            "complete",
            "--model",
            model,
            "--mode",
            "predict",
            "--predictor",
            trained.toString(),
            "--max-tokens",
            "3",
            "--stats",
            "What is the capital of France?");
    assertThat(answer.exit()).as(answer.err()).isZero();
    assertThat(answer.err()).contains("PREDICT");
  }

  @Test
  void calibrateWritesAPredictorThatAnswers(@TempDir Path dir) throws Exception {
    String model = RealModel.directory().toString();
    Path text = text(dir);
    Path file = dir.resolve("own.safetensors");
    CliRun o =
        CliRun.of(
            "calibrate",
            "--model",
            model,
            "--data",
            text.toString(),
            "--layers",
            "26",
            "--linearise",
            "20",
            "--sources",
            "20,26",
            "--tokens",
            "6000",
            "--prompts",
            "1",
            "--out",
            file.toString());
    assertThat(o.exit()).as(o.err()).isZero();
    CliRun info = CliRun.of("predictor", "info", file.toString());
    assertThat(info.out())
        .contains("sources      [20, 26]")
        .contains("linearised   [20]")
        .containsPattern(
            "cost         512 tokens, anchors 4/64/0: \\d+\\.\\d of 1\\d\\d\\.\\d GFLOP, 0\\.\\d+");
    Path json = dir.resolve("quality.json");
    CliRun verify =
        CliRun.of(
            "predictor",
            "verify",
            file.toString(),
            "--model",
            model,
            "--data",
            text.toString(),
            "--prompts",
            "1",
            "--update",
            "--json",
            json.toString());
    assertThat(verify.exit()).as(verify.err()).isZero();
    assertThat(verify.out()).contains("first token");
    String figures = verify.out().substring(verify.out().indexOf("task "));
    assertThat(CliRun.of("predictor", "info", file.toString()).out()).endsWith(figures);
    JsonNode quality = new ObjectMapper().readTree(Files.readString(json)).get("quality");
    assertThat(quality.get(0).get("kl").isNumber()).isTrue();
    CliRun answer =
        CliRun.of(
            "complete",
            "--model",
            model,
            "--mode",
            "predict",
            "--predictor",
            file.toString(),
            "--max-tokens",
            "5",
            "--stats",
            "What is the capital of France?");
    assertThat(answer.exit()).as(answer.err()).isZero();
    assertThat(answer.err()).contains("PREDICT");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "demo --runs 0",
        "demo --anchors 4/0/0",
        "demo --anchors nonsense",
        "demo --no-such-option",
        "complete --temperature -1 --model MODEL hello",
        "complete --max-tokens 0 --model MODEL hello",
        "complete --mode sideways hello",
        "calibrate --layers 22",
        "calibrate --model MODEL --data DATA --layers 99 --out x",
        "calibrate --model MODEL --data DATA --layers 5 --sources 9-7 --out x",
        "nonsense"
      })
  void wrongCommandLinesExitWithTwoAndOneSentence(String line, @TempDir Path dir) throws Exception {
    Path data = Files.writeString(dir.resolve("data.txt"), "Some words to read. ".repeat(4000));
    String[] args =
        line.replace("MODEL", RealModel.directory().toString())
            .replace("DATA", data.toString())
            .split(" ", -1);
    CliRun o = CliRun.of(args);
    assertThat(o.exit()).as(o.err()).isEqualTo(2);
    assertThat(o.err()).doesNotContain("Exception").doesNotContain("\tat ");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "demo --prompt DIR/none.txt --model MODEL",
        "predictor info DIR/none.safetensors",
        "demo --model MODEL --json DIR/no/such/folder.json",
        "import DIR/none.gguf --out DIR/out",
        "import DIR/broken.gguf --out DIR/out",
        "complete --model MODEL --predictor DIR/broken.gguf hello",
        "calibrate --model MODEL --data DIR/none.txt --layers 5 --out DIR/x"
      })
  void failuresExitWithOneAndOneSentence(String line, @TempDir Path dir) throws Exception {
    Files.write(dir.resolve("broken.gguf"), new byte[] {'G', 'G', 'U', 'F', 3, 0, 0, 0, 9});
    String[] args =
        line.replace("MODEL", RealModel.directory().toString())
            .replace("DIR", dir.toString())
            .split(" ", -1);
    CliRun o = CliRun.of(args);
    assertThat(o.exit()).as(o.err()).isEqualTo(1);
    assertThat(o.err().strip()).doesNotContain("Exception").doesNotContain("\tat ").endsWith(".");
    assertThat(dir.resolve("out")).doesNotExist();
    assertThat(dir.resolve("x")).doesNotExist();
  }

  @Test
  void anEmptyPromptIsRefused() {
    CliRun o = CliRun.of("complete", "--raw", "--model", RealModel.directory().toString(), "");
    assertThat(o.exit()).isEqualTo(1);
    assertThat(o.err()).contains("empty");
  }

  @Test
  void helpHelps() {
    for (String command :
        List.of(
            "demo",
            "bench",
            "complete",
            "import",
            "calibrate",
            "eval",
            "inspect",
            "report",
            "predictor",
            "info",
            "serve")) {
      CliRun o = CliRun.of(command, "--help");
      assertThat(o.exit()).isZero();
      assertThat(o.out()).contains("Usage: kvp " + command);
    }
  }
}
