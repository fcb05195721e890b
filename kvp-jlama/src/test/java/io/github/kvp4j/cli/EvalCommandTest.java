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
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.kvp4j.jlama.TinyModelDirectory;
import io.github.kvp4j.jlama.TinyTexts;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code kvp eval} from end to end, on a tiny model that knows nothing. */
class EvalCommandTest {
  @TempDir static Path folder;

  private static String model = "";
  private static String predictor = "";

  @BeforeAll
  static void make() throws IOException {
    model =
        TinyModelDirectory.of(TinyModelDirectory.Kind.LLAMA_GROUPED_TIED)
            .context(1024)
            .write(folder.resolve("tiny"))
            .toString();
    Path texts = folder.resolve("texts.txt");
    TinyTexts.plain(texts, 4_000);
    predictor = folder.resolve("p.safetensors").toString();
    CliRun made =
        CliRun.of(
            "calibrate",
            "--model",
            model,
            "--kernels",
            "vector",
            "--data",
            texts.toString(),
            "--layers",
            "1",
            "--sources",
            "1",
            "--tokens",
            "2000",
            "--prompts",
            "1",
            "--out",
            predictor);
    assertThat(made.exit()).as(made.err()).isZero();
  }

  private static CliRun eval(String... more) {
    List<String> line = new ArrayList<>(List.of("eval", "--model", model, "--kernels", "vector"));
    line.addAll(Arrays.asList(more));
    return CliRun.of(line.toArray(new String[0]));
  }

  private static CliRun retrieval(Path out, String... more) {
    return retrieval(6, out, more);
  }

  private static CliRun retrieval(int limit, Path out, String... more) {
    return eval(
        Stream.concat(
                Stream.of(
                    "--predictor",
                    predictor,
                    "--anchors",
                    "4/8/0",
                    "--set",
                    "lengths=64",
                    "--set",
                    "depths=0,1",
                    "--limit",
                    String.valueOf(limit),
                    "--out",
                    out.toString()),
                Stream.of(more))
            .toArray(String[]::new));
  }

  private static JsonNode json(Path file) throws IOException {
    return new ObjectMapper().readTree(file.toFile());
  }

  /** The table without its times. */
  private static List<String> table(Path out) throws IOException {
    return StreamSupport.stream(json(out.resolve("results.json")).path("rows").spliterator(), false)
        .map(r ->
            Stream.of("row", "task", "metric", "value", "low", "high", "items", "relative_flops")
                .map(f -> r.path(f).toString())
                .toList()
                .toString())
        .toList();
  }

  @Test
  void everyModeIsARowAndTwoRunsAndAResumedOneAgree() throws IOException {
    Path one = folder.resolve("one");
    CliRun run = retrieval(one, "--json", folder.resolve("shown.json").toString());
    assertThat(run.exit()).as(run.err()).isZero();
    List<String> rows =
        List.of(
            "exact",
            "jlama",
            "predict p.safetensors 4/8/0",
            "refine p.safetensors 4/8/0 by 128",
            "cut as predict p.safetensors 4/8/0",
            "random pruning 0.75",
            "random pruning 0.50",
            "static pruning 0.75",
            "static pruning 0.50",
            "lazyllm 0.87",
            "lazyllm 0.68",
            "base in q8",
            "base in q4");
    assertThat(run.out()).contains(rows).contains("6 items of").contains("exact_match");
    JsonNode report = json(one.resolve("results.json"));
    assertThat(report.path("rows")).extracting(r -> r.path("row").textValue()).containsAll(rows);
    assertThat(report.path("settings").path("task").textValue()).isEqualTo("kv-retrieval");
    // settings that are not as usual make another task of it
    assertThat(report.path("rows").path(0).path("task").textValue())
        .isEqualTo("kv-retrieval, depths 0,1, lengths 64");
    assertThat(report.path("machine").path("processors").intValue()).isPositive();
    assertThat(report.path("versions").path("kvp4j").textValue()).startsWith("KVP4J ");
    assertThat(report.path("commit").textValue()).matches("[0-9a-f]{40}|unknown");
    assertThat(report.path("seed").intValue()).isEqualTo(1);
    assertThat(json(folder.resolve("shown.json"))).isEqualTo(report);
    for (JsonNode row : report.path("rows")) {
      assertThat(row.path("ttft_ms").doubleValue()).isPositive();
      assertThat(row.path("items").intValue())
          .isEqualTo(row.path("metric").textValue().contains("depth") ? 3 : 6);
      assertThat(row.path("relative_flops").doubleValue())
          .isLessThan(
              row.path("row").textValue().matches("exact|jlama|base in q[48]") ? 1.0001 : 0.99);
    }

    Path two = folder.resolve("two");
    assertThat(retrieval(two).exit()).isZero();
    assertThat(table(two)).isEqualTo(table(one));

    // answers decoded alone, and with others of fewer items, are the same
    for (String together : List.of("0", "2")) {
      Path other = folder.resolve("together" + together);
      assertThat(retrieval(other, "--together", together).exit()).isZero();
      assertThat(table(other)).isEqualTo(table(one));
    }

    // as if the second run had been killed in its fourth item
    Path lines = two.resolve("items.jsonl");
    String all = Files.readString(lines);
    int third = 0;
    for (int i = 0; i < 3; i++) {
      third = all.indexOf('\n', third) + 1;
    }
    Files.writeString(lines, all.substring(0, third + 20));
    Files.delete(two.resolve("results.json"));
    CliRun refused = retrieval(two);
    assertThat(refused.exit()).isEqualTo(2);
    assertThat(refused.err()).contains("--resume");
    assertThat(retrieval(two, "--seed", "2", "--resume").err()).contains("had seed 1");
    Path kept = two.resolve("run.json");
    String settings = Files.readString(kept);
    // as if another predictor had been put in its file's place
    String checksum = json(kept).path("predictors").elements().next().textValue();
    Files.writeString(kept, settings.replace(checksum, "00000000"));
    assertThat(retrieval(two, "--resume").err()).contains("had predictors").contains(checksum);
    Files.writeString(kept, settings);
    assertThat(retrieval(two, "--resume").exit()).isZero();
    assertThat(table(two)).isEqualTo(table(one));
    assertThat(Files.readString(lines)).startsWith(all.substring(0, third));
  }

