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
package io.github.kvp4j.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.evaluation.AgreementCourse;
import io.github.kvp4j.evaluation.CacheErrors;
import io.github.kvp4j.evaluation.ResultRow;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.knowm.xchart.XYChart;

/** Figures and pages say what the raw results say. */
class ReportTest {
  private static final String SQUAD =
      """
      {"rows":[
      {"row":"exact","task":"squad","metric":"f1","value":0.5,"low":0.4,"high":0.6,"items":9,
       "relative_flops":1,"ttft_ms":200,"ms_per_token":10},
      {"row":"exact","task":"squad","metric":"exact_match","value":0.25,"low":0.2,"high":0.3,
       "items":9,"relative_flops":1,"ttft_ms":200,"ms_per_token":10},
      {"row":"predict <fast> | 4/24/0","task":"squad","metric":"f1","value":0.125,"low":0.1,
       "high":0.2,"items":9,"relative_flops":0.5,"ttft_ms":80,"ms_per_token":0},
      {"row":"predict <fast> | 4/24/0","task":"squad","metric":"kept","value":0.25,"low":0.2,
       "high":0.4,"items":9,"relative_flops":0.5,"ttft_ms":80,"ms_per_token":0}],
      "machine":{"cpu":"A \\"CPU\\"","processors":2},"versions":{"java":"25"},"commit":"abc123",
      "seed":7,"settings":{"machines":[{"cpu":"B"},{"cpu":"C"}]}}
      """;

  private static final String TEXT =
      """
      {"rows":[{"row":"exact","task":"text","metric":"perplexity","value":18.5,"low":17,"high":19,
      "items":3,"relative_flops":1,"ttft_ms":100},
      {"row":"cut","task":"text","metric":"perplexity","value":19.5,"low":18,"high":21,
      "items":2,"relative_flops":0.8,"ttft_ms":80}]}
      """;

  private static final String BENCH =
      """
      {"rows":[
      {"row":"exact","prompt_tokens":128,"batch":1,"ttft_ms":100,"ms_per_token":20},
      {"row":"exact","prompt_tokens":512,"batch":1,"ttft_ms":400,"ms_per_token":null},
      {"row":"exact","prompt_tokens":128,"batch":4,"ttft_ms":300,"ms_per_token":null}]}
      """;

  @TempDir private Path folder;

  private RunResults results() throws IOException {
    Files.writeString(folder.resolve("results.json"), SQUAD);
    Files.createDirectories(folder.resolve("run2"));
    Files.writeString(folder.resolve("run2").resolve("results.json"), TEXT);
    Files.writeString(folder.resolve("bench.json"), BENCH);
    List<String> l1 = new ArrayList<>(List.of(CacheErrors.L1_HEADER));
    List<String> density = new ArrayList<>(List.of(CacheErrors.DENSITY_HEADER));
    for (String part : List.of("K", "V")) {
      for (int layer = 0; layer < 20; layer++) {
        for (int i = 0; i < 5; i++) {
          l1.add("\"a, b\"," + part + "," + layer + "," + 16.0 * i + "," + 0.1 * layer);
          // the first ten layers are exact: all of the density in the middle
          double value = layer < 10 ? (i == 2 ? 1 : 0) : 0.2;
          density.add("\"a, b\"," + part + "," + layer + "," + (i - 2) + "," + value);
        }
      }
    }
    Files.write(folder.resolve(RunResults.L1), l1);
    Files.write(folder.resolve(RunResults.DENSITY), density);
    Files.write(
        folder.resolve(RunResults.COURSE),
        List.of(AgreementCourse.HEADER, "refine,1,0.5,8", "refine,2,0.75,8", "predict,1,0.5,8"));
    return RunResults.read(folder);
  }

  @Test
  void rawResultsAreReadFromTheFolderAndThoseInIt() throws IOException {
    RunResults r = results();
    assertThat(r.rows()).containsOnlyKeys("squad", "text");
    assertThat(r.rows().get("squad")).hasSize(4);
    assertThat(r.bench()).hasSize(3);
    assertThat(r.byLength(4)).containsOnlyKeys("exact");
    assertThat(r.l1()).hasSize(200).contains(new RunResults.Cell("a, b", "V", 3, 32, 0.1 * 3));
    assertThat(r.course()).contains(new RunResults.Course("refine", 2, 0.75));
    // what was measured of cost is relative to the exact row
    assertThat(
            Plots.points(r.rows().getOrDefault("squad", List.of()), "f1", row -> row.ttftMillis()))
        .containsExactly(
            new ParetoFront.Point("exact", 1, 0.5),
            new ParetoFront.Point("predict <fast> | 4/24/0", 0.4, 0.125));
  }

