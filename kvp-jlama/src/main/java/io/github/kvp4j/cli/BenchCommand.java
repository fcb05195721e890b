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
import io.github.kvp4j.bench.BenchPlot;
import io.github.kvp4j.bench.BenchPrompts;
import io.github.kvp4j.bench.BenchReport;
import io.github.kvp4j.bench.BenchRow;
import io.github.kvp4j.bench.BenchSettings;
import io.github.kvp4j.bench.Benchmark;
import io.github.kvp4j.bench.RandomModel;
import io.github.kvp4j.bench.RowSpec;
import io.github.kvp4j.bench.Scaling;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.jlama.importer.ModelStore;
import io.github.kvp4j.model.ModelShape;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code kvp bench}: time to first token, speed and memory, of several ways to read a prompt. */
@Command(
    name = "bench",
    mixinStandardHelpOptions = true,
    description = {
      "Measures time to first token, prompt tokens a second, time per token and peak memory of"
          + " several ways to read a prompt, each in a process of its own, all in turn.",
      "",
      "Rows: jlama (its own prefill), jlama-native (its native kernels, whose products are wrong on"
          + " some CPUs), exact, predict, predict-balanced, predict-fast (all with the Vector API),"
          + " the same with -onednn, llama.cpp (de.kherud:llama in the JVM), llama.cpp-native (a"
          + " llama-bench program). Without --rows: jlama and those of exact and predict that can"
          + " run here, and llama.cpp where --gguf is given."
    },
    footer = {
      "",
      "Examples:",
      "  kvp bench",
      "  kvp bench --lengths 32,128,512,1024,2048,4096 --json bench.json --plot bench",
      "  kvp bench --rows jlama,exact --batch 1,4,8 --lengths 128 --runs 3",
      "  kvp bench --shape llama-1.1b --lengths 512 --scaling",
      "  kvp bench --rows exact,llama.cpp,llama.cpp-native --gguf model-BF16.gguf"
          + " --llama-bench ./llama-bench"
    })
final class BenchCommand implements Callable<Integer> {
  private static final List<String> DEFAULT_ROWS =
      List.of(
          RowSpec.JLAMA,
          "exact",
          "predict",
          "predict-fast",
          "exact-onednn",
          "predict-onednn",
          "predict-fast-onednn");

  @Mixin private ModelOption model = new ModelOption();

  @Mixin private PromptFileOption promptFile = new PromptFileOption();

  @Mixin private AnchorsOption anchors = new AnchorsOption();

  @Option(
      names = "--shape",
      paramLabel = "NAME",
      description =
          "Time random weights of a known model's shape instead, with the tokenizer of --model:"
              + " llama-1.1b, llama-3.2-1b, qwen2.5-0.5b, smollm2-135m, smollm2-360m, smollm2-1.7b.")
  private @Nullable String shape;

  @Option(
      names = "--lengths",
      split = ",",
      paramLabel = "N",
      defaultValue = "128,512,2048",
      description = "Tokens of the prompts (default: ${DEFAULT-VALUE}).")
  private List<Integer> lengths = List.of();

  @Option(
      names = "--batch",
      split = ",",
      paramLabel = "N",
      defaultValue = "1",
      description = "Prompts that are read at once (default: ${DEFAULT-VALUE}).")
  private List<Integer> batches = List.of();

  @Option(
      names = "--runs",
      defaultValue = "5",
      description = "Runs of each row (default: ${DEFAULT-VALUE}).")
  private int runs;

  @Option(
      names = "--warm-up",
      paramLabel = "RUNS",
      defaultValue = "1",
      description =
          "Runs of each row, length and batch before that are not counted (default:"
              + " ${DEFAULT-VALUE}).")
  private int warmUps;

  @Option(
      names = "--max-tokens",
      defaultValue = "16",
      description = "Tokens of each answer, for the time per token (default: ${DEFAULT-VALUE}).")
  private int maxTokens;

  @Option(names = "--rows", split = ",", paramLabel = "ROW", description = "What to measure.")
  private @Nullable List<String> rows;

  @Option(
      names = "--threads",
      description = "Threads of each row, Jlama's too (default: one for each processor).")
  private @Nullable Integer threads;

  @Option(
      names = "--timeout",
      paramLabel = "SECONDS",
      defaultValue = "900",
      description = "The longest that a measurement may take (default: ${DEFAULT-VALUE}).")
  private long timeout;

  @Option(
      names = "--gguf",
      paramLabel = "FILE",
      description =
          "What llama.cpp reads; give it once for each type to compare. Without it, for the default"
              + " model, the file that it can be imported from, fetched once.")
  private List<Path> ggufs = new ArrayList<>();

  @Option(
      names = "--llama-bench",
      paramLabel = "PROGRAM",
      description = "A native llama.cpp's llama-bench, for the row llama.cpp-native.")
  private @Nullable Path llamaBench;

  @Option(
      names = "--scaling",
      description = "Also measure one thread against two, and reckon 8 and 64 cores from it.")
  private boolean scaling;

  @Option(names = "--json", paramLabel = "FILE", description = "Write the report as JSON too.")
  private @Nullable Path json;

  @Option(names = "--csv", paramLabel = "FILE", description = "Write the table as CSV too.")
  private @Nullable Path csv;