  @Test
  void slowModesMayBeAskedFewerItems() throws IOException {
    Path out = folder.resolve("fewer");
    String fewer = "off=0.3,quantised=0.5,cut=0.9,CUT:p.safetensors=0.6";
    CliRun run = retrieval(out, "--fewer", fewer, "--together", "4");
    assertThat(run.exit()).as(run.err()).isZero();
    for (JsonNode row : json(out.resolve("results.json")).path("rows")) {
      if (row.path("metric").textValue().equals("exact_match")) {
        String name = row.path("row").textValue();
        assertThat(row.path("items").intValue())
            .as(name)
            .isEqualTo(
                name.equals("jlama")
                    ? 3
                    : name.startsWith("base in") || name.startsWith("cut as") ? 4 : 6);
      }
    }
    assertThat(retrieval(folder.resolve("no"), "--fewer", "exact=0.5").err())
        .contains("--fewer is exact=0.5; give one of off, predict");
    assertThat(retrieval(folder.resolve("no"), "--fewer", "off=2").err())
        .contains("--fewer is off=2.0;", "a share of the items above 0 and at most 1.");
    assertThat(retrieval(folder.resolve("no"), "--fewer", "cut:slow=0.5").err())
        .contains("--fewer is cut:slow=0.5; the predictors of this run are p.safetensors.");
    // with more items than it had, a run asks what it had the whole of: the same items
    Path grown = folder.resolve("grown");
    for (int limit : List.of(2, 6)) {
      CliRun part = retrieval(limit, grown, "--fewer", fewer, "--together", "4", "--resume");
      assertThat(part.exit()).as(part.err()).isZero();
    }
    assertThat(table(grown)).isEqualTo(table(out));
    // and with greater shares, what it had not: the table is that of who asked so at once
    CliRun more = retrieval(grown, "--fewer", "off=0.3", "--together", "4", "--resume");
    assertThat(more.exit()).as(more.err()).isZero();
    Path atOnce = folder.resolve("at-once");
    assertThat(retrieval(atOnce, "--fewer", "off=0.3", "--together", "4").exit()).isZero();
    assertThat(table(grown)).isEqualTo(table(atOnce)).isNotEqualTo(table(out));
    assertThat(retrieval(folder.resolve("no"), "--together", "-1").err())
        .contains("--together is -1; it must be 0 or more.");
  }

  /** Its prefill and its decoding come to what ours do, but for rounding. */
  @Test
  void aTextIsMuchTheSameToJlama() throws IOException {
    Path text = Files.writeString(folder.resolve("t.txt"), "some words to go on with ".repeat(40));
    Path out = folder.resolve("text");
    CliRun run =
        eval(
            "--task",
            "text",
            "--data",
            text.toString(),
            "--set",
            "prompt=40",
            "--set",
            "following=20",
            "--modes",
            "off",
            "--limit",
            "2",
            "--out",
            out.toString());
    assertThat(run.exit()).as(run.err()).isZero();
    JsonNode rows = json(out.resolve("results.json")).path("rows");
    assertThat(rows).hasSize(8);
    assertThat(rows.get(5).path("row").textValue()).isEqualTo("jlama");
    assertThat(rows.get(5).path("metric").textValue()).isEqualTo("kl");
    assertThat(rows.get(5).path("value").doubleValue()).isCloseTo(0, within(1e-3));
    assertThat(rows.get(6).path("metric").textValue()).isEqualTo("agreement");
    assertThat(rows.get(6).path("value").doubleValue()).isGreaterThan(0.9);
  }

