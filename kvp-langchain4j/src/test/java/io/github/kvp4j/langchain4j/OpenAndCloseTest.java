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
package io.github.kvp4j.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.UnixOperatingSystemMXBean;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A thousand chat models that were opened, asked and closed leave nothing behind. */
class OpenAndCloseTest {
  private static final int CYCLES = 1_000;
  private static final int BEFORE = 100; // what the JVM and the libraries set up once
  private static final long MIB = 1 << 20;

  @TempDir static Path temp;

  /** What this process holds, once what can be collected is. */
  private record Footprint(
      long heap, long direct, long maps, long mapped, int threads, long files) {
    /** The smallest of several: unmapping follows collection, on a thread of its own. */
    static Footprint now() throws InterruptedException {
      Footprint least = read();
      for (int i = 0; i < 10; i++) {
        System.gc();
        Thread.sleep(50);
        Footprint next = read();
        least = next.heap < least.heap ? next : least;
      }
      return least;
    }

    private static Footprint read() {
      BufferPoolMXBean direct = pool("direct");
      BufferPoolMXBean mapped = pool("mapped");
      return new Footprint(
          ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed(),
          direct.getMemoryUsed(),
          mapped.getCount(),
          mapped.getMemoryUsed(),
          ManagementFactory.getThreadMXBean().getThreadCount(),
          ManagementFactory.getOperatingSystemMXBean() instanceof UnixOperatingSystemMXBean unix
              ? unix.getOpenFileDescriptorCount()
              : 0);
    }

    private static BufferPoolMXBean pool(String name) {
      return ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
          .filter(pool -> pool.getName().equals(name))
          .findAny()
          .orElseThrow();
    }
  }

  private static void cycle(Path directory) {
    try (KvpChatModel model = KvpChatModel.builder().modelDirectory(directory).build()) {
      assertThat(model.chat("Hi")).isEqualTo("Hello");
    }
  }

  @Test
  void leavesNoGrowth() throws InterruptedException {
    Path directory = ScriptedModel.answering("Hello").context(64).write(temp.resolve("m"));
    for (int i = 0; i < BEFORE; i++) {
      cycle(directory);
    }
    Footprint before = Footprint.now();
    for (int i = BEFORE; i < CYCLES; i++) {
      cycle(directory);
    }
    Footprint after = Footprint.now();
    System.out.println("after " + BEFORE + ": " + before + "\nafter " + CYCLES + ": " + after);
    assertThat(after.heap)
        .isLessThan(before.heap + 16 * MIB); // a model kept alive takes half a MiB
    assertThat(after.direct).isLessThan(before.direct + MIB);
    assertThat(after.maps).isLessThanOrEqualTo(before.maps + 2);
    assertThat(after.mapped).isLessThan(before.mapped + 4 * MIB);
    assertThat(after.threads).isLessThanOrEqualTo(before.threads + 4);
    assertThat(after.files).isLessThanOrEqualTo(before.files + 4);
  }
}
