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

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import io.github.kvp4j.jlama.TinyModelDirectory;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.TreeSet;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A hundredth of the study, on a tiny model and small data made here in the official forms. */
class StudyCommandTest {
  @TempDir Path folder;

  private static final List<String> COUNTRIES =
      List.of("France", "Spain", "Italy", "Japan", "Egypt", "Peru", "Kenya", "Norway", "Greece");
  private static final List<String> CAPITALS =
      List.of("Paris", "Madrid", "Rome", "Tokyo", "Cairo", "Lima", "Nairobi", "Oslo", "Athens");

  private Path data() throws IOException {
    Path data = Files.createDirectories(folder.resolve("data"));
    StringBuilder questions = new StringBuilder();
    ObjectMapper json = new ObjectMapper();
    ArrayNode paragraphs = json.createArrayNode();
    for (int i = 0; i < COUNTRIES.size(); i++) {
      String question = "What is the capital of " + COUNTRIES.get(i) + "?";
      questions.append(question + "\t['" + CAPITALS.get(i) + "']\n");
      paragraphs
          .addObject()
          .put(
              "context",
              "The capital of " + COUNTRIES.get(i) + " is " + CAPITALS.get(i) + ", as all know.")
          .putArray("qas")
          .addObject()
          .put("id", "q" + i)
          .put("question", question)
          .putArray("answers")
          .addObject()
          .put("text", CAPITALS.get(i))
          .put("answer_start", 0);
    }
    gzip(data.resolve("triviaqa.dev.tsv.gz"), questions.toString());
    ArrayNode articles = json.createArrayNode();
    articles.addObject().put("title", "capitals").set("paragraphs", paragraphs);
    json.writeValue(
        data.resolve("xquad.en.json").toFile(),
        json.createObjectNode().put("version", "1.1").set("data", articles));
    StringBuilder texts = new StringBuilder();
    for (int i = 0; i < 40; i++) {
      StringBuilder text = new StringBuilder();
      for (int j = 0; j < 150; j++) {
        int k = (i * 31 + j * 7) % COUNTRIES.size();
        text.append("In year " + (1900 + i + j) + " a letter went from " + CAPITALS.get(k) + ". ");
      }
      texts.append(
          json.writeValueAsString(
              json.createObjectNode().put("id", i).put("text", text.toString())));
      texts.append('\n');
    }
    gzip(data.resolve("calibration.jsonl.gz"), texts.toString());
    return data;
  }

  private String predictor(String model, Path data, String kind, String... more) {
    String file = folder.resolve(kind + ".safetensors").toString();
    List<String> words =
        new ArrayList<>(
            List.of(
                "calibrate",
                "--kind",
                kind,
                "--tokens",
                "2000",
                "--prompts",
                "1",
                "--model",
                model));
    words.addAll(List.of(more));
    words.addAll(List.of("--data", data.resolve("calibration.jsonl.gz").toString(), "--out", file));
    CliRun run = CliRun.of(words.toArray(new String[0]));
    assertThat(run.exit()).as(run.err()).isZero();
    return file;
  }

