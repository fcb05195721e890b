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

import io.github.kvp4j.bench.BenchPlot;
import io.github.kvp4j.evaluation.ResultRow;
import java.awt.Color;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.knowm.xchart.HeatMapChart;
import org.knowm.xchart.HeatMapChartBuilder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Draws figures with XChart. */
final class Plots {
  /** The metrics that are the better the less they are. */
  private static final Set<String> LESS = Set.of("perplexity", "kl");

  private static final String EXACT = "exact";

  /**
   * What costs more than this many times the exact row would leave no room to tell others apart.
   */
  private static final double FAR = 3;

  private static final int WIDTH = 900;
  private static final int HEIGHT = 600;

  /** The most layers that a plot of densities has a line for. */
  private static final int LINES = 8;

  /** Hues far apart, light ones first. */
  private static final Color[] COLOURS =
      IntStream.range(0, 24)
          .mapToObj(i -> Color.getHSBColor(i * 5 % 12 / 12f, 0.8f, i < 12 ? 0.85f : 0.5f))
          .toArray(Color[]::new);

  private final Figure figure;

  Plots(Figure figure) {
    this.figure = figure;
  }

  /** The plots that the results suffice for, maybe none. */
  List<Figure.Plot> of(RunResults results) {
    return switch (figure) {
      case ACCURACY_TTFT -> accuracy(results, "time to first token", ResultRow::relativeTtft);
      case ACCURACY_FLOPS -> accuracy(results, "prefill FLOPs", ResultRow::relativeFlops);
      case TTFT_LENGTH ->
          byLength(results, "Time to first token", "ms", RunResults.Time::ttftMillis);
      case RATIO_LENGTH ->
          byLength(
              results,
              "Time to first token over time per token",
              "tokens",
              t -> t.millisPerToken() > 0 ? t.ttftMillis() / t.millisPerToken() : Double.NaN);
      case CACHE_ERROR -> heatMaps(results);
      case ERROR_DENSITY -> densities(results);
      case REFINEMENT -> refinement(results);
    };
  }

