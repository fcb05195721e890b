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

import com.fasterxml.jackson.databind.JsonNode;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.bench.BenchPlot;
import io.github.kvp4j.evaluation.Bootstrap;
import io.github.kvp4j.evaluation.Csv;
import io.github.kvp4j.evaluation.ResultRow;
import io.github.kvp4j.evaluation.RowDifference;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.DoubleSummaryStatistics;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.IntConsumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Tables and figures of an evaluation: {@code report.md}, {@code results.csv}, and {@code
 * report.html}, which holds its figures.
 */
public final class Report {
  private static final String STYLE =
      "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
          + "table{border-collapse:collapse;font-size:14px}"
          + "td,th{border:1px solid #ccc;padding:.2rem .5rem;text-align:right}"
          + "td:first-child,th:first-child{text-align:left}"
          + "figure{margin:2rem 0}svg{max-width:100%;height:auto}";

  private final RunResults results;
  private final Map<String, Table> cuts = new LinkedHashMap<>(); // by task, where there are any

  /**
   * A report on some results.
   *
   * @throws KvpException FILE_ACCESS, MALFORMED_FILE where a run's answers can't be read
   */
  public Report(RunResults results) {
    this.results = results;
    results
        .rows()
        .forEach((task, rows) -> {
          List<String> metrics =
              Stream.of(RunResults.headline(rows), "fidelity", "agreement").distinct().toList();
          List<CutComparison> compared =
              CutComparison.of(results.answers().getOrDefault(task, Set.of()), metrics);
          if (!compared.isEmpty()) {
            cuts.put(task, cuts(compared, metrics));
          }
        });
  }

  /** A table: a line of heads and lines of cells. */
  private record Table(List<String> heads, List<List<String>> lines) {}

  /**
   * Draws plots into a folder, as SVG and PNG each.
   *
   * @throws KvpException UNSUPPORTED where XChart is not on the class path
   */
  public static void draw(List<Figure.Plot> plots, Path folder, IntConsumer done) {
    try {
      for (int i = 0; i < plots.size(); i++) {
        BenchPlot.write(plots.get(i).chart(), folder.resolve(plots.get(i).file()));
        done.accept(i);
      }
    } catch (NoClassDefFoundError e) {
      throw Figure.undrawable(e);
    }
  }