  @Test
  void ofARowThatTwoRunsAskedTheOneWithMoreItemsStands() throws IOException {
    for (String run : List.of("a", "b", "c")) {
      Files.createDirectories(folder.resolve(run));
      Files.writeString(
          folder.resolve(run).resolve("results.json"),
          run.equals("b")
              ? TEXT.replace("\"items\":3", "\"items\":30").replace("18.5", "20.5")
              : TEXT);
    }
    List<ResultRow> rows = RunResults.read(folder).rows().getOrDefault("text", List.of());
    assertThat(rows).extracting(ResultRow::row).containsExactly("exact", "cut");
    assertThat(rows.getFirst().items()).isEqualTo(30);
    assertThat(rows.getFirst().value()).isEqualTo(20.5);
  }

  /** Other examples or another seed are other questions. */
  @Test
  void runsThatAskedSomethingElseAreKeptApart() throws IOException {
    for (String shots : List.of("1", "5")) {
      Files.createDirectories(folder.resolve("s" + shots));
      Files.writeString(
          folder.resolve("s" + shots).resolve("results.json"),
          TEXT.replaceFirst("\\{", "{\"settings\":{\"shots\":" + shots + "},"));
    }
    assertThat(RunResults.read(folder).rows()).containsOnlyKeys("text", "text (s5)");
  }

  /** A point far out would press all the others together; it is named instead. */
  @Test
  void whatIsFarSlowerIsNamedBesideTheAxis() throws IOException {
    Files.writeString(
        folder.resolve("results.json"),
        """
        {"rows":[
        {"row":"exact","task":"t","metric":"f1","value":0.5,"items":9,"relative_flops":1,"ttft_ms":20},
        {"row":"jlama","task":"t","metric":"f1","value":0.5,"items":9,"relative_flops":1,"ttft_ms":266},
        {"row":"fast","task":"t","metric":"f1","value":0.4,"items":9,"relative_flops":0.6,"ttft_ms":12}]}
        """);
    XYChart chart =
        (XYChart) Figure.ACCURACY_TTFT.plots(RunResults.read(folder)).getFirst().chart().get();
    assertThat(chart.getSeriesMap()).containsOnlyKeys("exact", "fast", "Pareto front");
    assertThat(chart.getXAxisTitle())
        .isEqualTo("time to first token, exact = 1 (not shown: jlama at 13.3)");
  }

  /** Jlama's few items tell nothing of where it stands; times are compared over the same items. */
  @Test
  void aFrontIsOfRowsWithItemsEnough() {
    List<ResultRow> rows =
        List.of(
            new ResultRow("exact", "t", "f1", 0.2, 0, 1, 100, 1, 50, 1, 0),
            new ResultRow("jlama", "t", "f1", 0.9, 0, 1, 3, 1, 500, 8, 0),
            new ResultRow("half", "t", "f1", 0.1, 0, 1, 50, 0.5, 40, 0.4, 0));
    assertThat(Plots.wellMeasured(rows, "f1"))
        .extracting(ResultRow::row)
        .containsExactly("exact", "half");
    assertThat(Plots.points(rows, "f1", ResultRow::relativeTtft))
        .extracting(ParetoFront.Point::cost)
        .containsExactly(1.0, 8.0, 0.4);
  }

