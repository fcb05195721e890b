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
import io.github.kvp4j.cluster.Cluster;
import io.github.kvp4j.evaluation.Evaluation;
import io.github.kvp4j.evaluation.EvaluationItem;
import io.github.kvp4j.evaluation.EvaluationRow;
import io.github.kvp4j.evaluation.EvaluationTask;
import io.github.kvp4j.evaluation.ItemResult;
import io.github.kvp4j.evaluation.ResultRow;
import io.github.kvp4j.evaluation.RunFolder;
import io.github.kvp4j.evaluation.Sampling;
import io.github.kvp4j.evaluation.TaskSettings;
import io.github.kvp4j.evaluation.TokenText;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.jlama.RefineSettings;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.PredictorFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code kvp eval}: what predicted caches are worth at tasks, beside the exact one. */
@Command(
    name = "eval",
    mixinStandardHelpOptions = true,
    description = {
      "How good answers are over the exact cache, over that of each predictor, and by other ways to"
          + " save as much work; all ways are asked the same.",
      "Tasks: squad, triviaqa, nq-open, gsm8k, humaneval (questions), text (perplexity, KL and"
          + " agreement of a continuation), kv-retrieval (generated, needs no data) and fidelity"
          + " (any prompts); --task help lists them with their settings."
    },
    footer = {
      "",
      "Examples:",
      "  kvp eval                                        numbers to find again in the prompt",
      "  kvp eval --data xquad.en.json --limit 200 --anchors 4/24/0",
      "  kvp eval --task triviaqa --data triviaqa.dev.tsv.gz --modes exact,predict --out run1",
      "  kvp eval --task triviaqa --data triviaqa.dev.tsv.gz --modes exact,predict --out run1 --resume",
      "  kvp eval --task kv-retrieval --set lengths=512,1024 --set depths=0,0.5,1 --limit 60",
      "  kvp eval --data xquad.en.json --set feed=answer --max-tokens 0 --limit 100",
      "  kvp eval --task humaneval --data HumanEval.jsonl.gz --allow-code-execution --samples 0",
      "  kvp eval --task fidelity --data prompts.jsonl --max-tokens 64 --refine-chunk 128"
    })
final class EvalCommand implements Callable<Integer> {
  @Mixin private ModelOption model = new ModelOption();

  @Mixin private JsonOption json = new JsonOption();

  @Option(
      names = "--task",
      paramLabel = "NAME",
      description = "What is asked (default: squad with --data, kv-retrieval without).")
  private @Nullable String taskName;

  @Option(
      names = "--data",
      paramLabel = "FILE",
      description = "The task's data, in its official format, plain or gzipped.")
  private @Nullable Path data;

  @Option(
      names = "--modes",
      split = ",",
      paramLabel = "MODE",
      description =
          "The rows: exact (always there), off (Jlama as it is), predict, refine, cut (the prompt's"
              + " end alone, at the cost of predict), auxiliary (alone, where it is a model), random,"
              + " static and lazyllm (tokens dropped), quantised (the base in 8 and 4 bits); default:"
              + " all.")
  private List<String> modes = EvalRows.MODES;

  @Option(
      names = "--predictor",
      paramLabel = "FILE",
      description =
          "A predictor, or the name of one of the model's, such as fast; repeatable (default: those"
              + " of the model).")
  private List<Path> predictors = List.of();

  @Option(
      names = "--anchors",
      paramLabel = "S/T/T",
      converter = AnchorsConverter.class,
      description = "Exact tokens: sink/tail/top; repeatable (default: 4/64/0).")
  private List<Anchors> anchors = List.of();

  @Option(
      names = "--refine-chunk",
      paramLabel = "TOKENS",
      description =
          "How many prompt tokens mode refine makes exact between two tokens of the answer"
              + " (default: 128).")
  private @Nullable Integer refineChunk;

  @Option(
      names = "--limit",
      defaultValue = "200",
      description = "The most items, shuffled first (default: ${DEFAULT-VALUE}).")
  private int limit;

  @Option(
      names = "--fewer",
      split = ",",
      paramLabel = "MODE=SHARE",
      description =
          "Modes that are slow and of which a share of the items will do, spread evenly over all:"
              + " off=0.1 for every tenth. The column of items says so (default: all items).")
  private Map<String, Double> fewer = Map.of();

  @Option(
      names = "--together",
      paramLabel = "ITEMS",
      defaultValue = "8",
      description =
          "Items whose answers are decoded together, all rows of them, so that the weights are read"
              + " once for all; 0 = each answer alone, which measures the time of its tokens"
              + " (default: ${DEFAULT-VALUE}).")
  private int together;

  @Option(
      names = "--max-tokens",
      description =
          "The most tokens of an answer; 0 makes none, where the reference is fed (--set"
              + " feed=answer) (default: the task's).")
  private @Nullable Integer maxTokens;

