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

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** What a command line printed, run in this JVM. */
public record CliRun(int exit, String out, String err) {
  /**
   * Fits a predictor on a few texts.
   *
   * @param folder of the model, the texts and what is made
   * @param more options besides
   */
  public static CliRun calibrate(
      Path folder, String model, String texts, String out, String... more) {
    List<String> line =
        new ArrayList<>(
            List.of(
                "calibrate",
                "--model",
                folder.resolve(model).toString(),
                "--kernels",
                "vector",
                "--data",
                folder.resolve(texts).toString(),
                "--tokens",
                "2000",
                "--prompts",
                "1",
                "--out",
                folder.resolve(out).toString()));
    line.addAll(List.of(more));
    return of(line.toArray(new String[0]));
  }

  /** Runs a command line; one at a time, since it stands in for the JVM's own output. */
  public static synchronized CliRun of(String... args) {
    PrintStream out = System.out;
    PrintStream err = System.err;
    ByteArrayOutputStream outBytes = new ByteArrayOutputStream();
    ByteArrayOutputStream errBytes = new ByteArrayOutputStream();
    try {
      System.setOut(new PrintStream(outBytes, true, StandardCharsets.UTF_8));
      System.setErr(new PrintStream(errBytes, true, StandardCharsets.UTF_8));
      int exit = KvpCli.run(args);
      return new CliRun(
          exit,
          outBytes.toString(StandardCharsets.UTF_8),
          errBytes.toString(StandardCharsets.UTF_8));
    } finally {
      System.setOut(out);
      System.setErr(err);
    }
  }
}