  @Test
  void eachFigureIsDrawnFromItsResults() throws IOException {
    RunResults r = results();
    Map<Figure, List<String>> files = new LinkedHashMap<>();
    for (Figure figure : Figure.values()) {
      List<Figure.Plot> plots = figure.plots(r);
      Report.draw(plots, folder, i -> {});
      for (Figure.Plot plot : plots) {
        assertThat(ImageIO.read(folder.resolve(plot.file() + ".png").toFile()).getWidth())
            .isEqualTo(900);
        String svg = Files.readString(folder.resolve(plot.file() + ".svg"));
        assertThat(svg).contains("<svg").doesNotContain("NaN");
        assertThat(svg.split("<path|<line|<rect", -1)).hasSizeGreaterThan(10);
      }
      files.put(figure, plots.stream().map(Figure.Plot::file).toList());
    }
    assertThat(files)
        .containsEntry(Figure.ACCURACY_TTFT, List.of("accuracy-ttft-squad", "accuracy-ttft-text"))
        .containsEntry(
            Figure.ACCURACY_FLOPS, List.of("accuracy-flops-squad", "accuracy-flops-text"))
        .containsEntry(Figure.TTFT_LENGTH, List.of("ttft-length-batch-1", "ttft-length-batch-4"))
        .containsEntry(Figure.RATIO_LENGTH, List.of("ratio-length-batch-1"))
        .containsEntry(Figure.CACHE_ERROR, List.of("cache-error-a-b-k", "cache-error-a-b-v"))
        .containsEntry(Figure.ERROR_DENSITY, List.of("error-density-a-b-k", "error-density-a-b-v"))
        .containsEntry(Figure.REFINEMENT, List.of("refinement"));
  }

  @Test
  void onlyLayersWithErrorsHaveALineAndNoMoreThanCanBeToldApart() throws IOException {
    List<RunResults.Cell> keys =
        results().density().stream().filter(c -> c.part().equals("K")).toList();
    assertThat(Plots.spread(keys).keySet()).hasSize(8).startsWith(10).endsWith(19);
  }

  @Test
  void theFrontHasWhatNothingBeats() {
    ParetoFront.Point exact = new ParetoFront.Point("exact", 1, 0.5);
    ParetoFront.Point good = new ParetoFront.Point("good", 0.6, 0.5);
    ParetoFront.Point cheap = new ParetoFront.Point("cheap", 0.4, 0.2);
    ParetoFront.Point poor = new ParetoFront.Point("poor", 0.7, 0.4);
    ParetoFront.Point twin = new ParetoFront.Point("twin", 0.4, 0.1);
    List<ParetoFront.Point> all = List.of(exact, good, cheap, poor, twin);
    assertThat(ParetoFront.of(all, false)).containsExactly(cheap, good);
    assertThat(ParetoFront.of(all, true)).containsExactly(twin);
  }

  @Test
  void theReportHoldsTablesAndFigures() throws IOException {
    RunResults r = results();
    List<Figure.Plot> plots =
        Stream.of(Figure.ACCURACY_FLOPS, Figure.REFINEMENT)
            .flatMap(f -> f.plots(r).stream())
            .toList();
    Report.draw(plots, folder, i -> {});
    new Report(r).write(plots, folder);
    assertThat(folder.resolve("report.md"))
        .content()
        .contains("## Side by side")
        .contains("| row | FLOPs saved | squad: f1 and share kept | text: perplexity |")
        .contains("| exact | 1.00 | 0.500 [0.400, 0.600] | 18.500 [17.000, 19.000] |")
        .contains("| predict <fast> \\| 4/24/0 | 2.00 | 0.125, 25 % [20, 40] | – |")
        .contains("| cut | 1.25 | – | 19.500 [18.000, 21.000] of 2 |")
        .contains("## squad")
        .contains("| row | FLOPs | TTFT | TTFT ms | ms/token | f1 | exact match | kept | items |")
        .contains(
            "| exact | 1.000 | 1.000 | 200.0 | 10.0 | 0.500 [0.400, 0.600] | 0.250 [0.200, 0.300] | – | 9 |")
        .contains(
            "| predict <fast> \\| 4/24/0 | 0.500 | 0.400 | 80.0 | – | 0.125 [0.100, 0.200] | – | 0.250 [0.200, 0.400] | 9 |")
        .contains("- machine: cpu A \"CPU\", processors 2")
        .contains("- settings: machines cpu B; cpu C")
        .contains("- commit: abc123", "- seed: 7", "- versions: java 25")
        .contains("](accuracy-flops-squad.svg)");
    String html = Files.readString(folder.resolve("report.html"));
    assertThat(html)
        .contains("<td>predict &lt;fast&gt; | 4/24/0</td>")
        .contains("<h2>Side by side</h2>\n<p>FLOPs saved: ")
        .contains("machine: cpu A &quot;CPU&quot;, processors 2")
        .doesNotContain("<?xml", "<!DOCTYPE svg", "src=");
    assertThat(html.split("<svg", -1)).hasSize(1 + plots.size());
    // names of one figure are not those of another
    List<String> ids =
        Pattern.compile("\\bid=\"([^\"]+)\"").matcher(html).results().map(m -> m.group(1)).toList();
    assertThat(ids).doesNotHaveDuplicates();
    Pattern.compile("url\\(#([^)]+)\\)")
        .matcher(html)
        .results()
        .forEach(m -> assertThat(ids).contains(m.group(1)));
    assertThat(folder.resolve("results.csv"))
        .content()
        .startsWith(
            "task,row,metric,value,low,high,items,relative_flops,relative_ttft,"
                + "ttft_ms,ms_per_token\n")
        .contains("\nsquad,exact,f1,0.500000,0.400000,0.600000,9,1.0000,1.0000,200.00,10.00\n")
        .contains("\ntext,exact,perplexity,18.5000,");
  }

