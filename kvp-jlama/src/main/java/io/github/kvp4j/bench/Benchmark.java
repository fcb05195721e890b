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
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Measures rows that take turns: for each length and batch, in each run, every row once, so that a
 * machine that slows down slows all of them. Closing it, from any thread, ends all its processes.
 */
public final class Benchmark implements AutoCloseable {
  private final BenchSettings settings;
  private final Path model;
  private final @Nullable Path llamaBench;
  private final List<Contestant> started = new CopyOnWriteArrayList<>();

  /**
   * Starts nothing yet.
   *
   * @param model the folder of the model
   * @param llamaBench a native llama-bench, for {@link RowSpec#LLAMA_CPP_NATIVE}
   */
  public Benchmark(BenchSettings settings, Path model, @Nullable Path llamaBench) {
    this.settings = settings;
    this.model = model;
    this.llamaBench = llamaBench;
  }

  /**
   * Measures all rows.
   *
   * @param specs the rows
   * @param required whether a row that can't run here fails the benchmark; if not, it is left out
   * @param notice told of rows that are left out
   * @param step called after each measurement, of which there are {@link #measurements}
   */
  public List<BenchRow> run(
      List<RowSpec> specs,
      boolean required,
      BenchPrompts prompts,
      Consumer<String> notice,
      Runnable step) {
    List<Contestant> rows = new ArrayList<>();
    for (RowSpec spec : specs) {
      try {
        rows.add(start(spec, settings.threads()));
      } catch (KvpException e) {
        if (required || e.kind() != KvpException.Kind.UNSUPPORTED) {
          throw e;
        }
        notice.accept(e.getMessage() + " It is left out.");
      }
    }
    List<BenchRow> table = new ArrayList<>();
    for (int length : settings.lengths()) {
      for (int batch : settings.batches()) {
        inTurn(rows, length, batch, prompts, step)
            .forEach((row, samples) -> table.add(BenchRow.of(row, length, batch, samples)));
      }
    }
    rows.forEach(Contestant::close);
    return compared(table);
  }

  /** How many measurements {@link #run} takes, and {@link #scaling} with {@code scaling}. */
  public long measurements(int rows, boolean scaling) {
    long each = (long) rows * (settings.warmUps() + settings.runs());
    return each * settings.lengths().size() * settings.batches().size() + (scaling ? 2 * each : 0);
  }

  /** Measures rows with one thread and with two, at the length nearest to 512 tokens. */
  public List<Scaling> scaling(List<RowSpec> specs, BenchPrompts prompts, Runnable step) {
    int length =
        settings.lengths().stream()
            .min(Comparator.comparingInt(n -> Math.abs(n - 512)))
            .orElseThrow();
    List<Contestant> rows = new ArrayList<>();
    for (RowSpec spec : specs) {
      rows.add(start(spec, 1));
      rows.add(start(spec, 2));
    }
    Map<Contestant, List<Sample>> samples = inTurn(rows, length, 1, prompts, step);
    List<Scaling> out = new ArrayList<>();
    for (int i = 0; i < rows.size(); i += 2) {
      out.add(
          Scaling.of(
              rows.get(i).row(),
              length,
              millis(samples, rows.get(i)),
              millis(samples, rows.get(i + 1))));
    }
    rows.forEach(Contestant::close);
    return out;
  }

  private static List<Double> millis(Map<Contestant, List<Sample>> samples, Contestant row) {
    return samples.getOrDefault(row, List.of()).stream().map(Sample::ttftMillis).toList();
  }

  private Contestant start(RowSpec spec, int threads) {
    if (spec.engine() == RowSpec.Engine.LLAMA_BENCH) {
      Contestant row =
          new LlamaBench(
              spec.name(), required(llamaBench), required(spec.gguf()), threads, settings.limit());
      started.add(row);
      return row;
    }
    WorkerProcess row =
        new WorkerProcess(spec.name(), WorkerProcess.command(spec, threads), settings.limit());
    started.add(row);
    Path gguf = spec.gguf();
    try {
      row.ready(
          new WorkerSetup(
              spec.engine(),
              String.valueOf(gguf == null ? model : gguf),
              spec.mode(),
              spec.quality(),
              settings.anchors().toString(),
              threads,
              // llama.cpp may count a few tokens more
              settings.lengths().getLast()
                  + settings.lengths().getLast() / 50
                  + settings.maxTokens()
                  + 16));
      if (!row.kernels().startsWith(spec.kernels())) {
        throw new KvpException(
            KvpException.Kind.UNSUPPORTED,
            "The row '"
                + spec.name()
                + "' can't run here: its kernels would be "
                + row.kernels()
                + ".");
      }
      return row;
    } catch (KvpException e) {
      row.close();
      throw e;
    }
  }

  private static Path required(@Nullable Path file) {
    if (file == null) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The row '"
              + RowSpec.LLAMA_CPP_NATIVE
              + "' needs a llama.cpp program; name it with --llama-bench.");
    }
    return file;
  }

  private Map<Contestant, List<Sample>> inTurn(
      List<Contestant> rows, int length, int batch, BenchPrompts prompts, Runnable step) {
    Map<Contestant, List<Sample>> samples = new LinkedHashMap<>();
    rows.forEach(row -> samples.put(row, new ArrayList<>()));
    for (int run = 0; run < settings.warmUps() + settings.runs(); run++) {
      List<String> texts = prompts.batch(length, batch, run);
      for (Map.Entry<Contestant, List<Sample>> e : samples.entrySet()) {
        Sample sample = e.getKey().measure(texts, length, settings.maxTokens());
        if (run >= settings.warmUps()) {
          e.getValue().add(sample);
        }
        step.run();
      }
    }
    return samples;
  }

  /** Sets the ratios, and adds the best of several files of llama.cpp under its plain name. */
  static List<BenchRow> compared(List<BenchRow> table) {
    Map<String, BenchRow> best = new HashMap<>();
    List<BenchRow> all = new ArrayList<>(table);
    for (BenchRow row : table) {
      int colon = row.row().indexOf(':');
      if (colon > 0) {
        String name = row.row().substring(0, colon);
        best.merge(
            name + "/" + row.promptTokens() + "/" + row.batch(),
            row.as(name, null),
            (a, b) -> a.ttft() <= b.ttft() ? a : b);
      }
    }
    all.addAll(best.values());
    List<String> order = Stream.concat(table.stream(), all.stream()).map(BenchRow::row).toList();
    return all.stream()
        .sorted(
            Comparator.comparingInt(BenchRow::batch)
                .thenComparingInt(BenchRow::promptTokens)
                .thenComparingInt(row -> order.indexOf(row.row())))
        .map(row ->
            table.stream()
                .filter(other -> other.row().equals(RowSpec.JLAMA) && other.isBeside(row))
                .findFirst()
                .map(row::against)
                .orElse(row))
        .toList();
  }

  @Override
  public void close() {
    started.forEach(Contestant::close);
  }
}
