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

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.evaluation.RunFolder;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.jlama.Quality;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * {@code kvp study}: the whole evaluation, as command lines of the other commands that are run one
 * after the other.
 */
@Command(
    name = "study",
    mixinStandardHelpOptions = true,
    description = {
      "Runs the whole evaluation: fits a layer-pruned auxiliary to compare with, asks every task of"
          + " every row, inspects the cache, times prompts by length and batch, and writes the"
          + " report. Each step is a command that can be run alone; --dry-run shows them.",
      "Started again with the same --out it goes on where it was stopped; with a greater --scale,"
          + " too, or with greater shares: what was asked is not asked again.",
      "The data folder holds the files in their official forms, by these names: triviaqa.dev.tsv.gz,"
          + " xquad.en.json, HumanEval.jsonl.gz and texts (calibration.jsonl.gz); a task whose file"
          + " is not there is left out."
    },
    footer = {
      "",
      "Examples:",
      "  kvp study --data-dir data --out study --allow-code-execution",
      "  kvp study --data-dir data --out study --scale 0.1 --allow-code-execution",
      "  kvp study --data-dir data --out study --scale 0.1 --dry-run"
    })
final class StudyCommand implements Callable<Integer> {
  /** That of the texts that predictors are measured on when they are made. */
  private static final String TEXT_SEED = "42";

  private static final String TEXTS = "calibration.jsonl.gz";

  private static final String FAST = "fast";
  private static final List<String> BUNDLED = List.of("faithful", "balanced", FAST);

  private static final String REPORT = "report";
  private static final String AUXILIARY = "auxiliary";
  private static final String LAYER_PRUNED = "layer-pruned.safetensors";

  /** In a step's folder: the command line that it was done with. */
  private static final String DONE = "step.json";

  /**
   * The share of the items that a mode is asked: Jlama's own prefill takes many times as long, and
   * its answers are those of the exact row; rows that only say how far a baseline falls behind need
   * no more than show it.
   */
  private static final Map<String, Double> FEWER =
      new TreeMap<>(
          Map.of(
              "off", 0.01,
              "refine", 0.05,
              "cut", 0.2,
              "auxiliary", 0.05,
              "random", 0.05,
              "static", 0.05,
              "lazyllm", 0.1,
              "quantised", 0.05));

  /** The same where an item has eleven long answers. */
  private static final Map<String, Double> FEWER_PROGRAMS =
      new TreeMap<>(
          Map.of(
              "off", 0.01,
              "predict", 0.25,
              "refine", 0.05,
              "cut", 0.1,
              "auxiliary", 0.05,
              "random", 0.05,
              "static", 0.05,
              "lazyllm", 0.1,
              "quantised", 0.05));

  /** The modes of the layer-pruned predictor, of which a share of the others' items will do. */
  private static final List<String> AUXILIARY_MODES = List.of("predict", "refine", "cut");

  private static final double AUXILIARY_SHARE = 0.125;

  /** Of the fast predictor's own row likewise: it is far enough from the exact one to be told. */
  private static final double FAST_SHARE = 0.5;

  /**
   * That the layer-pruned auxiliary is fitted on, from a tenth of the study on: fifty times what a
   * projection reads, and the same at every scale, so that a study can be gone on with.
   */
  private static final int AUXILIARY_TOKENS = 20_000;

  /** Below this share prompts are as short as a test of the study itself asks for. */
  private static final double TINY = 0.02;

  private static final JsonMapper JSON = JsonMapper.builder().build();

  @Mixin private ModelOption model = new ModelOption();

  @Option(
      names = "--data-dir",
      required = true,
      paramLabel = "DIR",
      description = "The folder of the data files.")
  private @Nullable Path data;

  @Option(
      names = "--out",
      required = true,
      paramLabel = "DIR",
      description = "Where results, figures and report go, a folder for each step.")
  private @Nullable Path out;

  @Option(
      names = "--scale",
      defaultValue = "1",
      paramLabel = "SHARE",
      description = "The share of the study's size: 1, 0.1, 0.01, … (default: ${DEFAULT-VALUE}).")
  private double scale;