  /**
   * Writes the report.
   *
   * @param plots what was drawn into the same folder
   */
  public void write(List<Figure.Plot> plots, Path folder) {
    try {
      Files.writeString(folder.resolve("results.csv"), csv());
      Files.writeString(folder.resolve("report.md"), markdown(plots));
      Map<String, String> drawn = new LinkedHashMap<>();
      for (Figure.Plot plot : plots) {
        drawn.put(plot.title(), Files.readString(folder.resolve(plot.file() + ".svg")));
      }
      Files.writeString(folder.resolve("report.html"), html(drawn));
    } catch (IOException e) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "The report in '" + folder + "' can't be written: " + KvpException.reason(e) + ".",
          e);
    }
  }

  /** All rows of all tasks. */
  String csv() {
    List<String> lines = new ArrayList<>();
    lines.add(
        "task,row,metric,value,low,high,items,relative_flops,relative_ttft,ttft_ms,"
            + "ms_per_token");
    for (List<ResultRow> rows : results.rows().values()) {
      for (ResultRow r : rows) {
        lines.add(
            Csv.cell(r.task())
                + ","
                + Csv.cell(r.row())
                + ","
                + Csv.cell(r.metric())
                + String.format(
                    Locale.ROOT,
                    ",%.6g,%.6g,%.6g,%d,%.4f,%.4f,%.2f,%.2f",
                    r.value(),
                    r.low(),
                    r.high(),
                    r.items(),
                    r.relativeFlops(),
                    r.relativeTtft(),
                    r.ttftMillis(),
                    r.millisPerToken()));
      }
    }
    return String.join("\n", lines) + "\n";
  }

  private static Table table(List<ResultRow> rows) {
    Set<String> metrics = new LinkedHashSet<>();
    Map<String, Map<String, ResultRow>> byRow = new LinkedHashMap<>();
    for (ResultRow r : rows) {
      metrics.add(r.metric());
      byRow.computeIfAbsent(r.row(), n -> new LinkedHashMap<>()).put(r.metric(), r);
    }
    List<String> heads = new ArrayList<>(List.of("row", "FLOPs", "TTFT", "TTFT ms", "ms/token"));
    metrics.forEach(m -> heads.add(m.replace('_', ' ')));
    heads.add("items");
    List<List<String>> lines = new ArrayList<>();
    byRow.forEach((name, of) -> {
      ResultRow any = of.values().iterator().next();
      List<String> cells = new ArrayList<>();
      cells.add(name);
      cells.add(number("%.3f", any.relativeFlops()));
      cells.add(number("%.3f", any.relativeTtft()));
      cells.add(number("%.1f", any.ttftMillis()));
      cells.add(number("%.1f", any.millisPerToken()));
      for (String metric : metrics) {
        ResultRow r = of.get(metric);
        cells.add(r == null ? "–" : withInterval(r));
      }
      cells.add(String.valueOf(of.values().stream().mapToInt(ResultRow::items).max().orElse(0)));
      lines.add(cells);
    });
    return new Table(heads, lines);
  }

  /**
   * What each row comes to at every task, side by side: how many times fewer operations prefill
   * takes, from the task where that is least to the one where it is most, and of each task {@link
   * RunResults#headline}, with its interval what is kept of it, and the items where they are fewer
   * than of another row.
   */
  private Table sideBySide() {
    List<String> heads = new ArrayList<>(List.of("row", "FLOPs saved"));
    Map<String, Map<String, List<ResultRow>>> byRow = new LinkedHashMap<>(); // then by task
    results
        .rows()
        .forEach((task, rows) -> {
          String metric = RunResults.headline(rows);
          boolean kept = rows.stream().anyMatch(r -> r.metric().equals(ResultRow.KEPT));
          heads.add(task + ": " + metric.replace('_', ' ') + (kept ? " and share kept" : ""));
          for (ResultRow r : rows) {
            byRow
                .computeIfAbsent(r.row(), n -> new LinkedHashMap<>())
                .computeIfAbsent(task, t -> new ArrayList<>())
                .add(r);
          }
        });
    List<List<String>> lines = new ArrayList<>();
    byRow.forEach((name, of) -> {
      List<String> line = new ArrayList<>(List.of(name, saved(of.values())));
      results.rows().forEach((task, rows) -> line.add(inShort(of.get(task), rows)));
      lines.add(line);
    });
    return new Table(heads, lines);
  }

  /** How many times fewer operations a row takes than the exact one: the least and the most. */
  private static String saved(Collection<List<ResultRow>> tasks) {
    DoubleSummaryStatistics times =
        tasks.stream()
            .mapToDouble(rows -> rows.getFirst().relativeFlops())
            .filter(flops -> flops > 0)
            .map(flops -> 1 / flops)
            .summaryStatistics();
    String least = number("%.2f", times.getCount() == 0 ? 0 : times.getMin());
    String most = number("%.2f", times.getCount() == 0 ? 0 : times.getMax());
    return least.equals(most) ? least : least + "–" + most;
  }

  /**
   * A row's result at a task in one cell.
   *
   * @param of the row's lines; null where it was not asked
   * @param rows the lines of all
   */
  private static String inShort(@Nullable List<ResultRow> of, List<ResultRow> rows) {
    Map<String, ResultRow> byMetric = new LinkedHashMap<>();
    if (of != null) {
      of.forEach(r -> byMetric.put(r.metric(), r));
    }
    ResultRow head = byMetric.get(RunResults.headline(rows));
    if (head == null) {
      return "–";
    }
    ResultRow kept = byMetric.get(ResultRow.KEPT);
    String out =
        kept == null
            ? withInterval(head)
            : String.format(Locale.ROOT, "%.3f, ", head.value())
                + interval(
                    "%.0f %% [%.0f, %.0f]",
                    100 * kept.value(), 100 * kept.low(), 100 * kept.high());
    int most = rows.stream().mapToInt(ResultRow::items).max().orElse(0);
    return head.items() < most ? out + " of " + head.items() : out;
  }

  private static String withInterval(ResultRow r) {
    return interval("%.3f [%.3f, %.3f]", r.value(), r.low(), r.high());
  }

  private static String interval(String format, double value, double low, double high) {
    return String.format(Locale.ROOT, format, value, low, high);
  }

  private static Table cuts(List<CutComparison> compared, List<String> metrics) {
    List<String> shown =
        metrics.stream()
            .filter(m -> compared.stream().anyMatch(c -> c.differences().containsKey(m)))
            .toList();
    List<String> heads = new ArrayList<>(List.of("row"));
    shown.forEach(m -> heads.add(m.replace('_', ' ')));
    heads.add("items");
    List<List<String>> lines = new ArrayList<>();
    for (CutComparison c : compared) {
      List<String> line = new ArrayList<>(List.of(c.row()));
      for (String metric : shown) {
        RowDifference compare = c.differences().get(metric);
        if (compare == null) {
          line.add("–");
        } else {
          Bootstrap d = compare.difference();
          line.add(interval("%+.3f [%+.3f, %+.3f]", d.value(), d.low(), d.high()));
        }
      }
      line.add(String.valueOf(c.items()));
      lines.add(line);
    }
    return new Table(heads, lines);
  }

  /** A number that is known, or a dash for 0. */
  private static String number(String format, double value) {
    return value == 0 ? "–" : String.format(Locale.ROOT, format, value);
  }

  /** What a task's results say of how they came about, a line each. */
  private List<String> about(String task) {
    List<String> out = new ArrayList<>();
    results
        .about()
        .getOrDefault(task, Map.of())
        .forEach((name, value) -> out.add(name.replace('_', ' ') + ": " + words(value)));
    return out;
  }

  private static String words(JsonNode value) {
    if (value.path(0).isObject()) {
      List<String> each = new ArrayList<>();
      value.forEach(element -> each.add(words(element)));
      return String.join("; ", each);
    }
    if (!value.isObject()) {
      return value.isTextual() ? value.asText() : value.toString();
    }
    List<String> parts = new ArrayList<>();
    value.properties().forEach(e -> parts.add(e.getKey() + " " + words(e.getValue())));
    return String.join(", ", parts);
  }

  /** What there is to know besides tasks. */
  private static final List<String> OTHERS = List.of(RunResults.TIMES, RunResults.ERRORS);

  private static final String SIDE_BY_SIDE = "Side by side";

  private static final String SIDE_BY_SIDE_SAYS =
      "FLOPs saved: those of the exact row over those of the row, from the task where that is least to"
          + " the one where it is most. Share kept: of the exact row's score over the same items. Where"
          + " a row was asked fewer items than others, \"of\" says how many.";

  private static final String CUTS_SAY =
      "Each row less the prompt that was cut to its cost, item by item:";

  private static final String INTRODUCTION =
      "In brackets: 95 % confidence intervals (bootstrap). FLOPs are those of prefill, attention"
          + " and projections included, relative to the exact row; TTFT is the median, as a share of"
          + " the exact row's over the same items in the same run, and in milliseconds. In the figures"
          + " a number after a row is that of its items, where it was asked fewer than others were;"
          + " the Pareto front is of the rows with half of the most at least.";

  /** The report as Markdown, the figures beside it. */
  String markdown(List<Figure.Plot> plots) {
    StringBuilder out = new StringBuilder("# Evaluation\n\n" + INTRODUCTION + "\n");
    if (results.rows().size() > 1) {
      out.append("\n## ")
          .append(SIDE_BY_SIDE)
          .append("\n\n")
          .append(SIDE_BY_SIDE_SAYS)
          .append("\n\n");
      markdownTable(out, sideBySide());
    }
    results
        .rows()
        .forEach((task, rows) -> {
          out.append("\n## ").append(task).append("\n\n");
          markdownTable(out, table(rows));
          out.append('\n');
          Table less = cuts.get(task);
          if (less != null) {
            out.append(CUTS_SAY).append("\n\n");
            markdownTable(out, less);
            out.append('\n');
          }
          about(task).forEach(line -> out.append("- ").append(line).append('\n'));
        });
    if (!plots.isEmpty()) {
      out.append("\n## Figures\n");
      plots.forEach(p ->
          out.append("\n![").append(p.title()).append("](").append(p.file()).append(".svg)\n"));
    }
    for (String other : OTHERS) {
      if (results.about().containsKey(other)) {
        out.append("\n## ").append(other).append("\n\n");
        about(other).forEach(line -> out.append("- ").append(line).append('\n'));
      }
    }
    return out.toString();
  }

  private static void markdownTable(StringBuilder out, Table table) {
    markdownLine(out, table.heads());
    out.append("|---").append("|---:".repeat(table.heads().size() - 1)).append("|\n");
    table.lines().forEach(line -> markdownLine(out, line));
  }

  private static void markdownLine(StringBuilder out, List<String> cells) {
    cells.forEach(cell -> out.append("| ").append(cell.replace("|", "\\|")).append(' '));
    out.append("|\n");
  }

  /**
   * The report as one page that needs no other file.
   *
   * @param drawn the figures' SVG by title
   */
  String html(Map<String, String> drawn) {
    StringBuilder out = new StringBuilder();
    out.append("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
        .append("<meta name=\"viewport\" content=\"width=device-width\">")
        .append("<title>Evaluation</title><style>")
        .append(STYLE)
        .append("</style></head><body>\n<h1>Evaluation</h1>\n<p>")
        .append(escape(INTRODUCTION))
        .append("</p>\n");
    if (results.rows().size() > 1) {
      out.append("<h2>").append(SIDE_BY_SIDE).append("</h2>\n<p>");
      out.append(escape(SIDE_BY_SIDE_SAYS)).append("</p>\n");
      htmlTable(out, sideBySide());
    }
    results
        .rows()
        .forEach((task, rows) -> {
          out.append("<h2>").append(escape(task)).append("</h2>\n");
          htmlTable(out, table(rows));
          Table less = cuts.get(task);
          if (less != null) {
            out.append("<p>").append(CUTS_SAY).append("</p>\n");
            htmlTable(out, less);
          }
          htmlList(out, about(task));
        });
    int[] number = {0};
    drawn.forEach((title, svg) ->
        out.append("<figure>\n")
            .append(inline(svg, "f" + number[0]++ + "-"))
            .append("\n<figcaption>")
            .append(escape(title))
            .append("</figcaption></figure>\n"));
    for (String other : OTHERS) {
      if (results.about().containsKey(other)) {
        out.append("<h2>").append(escape(other)).append("</h2>\n");
        htmlList(out, about(other));
      }
    }
    return out.append("</body></html>\n").toString();
  }

  private static void htmlList(StringBuilder out, List<String> lines) {
    out.append("<ul>\n");
    lines.forEach(line -> out.append("<li>").append(escape(line)).append("</li>\n"));
    out.append("</ul>\n");
  }

  private static void htmlTable(StringBuilder out, Table table) {
    out.append("<table>\n");
    htmlLine(out, "th", table.heads());
    table.lines().forEach(line -> htmlLine(out, "td", line));
    out.append("</table>\n");
  }

  private static void htmlLine(StringBuilder out, String tag, List<String> cells) {
    out.append("<tr>");
    cells.forEach(cell ->
        out.append('<')
            .append(tag)
            .append('>')
            .append(escape(cell))
            .append("</")
            .append(tag)
            .append('>'));
    out.append("</tr>\n");
  }

  private static String escape(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;");
  }

  /** An SVG file as an element of a page on which other SVGs may use the same names. */
  static String inline(String svg, String prefix) {
    return svg.substring(svg.indexOf("<svg"))
        .strip()
        .replaceAll("\\bid=\"([^\"]+)\"", "id=\"" + prefix + "$1\"")
        .replaceAll("url\\(#([^)]+)\\)", "url(#" + prefix + "$1)")
        .replaceAll("href=\"#([^\"]+)\"", "href=\"#" + prefix + "$1\"");
  }
}
