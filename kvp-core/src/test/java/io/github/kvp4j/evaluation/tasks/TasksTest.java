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
package io.github.kvp4j.evaluation.tasks;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.evaluation.Answers;
import io.github.kvp4j.evaluation.EvaluationItem;
import io.github.kvp4j.evaluation.EvaluationTask;
import io.github.kvp4j.evaluation.TaskSettings;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.zip.GZIPOutputStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Official formats become prompts and scores; what is malformed is named by its line. */
class TasksTest {
  private static final String SQUAD =
      """
      {"version": "1.1", "data": [{"title": "t", "paragraphs": [
        {"context": "The mill stands by the river.", "qas": [
          {"id": "1", "question": "Where is the mill?",
           "answers": [{"text": "by the river", "answer_start": 16}]}]},
        {"context": "Ada walks to the bridge.", "qas": [
          {"id": "2", "question": "Who walks?", "answers": [{"text": "Ada", "answer_start": 0}]}]}
      ]}]}
      """;

  @TempDir Path folder;

  private Path write(String name, String text) throws IOException {
    return Files.writeString(folder.resolve(name), text);
  }

  /** A token for each character. */
  private static int[] encode(String text) {
    return text.chars().toArray();
  }

  private static List<EvaluationItem> items(
      String task, @Nullable Path data, int limit, int shots, String... options) {
    EvaluationTask found = EvaluationTask.named(task);
    Map<String, String> all = new LinkedHashMap<>(found.options());
    for (int i = 0; i < options.length; i += 2) {
      all.put(options[i], options[i + 1]);
    }
    return found.items(new TaskSettings(data, limit, 7, shots, false, all, TasksTest::encode));
  }

  private static String prompt(EvaluationItem item) {
    int[] tokens = item.prompt().tokens(TasksTest::encode);
    return new String(tokens, 0, tokens.length);
  }

  private static EvaluationItem byId(List<EvaluationItem> items, String id) {
    return items.stream().filter(i -> i.id().equals(id)).findFirst().orElseThrow();
  }

  private static Map<String, Double> score(EvaluationItem item, String answer) {
    return item.scorer().apply(new Answers(answer, List.of()));
  }

  @Test
  void allTasksAreFound() {
    assertThat(EvaluationTask.all())
        .extracting(EvaluationTask::name)
        .containsExactly(
            "fidelity",
            "gsm8k",
            "humaneval",
            "kv-retrieval",
            "nq-open",
            "squad",
            "text",
            "triviaqa");
    assertThatThrownBy(() -> EvaluationTask.named("chess"))
        .hasMessageStartingWith("There is no task 'chess'; there are fidelity, gsm8k,");
  }

