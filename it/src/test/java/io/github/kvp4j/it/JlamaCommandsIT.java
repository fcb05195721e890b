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
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Jlama's commands with {@code --kv-predict} on the real model, through the launcher. */
class JlamaCommandsIT {
  private static final String NAME = "HuggingFaceTB/SmolLM2-135M-Instruct";

  private static String run(String input, String... args) throws IOException, InterruptedException {
    RealModel.directory(); // fetched before, if need be
    Process process =
        KvpProcess.launcher(args).redirectError(ProcessBuilder.Redirect.DISCARD).start();
    process.getOutputStream().write(input.getBytes(StandardCharsets.UTF_8));
    process.getOutputStream().close();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor(1, TimeUnit.MINUTES)).isTrue();
    assertThat(process.exitValue()).as(out).isZero();
    return out;
  }

  private static final List<String> PROMPTS =
      List.of(
          "The capital of France is",
          "1, 2, 3, 4,",
          "Once upon a time",
          "The sun rises in the",
          "def add(a, b):",
          "Water boils at",
          "Dear Sir or Madam,",
          "Monday, Tuesday,",
          "The opposite of hot is",
          "To be, or not to be",
          "A cat sat on the",
          "The largest planet is",
          "Roses are red,",
          "SELECT name FROM",
          "The recipe needs flour,",
          "In 1969, people first",
          "My favourite book is",
          "public static void main(",
          "She opened the door and",
          "Two plus two is");

  @Test
  void offAnswersTwentyPromptsAsUpstreamDoes(@TempDir Path cache) throws Exception {
    Files.createSymbolicLink(cache.resolve(NAME.replace('/', '_')), RealModel.directory());
    for (String prompt : PROMPTS) {
      List<String> upstream =
          List.of(
              "complete",
              NAME,
              "--prompt",
              prompt,
              "--temperature",
              "0",
              "--tokens",
              "20",
              "--model-cache",
              cache.toString());
      List<String> ours = new ArrayList<>(upstream);
      ours.add("--kv-predict=off");
      // first, so that Jlama's kernels are checked before it uses any
      CliRun off = CliRun.of(ours.toArray(String[]::new));
      CliRun plain = CliRun.of(upstream.toArray(String[]::new));
      assertThat(off.exit()).as(off.err()).isZero();
      assertThat(plain.exit()).as(plain.err()).isZero();
      // piped, upstream prints the answer anew for each token: "12: text [took 1.00ms])"
      String printed = "\n" + plain.out();
      int last = 0;
      int tokens = 0;
      for (; printed.contains("\n" + tokens + ": "); tokens++) {
        String begin = "\n" + tokens + ": ";
        last = printed.indexOf(begin) + begin.length();
      }
      String expected = printed.substring(last, printed.lastIndexOf(" [took"));
      assertThat(tokens).as(prompt).isGreaterThan(5);
      assertThat(off.out().stripTrailing()).as(prompt).isEqualTo(expected.stripTrailing());
    }
  }

  @Test
  void onlyTheAnswerGoesToTheOutput() throws Exception {
    String text = "What is the capital of France?";
    String answer = run("", "complete", "--kv-predict", text);
    assertThat(answer.strip()).isEqualTo("The capital of France is Paris.");
    String chat = run(text + "\n", "chat", "--kv-predict=exact", "--temperature", "0");
    assertThat(chat).isEqualTo(answer);
  }

  @Test
  void chatWorksPiped() throws Exception {
    String out =
        run(
            "What is the capital of France?\nAnd of Germany?\n",
            "chat",
            "--kv-predict",
            "--temperature",
            "0",
            "--stats");
    assertThat(out).contains("Paris").contains("Berlin").contains("first token after");
    assertThat(out).as("no colours in a pipe").doesNotContain("\033[");
  }

  /** Types into a chat on a terminal; what the terminal then shows. */
  private static String type(Map<String, String> environment, String... steps) throws Exception {
    RealModel.directory(); // fetched before, if need be
    List<String> command = new ArrayList<>(List.of("env"));
    environment.forEach((name, value) -> command.add(name + "=" + value));
    command.addAll(List.of("python3", "reference/terminal.py"));
    command.addAll(List.of(steps));
    command.add("--");
    ProcessBuilder chat = KvpProcess.launcher("chat", "--kv-predict=exact", "--temperature", "0");
    command.addAll(chat.command());
    return Tools.run(command);
  }

  @Test
  void chatWorksTypedAndCtrlCStopsTheAnswerThenLeaves() throws Exception {
    String shown =
        type(
            Map.of(),
            "wait:You: ",
            "type:What is the capital \\\\\\r", // goes on in the next line
            "type:of France?\\r",
            "wait:Paris",
            "wait:You: ",
            "type:Write a long story about a mill. It has many chapters.\\r",
            "wait:\\x1b[36m",
            "wait: the ",
            "type:\\x03",
            "wait:[stopped]",
            "wait:You: ",
            "type:\\x10", // Ctrl-P: the history's last
            "wait:many chapters.",
            "type:\\x03", // gives the line up
            "wait:You: ",
            "type:\\x03",
            "exit:130");
    assertThat(shown).contains("\033[36m");
  }

  @Test
  void ctrlCTwiceLeavesAChatAndThereAreNoColoursWhereNoneAreWanted() throws Exception {
    String shown =
        type(
            Map.of("NO_COLOR", "1"),
            "wait:You: ",
            "type:Write a long story about a mill. It has many chapters.\\r",
            "wait: the ",
            "type:\\x03",
            "pause:0.1", // a system may deliver two signals at once as one
            "type:\\x03",
            "exit:130");
    assertThat(shown).doesNotContain("\033[36m");
  }

  @Test
  void ctrlCEndsAnyCommandWith130() throws Exception {
    RealModel.directory();
    List<String> command =
        new ArrayList<>(
            List.of(
                "python3", "reference/terminal.py", "wait:mill", "type:\\x03", "exit:130", "--"));
    command.addAll(
        KvpProcess.launcher("complete", "Write a long story about a mill. It has many chapters.")
            .command());
    Tools.run(command);
  }
}
