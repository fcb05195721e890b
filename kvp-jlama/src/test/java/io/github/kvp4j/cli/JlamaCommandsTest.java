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

import com.github.tjake.jlama.cli.JlamaCli;
import com.github.tjake.jlama.cli.commands.ChatCommand;
import com.github.tjake.jlama.cli.commands.CompleteCommand;
import com.github.tjake.jlama.cli.commands.DownloadCommand;
import com.github.tjake.jlama.cli.commands.ListCommand;
import com.github.tjake.jlama.cli.commands.QuantizeCommand;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

/** Jlama's commands in this program: the same, and one section more. */
class JlamaCommandsTest {
  @ParameterizedTest
  @ValueSource(strings = {"chat", "complete", "list", "download", "quantize"})
  void helpIsUpstreamsAndOurSection(String name) {
    Map<String, Object> commands =
        Map.of(
            "chat", new ChatCommand(),
            "complete", new CompleteCommand(),
            "list", new ListCommand(),
            "download", new DownloadCommand(),
            "quantize", new QuantizeCommand());
    CommandLine upstream = new CommandLine(new JlamaCli());
    commands.forEach(upstream::addSubcommand);
    CommandLine command = upstream.getSubcommands().get(name);
    String theirs = command == null ? "" : command.getUsageMessage();
    CliRun run =
        name.equals("complete")
            ? CliRun.of(name, "--prompt", "x", "--help")
            : CliRun.of(name, "--help");
    assertThat(run.exit()).isZero();
    assertThat(words(theirs)).isNotEmpty();
    String ours = String.join(" ", words(run.out()).toList());
    for (String line : theirs.lines().map(String::strip).filter(l -> !l.isEmpty()).toList()) {
      assertThat(ours).contains(String.join(" ", words(line.replace("jlama ", "kvp ")).toList()));
    }
    boolean predicts = name.equals("chat") || name.equals("complete");
    assertThat(run.out().contains("--kv-predict")).isEqualTo(predicts);
    assertThat(run.out().contains("--anchors")).isEqualTo(predicts);
  }

  private static Stream<String> words(String text) {
    return Stream.of(text.strip().split("\\s+", -1));
  }

  @Test
  void bothCompletesKeepTheirCommandLines() {
    assertThat(JlamaCommands.resolve(new String[] {"complete", "a text"}))
        .containsExactly("complete", "a text");
    assertThat(JlamaCommands.resolve(new String[] {"--verbose", "complete", "o/n", "--prompt=x"}))
        .containsExactly("--verbose", "complete-with-jlama", "o/n", "--prompt=x");
    assertThat(JlamaCommands.resolve(new String[] {"complete", "--", "--prompt"}))
        .as("a text that looks like the option")
        .containsExactly("complete", "--", "--prompt");
    assertThat(JlamaCommands.resolve(new String[] {"demo", "--prompt", "complete"}))
        .containsExactly("demo", "--prompt", "complete");
    assertThat(CliRun.of("complete", "--help").out()).contains("PROMPT").doesNotContain("<model");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "chat o/n --stats; needs --kv-predict",
        "complete o/n --prompt x --anchors 1/2/3; needs --kv-predict",
        "chat o/n --refine-chunk 8; needs --kv-predict",
        "chat o/n --kv-predict --threads 3; is Jlama's own",
        "chat o/n --kv-predict=sideways; is no mode; give auto",
        "chat; Missing required parameter",
        "complete --prompt x; Missing required parameter",
        "chat --kv-predict=exact o/../n; is no model",
      })
  void wrongUsesAreRefusedWithOneLine(String line, String message) {
    CliRun run = CliRun.of(line.split(" ", -1));
    assertThat(run.exit()).as(run.err()).isEqualTo(2);
    assertThat(run.err()).contains(message).doesNotContain("\tat ");
    assertThat(run.err().lines()).hasSize(1);
  }
}
