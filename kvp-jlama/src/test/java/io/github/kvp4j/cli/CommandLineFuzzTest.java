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

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.ShrinkingMode;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;
import org.jspecify.annotations.Nullable;

/** Whatever is typed: exit 2 or 1 and one sentence, or what was asked for; never a stack trace. */
class CommandLineFuzzTest {
  /** How many times as many cases as usual: {@code -Dkvp.fuzz=17}. */
  private static final int TIMES = Integer.getInteger("kvp.fuzz", 1);

  private static @Nullable String model;

  /** No model is at hand, so that nothing of what is typed takes long. */
  @BeforeContainer
  static void hideModel() {
    model = System.setProperty("kvp.model", "no/such/model/folder");
  }

  @AfterContainer
  static void showModel() {
    if (model == null) {
      System.clearProperty("kvp.model");
    } else {
      System.setProperty("kvp.model", model);
    }
  }

  @Provide
  Arbitrary<List<List<String>>> lines() {
    Arbitrary<String> command =
        Arbitraries.of(
            "demo",
            "complete",
            "serve",
            "import",
            "calibrate",
            "eval",
            "inspect",
            "report",
            "bench",
            "predictor",
            "help",
            "--verbos",
            "Demo",
            "",
            "-",
            "nonsense");
    Arbitrary<String> word =
        Arbitraries.of(
            "--model",
            "--data",
            "--layers",
            "--out",
            "--runs",
            "--figure",
            "refinement",
            "--anchors",
            "--mode",
            "--port",
            "--host",
            "--json",
            "--prompt-",
            "--kv-predict",
            "--kv-predict=",
            "--kind",
            "layer-pruned",
            "sibling",
            "--keep",
            "--auxiliary",
            "--layer-map",
            "--seed",
            "--stop",
            "--temperature",
            "--top-p",
            "--limit",
            "--quality",
            "info",
            "verify",
            "--help",
            "-h",
            "-1",
            "0",
            "NaN",
            "1e999",
            "99999999999999999999",
            "4/0/0",
            "4/64/0",
            "predict",
            "a b",
            "\0",
            "\ud800",
            "é",
            "..",
            "/",
            "../../x",
            "C:\\x",
            "@nosuchfile",
            "--",
            "=",
            "--=",
            "no/such/folder/x.safetensors",
            "${sys:user.home}",
            "%s%n",
            "\n\tat x");
    return Combinators.combine(command, word.list().ofMaxSize(6))
        .as((c, words) -> Stream.concat(Stream.of(c), words.stream()).toList())
        .list()
        .ofSize(TIMES);
  }

  @Property(tries = 300, shrinking = ShrinkingMode.OFF)
  void anyCommandLineEndsInOneSentence(@ForAll("lines") List<List<String>> lines) {
    lines.forEach(CommandLineFuzzTest::expectOneSentence);
  }

  private static void expectOneSentence(List<String> line) {
    CliRun run = CliRun.of(line.toArray(String[]::new));
    assertThat(run.exit()).as("%s: %s", line, run.err()).isIn(0, 1, 2);
    assertThat(run.err())
        .as("%s", line)
        .doesNotContain("\tat ", "Exception", "unexpected failure", "NullPointer");
    if (run.exit() != 0) {
      List<String> said =
          run.err()
              .lines()
              .filter(l -> !l.startsWith("Try '") && !l.startsWith("Usage:"))
              .filter(l -> !l.endsWith("…"))
              .toList();
      assertThat(said).as("%s: %s", line, run.err()).hasSize(1);
    }
  }

  @Example
  void completionKnowsTheCommands() throws IOException, InterruptedException {
    CliRun run = CliRun.of("generate-completion");
    assertThat(run.exit()).isZero();
    assertThat(run.out())
        .contains("--kv-predict", "bashcompinit")
        .doesNotContain("complete-with-jlama");
    Path script = Files.writeString(Files.createTempFile("kvp-completion", ".bash"), run.out());
    try {
      assertThat(completed(script, "kvp", "ca")).containsExactly("calibrate");
      assertThat(completed(script, "kvp", "serve", "--api")).containsExactly("--api-key-file");
      assertThat(completed(script, "kvp", "predictor", "ver")).containsExactly("verify");
    } finally {
      Files.delete(script);
    }
  }

  /** What bash makes of the last word of a line. */
  private static List<String> completed(Path script, String... line)
      throws IOException, InterruptedException {
    String words = String.join(" ", line);
    Process bash =
        new ProcessBuilder(
                "bash",
                "-c",
                ". "
                    + script
                    + "; COMP_WORDS=("
                    + words
                    + "); COMP_CWORD="
                    + (line.length - 1)
                    + "; COMP_LINE='"
                    + words
                    + "'; _complete_kvp; printf '%s\\n' \"${COMPREPLY[@]}\"")
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    String out = new String(bash.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(bash.waitFor()).isZero();
    return out.lines().map(String::strip).toList();
  }
}
