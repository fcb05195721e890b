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

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What the README says of the commands is what they say of themselves. */
class ReadmeTest {
  private static final Pattern OPTION = Pattern.compile("(?<![-\\w])--[a-z][a-z-]+");

  /** The rows of the table of commands. */
  static Stream<String> rows() throws IOException {
    return readme().lines().filter(line -> line.startsWith("| `./kvp "));
  }

  private static String readme() throws IOException {
    return Files.readString(Path.of("..", "README.md"));
  }

  private static List<String> commands(String row) {
    String first = row.split("\\|", -1)[1];
    return Pattern.compile("`([^`]+)`")
        .matcher(first)
        .results()
        .map(m -> m.group(1).replace("./kvp ", ""))
        .toList();
  }

  @ParameterizedTest
  @MethodSource("rows")
  void eachOptionOfARowIsInTheHelp(String row) {
    for (String command : commands(row)) {
      List<String> words =
          Stream.of(command.split(" ", -1)).takeWhile(w -> w.matches("[a-z][a-z-]*")).toList();
      List<String> line = new java.util.ArrayList<>(words);
      if (command.contains("--prompt")) {
        line.addAll(List.of("--prompt", "x")); // which of the two commands of this name
      }
      line.add("--help");
      CliRun help = CliRun.of(line.toArray(String[]::new));
      assertThat(help.exit()).as("%s: %s", line, help.err()).isZero();
      assertThat(help.out()).contains(words.getFirst());
      Matcher options = OPTION.matcher(row);
      while (options.find()) {
        assertThat(help.out()).as(command).contains(options.group());
      }
    }
  }

  @Test
  void eachCommandHasARowAndExamples() throws IOException {
    TreeSet<String> inTable = new TreeSet<>();
    rows().forEach(row -> commands(row).forEach(c -> inTable.add(c.split(" ", -1)[0])));
    String help = CliRun.of("--help").out();
    List<String> all =
        help.substring(help.indexOf("Commands:"), help.indexOf("Examples:"))
            .lines()
            .filter(line -> line.matches("  [a-z].*"))
            .map(line -> line.strip().split(" ", -1)[0])
            .toList();
    assertThat(inTable).containsAll(all.stream().filter(c -> !c.equals("help")).toList());
    assertThat(all).containsAll(inTable);
    List<String> upstreams = List.of("chat", "list", "download", "quantize");
    for (String command : inTable) {
      if (!upstreams.contains(command) && !command.equals("generate-completion")) {
        assertThat(CliRun.of(command, "--help").out()).as(command).contains("Examples:");
      }
    }
  }
}
