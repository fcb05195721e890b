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

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/**
 * Starts Java again with the module that a manifest can't ask for: {@code java -jar kvp.jar} comes
 * without the Vector API, on which nearly all speed rests.
 */
final class Relaunch {
  /** Set in the JVM that was started again, so that it does not do so itself. */
  private static final String DONE = "kvp.relaunched";

  private static final String MODULE = "jdk.incubator.vector";

  private Relaunch() {}

  /** Runs the command line in a JVM with the module, if this one has none; its exit code. */
  static OptionalInt ifNeeded(String[] args) {
    if (ModuleLayer.boot().findModule(MODULE).isPresent() || Boolean.getBoolean(DONE)) {
      return OptionalInt.empty();
    }
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    command.addAll(
        List.of(
            "--add-modules=" + MODULE,
            "--enable-native-access=ALL-UNNAMED",
            "--add-exports=java.base/sun.nio.ch=ALL-UNNAMED",
            "-D" + DONE + "=true",
            "-cp",
            System.getProperty("java.class.path"),
            KvpCli.class.getName()));
    command.addAll(List.of(args));
    try {
      Process process = new ProcessBuilder(command).inheritIO().start();
      // whoever ends this JVM means the other, which may have something to finish
      Thread end = new Thread(() -> stop(process), "kvp-relaunch");
      Runtime.getRuntime().addShutdownHook(end);
      return OptionalInt.of(process.waitFor());
    } catch (IOException e) {
      System.err.println(
          "Java can't be started again with --add-modules "
              + MODULE
              + "; without it prompts are read slowly.");
      return OptionalInt.empty();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return OptionalInt.of(1);
    }
  }

  private static void stop(Process process) {
    if (process.isAlive()) {
      process.destroy();
      try {
        process.waitFor();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
