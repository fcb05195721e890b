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
package io.github.kvp4j.bench;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What was measured on.
 *
 * @param os operating system and architecture
 * @param cpu the processor's name, or its architecture where the system does not tell
 * @param processors that the JVM may use
 * @param memoryMegabytes of the machine
 * @param java the JVM
 */
public record Machine(
    @JsonProperty("os") String os,
    @JsonProperty("cpu") String cpu,
    @JsonProperty("processors") int processors,
    @JsonProperty("memory_mb") long memoryMegabytes,
    @JsonProperty("java") String java) {
  /** This one. */
  public static Machine current() {
    String architecture = System.getProperty("os.arch");
    return new Machine(
        System.getProperty("os.name") + " " + architecture,
        cpu(architecture),
        Runtime.getRuntime().availableProcessors(),
        ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getTotalMemorySize() >> 20,
        Runtime.version().toString());
  }

  private static String cpu(String architecture) {
    try {
      return Files.readAllLines(Path.of("/proc/cpuinfo")).stream()
          .filter(line -> line.startsWith("model name"))
          .map(line -> line.substring(line.indexOf(':') + 1).strip())
          .findFirst()
          .orElse(architecture);
    } catch (IOException e) {
      return architecture; // not Linux
    }
  }
}
