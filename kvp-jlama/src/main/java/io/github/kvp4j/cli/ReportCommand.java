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

import io.github.kvp4j.KvpException;
import io.github.kvp4j.evaluation.RowDifference;
import io.github.kvp4j.evaluation.RunFolder;
import io.github.kvp4j.report.Figure;
import io.github.kvp4j.report.Report;
import io.github.kvp4j.report.RunResults;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.TypeConversionException;

/** {@code kvp report}: figures and a page from the raw results of an evaluation. */
@Command(
    name = "report",
    mixinStandardHelpOptions = true,
    description = {
      "Makes report.md, report.html (one page that holds its figures), results.csv and the figures"
          + " (SVG and PNG) from what eval --out, bench --json and inspect wrote into a folder, and"
          + " into the folders in it; nothing is measured anew.",
      "",
      "Figures: accuracy-ttft, accuracy-flops (each with the Pareto front), ttft-length,"
          + " ratio-length (TTFT over the time per token), cache-error, error-density, refinement."
    },
    footer = {
      "",
      "Examples:",
      "  kvp report study",
      "  kvp report study --figure accuracy-flops",
      "  kvp report study --figure cache-error --figure error-density --out plots",
      "  kvp report study --pack published",
      "  kvp report study/text --compare \"predict fast 4/24/0\" \"cut as predict fast 4/24/0\""
    })
final class ReportCommand implements Callable<Integer> {
  @Parameters(paramLabel = "DIR", description = "The folder of the results.")
  private @Nullable Path folder;

  @Option(
      names = "--figure",
      paramLabel = "NAME",
      converter = FigureConverter.class,
      description = "Make this figure alone; repeatable (default: all that there are results for).")
  private List<Figure> figures = List.of();

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description = "Where to write, made if need be (default: the folder of the results).")
  private @Nullable Path out;

  @Option(
      names = "--compare",
      arity = "2",
      paramLabel = "ROW",
      description =
          "Instead, show by how much two rows of the run in DIR differ, item by item, with 95 %%"
              + " intervals: the second less the first.")
  private List<String> compared = List.of();

  @Option(
      names = "--pack",
      paramLabel = "DIR",
      description =
          "Instead, copy the raw results to DIR, the answers packed: what is to be kept or"
              + " published. Reports can be made from it, and eval --resume and study go on with"
              + " it.")
  private @Nullable Path pack;

  @Override
  public Integer call() {
    Path from = java.util.Objects.requireNonNull(folder);
    if (!Files.isDirectory(from)) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS, "The folder '" + from + "' does not exist.");
    }
    if (!compared.isEmpty()) {
      compare(from);
      return 0;
    }
    RunResults results = RunResults.read(from);
    if (pack != null) {
      pack(results, from, pack);
      return 0;
    }
    List<Figure.Plot> plots = new ArrayList<>();
    for (Figure figure : figures.isEmpty() ? List.of(Figure.values()) : figures) {
      List<Figure.Plot> made = figure.plots(results);
      if (made.isEmpty() && !figures.isEmpty()) {
        throw new KvpException(
            KvpException.Kind.BAD_ARGUMENT,
            "The folder '"
                + from
                + "' has nothing for the figure '"
                + figure
                + "'; it is made from "
                + figure.source()
                + ".");
      }
      plots.addAll(made);
    }
    if (plots.isEmpty()) {
      throw empty(from);
    }
    Path to = out == null ? from : out;
    makeFolder(to);
    try (ProgressDisplay progress = new ProgressDisplay()) {
      progress.start("figures", plots.size());
      Report.draw(plots, to, i -> progress.advance(1));
    }
    if (figures.isEmpty()) {
      new Report(results).write(plots, to);
      System.out.println(to.resolve("report.html"));
    }
    plots.forEach(p -> System.out.println(to.resolve(p.file() + ".svg")));
    return 0;
  }

  private static KvpException empty(Path from) {
    return new KvpException(
        KvpException.Kind.BAD_ARGUMENT,
        "The folder '"
            + from
            + "' holds no results; make some by kvp eval --out, kvp bench --json or kvp"
            + " inspect.");
  }

  private void pack(RunResults results, Path from, Path to) {
    if (!figures.isEmpty() || out != null) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "--pack copies raw results and makes no figures; leave out --figure and --out, or it.");
    }
    if (results.files().isEmpty()) {
      throw empty(from);
    }
    results.pack(from, to).forEach(System.out::println);
  }

  private void compare(Path run) {
    if (!figures.isEmpty() || out != null || pack != null) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "--compare shows two rows and writes nothing; leave out --figure, --out and --pack, or"
              + " it.");
    }
    if (compared.size() != 2) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "--compare names " + compared.size() + " rows; name two, once.");
    }
    List<RowDifference> differences =
        RowDifference.of(
            RunFolder.results(run), compared.getFirst(), compared.getLast(), RowDifference.SEED);
    System.out.printf(
        "%-24s %10s %10s  %-28s %s%n", "metric", "first", "second", "second less first", "items");
    for (RowDifference d : differences) {
      String shown =
          String.format(
              Locale.ROOT,
              "%.4f [%.4f, %.4f]",
              d.difference().value(),
              d.difference().low(),
              d.difference().high());
      System.out.printf(
          Locale.ROOT,
          "%-24s %10.4f %10.4f  %-28s %d%n",
          d.metric(),
          d.first(),
          d.second(),
          shown,
          d.items());
    }
  }

  /** Makes a folder to write into. */
  static void makeFolder(Path folder) {
    try {
      Files.createDirectories(folder);
    } catch (IOException e) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "The folder '" + folder + "' can't be made: " + KvpException.reason(e) + ".",
          e);
    }
  }

  /** Reads a figure's name. */
  static final class FigureConverter implements ITypeConverter<Figure> {
    @Override
    public Figure convert(String text) {
      return Figure.named(text)
          .orElseThrow(() ->
              new TypeConversionException(
                  "'"
                      + text
                      + "' is no figure; there are "
                      + Arrays.stream(Figure.values())
                          .map(Figure::toString)
                          .collect(Collectors.joining(", "))));
    }
  }
}
