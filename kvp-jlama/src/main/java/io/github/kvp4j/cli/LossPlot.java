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

import io.github.kvp4j.bench.BenchPlot;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** The plot of a training's loss: a class of its own, so that training runs where XChart is not. */
final class LossPlot {
  private static final int LOSS = 2; // columns of the log
  private static final int HELD_OUT_LOSS = 8;

  private LossPlot() {}

  /**
   * Draws the log's lines.
   *
   * @param lines of {@link TrainingLog}, without its header
   * @param file without its ending; SVG and PNG are written
   */
  static void write(List<String> lines, Path file) {
    BenchPlot.write(
        () -> {
          XYChart chart =
              new XYChartBuilder()
                  .width(900)
                  .height(600)
                  .title("Loss")
                  .xAxisTitle("step")
                  .yAxisTitle("nats a token, weighted terms added")
                  .theme(Styler.ChartTheme.GGPlot2)
                  .build();
          series(chart, lines, "training", LOSS);
          series(chart, lines, "held out", HELD_OUT_LOSS);
          return chart;
        },
        file);
  }

  private static void series(XYChart chart, List<String> lines, String name, int column) {
    List<Double> x = new ArrayList<>();
    List<Double> y = new ArrayList<>();
    for (String line : lines) {
      String[] fields = line.split(",", -1);
      if (!fields[column].isEmpty()) {
        x.add(Double.valueOf(fields[0]));
        y.add(Double.valueOf(fields[column]));
      }
    }
    if (!x.isEmpty()) {
      chart.addSeries(name, x, y).setMarker(SeriesMarkers.NONE);
    }
  }
}
