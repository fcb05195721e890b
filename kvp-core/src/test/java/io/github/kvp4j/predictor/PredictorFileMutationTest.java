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
package io.github.kvp4j.predictor;

import static io.github.kvp4j.predictor.PredictorFiles.assertOneSentence;
import static io.github.kvp4j.predictor.PredictorFiles.assertSame;
import static io.github.kvp4j.predictor.PredictorFiles.example;
import static io.github.kvp4j.predictor.PredictorFiles.mended;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import com.sun.management.ThreadMXBean;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.predictor.PredictorFiles.InMemory;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Files that are nearly right are refused with one sentence, or are right. */
class PredictorFileMutationTest {
  @TempDir(factory = InMemory.class)
  Path folder;

  private Path file = Path.of("");
  private byte[] good = new byte[0];

  @BeforeEach
  void writeOne() throws IOException {
    file = folder.resolve("predictor.safetensors");
    example().write(file);
    good = Files.readAllBytes(file);
  }

  /**
   * 50,000 files that are nearly right: each is refused with one sentence, or reads as a predictor
   * that can be written and read again. Memory for one is bounded, whatever sizes it claims.
   */
  @Test
  @Timeout(300)
  void mutationsAreRefusedOrValid() throws IOException {
    SplittableRandom random = new SplittableRandom(20260101);
    ThreadMXBean memory = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    Path copy = folder.resolve("copy.safetensors");
    Map<PredictorFileMutation, int[]> outcomes = new EnumMap<>(PredictorFileMutation.class);
    List<PredictorFileMutation> ways = List.of(PredictorFileMutation.values());
    for (int i = 0; i < 50_000; i++) {
      PredictorFileMutation mutation = ways.get(i % ways.size());
      byte[] bytes = mutation.apply(good, random);
      if (random.nextInt(3) == 0) {
        bytes = mended(file, bytes);
      }
      Files.write(file, bytes);
      long before = memory.getThreadAllocatedBytes(Thread.currentThread().threadId());
      int[] outcome = outcomes.computeIfAbsent(mutation, m -> new int[2]);
      try {
        PredictorFile read = PredictorFile.read(file);
        outcome[0]++;
        assertThat(read.calibration()).doesNotContainValue(nothing());
        for (MeasuredQuality quality : read.quality()) {
          assertThat(quality.anchors()).isNotNull();
          assertThat(quality.task()).isNotNull();
        }
        read.write(copy);
        assertSame(PredictorFile.read(copy), read);
      } catch (KvpException e) {
        outcome[1]++;
        assertOneSentence(e);
      } catch (Throwable e) {
        Files.copy(file, Path.of("target", "predictor-mutation-" + i));
        throw new AssertionError(
            "Mutation " + i + " by " + mutation + " failed; it is kept in target", e);
      }
      long used = memory.getThreadAllocatedBytes(Thread.currentThread().threadId()) - before;
      if (used > (8 << 20) + 100L * bytes.length) {
        fail("Mutation %d by %s of %d bytes took %d bytes", i, mutation, bytes.length, used);
      }
    }
    // the mutations do reach both ends
    outcomes.forEach(
        (mutation, outcome) -> assertThat(outcome[1]).as("%s refused", mutation).isPositive());
    assertThat(outcomes.values().stream().mapToInt(o -> o[0]).sum()).isPositive();
  }

  @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"})
  private static <T> T nothing() {
    return null;
  }
}
