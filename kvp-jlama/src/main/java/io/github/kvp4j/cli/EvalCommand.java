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
import io.github.kvp4j.evaluation.EvaluationItem;
import io.github.kvp4j.evaluation.EvaluationTask;
import io.github.kvp4j.evaluation.ItemResult;
import io.github.kvp4j.evaluation.ResultRow;
import io.github.kvp4j.evaluation.RunFolder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
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
  @Mixin private EvalOptions options = new EvalOptions();

  @Mixin private JsonOption json = new JsonOption();

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description =
          "A folder for the run: the results of each group of items as they come (items.jsonl), and"
              + " the table (results.json).")
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
          "Go on with the run in --out where it was stopped, or with more than it had: items, rows,"
              + " predictors, shares (--fewer).")
  private boolean resume;

  @Override
  public Integer call() {
    if (options.asksForTasks()) {
      listTasks();
      return 0;
    }
    json.check();
    check();
    try (EvalSession session = new EvalSession(options)) {
      double length = session.check();
      Map<String, Object> settings;
      List<ItemResult> results;
      try (Results run = results(session, session.settings())) {
        results = run(session, run);
        settings = run.settings;
      }
      List<ResultRow> table = ResultRow.table(session.title(), results, options.seed());
      Map<String, Object> report = EvalReport.of(table, settings, session.loaded(), options.seed());
      if (out != null) {
        RunFolder.finish(out, report);
      }
      EvalReport.print(table, results.size(), length);
      json.write(report);
    }
    return 0;
  }

  EvalOptions options() {
    return options;
  }

  private void check() {
    options.check();
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

  private List<ItemResult> run(EvalSession session, Results results) {
    try (ProgressDisplay progress = new ProgressDisplay()) {
      List<Integer> open = new ArrayList<>(); // numbers of the first items of groups
      long known = 0;
      long asked = 0;
      for (int from : session.groups()) {
        boolean complete = true;
        int number = from;
        for (EvaluationItem item : session.group(from)) {
          Set<String> have = results.have(item.id());
          List<String> wanted = session.rowsOf(number++);
          long there = wanted.stream().filter(have::contains).count();
          known += there;
          asked += wanted.size();
          if (there < wanted.size()) {
            complete = false;
            asked += have.isEmpty() ? 0 : 1; // the first row once more
          }
        }
        if (!complete) {
          open.add(from);
        }
      }
      progress.start("eval", asked);
      progress.advance(known);
      if (spark != null) {
        EvalOnCluster.run(
            spark,
            open,
            EvalOnCluster.words(Objects.requireNonNull(spec), session.loaded()),
            lines -> {
              for (String line : lines) {
                ItemResult result = RunFolder.result(line);
                results.add(result);
                progress.advance(result.rows().size());
              }
            });
      } else if (!open.isEmpty()) {
        session.warmUp(open.getFirst());
        for (int from : open) {
          session.measure(from, results::have, () -> progress.advance(1)).forEach(results::add);
        }
      }
      return session.items().stream()
          .map(item -> Objects.requireNonNull(results.done.get(item.id())))
          .toList();
    }
  }

  private Results results(EvalSession session, Map<String, Object> settings) {
    return new Results(
        out == null ? null : RunFolder.open(out, resume, settings, session.usual()),
        settings,
        session.rows());
  }

  /** What is done, in the run's folder if there is one. */
  private static final class Results implements AutoCloseable {
    final Map<String, ItemResult> done = new HashMap<>();
    private final @Nullable RunFolder folder;
    private final List<String> order;

    /** What the run says of itself. */
    final Map<String, Object> settings;

    Results(@Nullable RunFolder folder, Map<String, Object> settings, List<String> order) {
      this.folder = folder;
      this.settings = folder == null ? settings : folder.settings();
      this.order = order;
      if (folder != null) {
        done.putAll(folder.done());
      }
    }

    /** The rows that have answered an item. */
    Set<String> have(String item) {
      ItemResult result = done.get(item);
      return result == null ? Set.of() : result.names();
    }

    /** Adds what some rows answered to an item. */
    void add(ItemResult result) {
      ItemResult before = done.get(result.item());
      ItemResult now = before == null ? result : before.with(result, order);
      if (before == null || !now.names().equals(before.names())) {
        done.put(now.item(), now);
        if (folder != null) {
          folder.add(now);
        }
      }
    }

    @Override
    public void close() {
      if (folder != null) {
        folder.close();
      }
    }
  }
}
