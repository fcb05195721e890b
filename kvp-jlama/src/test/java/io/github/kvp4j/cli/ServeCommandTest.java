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

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is refused before any model is looked for, the key in its file among it. */
class ServeCommandTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--port 70000 | 2 | port is 70000",
        "--parallel 0 | 2 | parallel is 0",
        "--queue -1 | 2 | queue is -1",
        "--timeout 0 | 2 | timeout is 0",
        "--host no.such.host.invalid | 2 | no.such.host.invalid",
        "--host 0.0.0.0 | 2 | needs an API key",
        "--host :: | 2 | needs an API key",
        "--host 0.0.0.0 --api-key-file DIR/none | 1 | none",
        "--host 0.0.0.0 --api-key-file DIR/short | 2 | of 5 characters",
        // with a key that will do, what is wrong is the model
        "--host 0.0.0.0 --api-key-file DIR/good | 2 | no-model",
        "--host 127.0.0.1 | 2 | no-model"
      })
  void oneSentenceAndTheExitCode(String line, int exit, String named, @TempDir Path dir)
      throws IOException {
    assumeTrue(System.getenv("KVP_API_KEY") == null, "left out: KVP_API_KEY is set");
    Files.writeString(dir.resolve("short"), "s3cre\n");
    Files.writeString(dir.resolve("good"), "0123456789abcdef\n");
    String typed = "serve --model DIR/no-model " + line.strip();
    CliRun run = CliRun.of(typed.replace("DIR", dir.toString()).split(" ", -1));
    assertThat(run.exit()).as(run.err()).isEqualTo(exit);
    assertThat(run.err().lines()).hasSize(1);
    assertThat(run.err())
        .contains(named.strip())
        .doesNotContain("s3cre", "0123456789abcdef", "Exception")
        .doesNotContain("\tat ");
  }
}
