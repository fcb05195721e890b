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

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What {@code kvp train} refuses before it begins. */
class TrainCommandTest {
  @TempDir static Path folder;

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
}
