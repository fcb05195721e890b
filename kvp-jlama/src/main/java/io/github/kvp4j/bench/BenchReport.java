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

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.predictor.PrefillCost;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Formatter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * What was measured, as text, JSON, CSV and a plot.
 *
 * @param model its name
 * @param shape its sizes
 * @param settings what was asked for
 * @param rows the table
 * @param scaling from one thread to two; empty where it was not asked for
 */
public record BenchReport(
    String model,
    ModelShape shape,
    BenchSettings settings,
    List<BenchRow> rows,
    List<Scaling> scaling) {
  private static final String CURVE = "ttft_ms = a + b*n + c*n^2, least squares of relative errors";

  /** Copies the lists. */
  public BenchReport {
    rows = List.copyOf(rows);
    scaling = List.copyOf(scaling);
  }

  /** The fitted curve of each row at the smallest batch, where there are lengths enough. */
  private Map<String, CostCurve> curves() {
    Map<String, CostCurve> out = new LinkedHashMap<>();
    ttftByLength()
        .forEach((row, points) -> CostCurve.fit(points).ifPresent(curve -> out.put(row, curve)));
    return out;
  }

  /** Median time by length of each row, at the smallest batch. */
  Map<String, Map<Integer, Double>> ttftByLength() {
    int batch = settings.batches().getFirst();
    Map<String, Map<Integer, Double>> out = new LinkedHashMap<>();
    for (BenchRow row : rows) {
      if (row.batch() == batch) {
        out.computeIfAbsent(row.row(), r -> new TreeMap<>()).put(row.promptTokens(), row.ttft());
      }
    }
    return out;
  }

  /** Attention's share (QKᵀ and ·V) of an exact prefill's floating-point operations, 0 to 1. */
  static double attentionShare(ModelShape shape, int tokens) {
    double row = 4.0 * shape.attentionLength();
    double layer = row * tokens * (tokens + 1) / 2;
    return ((shape.layers() - 1) * layer + row * tokens) / PrefillCost.exact(shape, tokens);
  }

  /** The report as lines of text. */
  public String text() {
    Formatter out = new Formatter(Locale.ROOT);
    Machine machine = Machine.current();
    out.format(
        "Model %s on %s, %d of %d processors, %s, Java %s.%n",
        model,
        machine.cpu(),
        settings.threads(),
        machine.processors(),
        machine.os(),
        machine.java());
    out.format(
        "Medians of %d runs, all rows in turn; anchors %s; peak memory is the row's own process's,"
            + " mapped weights counted.%n",
        settings.runs(), settings.anchors());
    table(out);
    gains(out);
    growth(out);
    scaling(out);
    return out.toString();
  }

  private void table(Formatter out) {
    int width = rows.stream().mapToInt(r -> r.row().length()).max().orElse(0) + 1;
    String columns = "%-" + width + "s%7s%6s%11s%22s%10s%11s%10s%10s%9s  %s%n";
    out.format("%n");
    out.format(
        columns,
        "row",
        "tokens",
        "batch",
        "TTFT ms",
        "range ms",
        "tokens/s",
        "to jlama",
        "speed-up",
        "ms/token",
        "peak MB",
        "kernels");
    for (BenchRow r : rows) {
      Double ratio = r.ratioToJlama();
      out.format(
          columns,
          r.row(),
          r.promptTokens(),
          r.batch(),
          number("%.1f", r.ttft()),
          number("%.1f", r.ttftMin()) + " – " + number("%.1f", r.ttftMax()),
          number("%.0f", r.tokensPerSecond()),
          number("%.3f", ratio),
          number("%.2fx", ratio == null ? null : (Double) (1 / ratio)),
          number("%.1f", r.msPerToken()),
          number("%.0f", r.peakMegabytes()),
          r.kernels());
    }
    if (rows.stream().anyMatch(r -> r.row().startsWith("jlama-native"))) {
      out.format(
          "jlama-native computes wrong products on some CPUs and models: a time, no answer.%n");
    }
    if (settings.batches().getLast() > 1) {
      out.format(
          "Batches: the exact rows read all prompts in one pass, up to their first tokens, with no"
              + " hand-over to Jlama; the others one after the other.%n");
    }
  }

  private void gains(Formatter out) {
    List<Gain> gains = Gain.of(rows);
    if (gains.isEmpty()) {
      return;
    }
    String columns = "%8s%7s%9s%20s%20s%25s%n";
    out.format("%n");
    out.format("What gives how much:%n");
    out.format(
        columns,
        "tokens",
        "batch",
        "kernels",
        "engine: exact/jlama",
        "predict/exact",
        "predict-fast/exact");
    for (Gain g : gains) {
      out.format(
          columns,
          g.promptTokens(),
          g.batch(),
          g.kernels(),
          number("%.2fx", g.engine()),
          number("%.2fx", g.predict()),
          number("%.2fx", g.predictFast()));
    }
  }

  private void growth(Formatter out) {
    Map<String, CostCurve> curves = curves();
    if (!curves.isEmpty()) {
      out.format("%n");
      out.format("%s:%n", CURVE);
      curves.forEach((row, curve) ->
          out.format("  %-22s %.4g + %.4g n + %.4g n^2%n", row, curve.a(), curve.b(), curve.c()));
    }
    out.format("%n");
    out.format("Attention's share of an exact prefill's FLOPs:%n");
    for (int length : settings.lengths()) {
      out.format("  %6d tokens  %.1f %%%n", length, 100 * attentionShare(shape, length));
    }
  }

  private void scaling(Formatter out) {
    if (scaling.isEmpty()) {
      return;
    }
    out.format("%n");
    out.format("From one thread to two, %d tokens, and on paper beyond:%n", promptOfScaling());
    String columns = "  %-22s%11s%11s%22s%10s%14s%14s%n";
    out.format(
        columns,
        "row",
        "1: ms",
        "2: ms",
        "speed-up (quartiles)",
        "parallel",
        "8 cores: ms",
        "64 cores: ms");
    for (Scaling s : scaling) {
      out.format(
          columns,
          s.row(),
          number("%.1f", s.oneThread()),
          number("%.1f", s.twoThreads()),
          String.format(
              Locale.ROOT, "%.2fx (%.2f – %.2f)", s.speedup(), s.speedupLow(), s.speedupHigh()),
          number("%.3f", s.parallelShare()),
          number("%.1f", s.eightCores()),
          number("%.1f", s.sixtyFourCores()));
    }
    out.format("  Assumed: %s%n", Scaling.ASSUMPTIONS);
  }

  private int promptOfScaling() {
    return scaling.getFirst().promptTokens();
  }

  private static String number(String format, @Nullable Double value) {
    return value == null ? "–" : String.format(Locale.ROOT, format, value);
  }

  /** The report as JSON. */
  String json() throws IOException {
    Map<String, Object> root = new LinkedHashMap<>();
    root.putAll(Origin.current());
    root.put("model", model);
    root.put("threads", settings.threads());
    root.put("runs", settings.runs());
    root.put("anchors", settings.anchors().toString());
    root.put("rows", rows);
    root.put("gains", Gain.of(rows));
    root.put("curve", CURVE);
    root.put("curves", curves());
    Map<Integer, Double> shares = new LinkedHashMap<>();
    settings.lengths().forEach(n -> shares.put(n, attentionShare(shape, n)));
    root.put("attention_share", shares);
    if (!scaling.isEmpty()) {
      root.put("scaling", scaling);
      root.put("scaling_assumptions", Scaling.ASSUMPTIONS);
    }
    ObjectMapper mapper = JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();
    return mapper.writeValueAsString(root) + "\n";
  }

  /** The table as CSV: the JSON rows' fields as columns, empty where a value is not known. */
  String csv() {
    ObjectMapper mapper = new ObjectMapper();
    List<String> lines = new ArrayList<>();
    for (BenchRow row : rows) {
      Map<?, ?> fields = mapper.convertValue(row, LinkedHashMap.class);
      if (lines.isEmpty()) {
        lines.add(String.join(",", fields.keySet().stream().map(String::valueOf).toList()));
      }
      lines.add(String.join(",", fields.values().stream().map(BenchReport::cell).toList()));
    }
    return String.join("\n", lines) + "\n";
  }

  private static String cell(@Nullable Object value) {
    String text = value == null ? "" : value.toString();
    return text.matches("[^\",\\r\\n]*") ? text : '"' + text.replace("\"", "\"\"") + '"';
  }

  /** Writes {@link #json}. */
  public void writeJson(Path file) {
    write(file, this::json);
  }

  /** Writes {@link #csv}. */
  public void writeCsv(Path file) {
    write(file, this::csv);
  }

  private interface Content {
    String get() throws IOException;
  }

  private static void write(Path file, Content content) {
    try {
      Files.writeString(file, content.get());
    } catch (IOException e) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "The file '" + file + "' can't be written: " + KvpException.reason(e) + ".",
          e);
    }
  }
}
