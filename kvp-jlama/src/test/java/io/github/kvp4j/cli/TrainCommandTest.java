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
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.kvp4j.jlama.TinyModelDirectory;
import io.github.kvp4j.jlama.TinyTexts;
import io.github.kvp4j.predictor.MeasuredQuality;
import io.github.kvp4j.predictor.PredictorFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What {@code kvp train} refuses before it begins, and what it leaves behind. */
class TrainCommandTest {
  @TempDir static Path folder;

  @BeforeAll
  static void make() throws IOException {
    TinyModelDirectory.of(TinyModelDirectory.Kind.LLAMA_GROUPED_TIED)
        .context(1024)
        .write(folder.resolve("tiny"));
    TinyTexts.plain(folder.resolve("texts.txt"), 4_000);
    CliRun run = CliRun.calibrate(folder, "tiny", "texts.txt", "fitted", "--layers", "1");
    assertThat(run.exit()).as(run.err()).isZero();
  }

  /** Trains by one item a step. */
  private static CliRun train(String texts, String name, String... more) {
    return trainFrom("fitted", texts, name, more);
  }

  private static CliRun trainFrom(String start, String texts, String name, String... more) {
    List<String> line =
        new ArrayList<>(
            List.of(
                "train",
                "--model",
                folder.resolve("tiny").toString(),
                "--data",
                folder.resolve(texts).toString(),
                "--predictor",
                folder.resolve(start).toString(),
                "--batch",
                "1",
                "--warm-up",
                "0",
                "--prompts",
                "1",
                "--out",
                folder.resolve(name).toString()));
    line.addAll(Arrays.asList(more));
    return CliRun.of(line.toArray(new String[0]));
  }

  /** Its layers go into the predictor's file, its folder stays as it was; new maps fit to it. */
  @Test
  void aSiblingIsTrainedAndFittedAnew() throws IOException {
    assumeTorch();
    TinyModelDirectory.of(TinyModelDirectory.Kind.MISTRAL)
        .layers(2)
        .seed(5)
        .context(1024)
        .write(folder.resolve("small"));
    assertThat(sibling("small", "sibling").exit()).isZero();
    assertThat(weights("sibling")).contains("its own");
    CliRun run =
        trainFrom(
            "sibling",
            "texts.txt",
            "trained-sibling",
            "--learn",
            "projections,auxiliary",
            "--mix",
            "1,0,0",
            "--length",
            "96",
            "--steps",
            "2");
    assertThat(run.exit()).as(run.err()).isZero();
    assertThat(Files.readAllLines(folder.resolve("trained-sibling.csv"))).hasSize(3);
    assertThat(weights("trained-sibling")).contains("trained");
    assertThat(sibling("trained-sibling", "anew").exit()).isZero();
    assertThat(weights("anew")).contains("trained");
    assertThat(sibling("fitted", "none").err())
        .contains("a predictor of kind PREFIX; give one of kind SIBLING");
  }

  private static CliRun sibling(String auxiliary, String name) {
    return CliRun.calibrate(
        folder,
        "tiny",
        "texts.txt",
        name,
        "--kind",
        "sibling",
        "--auxiliary",
        folder.resolve(auxiliary).toString());
  }

  /** Where a predictor's auxiliary has its weights from, as it is shown. */
  private static String weights(String name) {
    CliRun run = CliRun.of("predictor", "info", folder.resolve(name).toString());
    assertThat(run.exit()).as(run.err()).isZero();
    return run.out().lines().filter(line -> line.startsWith("weights ")).findFirst().orElseThrow();
  }

  /** Neither the model nor the data need be there. */
  @Test
  void whatTrainingBeginsWithIsNotWrittenOver() throws IOException {
    Path start = Files.writeString(folder.resolve("start"), "as it was");
    Files.createDirectories(folder.resolve("below"));
    Path detour = folder.resolve("below").resolve("..").resolve("start");
    for (Path out : List.of(start, detour)) {
      CliRun run =
          CliRun.of(
              "train",
              "--data",
              folder.resolve("none").toString(),
              "--predictor",
              start.toString(),
              "--resume",
              "--out",
              out.toString());
      assertThat(run.exit()).isNotZero();
      assertThat(run.err()).contains("--out is " + out + ", the file of --predictor");
    }
    assertThat(start).hasContent("as it was");
  }