  @Option(
      names = "--shots",
      description = "Worked examples before a question (default: the task's, mostly 1).")
  private @Nullable Integer shots;

  @Option(
      names = "--samples",
      description = "Answers drawn beside the greedy one (default: the task's, mostly 0).")
  private @Nullable Integer samples;

  @Option(names = "--temperature", description = "That they are drawn with (default: the task's).")
  private @Nullable Float temperature;

  @Option(
      names = "--set",
      paramLabel = "NAME=VALUE",
      description = "A setting that only this task has; repeatable.")
  private Map<String, String> set = Map.of();

  @Option(
      names = "--allow-code-execution",
      description = "Run the programs that the model writes, each in a confined process.")
  private boolean allowCodeExecution;

  @Option(
      names = "--seed",
      defaultValue = "1",
      description = "Of all that is chosen at random (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description =
          "A folder for the run: each item's results as they come (items.jsonl), and the table"
              + " (results.json).")
  private @Nullable Path out;

  @Option(
      names = "--spark",
      paramLabel = "MASTER",
      description =
          "Have the machines of an Apache Spark do the items: spark://HOST:7077, local[2], …; model"
              + " and data must be there by the same paths, kvp-spark in KVP_CLASSPATH.")
  private @Nullable String spark;

  @Spec private @Nullable CommandSpec spec;

  @Option(
      names = "--resume",
      description =
          "Go on with the run in --out where it was stopped, or with more items than it had.")
  private boolean resume;

  @Override
  public Integer call() {
    if ("help".equals(taskName)) {
      listTasks();
      return 0;
    }
    json.check();
    check();
    EvaluationTask task = task();
    Map<String, String> options = options(task);
    Map<String, Double> fewerShares = fewerShares();
    try (Session session = new Session(task, options, fewerShares)) {
      double length = session.evaluation.check(session.items);
      List<ItemResult> results = run(session);
      List<ResultRow> table = ResultRow.table(title(task, options), results, seed);
      Map<String, Object> report = EvalReport.of(table, session.settings(), session.loaded, seed);
      if (out != null) {
        RunFolder.finish(out, report);
      }
      EvalReport.print(table, results.size(), length);
      json.write(report);
    }
    return 0;
  }

  /** What the options come to: a loaded model, its rows and the items. */
  private final class Session implements AutoCloseable {
    final EvaluationTask task;
    final Map<String, String> options;
    final KvpModel loaded;
    final Evaluation.Decoding decoding;
    final Map<String, PredictorFile> files;
    final EvalRows rows;
    final List<EvaluationItem> items;
    final Evaluation evaluation;

    Session(EvaluationTask task, Map<String, String> options, Map<String, Double> fewerShares) {
      this.task = task;
      this.options = options;
      this.decoding = decoding(task);
      this.loaded = model.builder().warmUp(false).build();
      try {
        this.files = NamedPredictors.of(loaded, predictors);
        this.rows = rows(loaded, files);
      } catch (RuntimeException | Error e) {
        loaded.close();
        throw e;
      }
      try {
        this.items =
            task.items(
                new TaskSettings(
                    data,
                    limit,
                    seed,
                    shots == null ? task.shots() : shots,
                    allowCodeExecution,
                    options,
                    loaded::encodePrompt));
        this.evaluation =
            new Evaluation(
                rows.all(),
                text(loaded),
                decoding,
                loaded.usablePositions(),
                rows.shares(fewerShares));
      } catch (RuntimeException | Error e) {
        close();
        throw e;
      }
    }

    Map<String, Object> settings() {
      return EvalCommand.this.settings(task, options, decoding, rows.all(), files, loaded);
    }

    /** The items that are asked together with the one of a number. */
    List<ItemResult> measure(int from, Runnable rowDone) {
      return EvalCommand.this.measure(evaluation, items, from, rowDone);
    }

    @Override
    public void close() {
      rows.close();
      loaded.close();
    }
  }

  /** The session of this command line on a machine of a cluster, kept as long as its process. */
  static final class OnMachine {
    private static final Map<List<String>, OnMachine> OPEN = new HashMap<>();

    private final Session session;

    private OnMachine(List<String> words) {
      EvalCommand command = new EvalCommand();
      new CommandLine(command).parseArgs(words.toArray(new String[0]));
      EvaluationTask task = command.task();
      this.session = command.new Session(task, command.options(task), command.fewerShares());
      session.evaluation.warmUp(session.items.getFirst());
    }

