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
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

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
    List<String> all = namesIn(help);
    assertThat(inTable).containsAll(all.stream().filter(c -> !c.equals("help")).toList());
    assertThat(all).containsAll(inTable);
    List<String> upstreams = List.of("chat", "list", "download", "quantize");
    for (String command : inTable) {
      if (!upstreams.contains(command) && !command.equals("generate-completion")) {
        assertThat(CliRun.of(command, "--help").out()).as(command).contains("Examples:");
      }
    }
  }

  /** What the README tells users to type, in its blocks of code. */
  static Stream<String> typed() throws IOException {
    return Pattern.compile("(?m)^(?: {4})?(?:.*\\| )?\\./kvp ((?:.*\\\\\n)*.*)$")
        .matcher(readme())
        .results()
        .map(m -> m.group(1).replaceAll("\\\\\n\\s*", ""));
  }

  @ParameterizedTest
  @MethodSource("typed")
  void whatAUserIsToTypeIsInTheHelp(String line) {
    String command = line.split(" ", -1)[0];
    CliRun help = CliRun.of(command, "--help");
    assertThat(help.exit()).as("%s: %s", line, help.err()).isZero();
    Matcher options = OPTION.matcher(line);
    while (options.find()) {
      assertThat(help.out()).as(line).contains(options.group());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"README.md", "ARCHITECTURE.md", "CHANGELOG.md"})
  void eachOptionAndCommandInTheTextIsOne(String file) throws IOException {
    String text = Files.readString(Path.of("..", file));
    String help = CliRun.of("--help").out();
    StringBuilder all = new StringBuilder(help);
    for (String command : namesIn(help)) {
      all.append(CliRun.of(command, "--help").out());
    }
    for (List<String> more :
        List.of(
            List.of("complete", "--prompt", "x", "--help"),
            List.of("predictor", "info", "--help"),
            List.of("predictor", "verify", "--help"))) {
      all.append(CliRun.of(more.toArray(String[]::new)).out());
    }
    List<String> jvms = List.of("--add-modules", "--add-exports", "--enable-native-access");
    assertThat(OPTION.matcher(text).results().map(MatchResult::group))
        .allSatisfy(o -> assertThat(jvms.contains(o) || all.toString().contains(o)).isTrue());
    assertThat(
            Pattern.compile("`(?:\\./)?kvp ([a-z][a-z-]*)")
                .matcher(text)
                .results()
                .map(m -> m.group(1)))
        .isSubsetOf(namesIn(help));
  }

  private static List<String> namesIn(String help) {
    return help.substring(help.indexOf("Commands:"), help.indexOf("Examples:"))
        .lines()
        .filter(line -> line.matches("  [a-z].*"))
        .map(line -> line.strip().split(" ", -1)[0])
        .toList();
  }

  /** The table of packages in ARCHITECTURE.md has every package, and what it names is there. */
  @Test
  void theRoomsAreThePackages() throws IOException {
    Map<String, String> rows = new TreeMap<>();
    for (String line : Files.readAllLines(Path.of("..", "ARCHITECTURE.md"))) {
      if (line.matches("\\| `[a-z0-9.]+` \\|.*")) {
        String[] cells = line.split("`", 3);
        rows.put(cells[1], cells[2]);
      }
    }
    Map<String, String> sources = new TreeMap<>();
    for (String module :
        List.of("kvp-core", "kvp-jlama", "kvp-spark", "kvp-langchain4j", "jlama-drop-in")) {
      Path in = Path.of("..", module.equals("jlama-drop-in") ? "kvp-langchain4j" : "", module);
      Path root = in.resolve(Path.of("src", "main", "java", "io", "github", "kvp4j"));
      try (Stream<Path> files = Files.walk(root)) {
        for (Path file : files.filter(f -> f.toString().endsWith(".java")).toList()) {
          String folder = root.relativize(file.getParent()).toString();
          sources.merge(folder.replace('/', '.'), Files.readString(file), String::concat);
        }
      }
    }
    sources.remove("");
    assertThat(sources.keySet())
        .allSatisfy(name -> {
          int dot = name.lastIndexOf('.');
          String parent = dot < 0 ? "" : rows.getOrDefault(name.substring(0, dot), "");
          assertThat(rows.containsKey(name) || parent.contains("`" + name.substring(dot + 1) + "`"))
              .as(name)
              .isTrue();
        });
    assertThat(sources.keySet()).containsAll(rows.keySet());
    rows.forEach((name, row) ->
        assertThat(Pattern.compile("`([A-Z][A-Za-z0-9]+)`").matcher(row).results())
            .extracting(m -> m.group(1))
            .allSatisfy(type ->
                assertThat(sources.get(name))
                    .containsPattern("(class|record|interface|enum) " + type)));
  }
}