  @Option(
      names = "--plot",
      paramLabel = "PREFIX",
      description = "Draw time to first token against length: PREFIX.svg and PREFIX.png.")
  private @Nullable Path plot;

  @Override
  public Integer call() {
    int processors = Runtime.getRuntime().availableProcessors();
    BenchSettings settings =
        new BenchSettings(
            lengths,
            batches,
            runs,
            warmUps,
            maxTokens,
            anchors.value(),
            threads == null ? processors : threads,
            Duration.ofSeconds(timeout));
    if (scaling && processors < 2) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "--scaling compares one thread with two, and there is but one processor.");
    }
    String text = promptFile.text();
    checkFiles();
    List<RowSpec> specs = specs();
    Path tokenizer = model.directory();
    try (RandomModel random = shape == null ? null : RandomModel.write(shape, tokenizer)) {
      // removed and ended also where the user interrupts
      Path folder = random == null ? tokenizer : random.folder();
      try (Benchmark benchmark = new Benchmark(settings, folder, llamaBench)) {
        Runnable endRows = benchmark::close;
        Runnable remove = random == null ? () -> {} : random::close;
        Thread cleaner =
            new Thread(() -> {
              endRows.run();
              remove.run();
            });
        Runtime.getRuntime().addShutdownHook(cleaner);
        try {
          measure(benchmark, settings, specs, random, folder, text);
        } finally {
          Runtime.getRuntime().removeShutdownHook(cleaner);
        }
      }
    }
    return 0;
  }

  private void measure(
      Benchmark benchmark,
      BenchSettings settings,
      List<RowSpec> specs,
      @Nullable RandomModel random,
      Path folder,
      String text) {
    try (KvpModel loaded = KvpModel.builder(folder).withoutPredictor().warmUp(false).build();
        ProgressDisplay progress = new ProgressDisplay()) {
      checkFit(settings, loaded.usablePositions());
      ModelShape sizes = loaded.shape();
      if (random != null) {
        loaded.fingerprint().ifPresent(base -> random.writePredictors(sizes, base));
      }
      BenchPrompts prompts = new BenchPrompts(text, s -> loaded.encodePrompt(s).length);
      progress.start("bench", benchmark.measurements(specs.size(), scaling));
      Runnable step = () -> progress.advance(1);
      List<BenchRow> table = benchmark.run(specs, rows != null, prompts, System.err::println, step);
      List<Scaling> threadsCompared = List.of();
      if (scaling) {
        List<RowSpec> measured =
            specs.stream()
                .filter(s -> table.stream().anyMatch(r -> r.row().equals(s.name())))
                .toList();
        threadsCompared = benchmark.scaling(measured, prompts, step);
      }
      progress.end();
      write(new BenchReport(name(), sizes, settings, table, threadsCompared));
    }
  }

  private String name() {
    return shape == null ? model.name() : shape + " (random weights and predictors)";
  }

  private void write(BenchReport report) {
    System.out.print(report.text());
    if (json != null) {
      report.writeJson(json);
    }
    if (csv != null) {
      report.writeCsv(csv);
    }
    if (plot != null) {
      BenchPlot.write(report, plot);
    }
  }

  private List<RowSpec> specs() {
    List<String> names = rows == null ? new ArrayList<>(DEFAULT_ROWS) : rows;
    if (rows == null && !ggufs.isEmpty()) {
      names.add(RowSpec.LLAMA_CPP);
      if (llamaBench != null) {
        names.add(RowSpec.LLAMA_CPP_NATIVE);
      }
    }
    if (names.contains(RowSpec.LLAMA_CPP_NATIVE) && llamaBench == null) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The row 'llama.cpp-native' needs a llama.cpp program; name it with --llama-bench.");
    }
    boolean llama = names.contains(RowSpec.LLAMA_CPP) || names.contains(RowSpec.LLAMA_CPP_NATIVE);
    if (llama && ggufs.isEmpty() && shape == null && model.isDefault()) {
      try (ProgressDisplay progress = new ProgressDisplay()) {
        ggufs.add(ModelStore.ofUser().defaultGguf(progress));
      }
    }
    return names.stream().distinct().flatMap(n -> RowSpec.named(n, ggufs).stream()).toList();
  }

  private void checkFit(BenchSettings settings, int positions) {
    int most = settings.lengths().getLast();
    if (most + maxTokens > positions) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "--lengths has "
              + most
              + " and --max-tokens is "
              + maxTokens
              + "; together the model takes at most "
              + positions
              + ".");
    }
  }

  /** Looks now for what would fail only after a long run. */
  private void checkFiles() {
    for (Path gguf : ggufs) {
      if (!Files.isRegularFile(gguf)) {
        throw access("The GGUF file '" + gguf + "' does not exist.");
      }
    }
    if (llamaBench != null && !Files.isExecutable(llamaBench)) {
      throw access("The program '" + llamaBench + "' does not exist or can't be run.");
    }
    for (Path out : new @Nullable Path[] {json, csv, plot}) {
      JsonOption.requireFolder(out);
    }
  }

  private static KvpException access(String message) {
    return new KvpException(KvpException.Kind.FILE_ACCESS, message);
  }
}