  /**
   * Another run of the task has fewer items of the row; a row without items in common has no line.
   */
  @Test
  void rowsAreComparedWithThePromptThatWasCutToTheirCost() throws IOException {
    for (int items : List.of(1, 2)) {
      Path run = Files.createDirectories(folder.resolve("run" + items));
      Files.writeString(run.resolve("results.json"), SQUAD);
      List<String> lines = new ArrayList<>();
      for (int i = 0; i < items; i++) {
        lines.add(
            """
            {"item":"%d","promptTokens":9,"rows":[
            {"row":"predict a","metrics":{"f1":0.75,"fidelity":0.5,"first_token":1}},
            {"row":"refine a by 128","metrics":{"f1":1,"fidelity":1.5}},
            {"row":"cut as predict a","metrics":{"f1":0.25,"fidelity":%s}},
            {"row":"%s","metrics":{"f1":1}}]}\
            """
                .formatted(i, i == 0 ? "0.5" : "1.5", i == 0 ? "predict b" : "cut as predict b")
                .replace("\n", ""));
      }
      Files.write(run.resolve("items.jsonl"), lines);
    }
    new Report(RunResults.read(folder)).write(List.of(), folder);
    assertThat(folder.resolve("report.md"))
        .content()
        .contains(
            """
            Each row less the prompt that was cut to its cost, item by item:

            | row | f1 | fidelity | items |
            |---|---:|---:|---:|
            | predict a | +0.500 [+0.500, +0.500] | -0.500 [-1.000, +0.000] | 2 |
            | refine a by 128 | +0.750 [+0.750, +0.750] | +0.500 [+0.000, +1.000] | 2 |

            - machine\
            """);
    assertThat(folder.resolve("report.html"))
        .content()
        .contains("item by item:</p>\n<table>\n<tr><th>row</th><th>f1</th><th>fidelity</th>");
  }

  @Test
  void namesWithinAFigureAreSetApart() {
    assertThat(
            Report.inline(
                "<?xml version=\"1.0\"?><!DOCTYPE svg>\n<svg><g id=\"a\" clip-path=\"url(#a)\"/>"
                    + "<use xlink:href=\"#a\"/></svg>\n",
                "f1-"))
        .isEqualTo(
            "<svg><g id=\"f1-a\" clip-path=\"url(#f1-a)\"/><use xlink:href=\"#f1-a\"/></svg>");
  }

  @Test
  void damageIsNamedByFileAndLine() throws IOException {
    Path json = Files.writeString(folder.resolve("results.json"), "{\"rows\":\n[,]}");
    assertThatThrownBy(() -> RunResults.read(folder))
        .isInstanceOf(KvpException.class)
        .hasMessage("The file '" + json + "' is damaged in line 2: it is no JSON.");
    Files.delete(json);
    Path csv =
        Files.write(
            folder.resolve(RunResults.COURSE), List.of(AgreementCourse.HEADER, "a,1,0.5,8", "a,x"));
    assertThatThrownBy(() -> RunResults.read(folder))
        .hasMessage(
            "The file '"
                + csv
                + "' is damaged in line 3: its cells are not those of"
                + " 'row,token,agreement,items'.");
  }
}
