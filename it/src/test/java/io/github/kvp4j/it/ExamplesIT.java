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

import static org.assertj.core.api.Assertions.assertThat;

import io.github.kvp4j.cli.CliRun;
import io.github.kvp4j.examples.ChatExample;
import io.github.kvp4j.examples.RagExample;
import io.github.kvp4j.examples.SpringBootExample;
import io.github.kvp4j.examples.StreamingExample;
import io.github.kvp4j.examples.ToolsExample;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Runs the examples as a reader would, and looks at what they print. */
class ExamplesIT {
  private static final int TOKENS = 1;
  private static final int REUSED = 2;
  private static final int PREDICTED = 3;

  private interface Main {
    void run(String... args);
  }

  private static String print(Main main, String... args) {
    PrintStream before = System.out;
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
    try {
      main.run(args);
    } finally {
      System.setOut(before);
    }
    return out.toString(StandardCharsets.UTF_8);
  }

  private static String model() {
    return RealModel.directory().toString();
  }

  @Test
  void chat() {
    assertThat(print(ChatExample::main, model()))
        .contains("Paris")
        .containsPattern("EXACT: 0 tokens of the prompt predicted, \\d+ exact");
  }

  @Test
  void streamingToTheEnd() {
    assertThat(print(StreamingExample::main, model(), "What is the capital of France?"))
        .contains("Paris")
        .endsWith("\n[STOP]\n");
  }

  @Test
  void streamingCancelled() {
    assertThat(print(StreamingExample::main, model(), "Tell me a long story.", "5"))
        .endsWith("\n[cancelled after 5 parts]\n");
  }

  @Test
  void tools() {
    assertThat(print(ToolsExample::main, model()))
        .startsWith("getWeather(")
        .endsWith("[1 tool calls]\n");
  }

  @Test
  void springBoot() {
    assertThat(print(SpringBootExample::main, "--langchain4j.kvp.chat-model.model-name=" + model()))
        .contains("Paris");
  }

  @Test
  void retrieval() {
    Path documents = Path.of("..", "examples", "documents");
    List<String> lines =
        print(
                RagExample::main,
                documents.toString(),
                "Who carried the mail across the pass?",
                model())
            .lines()
            .toList();
    lines.forEach(System.out::println);
    assertThat(lines).hasSize(6);
    assertThat(lines.subList(1, 5))
        .extracting(ExamplesIT::mode)
        .containsExactly("OFF", "EXACT", "PREDICT", "PREDICT");
    assertThat(answer(lines.get(1))).isEqualTo(answer(lines.get(2)));
    assertThat(lines.get(5)).isEqualTo("EXACT and OFF give the same answer");
    assertThat(number(lines.get(1), TOKENS)).isGreaterThan(400);
    assertThat(number(lines.get(3), PREDICTED)).isGreaterThan(300);
    assertThat(number(lines.get(4), REUSED)).isGreaterThan(300);
  }

  /**
   * A task that the examples add is a task of the command, and the model knows a capital or two.
   */
  @Test
  void aTaskOfOnesOwn() {
    CliRun run =
        CliRun.of("eval", "--model", model(), "--task", "capitals", "--modes", "exact,predict");
    assertThat(run.exit()).as(run.err()).isZero();
    assertThat(run.out())
        .contains("10 items of")
        .containsPattern("(?m)^exact .* (0\\.[3-9]|1\\.)\\d+ \\[")
        .contains("predict faithful");
  }

  /** What JBang is told is what the build uses. */
  @ParameterizedTest
  @ValueSource(strings = {"Chat", "Streaming", "Tools", "Rag", "SpringBoot"})
  void jbangGetsTheSameLibraries(String name) throws IOException {
    String source =
        Files.readString(
            Path.of("..", "examples", "src", "main", "java")
                .resolve("io/github/kvp4j/examples/" + name + "Example.java"));
    List<String> wanted =
        Pattern.compile("^//DEPS [^:]+:([^:]+):(\\S+)$", Pattern.MULTILINE)
            .matcher(source)
            .results()
            .map(dependency -> dependency.group(1) + "-" + dependency.group(2) + ".jar")
            .toList();
    assertThat(wanted).contains("kvp-langchain4j-0.1.0-SNAPSHOT.jar");
    List<String> used =
        Arrays.stream(
                System.getProperty(
                        "surefire.test.class.path", System.getProperty("java.class.path"))
                    .split(File.pathSeparator))
            .map(entry -> String.valueOf(Path.of(entry).getFileName()))
            .toList();
    assertThat(used).containsAll(wanted);
  }

  private static String mode(String line) {
    return line.substring(0, line.indexOf(' '));
  }

  /** One of the numbers behind the mode. */
  private static int number(String line, int column) {
    return Integer.parseInt(Arrays.asList(line.split(" +")).get(column));
  }

  /** The words of a line, behind the time. */
  private static String answer(String line) {
    return line.substring(line.indexOf(" ms  ") + 5);
  }
}