  private static String slug(String text) {
    return text.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]+", "-").replaceAll("^-|-$", "");
  }

  private static XYChart xy(String title, String x, String y) {
    XYChart chart =
        new XYChartBuilder()
            .width(WIDTH)
            .height(HEIGHT)
            .title(title)
            .xAxisTitle(x)
            .yAxisTitle(y)
            .theme(Styler.ChartTheme.GGPlot2)
            .build();
    chart.getStyler().setLegendPosition(Styler.LegendPosition.OutsideE);
    chart.getStyler().setSeriesColors(COLOURS);
    chart.getStyler().setXAxisDecimalPattern("0.##");
    chart.getStyler().setYAxisDecimalPattern("0.###");
    return chart;
  }

  /** Points of a task's metric; the cost relative to the exact row's where there is one. */
  static List<ParetoFront.Point> points(
      List<ResultRow> rows, String metric, ToDoubleFunction<ResultRow> cost) {
    double unit =
        rows.stream()
            .filter(r -> r.row().equals(EXACT))
            .mapToDouble(cost)
            .filter(c -> c > 0)
            .findFirst()
            .orElse(1);
    return rows.stream()
        .filter(r -> r.metric().equals(metric) && cost.applyAsDouble(r) > 0)
        .map(r -> new ParetoFront.Point(r.row(), cost.applyAsDouble(r) / unit, r.value()))
        .toList();
  }

  /**
   * The rows that a front may be made of: those asked half as many items as the row with the most,
   * at least. What stands on a few items may stand anywhere.
   */
  static List<ResultRow> wellMeasured(List<ResultRow> rows, String metric) {
    int most = most(rows, metric);
    return rows.stream().filter(r -> 2 * r.items() >= most).toList();
  }

  private static int most(List<ResultRow> rows, String metric) {
    return rows.stream()
        .filter(r -> r.metric().equals(metric))
        .mapToInt(ResultRow::items)
        .max()
        .orElse(0);
  }

  private List<Figure.Plot> accuracy(
      RunResults results, String axis, ToDoubleFunction<ResultRow> cost) {
    List<Figure.Plot> out = new ArrayList<>();
    results
        .rows()
        .forEach((task, rows) -> {
          String metric = RunResults.headline(rows);
          List<ParetoFront.Point> all = points(rows, metric, cost);
          if (all.isEmpty()) {
            return;
          }
          List<ParetoFront.Point> points = all.stream().filter(p -> p.cost() <= FAR).toList();
          String beyond =
              all.stream()
                  .filter(p -> p.cost() > FAR)
                  .map(p -> String.format(Locale.ROOT, "%s at %.1f", p.row(), p.cost()))
                  .collect(Collectors.joining(", "));
          String title = task + ": " + metric.replace('_', ' ') + " against " + axis;
          int most = most(rows, metric);
          Map<String, Integer> items = new LinkedHashMap<>();
          rows.stream()
              .filter(r -> r.metric().equals(metric))
              .forEach(r -> items.put(r.row(), r.items()));
          out.add(
              new Figure.Plot(
                  figure + "-" + slug(task),
                  title,
                  () -> {
                    String x = axis + ", exact = 1";
                    XYChart chart =
                        xy(
                            title,
                            beyond.isEmpty() ? x : x + " (not shown: " + beyond + ")",
                            metric.replace('_', ' '));
                    for (ParetoFront.Point p : points) {
                      chart
                          .addSeries(
                              items.getOrDefault(p.row(), most) < most
                                  ? p.row() + " (" + items.get(p.row()) + ")"
                                  : p.row(),
                              List.of(p.cost()),
                              List.of(p.worth()))
                          .setXYSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Scatter);
                    }
                    List<ParetoFront.Point> front =
                        ParetoFront.of(
                            points(wellMeasured(rows, metric), metric, cost),
                            LESS.contains(metric));
                    chart
                        .addSeries(
                            "Pareto front",
                            front.stream().map(ParetoFront.Point::cost).toList(),
                            front.stream().map(ParetoFront.Point::worth).toList())
                        .setMarker(SeriesMarkers.NONE)
                        .setLineColor(Color.DARK_GRAY);
                    return chart;
                  }));
        });
    return out;
  }

  private List<Figure.Plot> byLength(
      RunResults results, String what, String unit, ToDoubleFunction<RunResults.Time> value) {
    List<Figure.Plot> out = new ArrayList<>();
    TreeSet<Integer> batches = new TreeSet<>();
    results.bench().forEach(t -> batches.add(t.batch()));
    for (int batch : batches) {
      Map<String, Map<Integer, Double>> lines = new LinkedHashMap<>();
      results
          .byLength(batch)
          .forEach((row, times) -> {
            Map<Integer, Double> line = new TreeMap<>();
            times.forEach((length, time) -> {
              double v = value.applyAsDouble(time);
              if (v > 0) {
                line.put(length, v);
              }
            });
            if (!line.isEmpty()) {
              lines.put(row, line);
            }
          });
      if (!lines.isEmpty()) {
        String title = what + ", batch " + batch;
        out.add(
            new Figure.Plot(
                figure + "-batch-" + batch,
                title,
                () -> {
                  XYChart chart = xy(title, "prompt tokens", unit);
                  BenchPlot.wholeDecades(
                      chart, lines.values().stream().flatMap(l -> l.values().stream()).toList());
                  lines.forEach((row, line) ->
                      chart.addSeries(
                          row, new ArrayList<>(line.keySet()), new ArrayList<>(line.values())));
                  return chart;
                }));
      }
    }
    return out;
  }

  /** The cells of each row and part, in order. */
  private static Map<List<String>, List<RunResults.Cell>> grouped(List<RunResults.Cell> cells) {
    Map<List<String>, List<RunResults.Cell>> out = new LinkedHashMap<>();
    cells.forEach(
        c -> out.computeIfAbsent(List.of(c.row(), c.part()), k -> new ArrayList<>()).add(c));
    return out;
  }

  private static String partName(String part) {
    return part.equals("K") ? "keys" : "values";
  }

  private List<Figure.Plot> heatMaps(RunResults results) {
    List<Figure.Plot> out = new ArrayList<>();
    grouped(results.l1())
        .forEach((key, cells) -> {
          String title = "L1 error of " + partName(key.get(1)) + ", " + key.get(0);
          out.add(
              new Figure.Plot(
                  figure + "-" + slug(key.get(0)) + "-" + slug(key.get(1)),
                  title,
                  () -> heatMap(title, cells)));
        });
    return out;
  }

  private static HeatMapChart heatMap(String title, List<RunResults.Cell> cells) {
    List<Integer> positions = cells.stream().map(c -> (int) c.at()).distinct().sorted().toList();
    List<Integer> layers = cells.stream().map(RunResults.Cell::layer).distinct().sorted().toList();
    List<Number[]> data =
        cells.stream()
            .map(c ->
                new Number[] {
                  positions.indexOf((int) c.at()), layers.indexOf(c.layer()), c.value()
                })
            .toList();
    HeatMapChart chart =
        new HeatMapChartBuilder()
            .width(WIDTH)
            .height(HEIGHT)
            .title(title)
            .xAxisTitle("position")
            .yAxisTitle("layer")
            .theme(Styler.ChartTheme.GGPlot2)
            .build();
    double max = cells.stream().mapToDouble(RunResults.Cell::value).max().orElse(1);
    chart.getStyler().setMin(0);
    // a map that is zero throughout has a scale too; the legend shows the number in full
    chart.getStyler().setMax(Double.parseDouble(String.format(Locale.ROOT, "%.2g", max + 1e-9)));
    chart.getStyler().setRangeColors(new Color[] {Color.WHITE, Color.ORANGE, new Color(0x8b0000)});
    chart.getStyler().setHeatMapDecimalValueFormatter(v -> String.format(Locale.ROOT, "%.3g", v));
    chart.getStyler().setXAxisMaxLabelCount(10);
    chart.addSeries("L1", positions, layers, data);
    return chart;
  }

  private List<Figure.Plot> densities(RunResults results) {
    List<Figure.Plot> out = new ArrayList<>();
    grouped(results.density())
        .forEach((key, cells) -> {
          Map<Integer, Map<Double, Double>> lines = spread(cells);
          if (lines.isEmpty()) {
            return;
          }
          String title = "Density of the error of " + partName(key.get(1)) + ", " + key.get(0);
          out.add(
              new Figure.Plot(
                  figure + "-" + slug(key.get(0)) + "-" + slug(key.get(1)),
                  title,
                  () -> {
                    XYChart chart = xy(title, "error", "density");
                    lines.forEach((layer, line) ->
                        chart
                            .addSeries(
                                "layer " + layer,
                                new ArrayList<>(line.keySet()),
                                new ArrayList<>(line.values()))
                            .setMarker(SeriesMarkers.NONE));
                    return chart;
                  }));
        });
    return out;
  }

  /**
   * The densities of those layers that have errors at all, so many of them as can be told apart.
   */
  static Map<Integer, Map<Double, Double>> spread(List<RunResults.Cell> cells) {
    TreeMap<Integer, Map<Double, Double>> all = new TreeMap<>();
    cells.forEach(c -> all.computeIfAbsent(c.layer(), l -> new TreeMap<>()).put(c.at(), c.value()));
    all.values().removeIf(line -> line.values().stream().filter(v -> v > 0).count() < 2);
    Integer[] layers = all.keySet().toArray(Integer[]::new);
    int shown = Math.min(LINES, layers.length);
    Map<Integer, Map<Double, Double>> out = new LinkedHashMap<>();
    for (int i = 0; i < shown; i++) {
      int layer = layers[shown == 1 ? 0 : i * (layers.length - 1) / (shown - 1)];
      out.put(layer, java.util.Objects.requireNonNull(all.get(layer)));
    }
    return out;
  }

  private List<Figure.Plot> refinement(RunResults results) {
    Map<String, Map<Integer, Double>> lines = new LinkedHashMap<>();
    for (RunResults.Course c : results.course()) {
      lines.computeIfAbsent(c.row(), r -> new TreeMap<>()).put(c.token(), c.agreement());
    }
    if (lines.isEmpty()) {
      return List.of();
    }
    String title = "Agreement with the exact cache";
    return List.of(
        new Figure.Plot(
            figure.toString(),
            title,
            () -> {
              XYChart chart = xy(title, "token of the answer", "share of prompts");
              chart.getStyler().setYAxisMax(1.0);
              lines.forEach((row, line) ->
                  chart
                      .addSeries(
                          row, new ArrayList<>(line.keySet()), new ArrayList<>(line.values()))
                      .setMarker(SeriesMarkers.NONE));
              return chart;
            }));
  }
}
