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
import io.github.kvp4j.evaluation.Evaluation;
import io.github.kvp4j.evaluation.EvaluationTask;
import io.github.kvp4j.evaluation.Sampling;
import io.github.kvp4j.jlama.RefineSettings;
import io.github.kvp4j.predictor.Anchors;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What {@code kvp eval} asks, of which rows and of how many items: all that results depend on. */
final class EvalOptions {
  @Mixin private ModelOption model = new ModelOption();

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
      paramLabel = "MODE[:PREDICTOR]=SHARE",
      description =
          "Modes that are slow and of which a share of the items will do, spread evenly over all:"
              + " off=0.1 for a tenth, predict:fast=0.5. The column of items says so (default: all"
              + " items).")
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

  ModelOption model() {
    return model;
  }

  /** Whether the tasks are asked for, and not one of them. */
  boolean asksForTasks() {
    return "help".equals(taskName);
  }

  @Nullable Path data() {
    return data;
  }

  List<Path> predictors() {
    return predictors;
  }

  long seed() {
    return seed;
  }

  int limit() {
    return limit;
  }

  int together() {
    return together;
  }

  boolean allowsCodeExecution() {
    return allowCodeExecution;
  }

  int shots(EvaluationTask task) {
    return shots == null ? task.shots() : shots;
  }

  List<String> modes() {
    return modes.stream().map(m -> m.strip().toLowerCase(Locale.ROOT)).toList();
  }

  List<Anchors> anchors() {
    return anchors.isEmpty() ? List.of(Anchors.DEFAULT) : anchors;
  }

  int refineChunk() {
    return refineChunk == null ? RefineSettings.DEFAULT.chunk() : refineChunk;
  }

  EvaluationTask task() {
    return EvaluationTask.named(
        taskName != null ? taskName : data == null ? "kv-retrieval" : "squad");
  }

  /** By mode, or by mode and predictor, the share of the items that it is asked. */
  Map<String, Double> fewerShares() {
    return EvalRows.given(fewer);
  }

  /**
   * Refuses values that make no sense.
   *
   * @throws KvpException BAD_ARGUMENT
   */
  void check() {
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
  }

  /** The task's own settings, with what is said of them. */
  Map<String, String> settings(EvaluationTask task) {
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

  Evaluation.Decoding decoding(EvaluationTask task) {
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
}
