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

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is refused before any model is looked for. */
class BenchCommandTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--runs 0 | 2 | --runs is 0",
        "--lengths 1 | 2 | --lengths is 1",
        "--lengths 12,x | 2 | x",
        "--batch 0 | 2 | --batch is 0",
        "--warm-up -1 | 2 | --warm-up is -1",
        "--max-tokens 0 | 2 | --max-tokens is 0",
        "--threads 0 | 2 | --threads is 0",
        "--timeout 0 | 2 | --timeout is 0",
        "--anchors 4/0/0 | 2 | 4/0/0",
        "--rows fastest | 2 | no row 'fastest'",
        "--rows llama.cpp --shape llama-1.1b | 2 | --gguf",
        "--rows llama.cpp-native | 2 | --llama-bench",
        "--gguf no/such.gguf | 1 | no/such.gguf",
        "--json no/such/folder/x.json | 1 | folder of",
        "--prompt no/such.txt | 1 | no/such.txt"
      })
  void oneSentenceAndTheExitCode(String line, int exit, String named) {
    CliRun run = CliRun.of(("bench " + line.strip()).split(" ", -1));
    assertThat(run.exit()).as(run.err()).isEqualTo(exit);
    assertThat(run.err())
        .contains(named.strip())
        .doesNotContain("Exception")
        .doesNotContain("\tat ");
  }
}