  @Option(
      names = "--predictor",
      paramLabel = "FILE",
      description =
          "A predictor, or faithful, balanced or fast for those of the model; repeatable (default:"
              + " those three and a layer-pruned one fitted here).")
  private List<String> predictors = List.of();

  @Option(
      names = "--anchors",
      paramLabel = "S/T/T",
      description = "Exact tokens: sink/tail/top; repeatable (default: 4/24/0).")
  private List<String> anchors = List.of("4/24/0");

  @Option(
      names = "--fewer",
      split = ",",
      paramLabel = "MODE[:PREDICTOR]=SHARE",
      description =
          "As in eval, instead of the study's own shares, which --dry-run shows: off=1 asks every"
              + " row every item, many hours at full scale.")
  private Map<String, Double> shares = Map.of();

  @Option(
      names = "--allow-code-execution",
      description = "Run the programs that the model writes, each in a confined process.")
  private boolean allowCodeExecution;

  @Option(
      names = "--seed",
      defaultValue = "1",
      description = "Of all that is chosen at random (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Option(names = "--dry-run", description = "Show the commands, run none.")
  private boolean dryRun;

  /** The model's own predictors by name, with their checksums; none where others are named. */
  private final Map<String, String> ownPredictors = new LinkedHashMap<>();

  /** Whether prompts are read by oneDNN here. */
  private boolean onednn;

  /**
   * A step.
   *
   * @param name of its folder
   * @param words its command line
   * @param result the file, in the step's folder, that is there when it is done
   */
  private record Step(String name, List<String> words, String result) {}

  @Override
  public Integer call() throws IOException {
    Path folder = java.util.Objects.requireNonNull(out);
    Path files = java.util.Objects.requireNonNull(data);
    if (!(scale > 0 && scale <= 1)) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "--scale is " + scale + "; it must be above 0 and at most 1.");
    }
    if (!Files.isDirectory(files)) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS, "The folder '" + files + "' does not exist.");
    }
    look();
    List<Step> steps = steps(files, folder);
    if (dryRun) {
      steps.forEach(step -> System.out.println("kvp " + String.join(" ", step.words)));
      return 0;
    }
    ReportCommand.makeFolder(folder);
    checkSettings(folder);
    for (int i = 0; i < steps.size(); i++) {
      Step step = steps.get(i);
      Path own = folder.resolve(step.name);
      if (isDone(step, own)) {
        continue;
      }
      ReportCommand.makeFolder(own);
      System.err.printf(
          Locale.ROOT,
          "study: step %d of %d: kvp %s%n",
          i + 1,
          steps.size(),
          String.join(" ", step.words));
      long start = System.nanoTime();
      int exit = KvpCli.run(words(step, own).toArray(new String[0]));
      if (exit != 0) {
        System.err.printf(
            Locale.ROOT,
            "study: the step '%s' failed; started again, the study goes on with it.%n",
            step.name);
        return exit;
      }
      System.err.printf(
          Locale.ROOT, "study: '%s' took %.0f s%n", step.name, (System.nanoTime() - start) / 1e9);
      if (!step.name.equals(REPORT)) {
        JSON.writeValue(own.resolve(DONE).toFile(), step.words);
      }
    }
    return 0;
  }

  /** Learns of the model what the steps depend on. */
  private void look() {
    try (KvpModel loaded = model.builder().withoutPredictor().warmUp(false).build()) {
      onednn = ModelOption.engine(loaded).kernels().name().startsWith("onednn");
      if (predictors.isEmpty()) {
        for (String name : BUNDLED) {
          loaded
              .findPredictor(Quality.valueOf(name.toUpperCase(Locale.ROOT)))
              .ifPresent(file -> ownPredictors.put(name, NamedPredictors.checksum(file)));
        }
      }
    }
  }

  /** Whether a step was done with this very command line; the report is always made anew. */
  private static boolean isDone(Step step, Path own) throws IOException {
    if (step.name.equals(AUXILIARY)) {
      // fitted once: with another predictor, what a greater scale adds would be of two
      return Files.exists(own.resolve(step.result));
    }
    Path done = own.resolve(DONE);
    return Files.exists(own.resolve(step.result))
        && Files.exists(done)
        && JSON.readTree(done.toFile()).equals(JSON.valueToTree(step.words));
  }

  /** With what a run that was begun needs besides. */
  private static List<String> words(Step step, Path own) {
    List<String> words = new ArrayList<>(step.words);
    if (words.getFirst().equals("eval") && RunFolder.holdsRun(own)) {
      words.add("--resume");
    }
    return words;
  }

  /** A study is gone on with as it was begun, but for its scale. */
  private void checkSettings(Path folder) throws IOException {
    // read back, so that a number is of the type that a file's has
    JsonNode now =
        JSON.readTree(
            JSON.writeValueAsString(
                new TreeMap<>(
                    Map.of(
                        "seed",
                        seed,
                        "model",
                        model.name(),
                        "predictors",
                        predictors,
                        "anchors",
                        anchors,
                        "own_predictors",
                        ownPredictors))));
    Path file = folder.resolve("study.json");
    if (Files.exists(file) && !sameAs(JSON.readTree(file.toFile()), now)) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The folder '"
              + folder
              + "' holds a study with other settings ("
              + file.getFileName()
              + "); go on with the same ones, or name another folder.");
    }
    JSON.writeValue(file.toFile(), now);
  }

  /** Whether all that a study says of itself is so now; one of an earlier version may say less. */
  private static boolean sameAs(JsonNode before, JsonNode now) {
    return before.properties().stream().allMatch(e -> e.getValue().equals(now.get(e.getKey())));
  }

  /** So many of a whole, at the study's scale, and at least some. */
  private int scaled(int whole, int least) {
    return Math.max(least, (int) Math.round(whole * scale));
  }

  private List<Step> steps(Path files, Path folder) {
    List<Step> steps = new ArrayList<>();
    List<String> used = new ArrayList<>(predictors);
    Path texts = files.resolve(TEXTS);
    if (predictors.isEmpty()) {
      used.addAll(ownPredictors.keySet());
      if (Files.exists(texts)) {
        steps.add(calibrate(texts, folder));
        used.add(folder.resolve(AUXILIARY).resolve(LAYER_PRUNED).toString());
      }
    }
    addTask(steps, "triviaqa", files.resolve("triviaqa.dev.tsv.gz"), folder, 1000, used, FEWER)
        .ifPresent(words -> Collections.addAll(words, "--shots", "5"));
    addTask(steps, "squad", files.resolve("xquad.en.json"), folder, 1190, used, FEWER);
    if (allowCodeExecution) {
      Path problems = files.resolve("HumanEval.jsonl.gz");
      addTask(steps, "humaneval", problems, folder, 164, used, FEWER_PROGRAMS)
          .ifPresent(words -> words.add("--allow-code-execution"));
    }
    addTask(steps, "text", texts, folder, 500, used, FEWER)
        .ifPresent(words -> Collections.addAll(words, "--seed", TEXT_SEED));
    addTask(steps, "kv-retrieval", null, folder, 250, used, FEWER)
        .ifPresent(words -> Collections.addAll(words, "--set", "lengths=512"));
    if (Files.exists(texts)) {
      Path own = folder.resolve("inspect");
      List<String> words = command("inspect", "--data", texts.toString(), "--out", own.toString());
      Collections.addAll(words, "--prompts", String.valueOf(scaled(64, 2)));
      used.stream().limit(BUNDLED.size()).forEach(p -> Collections.addAll(words, "--predictor", p));
      Collections.addAll(words, "--anchors", anchors.getFirst());
      steps.add(new Step("inspect", words, "refinement.csv"));
    }
    addBench(steps, folder);
    steps.add(new Step(REPORT, List.of(REPORT, folder.toString()), "report.html"));
    return steps;
  }

  /** The beginning of a command line. */
  private List<String> command(String... words) {
    List<String> out = new ArrayList<>(List.of(words));
    out.addAll(model.words());
    return out;
  }

  private Step calibrate(Path texts, Path folder) {
    List<String> words =
        command(
            "calibrate",
            "--kind",
            "layer-pruned",
            "--keep",
            "0.5",
            "--data",
            texts.toString(),
            "--tokens",
            String.valueOf(Math.min(AUXILIARY_TOKENS, scaled(10 * AUXILIARY_TOKENS, 4_000))),
            "--prompts",
            String.valueOf(Math.min(4, scaled(40, 1))),
            "--dtype",
            "i8",
            "--out",
            folder.resolve(AUXILIARY).resolve(LAYER_PRUNED).toString());
    return new Step(AUXILIARY, words, LAYER_PRUNED);
  }

  private java.util.Optional<List<String>> addTask(
      List<Step> steps,
      String task,
      @Nullable Path file,
      Path folder,
      int whole,
      List<String> used,
      Map<String, Double> fewer) {
    if (file != null && !Files.exists(file)) {
      System.err.printf(
          Locale.ROOT, "study: without %s, whose file '%s' is not there%n", task, file);
      return java.util.Optional.empty();
    }
    List<String> words = command("eval", "--task", task);
    if (file != null) {
      Collections.addAll(words, "--data", file.toString());
    }
    Collections.addAll(words, "--limit", String.valueOf(scaled(whole, 2)));
    Map<String, Double> asked = shares.isEmpty() ? ownShares(fewer, used) : EvalRows.given(shares);
    Collections.addAll(
        words,
        "--fewer",
        asked.entrySet().stream()
            .map(e -> e.getKey() + "=" + e.getValue())
            .collect(Collectors.joining(",")));
    used.forEach(p -> Collections.addAll(words, "--predictor", p));
    anchors.forEach(a -> Collections.addAll(words, "--anchors", a));
    if (!task.equals("text")) {
      Collections.addAll(words, "--seed", String.valueOf(seed));
    }
    Collections.addAll(words, "--out", folder.resolve(task).toString());
    steps.add(new Step(task, words, "results.json"));
    return java.util.Optional.of(words);
  }

  /** Those of the modes, and of what is made of the model's own fast and layer-pruned predictor. */
  private Map<String, Double> ownShares(Map<String, Double> ofModes, List<String> used) {
    Map<String, Double> own = new TreeMap<>(ofModes);
    if (!predictors.isEmpty()) {
      return own;
    }
    if (ownPredictors.containsKey(FAST)) {
      own.put("predict:" + FAST, FAST_SHARE * own.getOrDefault("predict", 1.0));
    }
    if (used.size() > ownPredictors.size()) {
      for (String mode : AUXILIARY_MODES) {
        own.put(mode + ":" + LAYER_PRUNED, AUXILIARY_SHARE * own.getOrDefault(mode, 1.0));
      }
    }
    return own;
  }

  private void addBench(List<Step> steps, Path folder) {
    String suffix = onednn ? "-onednn" : "";
    String rows = "exact" + suffix;
    if (model.isDefault()) { // whose own predictors bench knows by these names
      rows += ",predict" + suffix + ",predict-balanced" + suffix + ",predict-fast" + suffix;
    }
    steps.add(bench(folder, "bench", rows, scale < TINY ? "1,4" : "1,4,8"));
    steps.add(bench(folder, "bench-jlama", "jlama", "1"));
  }

  private Step bench(Path folder, String name, String rows, String batches) {
    String lengths = scale >= 1 ? "128,512,2048" : scale < TINY ? "32,64" : "128,512";
    String runs = scale >= 1 ? "3" : "1";
    List<String> words = new ArrayList<>(List.of("bench"));
    words.addAll(model.folderWords());
    Collections.addAll(
        words,
        "--rows",
        rows,
        "--lengths",
        lengths,
        "--batch",
        batches,
        "--runs",
        runs,
        "--max-tokens",
        "4",
        "--anchors",
        anchors.getFirst(),
        "--json",
        folder.resolve(name).resolve("bench.json").toString());
    return new Step(name, words, "bench.json");
  }
}
