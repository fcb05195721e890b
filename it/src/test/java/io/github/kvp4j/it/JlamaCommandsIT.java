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

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Jlama's commands with {@code --kv-predict} on the real model, each in a process of its own. */
class JlamaCommandsIT {
  private static final String NAME = "HuggingFaceTB/SmolLM2-135M-Instruct";

  /** A command line of this program, as its launcher starts it. */
  private static List<String> kvp(String... args) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(
        List.of(
            "--add-modules=jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED",
            "--add-exports=java.base/sun.nio.ch=ALL-UNNAMED",
            // Jlama's native kernels compute wrong products on some processors
            "-Djlama.force_panama_tensor_operations=true",
            "-cp",
            System.getProperty("java.class.path"),
            "io.github.kvp4j.cli.KvpCli"));
    command.addAll(List.of(args));
    return command;
  }

  private static String run(String input, String... args) throws IOException, InterruptedException {
    Process process = new ProcessBuilder(kvp(args)).redirectError(new File("/dev/null")).start();
    process.getOutputStream().write(input.getBytes(StandardCharsets.UTF_8));
    process.getOutputStream().close();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor(1, TimeUnit.MINUTES)).isTrue();
    assertThat(process.exitValue()).as(out).isZero();
    return out;
  }

  @Test
  void offAnswersWhatUpstreamAnswers(@TempDir Path cache) throws Exception {
    Files.createSymbolicLink(cache.resolve(NAME.replace('/', '_')), RealModel.directory());
    for (String prompt : List.of("The capital of France is", "1, 2, 3, 4,")) {
      List<String> line =
          List.of(
              "complete",
              NAME,
              "--prompt",
              prompt,
              "--temperature",
              "0",
              "--tokens",
              "24",
              "--model-cache",
              cache.toString());
      String upstream = run("", line.toArray(String[]::new));
      // piped, upstream prints the answer anew for each token: "12: text [took 1.00ms])"
      int last = 0;
      for (int i = 0; upstream.contains("\n" + i + ": "); i++) {
        last = upstream.indexOf("\n" + i + ": ") + ("\n" + i + ": ").length();
      }
      String expected = upstream.substring(last, upstream.lastIndexOf(" [took"));
      List<String> ours = new ArrayList<>(line);
      ours.add("--kv-predict=off");
      assertThat(run("", ours.toArray(String[]::new)).stripTrailing())
          .isEqualTo(expected.stripTrailing())
          .isNotBlank();
    }
  }

  @Test
  void onlyTheAnswerGoesToTheOutput() throws Exception {
    String text = "What is the capital of France?";
    String answer = run("", "complete", "--kv-predict", text);
    assertThat(answer.strip()).isEqualTo("The capital of France is Paris.");
    RealModel.directory();
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

  @Test
  void chatWorksTypedAndCtrlCStopsTheAnswerThenLeaves() throws Exception {
    RealModel.directory(); // fetched before, if need be
    List<String> command =
        new ArrayList<>(
            List.of(
                "python3",
                "reference/terminal.py",
                "wait:You: ",
                "type:What is the capital of France?\\r",
                "wait:Paris",
                "wait:You: ",
                "type:Write a long story about a mill. It has many chapters.\\r",
                "wait:\\x1b[36m",
                "wait: the ",
                "type:\\x03",
                "wait:[stopped]",
                "wait:You: ",
                "type:\\x03",
                "exit:130",
                "--"));
    command.addAll(kvp("chat", "--kv-predict=exact", "--temperature", "0"));
    assertThat(Tools.run(command)).contains("\033[36m");
  }

  @Test
  void ctrlCEndsAnyCommandWith130() throws Exception {
    RealModel.directory();
    List<String> command =
        new ArrayList<>(
            List.of(
                "python3", "reference/terminal.py", "wait:mill", "type:\\x03", "exit:130", "--"));
    command.addAll(kvp("complete", "Write a long story about a mill. It has many chapters."));
    Tools.run(command);
  }
}
