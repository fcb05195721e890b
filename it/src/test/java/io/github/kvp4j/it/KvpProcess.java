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
package io.github.kvp4j.it;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Command lines of this program in a process of their own, as a user starts them. */
final class KvpProcess {
  private KvpProcess() {}

  /** The launcher {@code ./kvp}, on the jars that the build has made and this test's JDK. */
  static ProcessBuilder launcher(String... args) {
    String jdk = "KVP_JAVA_HOME=" + System.getProperty("java.home");
    List<String> command = new ArrayList<>(List.of("env", jdk, Path.of("..", "kvp").toString()));
    command.addAll(List.of(args));
    return new ProcessBuilder(command);
  }
}
