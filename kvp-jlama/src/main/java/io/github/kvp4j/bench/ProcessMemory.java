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

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalDouble;

/**
 * Memory of this process that is in RAM, mapped weights included, as Linux counts it; elsewhere
 * nothing is known.
 */
final class ProcessMemory {
  private static final Path STATUS = Path.of("/proc/self/status");
  private static final Path CLEAR = Path.of("/proc/self/clear_refs");

  private ProcessMemory() {}

  /** Lets the peak start anew from what is in use; returns whether the system could. */
  static boolean resetPeak() {
    try {
      Files.writeString(CLEAR, "5");
      return true;
    } catch (IOException e) {
      return false; // not Linux, or not allowed: the peak is then that of the whole process so far
    }
  }

  /** The most memory since the start or the last reset, in MB. */
  static OptionalDouble peak() {
    return field("VmHWM:");
  }

  /** The memory in use, in MB. */
  static OptionalDouble used() {
    return field("VmRSS:");
  }

  private static OptionalDouble field(String name) {
    if (!Files.isReadable(STATUS)) {
      return OptionalDouble.empty();
    }
    try {
      return Files.readAllLines(STATUS).stream()
          .filter(line -> line.startsWith(name))
          .mapToDouble(line -> Double.parseDouble(line.replaceAll("\\D", "")) / 1024)
          .findFirst();
    } catch (IOException e) {
      return OptionalDouble.empty();
    }
  }
}
