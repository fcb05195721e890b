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

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.predictor.Anchors;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import javax.imageio.ImageIO;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BenchReportTest {
  private static final ModelShape SHAPE =
      new ModelShape(30, 576, 9, 3, 64, 1536, 49152, 8192, 1e-5f);

  private record Named(String row) implements Contestant {
    @Override
    public String kernels() {
      return "test";
    }

    @Override
    public @Nullable Double loadedMegabytes() {
      return 300.0;
    }

    @Override
    public Sample measure(List<String> prompts, int length, int maxTokens) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void close() {}
  }

  private static BenchRow row(String name, int length, double... ttft) {
    return BenchRow.of(
        new Named(name),
        length,
        1,
        java.util.Arrays.stream(ttft).mapToObj(t -> new Sample(t, null, 400.0)).toList());
  }

  private static BenchReport report() {
    List<BenchRow> rows =
        Benchmark.compared(
            List.of(
                row("jlama", 128, 900, 1000, 1100),
                row("exact", 128, 200, 250, 240),
                row("predict", 128, 120),
                row("llama.cpp:Q4_0", 128, 400),
                row("llama.cpp:BF16", 128, 300),
                row("jlama", 512, 4000),
                row("exact", 512, 800)));
    return new BenchReport(
        "a, \"model\"",
        SHAPE,
        new BenchSettings(
            List.of(512, 128), List.of(1), 3, 1, 16, Anchors.DEFAULT, 2, Duration.ofSeconds(60)),
        rows,
        List.of(Scaling.of("exact", 512, List.of(1500.0, 1600.0), List.of(800.0, 800.0))));
  }

  @Test
  void jsonHasTheFieldsThatReadersRelyOn() throws Exception {
    JsonNode root = new ObjectMapper().readTree(report().json());
    assertThat(root.path("machine").path("processors").asInt()).isPositive();
    JsonNode exact = root.path("rows").get(1);
    assertThat(exact.path("row").asText()).isEqualTo("exact");
    assertThat(exact.path("prompt_tokens").asInt()).isEqualTo(128);
    assertThat(exact.path("batch").asInt()).isEqualTo(1);
    assertThat(exact.path("ttft_ms").asDouble()).isEqualTo(240);
    assertThat(exact.path("ttft_ms_min").asDouble()).isEqualTo(200);
    assertThat(exact.path("ttft_ms_max").asDouble()).isEqualTo(250);
    assertThat(exact.path("tokens_per_second").asDouble()).isCloseTo(128 / 0.24, within(1e-6));
    assertThat(exact.path("ratio_to_jlama").asDouble()).isEqualTo(0.24);
    assertThat(exact.has("ms_per_token")).isTrue();
    assertThat(exact.path("ms_per_token").isNull()).isTrue();
    assertThat(exact.path("peak_mb").asDouble()).isEqualTo(400);
    JsonNode gain = root.path("gains").get(0);
    assertThat(gain.path("engine").asDouble()).isCloseTo(1000.0 / 240, within(1e-9));
    assertThat(gain.path("prediction").asDouble()).isEqualTo(2);
    assertThat(gain.path("prediction_fast").isNull()).isTrue();
    assertThat(root.path("scaling").get(0).path("speedup").asDouble()).isEqualTo(1.9375);
  }

  @Test
  void theBestFileOfLlamaCppStandsUnderItsPlainName() {
    assertThat(report().rows())
        .filteredOn(r -> r.row().equals("llama.cpp"))
        .singleElement()
        .satisfies(r -> assertThat(r.ttft()).isEqualTo(300))
        .satisfies(r -> assertThat(r.ratioToJlama()).isEqualTo(0.3));
  }

  @Test
  void csvHasALineForEachRowAndEmptyCellsForWhatIsNotKnown() {
    List<String> lines = report().csv().lines().toList();
    assertThat(lines).hasSize(1 + report().rows().size());
    assertThat(lines.getFirst())
        .startsWith(
            "row,prompt_tokens,batch,ttft_ms,ttft_ms_min,ttft_ms_max,tokens_per_second,"
                + "ratio_to_jlama,ms_per_token,peak_mb");
    assertThat(lines.get(2)).startsWith("exact,128,1,240.0,200.0,250.0,").contains(",0.24,,400.0,");
  }

  @Test
  void textShowsSpeedUpsAndTellsEngineFromPrediction() {
    assertThat(report().text())
        .contains("4.17x")
        .contains("predict/exact")
        .contains("2.00x")
        .contains("Amdahl")
        .doesNotContain("%s");
  }

  @Test
  void attentionsShareGrowsWithThePrompt() {
    double little = BenchReport.attentionShare(SHAPE, 128);
    double much = BenchReport.attentionShare(SHAPE, 4096);
    assertThat(little).isBetween(0.005, 0.1);
    assertThat(much).isBetween(0.3, 0.6);
  }

  @Test
  void thePlotIsAPictureOfEachKind(@TempDir Path dir) throws Exception {
    BenchPlot.write(report(), dir.resolve("plot"));
    assertThat(ImageIO.read(dir.resolve("plot.png").toFile()).getWidth()).isEqualTo(900);
    // text is drawn as outlines, so there is none to look for
    String svg = Files.readString(dir.resolve("plot.svg"));
    assertThat(svg).contains("<svg").endsWith("</svg\n>\n");
    assertThat(svg.split("<path", -1)).hasSizeGreaterThan(20);
  }
}
