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

import io.github.kvp4j.evaluation.AgreementCourse;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReportCommandTest {
  @TempDir private Path folder;

  private void writeCourse() throws IOException {
    Files.write(
        folder.resolve("refinement.csv"),
        List.of(AgreementCourse.HEADER, "refine,1,0.5,8", "refine,2,0.75,8"));
  }

  @Test
  void oneFigureIsRebuiltAlone() throws IOException {
    writeCourse();
    Path out = folder.resolve("new").resolve("plots");
    CliRun run =
        CliRun.of("report", folder.toString(), "--figure", "refinement", "--out", out.toString());
    assertThat(run.exit()).as(run.err()).isZero();
    assertThat(run.out().strip()).isEqualTo(out.resolve("refinement.svg").toString());
    assertThat(out).isDirectoryContaining("glob:**refinement.png");
    assertThat(out.resolve("report.md")).doesNotExist();
  }

  @Test
  void allThatThereIsBecomesAReport() throws IOException {
    writeCourse();
    CliRun run = CliRun.of("report", folder.toString());
    assertThat(run.exit()).as(run.err()).isZero();
    assertThat(run.out()).contains("report.html", "refinement.svg");
    assertThat(folder.resolve("report.html")).content().contains("<svg");
  }

  @Test
  void whatIsKeptMakesTheSameReport() throws IOException {
    Path kept = folder.resolve("kept").resolve("it");
    assertThat(CliRun.of("report", folder.toString(), "--pack", kept.toString()).err())
        .contains("holds no results");
    writeCourse();
    Path bench =
        Files.writeString(
            Files.createDirectories(folder.resolve("bench")).resolve("b.json"),
            "{\"rows\":[{\"row\":\"exact\",\"prompt_tokens\":8,\"ttft_ms\":1}]}");
    Files.writeString(folder.resolve("study.json"), "{}");
    CliRun run = CliRun.of("report", folder.toString(), "--pack", kept.toString());
    assertThat(run.exit()).as(run.err()).isZero();
    assertThat(run.out().lines())
        .containsExactlyInAnyOrder(
            kept.resolve("bench").resolve("b.json").toString(),
            kept.resolve("refinement.csv").toString());
    assertThat(kept.resolve("bench").resolve("b.json")).hasSameBinaryContentAs(bench);
    assertThat(kept.resolve("study.json")).doesNotExist();
    // onto itself it changes nothing
    assertThat(CliRun.of("report", kept.toString(), "--pack", kept.toString()).exit()).isZero();
    assertThat(kept.resolve("bench").resolve("b.json")).hasSameBinaryContentAs(bench);
    assertThat(
            CliRun.of("report", folder.toString(), "--pack", kept.toString(), "--out", "elsewhere")
                .err())
        .contains("--pack copies raw results and makes no figures");
  }

  @Test
  void whatIsMissingIsNamed() throws IOException {
    assertThat(CliRun.of("report", folder.toString()))
        .satisfies(run -> assertThat(run.exit()).isNotZero())
        .satisfies(run -> assertThat(run.err()).contains("holds no results"));
    writeCourse();
    assertThat(CliRun.of("report", folder.toString(), "--figure", "cache-error").err())
        .contains(
            "has nothing for the figure 'cache-error'; it is made from cache-error.csv, of kvp"
                + " inspect.");
    CliRun unknown = CliRun.of("report", folder.toString(), "--figure", "pie");
    assertThat(unknown.exit()).isEqualTo(2);
    assertThat(unknown.err())
        .contains("'pie' is no figure; there are accuracy-ttft, accuracy-flops, ttft-length");
    assertThat(CliRun.of("report", folder.resolve("none").toString()).err())
        .contains("does not exist.");
  }

  @Test
  void inspectRefusesWhatCantBeMeasured() throws IOException {
    Path text = Files.writeString(folder.resolve("a.txt"), "A text.");
    CliRun run =
        CliRun.of(
            "inspect", "--data", text.toString(), "--out", folder.toString(), "--prompts", "0");
    assertThat(run.exit()).isNotZero();
    assertThat(run.err()).contains("--prompts is 0", "at least 1.");
  }
}