  @Test
  void triviaQaReadsQuotedLinesAndPythonLists() throws IOException {
    Path file = folder.resolve("t.tsv.gz");
    try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(file))) {
      out.write(
          ("Who rowed?\t['Zoë', \"O'Neill\", 'a\\u00e9\\x41\\'']\r\n"
                  + "Where?\t\"['here', \"\"the 'old' town\"\"]\"\r\n"
                  + "\"\"\"Who said \"\"\"\"no\"\"\"\"?\"\"\"\t['She']\r\n")
              .getBytes(StandardCharsets.UTF_8));
    }
    List<EvaluationItem> items = items("triviaqa", file, 9, 1);
    assertThat(items).hasSize(3);
    EvaluationItem rowed = byId(items, "question-0");
    assertThat(prompt(rowed))
        .matches("Question: .*\nAnswer: (here|She)\n\nQuestion: Who rowed\\?\nAnswer:");
    assertThat(score(rowed, " the o neill")).containsEntry("exact_match", 1.0);
    assertThat(score(rowed, "aéA")).containsEntry("exact_match", 1.0);
    assertThat(score(rowed, "Neill")).containsEntry("exact_match", 0.0);
    assertThat(score(byId(items, "question-1"), "The 'Old' Town!"))
        .containsEntry("exact_match", 1.0)
        .containsEntry("f1", 1.0);
    assertThat(prompt(byId(items, "question-2"))).contains("Question: Who said \"no\"?\n");
  }

  @Test
  void workedExamplesAreOtherQuestionsAndAsManyAsAskedFor() throws IOException {
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < 8; i++) {
      lines.append("{\"question\": \"q%d\", \"answer\": [\"a%d\", \"b\"]}\n".formatted(i, i));
    }
    Path file = write("nq.jsonl", lines.toString());
    List<EvaluationItem> items = items("nq-open", file, 5, 3);
    assertThat(items).hasSize(5);
    for (EvaluationItem item : items) {
      String number = item.id().replace("question-", "");
      assertThat(prompt(item)).endsWith("Question: q" + number + "\nAnswer:");
      assertThat(prompt(item).split("Question: q" + number + "\n", -1)).hasSize(2);
      assertThat(prompt(item).split("Question: ", -1)).hasSize(5);
      assertThat(score(item, "á" + number)).containsEntry("exact_match", 0.0);
      assertThat(score(item, " A" + number + ".")).containsEntry("exact_match", 1.0);
    }
    // the same settings, the same items; a smaller limit, the first of them
    assertThat(items("nq-open", file, 2, 3))
        .extracting(TasksTest::prompt)
        .isEqualTo(items.subList(0, 2).stream().map(TasksTest::prompt).toList());
    assertThatThrownBy(() -> items("nq-open", file, 5, 8)).hasMessageContaining("--shots");
  }

  @Test
  void squadPutsThePassageFarBackAndAnExampleOnAnotherBeforeIt() throws IOException {
    List<EvaluationItem> items = items("squad", write("s.json", SQUAD), 9, 1);
    assertThat(items).hasSize(2);
    EvaluationItem mill = byId(items, "question-0");
    assertThat(prompt(mill))
        .isEqualTo(
            "Passage: Ada walks to the bridge.\nQuestion: Who walks?\nAnswer: Ada\n\n"
                + "Passage: The mill stands by the river.\nQuestion: Where is the mill?\nAnswer:");
    assertThat(score(mill, " By a River.")).containsEntry("exact_match", 1.0);
  }

  @ParameterizedTest
  @CsvSource({"squad", "nq-open", "triviaqa"})
  void theReferenceAnswerIsFedWhereItIsAskedFor(String task) throws IOException {
    Path file =
        switch (task) {
          case "squad" -> write("s.json", SQUAD);
          case "nq-open" ->
              write(
                  "n.jsonl",
                  """
                  {"question": "where is the mill", "answer": ["by the river"]}
                  {"question": "who walks", "answer": ["Ada", "she"]}
                  """);
          default -> write("t.tsv", "Where is the mill?\t['by the river']\nWho?\t['Ada']\n");
        };
    List<EvaluationItem> items = items(task, file, 9, 1, "feed", "answer");
    assertThat(items)
        .extracting(item -> new String(item.following(), 0, item.following().length))
        .containsExactlyInAnyOrder(" by the river", " Ada");
    assertThat(score(byId(items, "question-0"), " by the river")).containsEntry("f1", 1.0);
    assertThat(items(task, file, 9, 1)).allMatch(item -> item.following().length == 0);
    assertThatThrownBy(() -> items(task, file, 9, 1, "feed", "gold"))
        .isInstanceOf(KvpException.class)
        .hasMessage(
            "The setting 'feed' is 'gold'; write nothing, or answer to feed the reference answer.");
  }

  @Test
  void squadPutsOtherPassagesAroundTheOneThatIsAskedAbout() throws IOException {
    StringBuilder paragraphs = new StringBuilder();
    for (int i = 0; i < 12; i++) {
      paragraphs
          .append(i == 0 ? "" : ",")
          .append(
              """
              {"context": "Passage number %d.", "qas": [
                {"id": "%d", "question": "Which is %d?", "answers": [{"text": "%d", "answer_start": 15}]}]}
              """
                  .formatted(i, i, i, i));
    }
    Path file = write("s.json", "{\"data\": [{\"paragraphs\": [" + paragraphs + "]}]}");
    List<EvaluationItem> items = items("squad", file, 12, 1, "passages", "3");
    assertThat(items).hasSize(12);
    Set<Integer> places = new HashSet<>();
    for (EvaluationItem item : items) {
      String number = item.id().replace("question-", "");
      String asked = prompt(item).substring(prompt(item).indexOf("\n\n") + 2);
      List<String> lines = asked.lines().toList();
      assertThat(lines).hasSize(6).endsWith("Question: Which is " + number + "?", "Answer:");
      List<String> passages = lines.subList(0, 4);
      assertThat(passages)
          .doesNotHaveDuplicates()
          .contains("Passage: Passage number " + number + ".");
      // what the example is about would be a hint
      assertThat(passages).doesNotContain(prompt(item).lines().findFirst().orElseThrow());
      places.add(passages.indexOf("Passage: Passage number " + number + "."));
    }
    assertThat(places).hasSizeGreaterThan(2);
    assertThat(items("squad", file, 12, 1, "passages", "3"))
        .extracting(TasksTest::prompt)
        .isEqualTo(items.stream().map(TasksTest::prompt).toList());
    assertThatThrownBy(() -> items("squad", file, 12, 1, "passages", "11"))
        .hasMessageContaining("'passages' is 11")
        .hasMessageContaining("at most 10");
  }

  @Test
  void gsm8kAndHumanEvalAskAsTheirAuthorsDo() throws IOException {
    Path sums =
        write(
            "g.jsonl",
            """
            {"question": "1+1?", "answer": "1+1=2\\n#### 2"}
            {"question": "2+2?", "answer": "2+2=4\\n#### 4"}
            """);
    EvaluationItem sum = items("gsm8k", sums, 1, 1).getFirst();
    assertThat(prompt(sum)).contains("#### ").endsWith("?\nAnswer:");
    Path code =
        write(
            "h.jsonl",
            "{\"task_id\": \"T/0\", \"prompt\": \"def f():\\n\", \"entry_point\": \"f\","
                + " \"test\": \"\", \"canonical_solution\": \"\"}\n");
    assertThatThrownBy(() -> items("humaneval", code, 1, 0))
        .hasMessageContaining("--allow-code-execution");
  }

  /**
   * From the model's words to pass@k: what is wrong, hangs or does harm is counted, and no more.
   */
  @Test
  @EnabledOnOs(OS.LINUX)
  void humanEvalRunsWhatIsWritten() throws IOException {
    Path code =
        write(
            "h.jsonl",
            "{\"task_id\": \"T/0\", \"prompt\": \"def add(a, b):\\n    \\\"\\\"\\\"The sum.\\\"\\\"\\\"\\n\","
                + " \"entry_point\": \"add\", \"canonical_solution\": \"\", \"test\":"
                + " \"def check(candidate):\\n    assert candidate(2, 3) == 5\\n\"}\n");
    EvaluationTask task = EvaluationTask.named("humaneval");
    EvaluationItem item =
        task.items(new TaskSettings(code, 1, 7, 0, true, task.options(), TasksTest::encode))
            .getFirst();
    assertThat(prompt(item)).isEqualTo("def add(a, b):\n    \"\"\"The sum.\"\"\"");
    String right = "\n    return a + b\n";
    List<String> wrong =
        List.of(
            "\n    return a - b\n",
            "\n    return (a\n",
            "\n    import os\n    os._exit(0)\n",
            "\n    import socket\n    socket.socket()\n",
            "\n    open('/tmp/kvp4j-written', 'w')\n",
            "\n    return 'x' * 10**12\n");
    assertThat(score(item, right)).containsEntry("pass@1", 1.0).doesNotContainKey("pass@10");
    for (String answer : wrong) {
      assertThat(score(item, answer)).as(answer).containsEntry("pass@1", 0.0);
    }
    List<String> ten = new ArrayList<>(Collections.nCopies(9, wrong.getFirst()));
    ten.add(right);
    assertThat(item.scorer().apply(new Answers(wrong.get(1), ten)))
        .containsEntry("pass@1", 0.0)
        .containsEntry("pass@10", 1.0);
    assertThat(Path.of("/tmp/kvp4j-written")).doesNotExist();
  }

  @Test
  void fidelityTakesPromptsAsTheyAreAndTextsToACertainLength() throws IOException {
    Path prompts = write("p.jsonl", "{\"prompt\": \"one\"}\n\n{\"prompt\": \"two\"}\n");
    assertThat(items("fidelity", prompts, 9, 0))
        .extracting(TasksTest::prompt)
        .containsExactlyInAnyOrder("one", "two");
    Path text = write("t.txt", "word ".repeat(200));
    List<EvaluationItem> items = items("fidelity", text, 9, 0, "prompt", "100");
    assertThat(items).extracting(TasksTest::prompt).containsExactly("word ".repeat(20));
    assertThat(items("fidelity", text, 9, 0))
        .extracting(TasksTest::prompt)
        .allSatisfy(prompt -> assertThat(prompt).hasSize(447));
    assertThatThrownBy(() -> items("fidelity", text, 9, 0, "prompt", "5000"))
        .hasMessageContaining("no text of 5000 tokens");
  }

  @Test
  void textsAreCutIntoPromptAndContinuation() throws IOException {
    Path text = write("t.txt", "abcdefghij".repeat(60));
    EvaluationItem item = items("text", text, 1, 0, "prompt", "45", "following", "7").getFirst();
    assertThat(prompt(item)).isEqualTo("abcdefghij".repeat(5).substring(0, 45));
    assertThat(item.following()).containsExactly('f', 'g', 'h', 'i', 'j', 'a', 'b');
    EvaluationItem copy = items("text", text, 1, 0, "kind", "copy").getFirst();
    assertThat(prompt(copy)).endsWith("\n\n");
    assertThat(prompt(copy)).contains(new String(copy.following(), 0, copy.following().length));
    EvaluationItem longer =
        items("text", text, 1, 0, "kind", "copy", "prompt", "500", "following", "9").getFirst();
    assertThat(prompt(longer)).hasSize(502);
    assertThat(longer.following()).hasSize(9);
    assertThatThrownBy(() -> items("text", text, 1, 0, "kind", "copy", "prompt", "90"))
        .hasMessage(
            "Prompts of 90 tokens are too short to copy 64 tokens from; at least 97 are needed.");
    assertThatThrownBy(() -> items("text", text, 1, 0, "kind", "rhyme"))
        .hasMessageContaining("rhyme");
  }

  /** Others stand before a text, or between a text and what is copied of it. */
  @Test
  void textsStandAmongOtherPassages() throws IOException {
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < 60; i++) {
      String letters = String.valueOf((char) (0x410 + i)).repeat(350);
      lines.append("{\"text\": \"").append(letters).append("\"}\n");
    }
    Path texts = write("t.jsonl", lines.toString());
    List<EvaluationItem> items =
        items("text", texts, 9, 0, "prompt", "100", "following", "9", "passages", "2");
    assertThat(items).hasSize(9);
    for (EvaluationItem item : items) {
      String[] parts = prompt(item).split("\n\n", -1);
      assertThat(parts).hasSize(3).doesNotHaveDuplicates();
      assertThat(parts[0]).hasSize(109);
      assertThat(parts[1]).hasSize(109);
      assertThat(parts[2]).hasSize(100).startsWith(Character.toString(item.following()[0]));
    }
    EvaluationItem copy = items("text", texts, 1, 0, "kind", "copy", "passages", "2").getFirst();
    String[] parts = prompt(copy).split("\n\n", -1);
    assertThat(parts).hasSize(4).doesNotHaveDuplicates();
    assertThat(parts[0]).hasSize(320).startsWith(Character.toString(copy.following()[0]));
    assertThat(parts[3]).isEmpty();
    // the same texts whatever the limit is
    assertThat(prompt(items("text", texts, 1, 0, "passages", "1", "prompt", "99").getFirst()))
        .isEqualTo(prompt(items("text", texts, 3, 0, "passages", "1", "prompt", "99").getFirst()));
    assertThatThrownBy(() -> items("text", texts, 9, 0, "passages", "60", "prompt", "100"))
        .hasMessageContaining("holds 60 texts that are long enough")
        .hasMessageContaining("needs 61");
    String most = String.valueOf(Integer.MAX_VALUE);
    assertThatThrownBy(() -> items("text", texts, 9, 0, "passages", most, "prompt", "100"))
        .hasMessageContaining("needs 2147483648");
  }

  @Test
  void whatIsToBeRetrievedStandsOnceAtItsDepth() {
    List<EvaluationItem> items =
        items("kv-retrieval", null, 6, 0, "depths", "0,0.5,1", "lengths", "400,900");
    for (int i = 0; i < 6; i++) {
      String prompt = prompt(items.get(i));
      int length = i < 3 ? 400 : 900;
      String asked = prompt.substring(prompt.lastIndexOf('\n') + 1);
      int at = prompt.indexOf(asked);
      String value = prompt.substring(at + asked.length() + 1, prompt.indexOf('.', at));
      assertThat(prompt.length()).isBetween(length, length + 100);
      assertThat((double) at / prompt.lastIndexOf("\n\n")).isCloseTo(i % 3 * 0.5, within(0.12));
      assertThat(prompt.split(value, -1)).hasSize(2);
      assertThat(score(items.get(i), " " + value))
          .containsEntry("exact_match", 1.0)
          .containsEntry(
              "exact_match length "
                  + length
                  + " depth "
                  + List.of("0.00", "0.50", "1.00").get(i % 3),
              1.0);
      assertThat(score(items.get(i), value + "1")).containsEntry("exact_match", 0.0);
      if (i % 3 < 2) {
        // the end of the prompt alone does not hold it
        assertThat(prompt.substring(prompt.length() * 7 / 10)).doesNotContain(value);
      }
    }
    assertThatThrownBy(() -> items("kv-retrieval", null, 1, 0, "depths", "0,2"))
        .hasMessageContaining("'depths' is '2'");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "triviaqa | Who?\\t['a']\\nWhere?\\t['b'\\n | 2",
        "triviaqa | Who?\\t['a']\\nWhere?\\n | 2",
        "triviaqa | Who?\\t['a']\\n\\n\"Where?\\t['b']\\n | 3",
        "triviaqa | Who?\\t['a', 3]\\n | 1",
        "triviaqa | Who?\\t['a'] or so\\n | 1",
        "triviaqa | Who?\\t[]\\n | 1",
        "nq-open | {\"question\": \"q\", \"answer\": [\"a\"]}\\n{\"question\": \"q\"}\\n | 2",
        "nq-open | {\"question\": \"q\", \"answer\": [\"a\"]}\\n{\"question\": | 2",
        "nq-open | {\"question\": \"q\", \"answer\": [\"a\"]}\\n\\n{\"question\": \"q\", \"answer\": []}\\n | 3",
        "nq-open | {\"question\": \"q\", \"answer\": [null]}\\n | 1",
        "nq-open | null | 1",
        "gsm8k | {\"question\": \"q\", \"answer\": \"#### 1\"}\\n[]\\n | 2",
        "gsm8k | {\"question\": \"q\", \"answer\": \"#### 1\"}\\nnull\\n | 2",
        "gsm8k | {\"question\": \"q\", \"answer\": \"#### 1\"}\\n{\"question\": \"q\", \"answer\": \"1\"}\\n | 2",
        "humaneval | \\n\\nnull\\n | 3",
        "squad | null | 1",
        "squad | {\"data\": [\\nnull]} | 2",
        "squad | {\"data\": [{\"paragraphs\": [\\n\\nnull]}]} | 3",
        "squad | {\"data\": [{\"paragraphs\": [{\"context\": \"c\", \"qas\": [\\n{\"question\": \"q\", \"answers\": [null]}]}]}]} | 2",
        "humaneval | {\"task_id\": \"a\"}\\n | 1",
        "fidelity | {\"prompt\": \"a\"}\\n{\"text\": \"b\"}\\n | 2",
        "squad | {\"data\": [{\"paragraphs\": [\\n{\"context\": \"c\"}]}]} | 2",
        "squad | {\"data\": [\\n{\"paragraphs\":\\n 3}]} | 3",
        "squad | {\"data\": [\\n\\n | 3",
      })
  void aMalformedFileNamesItsLine(String task, String text, int line) throws IOException {
    Path file = write("bad." + task, text.replace("\\n", "\n").replace("\\t", "\t"));
    assertThatThrownBy(() -> items(task, file, 10, 0))
        .isInstanceOf(KvpException.class)
        .hasMessageStartingWith("The data file '" + file + "' is malformed in line " + line + ": ")
        .hasMessageNotContaining("\n")
        .hasMessageNotContaining("io.github")
        .extracting(e -> ((KvpException) e).kind())
        .isEqualTo(KvpException.Kind.MALFORMED_FILE);
  }

  /** One byte of another encoding, far behind what a reader has in its buffer at first. */
  @Test
  void aLineThatIsNoUtf8IsNamed() throws IOException {
    byte[] text = "Who?\t['a']\n".repeat(2_000).getBytes(StandardCharsets.UTF_8);
    text[text.length - 5] = (byte) 0xe9;
    Path file = Files.write(folder.resolve("latin1.tsv"), text);
    assertThatThrownBy(() -> items("triviaqa", file, 10, 0))
        .isInstanceOf(KvpException.class)
        .hasMessage("The data file '" + file + "' is malformed in line 2000: it is not UTF-8.");
  }

  @Test
  void aFileThatIsNotThereOrNotNamedIsSaid() {
    assertThatThrownBy(() -> items("squad", folder.resolve("no.json"), 1, 1))
        .hasMessageContaining("no.json' can't be read: there is no such file");
    assertThatThrownBy(() -> items("squad", null, 1, 1)).hasMessageContaining("--data");
  }
}