    /** Measures a group of items, and gives them as lines of JSON; one group at a time. */
    static synchronized List<String> measure(List<String> words, int from) {
      OnMachine machine = OPEN.get(words);
      if (machine == null) {
        machine = new OnMachine(words);
        OPEN.put(List.copyOf(words), machine);
      }
      List<String> lines = new ArrayList<>();
      machine.session.measure(from, () -> {}).forEach(r -> lines.add(RunFolder.line(r)));
      return lines;
    }
  }

  /** A group of items, by the number of its first. */
  private record GroupWork(ArrayList<String> words)
      implements Cluster.Work<Integer, ArrayList<String>> {
    @Override
    public ArrayList<String> of(Integer from) {
      return new ArrayList<>(OnMachine.measure(words, from));
    }
  }

  private EvaluationTask task() {
    return EvaluationTask.named(
        taskName != null ? taskName : data == null ? "kv-retrieval" : "squad");
  }

  private Map<String, Double> fewerShares() {
    Map<String, Double> shares = new TreeMap<>();
    fewer.forEach((mode, share) -> shares.put(mode.strip().toLowerCase(Locale.ROOT), share));
    return shares;
  }

  private void check() {
    if (together < 0) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT, "--together is " + together + "; it must be 0 or more.");
    }
    if (limit < 1
        || (maxTokens != null && maxTokens < 0)
        || (refineChunk != null && refineChunk < 1)) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "--limit is "
              + limit
              + (maxTokens == null ? "" : ", --max-tokens " + maxTokens)
              + (refineChunk == null ? "" : ", --refine-chunk " + refineChunk)
              + "; each must be at least 1 (--max-tokens: 0).");
    }
    if (resume && out == null) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "--resume goes on with a run in a folder; name it with --out.");
    }
  }

  private static void listTasks() {
    for (EvaluationTask task : EvaluationTask.all()) {
      System.out.println(task.name() + ": " + task.description());
      new TreeMap<>(task.options())
          .forEach((name, value) -> System.out.println("    --set " + name + "=" + value));
    }
  }

  /** The task's name, with those of its settings that are not as usual. */
  static String title(EvaluationTask task, Map<String, String> options) {
    List<String> unusual =
        options.entrySet().stream()
            .filter(e -> !e.getValue().equals(task.options().get(e.getKey())))
            .map(e -> e.getKey() + " " + e.getValue())
            .toList();
    return unusual.isEmpty() ? task.name() : task.name() + ", " + String.join(", ", unusual);
  }

  private Map<String, String> options(EvaluationTask task) {
    Map<String, String> options = new TreeMap<>(task.options());
    set.forEach((name, value) -> {
      if (!options.containsKey(name)) {
        throw new KvpException(
            KvpException.Kind.BAD_ARGUMENT,
            "The task "
                + task.name()
                + " has no setting '"
                + name
                + (options.isEmpty()
                    ? "'; it has none."
                    : "'; it has " + String.join(", ", options.keySet()) + "."));
      }
      options.put(name, value);
    });
    return options;
  }

  private Evaluation.Decoding decoding(EvaluationTask task) {
    Sampling own = task.sampling();
    boolean answers = task.maxNewTokens() > 0;
    return new Evaluation.Decoding(
        maxTokens == null || !answers ? task.maxNewTokens() : maxTokens,
        task.stops(),
        new Sampling(
            samples == null || !answers ? own.samples() : samples,
            temperature == null ? own.temperature() : temperature,
            own.topP()),
        seed);
  }

  private EvalRows rows(KvpModel loaded, Map<String, PredictorFile> files) {
    return new EvalRows(
        loaded,
        modes.stream().map(m -> m.strip().toLowerCase(Locale.ROOT)).toList(),
        files,
        anchors.isEmpty() ? List.of(Anchors.DEFAULT) : anchors,
        refineChunk == null ? RefineSettings.DEFAULT.chunk() : refineChunk);
  }

  private static TokenText text(KvpModel loaded) {
    List<Integer> ends = loaded.jlama().getConfig().eosTokens;
    return new TokenText() {
      @Override
      public int[] encode(String prompt) {
        return loaded.encodePrompt(prompt);
      }

      @Override
      public String decode(int[] tokens) {
        return loaded.tokenizer().decode(tokens);
      }

      @Override
      public boolean isEnd(int token) {
        return ends.contains(token);
      }
    };
  }

  private List<ItemResult> run(Session session) {
    List<EvaluationItem> items = session.items;
    Evaluation evaluation = session.evaluation;
    try (ProgressDisplay progress = new ProgressDisplay();
        Results results = results(session)) {
      progress.start("eval", evaluation.rowsOf(items.size()));
      List<Integer> open = new ArrayList<>(); // numbers of the first items of groups
      for (int from = 0; from < items.size(); from += group()) {
        List<EvaluationItem> group = group(items, from);
        if (group.stream().allMatch(item -> results.done.containsKey(item.id()))) {
          progress.advance(evaluation.rowsOf(from + group.size()) - evaluation.rowsOf(from));
        } else {
          open.add(from);
        }
      }
      if (spark != null) {
        try (Cluster cluster = Cluster.open(spark)) {
          cluster.each(
              open,
              new GroupWork(new ArrayList<>(words(session))),
              lines -> {
                for (String line : lines) {
                  ItemResult result = RunFolder.result(line);
                  results.add(result);
                  progress.advance(result.rows().size());
                }
              });
        }
      } else if (!open.isEmpty()) {
        evaluation.warmUp(items.get(open.getFirst()));
        for (int from : open) {
          session.measure(from, () -> progress.advance(1)).forEach(results::add);
        }
      }
      return items.stream()
          .map(item -> Objects.requireNonNull(results.done.get(item.id())))
          .toList();
    }
  }

  private Results results(Session session) {
    return new Results(out == null ? null : RunFolder.open(out, resume, session.settings()));
  }

  /** What is done, in the run's folder if there is one. */
  private static final class Results implements AutoCloseable {
    final Map<String, ItemResult> done = new HashMap<>();
    private final @Nullable RunFolder folder;

    Results(@Nullable RunFolder folder) {
      this.folder = folder;
      if (folder != null) {
        done.putAll(folder.done());
      }
    }

    /**
     * Adds one, but for one that is there: a group of which a kill left some is done anew, so that
     * each is done as it was.
     */
    void add(ItemResult result) {
      if (done.putIfAbsent(result.item(), result) == null && folder != null) {
        folder.add(result);
      }
    }

    @Override
    public void close() {
      if (folder != null) {
        folder.close();
      }
    }
  }

  /** This command line for another machine: the same model, files by whole paths. */
  private List<String> words(Session session) {
    List<String> words = new ArrayList<>();
    words.addAll(List.of("--model", session.loaded.directory().toAbsolutePath().toString()));
    for (OptionSpec option : Objects.requireNonNull(spec).options()) {
      boolean ours =
          List.of("--model", "--spark", "--out", "--resume", "--json", "--verbose")
              .contains(option.longestName());
      if (ours || option.originalStringValues().isEmpty()) {
        continue;
      }
      for (String value : option.originalStringValues()) {
        words.add(option.longestName());
        if (option.arity().max() > 0) {
          boolean file = option.auxiliaryTypes()[0] == Path.class && Files.exists(Path.of(value));
          words.add(file ? Path.of(value).toAbsolutePath().toString() : value);
        }
      }
    }
    return words;
  }

  private int group() {
    return Math.max(1, together);
  }

  private List<EvaluationItem> group(List<EvaluationItem> items, int from) {
    return items.subList(from, Math.min(items.size(), from + group()));
  }

  private List<ItemResult> measure(
      Evaluation evaluation, List<EvaluationItem> items, int from, Runnable rowDone) {
    List<Evaluation.Asked> asked = new ArrayList<>();
    for (EvaluationItem item : group(items, from)) {
      asked.add(new Evaluation.Asked(item, from + asked.size()));
    }
    return evaluation.measure(asked, together > 0, rowDone);
  }

  /** All that the results depend on, so that a run is gone on with by the same alone. */
  private Map<String, Object> settings(
      EvaluationTask task,
      Map<String, String> options,
      Evaluation.Decoding decoding,
      List<EvaluationRow> rows,
      Map<String, PredictorFile> files,
      KvpModel loaded) {
    Map<String, Object> settings = new LinkedHashMap<>();
    settings.put("task", task.name());
    settings.put("data", data == null ? "" : FileName.of(data));
    settings.put("data_bytes", data == null ? 0 : size(data));
    settings.put(RunFolder.LIMIT, limit);
    settings.put("seed", seed);
    settings.put("shots", shots == null ? task.shots() : shots);
    settings.put("max_tokens", decoding.maxNewTokens());
    settings.put("samples", decoding.sampling().samples());
    settings.put("temperature", decoding.sampling().temperature());
    settings.put("options", options);
    settings.put("fewer", new TreeMap<>(fewer));
    settings.put("together", together);
    settings.put("rows", rows.stream().map(EvaluationRow::name).toList());
    Map<String, String> checksums = new TreeMap<>();
    files.forEach((name, file) -> checksums.put(name, NamedPredictors.checksum(file)));
    settings.put("predictors", checksums);
    settings.put("model", FileName.of(loaded.directory()));
    settings.put("kernels", ModelOption.engine(loaded).kernels().getClass().getSimpleName());
    return settings;
  }

  private static long size(Path file) {
    try {
      return Files.size(file);
    } catch (IOException e) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "The data file '" + file + "' can't be read: " + KvpException.reason(e) + ".",
          e);
    }
  }
}
