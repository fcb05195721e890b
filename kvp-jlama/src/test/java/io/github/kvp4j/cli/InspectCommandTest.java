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

import io.github.kvp4j.evaluation.Csv;
import io.github.kvp4j.jlama.TinyModelDirectory;
import io.github.kvp4j.jlama.TinyTexts;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** From a predictor to the figures of what it does to the cache. */
class InspectCommandTest {
  @TempDir private Path folder;

  @Test
  void errorsAreMeasuredAndDrawn() throws IOException {
    String model =
        TinyModelDirectory.of(TinyModelDirectory.Kind.LLAMA_GROUPED_TIED)
            .context(1024)
            .write(folder.resolve("tiny"))
            .toString();
    String texts = TinyTexts.plain(folder.resolve("texts.txt"), 4_000).toString();
    String predictor = folder.resolve("p.safetensors").toString();
    CliRun made =
        CliRun.of(
            List.of(
                    "calibrate --layers 1 --sources 1 --tokens 2000 --prompts 1".split(" ", -1),
                    new String[] {"--model", model, "--kernels", "vector"},
                    new String[] {"--data", texts, "--out", predictor})
                .stream()
                .flatMap(java.util.Arrays::stream)
                .toArray(String[]::new));
    assertThat(made.exit()).as(made.err()).isZero();
    Path out = folder.resolve("study");
    CliRun run =
        CliRun.of(
            List.of(
                    "inspect --prompts 3 --length 64 --following 8 --anchors 4/8/0".split(" ", -1),
                    "--refine-chunk 16 --kernels vector".split(" ", -1),
                    new String[] {"--model", model, "--data", texts},
                    new String[] {"--predictor", predictor, "--out", out.toString()})
                .stream()
                .flatMap(java.util.Arrays::stream)
                .toArray(String[]::new));
    assertThat(run.exit()).as(run.err()).isZero();

    // the prefix is exact, and so are the anchors in the layers above
    List<List<String>> errors =
        Files.readAllLines(out.resolve("cache-error.csv")).stream()
            .skip(1)
            .map(Csv::cells)
            .toList();
    assertThat(errors).allMatch(c -> c.get(0).equals("predict p.safetensors 4/8/0"));
    for (List<String> c : errors) {
      boolean prefix = c.get(2).equals("0");
      assertThat(Double.parseDouble(c.get(4))).as("%s", c).isBetween(0.0, prefix ? 1e-4 : 100);
    }
    assertThat(errors).anyMatch(c -> !c.get(2).equals("0") && Double.parseDouble(c.get(4)) > 1e-3);
    List<List<String>> course =
        Files.readAllLines(out.resolve("refinement.csv")).stream().skip(1).map(Csv::cells).toList();
    assertThat(course).hasSize(2 * 8);
    // four pieces of 16 tokens, and all is exact
    assertThat(course.subList(8, 16))
        .allMatch(c -> c.get(0).equals("refine p.safetensors 4/8/0 by 16"));
    assertThat(course.subList(12, 16)).allMatch(c -> Double.parseDouble(c.get(2)) == 1);

    CliRun report = CliRun.of("report", out.toString());
    assertThat(report.exit()).as(report.err()).isZero();
    assertThat(report.out()).contains("cache-error-", "error-density-", "refinement.svg");
    assertThat(out.resolve("report.md"))
        .content()
        .contains("## Errors of the cache, and its refinement", "- prompts: 3\n", "- model: tiny\n")
        .containsPattern("- commit: ([0-9a-f]{40}|unknown)\n");
  }
}
