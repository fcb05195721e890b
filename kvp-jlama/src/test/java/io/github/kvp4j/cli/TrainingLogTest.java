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

import io.github.kvp4j.training.LossTerms;
import io.github.kvp4j.training.StepReport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The course of training goes on where it is resumed. */
class TrainingLogTest {
  @TempDir private Path folder;

  private static StepReport step(int number) {
    return new StepReport(number, 1e-3, new LossTerms(2, 1.5, 0.25, 1), 0.5, 100);
  }

  @Test
  void linesAfterTheCheckpointAreMadeAgain() throws IOException {
    Path out = folder.resolve("p.safetensors");
    TrainingLog log = new TrainingLog(out, 0);
    for (int i = 1; i <= 4; i++) {
      log.add(step(i), 2, i % 2 == 0 ? new LossTerms(3, 2, 0, 1) : null);
    }
    log.write();
    TrainingLog resumed = new TrainingLog(out, 2);
    resumed.add(step(3), 1, null);
    resumed.write();
    List<String> lines = Files.readAllLines(folder.resolve("p.safetensors.csv"));
    assertThat(lines.getFirst()).startsWith("step,rate,loss,");
    assertThat(lines.subList(1, lines.size()))
        .containsExactly(
            "1,0.00100,2.00000,1.50000,0.25000,1.00000,0.5000,50.0,,,",
            "2,0.00100,2.00000,1.50000,0.25000,1.00000,0.5000,50.0,3.00000,2.00000,1.00000",
            "3,0.00100,2.00000,1.50000,0.25000,1.00000,0.5000,100.0,,,");
    resumed.draw();
    assertThat(folder.resolve("p.safetensors.loss.svg"))
        .content()
        .startsWith("<?xml")
        .contains("<svg");
    new TrainingLog(folder.resolve("none"), 0).draw();
    assertThat(folder.resolve("none.loss.svg")).doesNotExist();
    assertThat(new TrainingLog(out, 0)).isNotNull();
    assertThat(Files.readAllLines(folder.resolve("p.safetensors.csv"))).hasSize(4);
  }
}
