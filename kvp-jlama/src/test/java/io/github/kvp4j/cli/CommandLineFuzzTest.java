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
import static org.assertj.core.api.Assertions.fail;

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

/**
 * Whatever is typed: exit 2 and one line, or what was asked for; or exit 1 and one line that names
 * what is not there. Never a stack trace, nor a path that was not typed.
 */
class CommandLineFuzzTest {
  /** How many times as many cases as usual: {@code -Dkvp.fuzz=17}. */
  private static final int TIMES = Integer.getInteger("kvp.fuzz", 1);

  /** The model that is not there. */
  private static final String MODEL = "no/such/model/folder";

  private static @Nullable String model;

  /** No model is at hand, so that nothing of what is typed takes long. */
  @BeforeContainer
  static void hideModel() {
    model = System.setProperty("kvp.model", MODEL);
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
            "train",
            "eval",
            "inspect",
            "report",
            "bench",
            "predictor",
            "info",
            "generate-completion",
            "chat",
            "complete --prompt x",
            "list",
            "download",
            "quantize",
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
            "--map-width",
            "--seed",
            "--stop",
            "--temperature",
            "--top-p",
            "--limit",
            "--quality",
            "--predictor",
            "--learn",
            "--steps",
            "--minutes",
            "--mix",
            "--resume",
            "--refine-chunk",
            "--max-tokens",
            "--tokens",
            "--threads",
            "--system-prompt",
            "--stats",
            "--parallel",
            "--queue",
            "--timeout",
            "--api-key-file",
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
        .as(CommandLineFuzzTest::typed)
        .list()
        .ofSize(TIMES);
  }

  /**
   * A line of a command and words. Jlama's own code, which ends the JVM where it fails and may
   * reach for the network, is kept from running.
   */
  private static List<String> typed(String command, List<String> words) {
    String more =
        switch (command) {
          case "chat", "complete --prompt x" -> " --kv-predict=exact";
          case "list", "download", "quantize" -> " --no-such-option";
          default -> "";
        };
    return Stream.concat(Stream.of((command + more).split(" ", -1)), words.stream()).toList();
  }

  @Property(tries = 300, shrinking = ShrinkingMode.OFF)
  void anyCommandLineEndsInOneLine(@ForAll("lines") List<List<String>> lines) {
    lines.forEach(CommandLineFuzzTest::expectOneLine);
  }

  private static void expectOneLine(List<String> line) {
    CliRun run = CliRun.of(line.toArray(String[]::new));
    assertThat(run.err())
        .as("%s", line)
        .doesNotContain("Exception", "unexpected failure", "NullPointer")
        .doesNotContain(System.getProperty("user.dir"), System.getProperty("user.home") + "/");
    List<String> said = run.err().lines().toList();
    assertThat(said).as("%s", line).noneMatch(l -> l.startsWith("\tat "));
    switch (run.exit()) {
      case 0 -> {} // what was asked for
      case 1 -> {
        // the line is a right one
        assertThat(said).as("%s", line).hasSize(1);
        assertThat(line)
            .as("%s: %s", line, run.err())
            .anyMatch(word -> names(said.getFirst(), word) || said.getFirst().contains(MODEL));
      }
      case 2 -> assertThat(said).as("%s", line).hasSize(1);
      default -> fail("%s: exit %d, %s", line, run.exit(), run.err());
    }
  }

  /** Whether a message has a word in it, as it is printed: in one line, and in UTF-8. */
  private static boolean names(String message, String word) {
    String printed =
        new String(word.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8)
            .replaceAll("\\s*\\R\\s*", " ");
    return message.contains(printed.length() > 1 ? printed : "'" + printed + "'");
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
