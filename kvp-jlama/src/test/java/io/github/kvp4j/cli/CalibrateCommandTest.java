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

import io.github.kvp4j.jlama.TinyModelDirectory;
import io.github.kvp4j.jlama.TinyTexts;
import io.github.kvp4j.predictor.MeasuredQuality;
import io.github.kvp4j.predictor.PredictorFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is fitted and measured, and where {@code --auxiliary} of a predictor comes from. */
class CalibrateCommandTest {
  @TempDir static Path folder;

  @BeforeAll
  static void make() throws IOException {
    TinyModelDirectory.of(TinyModelDirectory.Kind.LLAMA_GROUPED_TIED)
        .context(1024)
        .write(folder.resolve("tiny"));
    TinyTexts.plain(folder.resolve("texts.txt"), 4_000);
    assertThat(calibrate("prefix", "--layers", "1").exit()).isZero();
    assertThat(calibrate("lp", "--kind", "layer-pruned", "--keep", "0").exit()).isZero();
  }

  private static CliRun calibrate(String name, String... more) {
    return CliRun.calibrate(folder, "tiny", "texts.txt", name, more);
  }

  private static CliRun again(String from, String... more) {
    List<String> line =
        new ArrayList<>(
            List.of("--kind", "layer-pruned", "--auxiliary", folder.resolve(from).toString()));
    line.addAll(Arrays.asList(more));
    return calibrate("again", line.toArray(new String[0]));
  }

  @Test
  void aPredictorsAuxiliaryIsFittedAnew() throws IOException {
    assertThat(again("lp").exit()).isZero();
    // an auxiliary of the base's own layers, on the same text: the very same predictor
    assertThat(folder.resolve("again")).hasSameBinaryContentAs(folder.resolve("lp"));
  }

  @Test
  void anotherPredictorOrNoneIsRefused() {
    assertThat(again("prefix").err()).contains("--auxiliary is").contains("kind PREFIX");
    assertThat(again("tiny").exit()).isEqualTo(1);
    assertThat(again("none").err()).contains("none");
    assertThat(again("lp", "--keep", "0").err()).contains("--keep is 0").contains("one of the two");
    assertThat(calibrate("x", "--kind", "layer-pruned").err()).contains("--keep or --auxiliary");
  }

  /** Held-out texts that are too short for full prompts: shorter ones, and the file says so. */
  @Test
  void shortTextsAreMeasuredOnShorterPrompts() throws IOException {
    TinyTexts.lines(folder.resolve("short.jsonl"), 60, 43);
    CliRun run = CliRun.calibrate(folder, "tiny", "short.jsonl", "short", "--layers", "1");
    assertThat(run.exit()).as(run.err()).isZero();
    assertThat(run.err())
        .containsPattern("too short for prompts of 447 tokens; text is measured on prompts of \\d+")
        .containsPattern(
            "too short for prompts of 320 tokens; copy is measured on prompts of \\d+");
    PredictorFile file = PredictorFile.read(folder.resolve("short"));
    assertThat(file.quality()).extracting(MeasuredQuality::task).contains("text", "copy");
    assertThat(file.calibration()).containsKeys("measured.text", "measured.copy");
    CliRun verify =
        CliRun.of(
            "predictor",
            "verify",
            folder.resolve("short").toString(),
            "--model",
            folder.resolve("tiny").toString(),
            "--kernels",
            "vector",
            "--data",
            folder.resolve("short.jsonl").toString(),
            "--prompts",
            "1");
    assertThat(verify.err()).contains("text is measured on prompts of");
    assertThat(verify.exit()).as(verify.err()).isZero();
  }

  /** What was fitted is written, whether it can be measured or not. */
  @Test
  void whatCanNotBeMeasuredIsWrittenAllTheSame() {
    TinyModelDirectory.of(TinyModelDirectory.Kind.LLAMA_GROUPED_TIED)
        .context(200)
        .write(folder.resolve("narrow"));
    CliRun run = CliRun.calibrate(folder, "narrow", "texts.txt", "unmeasured", "--layers", "1");
    assertThat(run.exit()).as(run.err()).isZero();
    assertThat(run.err()).contains("text is not measured").contains("copy is not measured");
    assertThat(run.out()).contains("unmeasured, not measured");
    PredictorFile file = PredictorFile.read(folder.resolve("unmeasured"));
    assertThat(file.quality()).isEmpty();
    assertThat(file.calibration()).doesNotContainKeys("measured.text", "measured.copy");
  }

  /** What was searched without them would not be what is fitted with them. */
  @Test
  void sourcesAreRefusedWithASearch() {
    CliRun run = calibrate("x", "--search", "--budget", "1", "--sources", "0");
    assertThat(run.exit()).isNotZero();
    assertThat(run.err()).contains("--search finds --layers, --sources and --linearise");
    assertThat(folder.resolve("x")).doesNotExist();
  }
}
