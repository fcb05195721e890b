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
package io.github.kvp4j.training;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Training that is killed, with no time to tidy up: what it saved last is whole. {@code
 * -Dkvp.test.kills=50} kills it more often.
 */
class KilledTrainingTest {
  private static final int KILLS = Integer.getInteger("kvp.test.kills", 2);
  private static final int STEPS = 1_000_000;

  @BeforeAll
  static void assumeTorch() {
    TrainingCases.assumeTorch();
  }

  /** What is killed: trains on from a checkpoint, and saves after every step. */
  static final class Victim {
    private Victim() {}

    public static void main(String[] args) {
      Path checkpoint = Path.of(args[0]);
      try (Trainer trainer = TrainerTest.trainer(STEPS)) {
        if (Files.exists(checkpoint)) {
          trainer.resume(checkpoint);
        }
        System.out.println("at " + trainer.step());
        while (trainer.step() < STEPS) {
          trainer.next();
          trainer.save(checkpoint);
        }
      }
    }
  }

  private static long saved(Path checkpoint) throws IOException {
    return Files.exists(checkpoint) ? Files.getLastModifiedTime(checkpoint).toMillis() : 0;
  }

  @Test
  void everyCheckpointLoadsAndResumes(@TempDir Path folder) throws Exception {
    Path checkpoint = folder.resolve("checkpoint.safetensors");
    SplittableRandom random = new SplittableRandom(3);
    int reached = 0;
    for (int kill = 0; kill < KILLS; kill++) {
      long before = saved(checkpoint);
      Process victim =
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "--add-modules",
                  "jdk.incubator.vector",
                  "--enable-native-access=ALL-UNNAMED",
                  "-cp",
                  System.getProperty("java.class.path"),
                  Victim.class.getName(),
                  checkpoint.toString())
              .redirectError(ProcessBuilder.Redirect.DISCARD)
              .start();
      try (BufferedReader out =
          new BufferedReader(
              new InputStreamReader(victim.getInputStream(), StandardCharsets.UTF_8))) {
        String line = out.readLine();
        assertThat(line).as("start %d", kill).isEqualTo("at " + reached);
        while (saved(checkpoint) == before && victim.isAlive()) {
          Thread.sleep(10);
        }
        Thread.sleep(random.nextInt(500));
      } finally {
        victim.destroyForcibly();
        victim.waitFor();
      }
      try (Trainer trainer = TrainerTest.trainer(STEPS)) {
        trainer.resume(checkpoint);
        assertThat(trainer.step()).as("kill %d", kill).isGreaterThan(reached);
        reached = trainer.step();
        trainer.next();
      }
    }
    // the same as without any kill
    if (KILLS <= 2) {
      try (Trainer whole = TrainerTest.trainer(STEPS);
          Trainer resumed = TrainerTest.trainer(STEPS)) {
        resumed.resume(checkpoint);
        while (whole.step() < reached) {
          whole.next();
        }
        for (Parameter p : resumed.learned().all()) {
          assertThat(p.values)
              .containsExactly(Objects.requireNonNull(whole.learned().get(p.name)).values);
        }
      }
    }
  }
}