  /** Killed between the two, resumed training would lack lines that it never makes again. */
  @Test
  void theLogIsNeverBehindTheCheckpoint() throws IOException {
    assumeTorch();
    // a folder that is not empty, over which no checkpoint can be moved
    Files.createDirectories(folder.resolve("log.checkpoint").resolve("full"));
    CliRun run = train("texts.txt", "log", "--mix", "1,0,0", "--length", "96", "--steps", "1");
    assertThat(run.exit()).isNotZero();
    assertThat(run.err()).contains("log.checkpoint").contains("can't be written");
    assertThat(folder.resolve("log")).doesNotExist();
    assertThat(Files.readAllLines(folder.resolve("log.csv"))).hasSize(2);
  }

  /** What a stop leaves is all that the help names, and it goes on with the same texts alone. */
  @Test
  void trainingThatIsStoppedLeavesAPlotAndGoesOn() throws IOException {
    assumeTorch();
    String[] options = {
      "--mix", "1,0,0", "--length", "96", "--steps", "100000", "--resume", "--minutes"
    };
    CliRun run = train("texts.txt", "stopped", with(options, "0.0001"));
    assertThat(run.exit()).as(run.err()).isZero();
    assertThat(run.out()).contains("not measured, after step").contains("go on with --resume");
    for (String end : List.of("", ".checkpoint", ".csv", ".loss.svg", ".loss.png")) {
      assertThat(folder.resolve("stopped" + end)).exists();
    }
    int steps = Files.readAllLines(folder.resolve("stopped.csv")).size() - 1;
    run = train("texts.txt", "stopped", with(options, "0"));
    assertThat(run.exit()).as(run.err()).isZero();
    assertThat(run.out()).contains("after step " + steps + " of 100000");
    // a file of the same name with other text
    Path other = Files.createDirectories(folder.resolve("other")).resolve("texts.txt");
    Files.writeString(other, Files.readString(folder.resolve("texts.txt")) + "word ".repeat(200));
    run = train("other/texts.txt", "stopped", with(options, "0"));
    assertThat(run.exit()).isNotZero();
    assertThat(run.err()).contains("has the settings '").contains("what training began with");
  }

  private static String[] with(String[] options, String last) {
    String[] all = Arrays.copyOf(options, options.length + 1);
    all[options.length] = last;
    return all;
  }

  /** Held-out texts that are too short for full prompts cost the training nothing. */
  @Test
  void shortTextsGiveAPredictorAllTheSame() throws IOException {
    assumeTorch();
    TinyTexts.lines(folder.resolve("short.jsonl"), 60, 43);
    CliRun run = train("short.jsonl", "short", "--mix", "1,0,0", "--length", "96", "--steps", "1");
    assertThat(run.exit()).as(run.err()).isZero();
    assertThat(run.err()).contains("text is measured on prompts of");
    PredictorFile file = PredictorFile.read(folder.resolve("short"));
    assertThat(file.quality()).extracting(MeasuredQuality::task).contains("text", "copy");
    assertThat(file.calibration()).containsKeys("training.steps", "measured.text");
  }

  /** Only where Maven has it for this platform. */
  private static void assumeTorch() {
    assumeTrue(
        ClassLoader.getSystemResource("ai/djl/pytorch/engine/PtEngineProvider.class") != null);
  }

  @Test
  void promptsBeyondTheContextAreRefused() {
    CliRun run = train("texts.txt", "long", "--length", "961");
    assertThat(run.exit()).isNotZero();
    assertThat(run.err())
        .contains("--length is 961, but the model's context of 1024 has room for prompts of 960");
    assertThat(folder.resolve("long")).doesNotExist();
  }

  @Test
  void promptsTooShortForCopiesAreRefusedWithTheLengthThatIsEnough() {
    CliRun run = train("texts.txt", "small", "--length", "100", "--mix", "0,1,0");
    assertThat(run.exit()).isNotZero();
    // anchors 4/24, the least prompt's 32 beside them, the copy's 64 and a blank line
    assertThat(run.err()).containsPattern("the length must be at least 12[56],");
  }
}
