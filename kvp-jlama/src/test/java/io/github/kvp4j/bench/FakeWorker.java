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

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

/** A worker that behaves as its argument says. */
final class FakeWorker {
  private FakeWorker() {}

  static List<String> command(String behaviour) {
    return List.of(
        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
        "-cp",
        System.getProperty("java.class.path"),
        FakeWorker.class.getName(),
        behaviour);
  }

  public static void main(String[] args) throws IOException, InterruptedException {
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    in.readLine();
    if (args[0].equals("silent")) {
      Thread.sleep(60_000);
    }
    System.out.println("a library prints this");
    System.out.println(BenchWorker.MARK + "{\"kernels\":\"fake-1\",\"loadedMegabytes\":12.5}");
    in.readLine();
    switch (args[0]) {
      case "dies" -> {
        System.err.println("out of luck");
        System.exit(7);
      }
      case "babbles" -> System.out.println(BenchWorker.MARK + "{\"sample\":");
      default ->
          System.out.println(
              BenchWorker.MARK + "{\"sample\":{\"ttftMillis\":3.5,\"millisPerToken\":null}}");
    }
    in.readLine();
  }
}
