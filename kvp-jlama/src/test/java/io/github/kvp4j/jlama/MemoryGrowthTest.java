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
package io.github.kvp4j.jlama;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.kvp4j.jlama.TinyModelDirectory.Kind;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A model that answers for long takes no more memory than one that has just begun. */
class MemoryGrowthTest {
  private static final int PROMPTS = 1_000;

  @TempDir Path folder;

  @Test
  void aThousandPromptsLeaveNothingBehind() {
    Path directory = TinyModelDirectory.of(Kind.LLAMA_GROUPED_TIED).write(folder.resolve("model"));
    // a store so small that it is full before the count begins
    try (KvpModel model =
        KvpModel.builder(directory).prefixStoreBytes(1 << 20).warmUp(false).build()) {
      List<String> prompts = prompts();
      ask(model, prompts, 300);
      long heap = heap();
      long direct = direct();
      ask(model, prompts, PROMPTS);
      // one layer's keys and values of one prompt a time would be more than that
      assertThat(heap() - heap).as("bytes of heap").isLessThan(PROMPTS * 512L);
      assertThat(direct() - direct).as("bytes off the heap").isLessThan(PROMPTS * 512L);
    }
  }

  /** Texts that come again and again, so that what a tokenizer keeps of words is full early. */
  private static List<String> prompts() {
    Random random = new Random(5);
    List<String> out = new ArrayList<>();
    for (int i = 0; i < 50; i++) {
      StringBuilder prompt = new StringBuilder();
      for (int n = 1 + random.nextInt(100); n > 0; n--) {
        prompt.append((char) ('a' + random.nextInt(26)));
      }
      out.add(prompt.toString());
    }
    return out;
  }

  private static void ask(KvpModel model, List<String> prompts, int count) {
    for (int i = 0; i < count; i++) {
      model.generate(
          GenerateRequest.builder(prompts.get(i % prompts.size()))
              .mode(KvpMode.EXACT)
              .maxNewTokens(2)
              .build());
    }
  }

  /** What lives on the heap once garbage is collected, the least of several looks. */
  private static long heap() {
    long least = Long.MAX_VALUE;
    for (int i = 0; i < 5; i++) {
      System.gc();
      Runtime runtime = Runtime.getRuntime();
      least = Math.min(least, runtime.totalMemory() - runtime.freeMemory());
    }
    return least;
  }

  private static long direct() {
    return ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
        .filter(pool -> pool.getName().equals("direct"))
        .mapToLong(BufferPoolMXBean::getMemoryUsed)
        .sum();
  }
}