  private static void gzip(Path file, String text) throws IOException {
    try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(file))) {
      out.write(text.getBytes(StandardCharsets.UTF_8));
    }
  }

  @Test
  void aHundredthOfTheStudyMakesEveryFigure() throws IOException {
    Path data = data();
    String model =
        TinyModelDirectory.of(TinyModelDirectory.Kind.LLAMA_GROUPED_TIED)
            .context(2048)
            .write(folder.resolve("tiny"))
            .toString();
    Path out = folder.resolve("study");
    List<String> words =
        new ArrayList<>(
            List.of(
                "study",
                "--model",
                model,
                "--kernels",
                "vector",
                "--data-dir",
                data.toString(),
                "--predictor",
                predictor(model, data, "prefix", "--layers", "1"),
                "--predictor",
                predictor(model, data, "layer-pruned", "--keep", "0"),
                "--out",
                out.toString(),
                "--scale",
                "0.01"));
    CliRun run = CliRun.of(words.toArray(new String[0]));
    assertThat(run.exit()).as(run.err()).isZero();
    assertThat(run.err()).contains("study: step 1 of 8: kvp eval --task triviaqa");
    TreeSet<String> tasks = new TreeSet<>();
    TreeSet<String> rows = new TreeSet<>();
    for (String task : List.of("triviaqa", "squad", "text", "kv-retrieval")) {
      for (JsonNode row :
          new ObjectMapper()
              .readTree(out.resolve(task).resolve("results.json").toFile())
              .path("rows")) {
        tasks.add(row.path("task").asText());
        rows.add(row.path("row").asText().replaceAll("[ .].*", ""));
      }
    }
    assertThat(tasks).containsExactly("kv-retrieval", "squad", "text", "triviaqa");
    assertThat(rows)
        .containsExactly(
            "auxiliary",
            "base",
            "cut",
            "exact",
            "jlama",
            "lazyllm",
            "predict",
            "random",
            "refine",
            "static");
    for (String figure :
        List.of(
            "accuracy-ttft",
            "accuracy-flops",
            "ttft-length",
            "ratio-length",
            "cache-error",
            "error-density",
            "refinement")) {
      Path again = folder.resolve(figure);
      CliRun one =
          CliRun.of("report", out.toString(), "--figure", figure, "--out", again.toString());
      assertThat(one.exit()).as(one.err()).isZero();
      try (var files = Files.list(again)) {
        assertThat(files).as(figure).anyMatch(f -> f.toString().endsWith(".svg"));
      }
    }
    assertThat(out.resolve("report.html")).isNotEmptyFile();
    // what is done is not done again
    CliRun again = CliRun.of(words.toArray(new String[0]));
    assertThat(again.exit()).as(again.err()).isZero();
    assertThat(again.err().lines().filter(l -> l.startsWith("study: step")))
        .containsExactly("study: step 8 of 8: kvp report " + out);
    // a greater scale asks what is new and nothing else
    Path items = out.resolve("text").resolve("items.jsonl");
    String asked = Files.readString(items);
    words.set(words.size() - 1, "0.015");
    CliRun more = CliRun.of(words.toArray(new String[0]));
    assertThat(more.exit()).as(more.err()).isZero();
    assertThat(more.err()).contains("kvp eval --task text").doesNotContain("kvp inspect");
    assertThat(asked.lines()).hasSize(5);
    assertThat(Files.readString(items))
        .startsWith(asked)
        .satisfies(t -> assertThat(t.lines()).hasSize(8));
    // nor with greater shares
    Collections.addAll(words, "--fewer", "off=0.3");
    CliRun whole = CliRun.of(words.toArray(new String[0]));
    assertThat(whole.exit()).as(whole.err()).isZero();
    assertThat(whole.err()).doesNotContain("kvp inspect");
    for (JsonNode row :
        new ObjectMapper()
            .readTree(out.resolve("text").resolve("results.json").toFile())
            .path("rows")) {
      assertThat(row.path("items").asInt())
          .as(row.path("row").asText())
          .isEqualTo(row.path("row").asText().equals("jlama") ? 3 : 8);
    }
    // what is kept of it is gone on with: here all is there, and nothing asked anew
    Path kept = folder.resolve("kept");
    CliRun packed = CliRun.of("report", out.toString(), "--pack", kept.toString());
    assertThat(packed.exit()).as(packed.err()).isZero();
    List<String> there = new ArrayList<>(words);
    there.set(there.indexOf(out.toString()), kept.toString());
    CliRun on = CliRun.of(there.toArray(new String[0]));
    assertThat(on.exit()).as(on.err()).isZero();
    assertThat(on.err()).contains("kvp eval --task text");
    assertThat(Files.readAllLines(kept.resolve("text").resolve("items.jsonl"))).hasSize(8);
    // and wrong ones are refused before anything is done
    List<String> wrong = new ArrayList<>(words);
    wrong.set(wrong.size() - 1, "none=0.3");
    CliRun refused = CliRun.of(wrong.toArray(new String[0]));
    assertThat(refused.exit()).isNotZero();
    assertThat(refused.err()).contains("--fewer is none=0.3").doesNotContain("study: step");
    Collections.addAll(words, "--seed", "7");
    assertThat(CliRun.of(words.toArray(new String[0])).err()).contains("other settings");
  }
}