  @Test
  void theReferenceIsFedAndNothingMade() throws IOException {
    Path data =
        Files.writeString(folder.resolve("q.tsv"), "Who rows?\t['Ada']\nWhere to?\t['the mill']\n");
    Path out = folder.resolve("fed");
    CliRun run = fed(data, out, "exact,predict");
    assertThat(run.exit()).as(run.err()).isZero();
    assertThat(table(out))
        .hasSize(8)
        .anySatisfy(row -> assertThat(row).contains("predict p.safetensors", "\"kl\""))
        .allSatisfy(row -> assertThat(row).contains("triviaqa, feed answer"));
    String predicted = "predict p.safetensors 0/1/0";
    CliRun compared = CliRun.of("report", out.toString(), "--compare", "exact", predicted);
    assertThat(compared.exit()).as(compared.err()).isZero();
    JsonNode kl = json(out.resolve("results.json")).path("rows").get(5);
    assertThat(kl.path("row").asText() + " " + kl.path("metric").asText())
        .isEqualTo(predicted + " kl");
    // the exact row's is 0, so the difference is the row's own value, with the same interval
    assertThat(compared.out().lines().filter(line -> line.startsWith("kl")).toList())
        .containsExactly(
            String.format(
                Locale.ROOT,
                "%-24s %10.4f %10.4f  %-28s %d",
                "kl",
                0.0,
                kl.path("value").asDouble(),
                String.format(
                    Locale.ROOT,
                    "%.4f [%.4f, %.4f]",
                    kl.path("value").asDouble(),
                    kl.path("low").asDouble(),
                    kl.path("high").asDouble()),
                2));
    assertThat(CliRun.of("report", out.toString(), "--compare", "exact", "fast").err())
        .contains(
            "No item has both the row 'exact' and the row 'fast'; the run's rows are 'exact'");
    List<String> two = List.of("report", out.toString(), "--compare", "exact", predicted);
    assertThat(refusal(two, "--out", folder.resolve("plots").toString()))
        .contains("--compare shows two rows and writes nothing");
    assertThat(refusal(two, "--compare", "exact", predicted))
        .contains("--compare names 4 rows; name two, once.");
    assertThat(CliRun.of("report", folder.toString(), "--compare", "a", "b").err())
        .contains("holds no items.jsonl");
    assertThat(refusal(two, "--pack", folder.resolve("kept").toString()))
        .contains("leave out --figure, --out and --pack, or it.");
    Path kept = folder.resolve("kept"); // packed, as results are kept, it says the same
    CliRun packed = CliRun.of("report", out.toString(), "--pack", kept.toString());
    assertThat(packed.exit()).as(packed.err()).isZero();
    assertThat(packed.out().strip()).isEqualTo(kept.resolve("results.json").toString());
    assertThat(kept.resolve("items.jsonl")).doesNotExist();
    assertThat(CliRun.of("report", kept.toString(), "--compare", "exact", predicted).out())
        .isEqualTo(compared.out());
    // and can be gone on with
    CliRun more = fed(data, kept, "exact,cut", "--resume");
    assertThat(more.exit()).as(more.err()).isZero();
    assertThat(json(kept.resolve("results.json")).path("settings").path("machines")).hasSize(1);
    assertThat(CliRun.of("report", kept.toString(), "--compare", "exact", predicted).out())
        .isEqualTo(compared.out());
  }

  @Test
  void whatIsWrongIsSaidInASentence() throws IOException {
    Path bad = Files.writeString(folder.resolve("bad.tsv"), "Who?\t['a']\nWhere?\n");
    assertThat(eval("--task", "triviaqa", "--data", bad.toString()).err())
        .contains("bad.tsv' is malformed in line 2: it has 1 fields");
    assertThat(eval("--task", "chess").err()).contains("There is no task 'chess'");
    assertThat(eval("--task", "squad").err()).contains("--data");
    assertThat(eval("--modes", "fast").err()).contains("no mode 'fast'");
    assertThat(eval("--set", "width=3").err())
        .contains("no setting 'width'; it has depths, lengths");
    assertThat(eval("--resume").err()).contains("--out");
    assertThat(eval("--limit", "0").err()).contains("--limit is 0");
    assertThat(eval("--set", "lengths=5000").err()).contains("the model's limit is");
    assertThat(eval("--max-tokens", "0").err()).contains("nothing would be measured");
    assertThat(eval("--predictor", predictor, "--predictor", predictor).err())
        .contains("Two predictors are called 'p.safetensors'");
    CliRun help = eval("--task", "help");
    assertThat(help.exit()).isZero();
    assertThat(help.out()).contains("humaneval: ").contains("    --set lengths=512\n");
  }

  /** Asks nothing but how likely the reference answers are. */
  private CliRun fed(Path data, Path out, String modes, String... more) {
    List<String> words =
        List.of(
            "--task",
            "triviaqa",
            "--data",
            data.toString(),
            "--set",
            "feed=answer",
            "--max-tokens",
            "0",
            "--modes",
            modes,
            "--predictor",
            predictor,
            "--anchors",
            "0/1/0",
            "--out",
            out.toString());
    return eval(Stream.concat(words.stream(), Stream.of(more)).toArray(String[]::new));
  }

  private static String refusal(List<String> words, String... more) {
    return CliRun.of(Stream.concat(words.stream(), Stream.of(more)).toArray(String[]::new)).err();
  }
}
