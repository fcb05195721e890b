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

import static java.util.stream.Collectors.groupingBy;
import static java.util.stream.Collectors.mapping;
import static java.util.stream.Collectors.toSet;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.kvp4j.evaluation.ResultRow;
import io.github.kvp4j.report.Report;
import io.github.kvp4j.report.RunResults;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is published of the study is what its results say. */
class PublishedStudyTest {
  private static final Path EVALUATION = Path.of("..", "docs", "evaluation");

  /** But for the figures, which take a minute to draw. */
  @ParameterizedTest
  @ValueSource(strings = {"study", "front"})
  void theTablesAreThoseOfTheResults(String name, @TempDir Path drawn) throws IOException {
    Path published = EVALUATION.resolve(name);
    new Report(RunResults.read(published)).write(List.of(), drawn);
    String figures = "(?m)^## Figures\\n(\\n!\\[.*\\n)+\\n?";
    assertThat(Files.readString(published.resolve("report.md")).replaceFirst(figures, "").strip())
        .isEqualTo(Files.readString(drawn.resolve("report.md")).strip());
    assertThat(published.resolve("results.csv"))
        .hasSameTextualContentAs(drawn.resolve("results.csv"));
  }

  @Test
  void thePageHasTheTableOfTheReport() throws IOException {
    List<String> page = Files.readAllLines(EVALUATION.resolve("README.md"));
    List<String> report = Files.readAllLines(EVALUATION.resolve("study").resolve("report.md"));
    assertThat(tableAfter("## All rows", page))
        .isNotEmpty()
        .isEqualTo(tableAfter("## Side by side", report));
  }

  @Test
  void everyRowIsAskedEveryItem() {
    RunResults study = RunResults.read(EVALUATION.resolve("study"));
    Map<String, Set<Integer>> asked =
        study.rows().values().stream()
            .flatMap(List::stream)
            .collect(
                groupingBy(
                    row -> row.task() + " " + row.metric(), mapping(ResultRow::items, toSet())));
    assertThat(asked)
        .containsEntry("humaneval pass@1", Set.of(164))
        .containsEntry("kv-retrieval exact_match", Set.of(250))
        .containsEntry("squad f1", Set.of(1190))
        .containsEntry("text kl", Set.of(500))
        .containsEntry("triviaqa f1", Set.of(1000));
  }

  private static List<String> tableAfter(String heading, List<String> lines) {
    return lines.stream()
        .dropWhile(line -> !line.equals(heading))
        .dropWhile(line -> !line.startsWith("|"))
        .takeWhile(line -> line.startsWith("|"))
        .toList();
  }
}
