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
package io.github.kvp4j.bench;

import io.github.kvp4j.KvpException;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import javax.imageio.ImageIO;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.apache.batik.svggen.SVGGraphics2D;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.internal.chartpart.Chart;
import org.knowm.xchart.style.Styler;
import org.w3c.dom.Document;

/** Time to first token against the prompt's length, a line for each row; times are logarithmic. */
public final class BenchPlot {
  private static final int WIDTH = 900;
  private static final int HEIGHT = 600;

  private BenchPlot() {}

  /**
   * Writes {@code PREFIX.svg} and {@code PREFIX.png}.
   *
   * @throws KvpException UNSUPPORTED where XChart or Batik is not on the class path
   */
  public static void write(BenchReport report, Path prefix) {
    write(() -> chart(report), prefix);
  }

  /** Writes any chart, as {@link #write(BenchReport, Path)} does. */
  public static void write(Supplier<? extends Chart<?, ?>> made, Path prefix) {
    System.setProperty("java.awt.headless", "true"); // no display is needed, or looked for
    try {
      Chart<?, ?> chart = made.get();
      svg(chart, prefix.resolveSibling(prefix.getFileName() + ".svg"));
      png(chart, prefix.resolveSibling(prefix.getFileName() + ".png"));
    } catch (LinkageError e) {
      throw new KvpException(
          KvpException.Kind.UNSUPPORTED,
          "The plot can't be drawn; it needs org.knowm.xchart:xchart, org.apache.xmlgraphics:"
              + "batik-svggen and the system's fonts ("
              + e
              + ").",
          e);
    } catch (IOException e) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "The plot '" + prefix + "' can't be written: " + KvpException.reason(e) + ".",
          e);
    }
  }

  private static XYChart chart(BenchReport report) {
    XYChart chart =
        new XYChartBuilder()
            .width(WIDTH)
            .height(HEIGHT)
            .title("Time to first token, " + report.model())
            .xAxisTitle("prompt tokens")
            .yAxisTitle("ms")
            .theme(Styler.ChartTheme.GGPlot2)
            .build();
    wholeDecades(
        chart,
        report.ttftByLength().values().stream().flatMap(line -> line.values().stream()).toList());
    chart.getStyler().setLegendPosition(Styler.LegendPosition.OutsideE);
    report
        .ttftByLength()
        .forEach((row, points) ->
            chart.addSeries(
                row, new ArrayList<>(points.keySet()), new ArrayList<>(points.values())));
    return chart;
  }

  /**
   * Makes the y axis logarithmic, from a power of ten to a power of ten, so that a chart within one
   * decade has labels too.
   *
   * @param values what is drawn, above 0, at least one
   */
  public static void wholeDecades(XYChart chart, List<Double> values) {
    double least = values.stream().mapToDouble(v -> v).min().orElseThrow();
    double most = values.stream().mapToDouble(v -> v).max().orElseThrow();
    double below = Math.floor(Math.log10(least));
    double above = Math.max(below + 1, Math.ceil(Math.log10(most)));
    chart.getStyler().setYAxisLogarithmic(true);
    chart.getStyler().setYAxisMin(Math.pow(10, below));
    chart.getStyler().setYAxisMax(Math.pow(10, above));
  }

  private static void svg(Chart<?, ?> chart, Path file) throws IOException {
    SVGGraphics2D graphics = new SVGGraphics2D(document());
    graphics.setSVGCanvasSize(new java.awt.Dimension(WIDTH, HEIGHT));
    chart.paint(graphics, WIDTH, HEIGHT);
    try (Writer out = Files.newBufferedWriter(file)) {
      graphics.stream(out, true);
    }
  }

  private static Document document() {
    try {
      return DocumentBuilderFactory.newInstance()
          .newDocumentBuilder()
          .getDOMImplementation()
          .createDocument("http://www.w3.org/2000/svg", "svg", null);
    } catch (ParserConfigurationException e) {
      throw new IllegalStateException("every Java makes XML documents", e);
    }
  }

  private static void png(Chart<?, ?> chart, Path file) throws IOException {
    BufferedImage image = new BufferedImage(WIDTH, HEIGHT, BufferedImage.TYPE_INT_RGB);
    java.awt.Graphics2D graphics = image.createGraphics();
    chart.paint(graphics, WIDTH, HEIGHT);
    graphics.dispose();
    if (!ImageIO.write(image, "png", file.toFile())) {
      throw new IOException("this Java writes no PNG");
    }
  }
}
