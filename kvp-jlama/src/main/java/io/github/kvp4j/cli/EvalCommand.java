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

import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.evaluation.AnswerScore;
import io.github.kvp4j.evaluation.CacheQuality;
import io.github.kvp4j.evaluation.GreedyDecoder;
import io.github.kvp4j.evaluation.SquadTask;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.jlama.Quality;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.PredictedPrefill;
import io.github.kvp4j.predictor.PredictorFile;
import io.github.kvp4j.predictor.PrefillCost;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code kvp eval}: answers by a predicted cache against answers by the exact one. */
@Command(
    name = "eval",
    mixinStandardHelpOptions = true,
    description =
        "Reading comprehension (SQuAD format, one worked example, plain completion): F1 and exact"
            + " match of the exact cache, of each predictor, and of a prompt cut to the same cost.",
    footer = {
      "",
      "Examples:",
      "  kvp eval --data xquad.en.json --limit 200 --anchors 4/24/0",
      "  kvp eval --data xquad.en.json --predictor a.safetensors --predictor b.safetensors"
    })
final class EvalCommand implements Callable<Integer> {
  @Mixin private ModelOption model = new ModelOption();

  @Option(
      names = "--data",
      required = true,
      paramLabel = "FILE",
      description = "Questions on passages, SQuAD 1.1 JSON.")
  private @Nullable Path data;

  @Option(
      names = "--predictor",
      paramLabel = "FILE",
      description = "A predictor; repeatable (default: those of the model).")
  private List<Path> predictors = List.of();

  @Option(
      names = "--anchors",
      paramLabel = "S/T/T",
      converter = AnchorsConverter.class,
      description = "Exact tokens: sink/tail/top; repeatable (default: 4/64/0).")
  private List<Anchors> anchors = List.of();

  @Option(
      names = "--limit",
      defaultValue = "200",
      description = "Questions, shuffled first (default: ${DEFAULT-VALUE}).")
  private int limit;

  @Option(
      names = "--max-tokens",
      defaultValue = "24",
      description = "The most tokens of an answer (default: ${DEFAULT-VALUE}).")
  private int maxTokens;

  @Option(names = "--seed", defaultValue = "1", description = "Of the shuffle.")
  private long seed;

  @Option(names = "--json", paramLabel = "FILE", description = "Write the rows as JSON too.")
  private @Nullable Path json;

  /** One way to read a prompt, and what came of it. */
  private static final class Way {
    final String name;
    final CacheQuality.Prefill prefill;
    final double share;
    final boolean cut;
    double f1;
    double exactMatch;
    double fidelity;
    double flops;

    Way(String name, CacheQuality.Prefill prefill, double share, boolean cut) {
      this.name = name;
      this.prefill = prefill;
      this.share = share;
      this.cut = cut;
    }
  }

  @Override
  public Integer call() {
    if (limit < 1 || maxTokens < 1) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "--limit is " + limit + " and --max-tokens " + maxTokens + "; both must be at least 1.");
    }
    List<SquadTask> tasks = SquadTask.read(java.util.Objects.requireNonNull(data), limit, seed);
    try (KvpModel loaded = model.builder().warmUp(false).build()) {
      PrefillEngine engine =
          loaded
              .engine()
              .orElseThrow(() ->
                  new KvpException(
                      KvpException.Kind.UNSUPPORTED, "This model has no prefill engine."));
      List<int[]> prompts = tasks.stream().map(t -> loaded.encodePrompt(t.prompt())).toList();
      List<Way> ways = ways(loaded, engine, prompts);
      run(loaded, engine, tasks, prompts, ways);
      print(ways, tasks.size(), prompts);
      if (json != null) {
        write(json, ways, tasks.size());
      }
    }
    return 0;
  }

  private List<Way> ways(KvpModel loaded, PrefillEngine engine, List<int[]> prompts) {
    int typical = (int) prompts.stream().mapToInt(p -> p.length).average().orElse(1);
    List<Way> ways = new ArrayList<>();
    ways.add(new Way("exact", (p, c) -> engine.prefill(p, 0, c, Cancellation.NEVER), 1, false));
    Map<String, PredictorFile> files = new LinkedHashMap<>();
    for (Path file : predictors) {
      files.put(String.valueOf(file.getFileName()), loaded.readPredictor(file));
    }
    if (predictors.isEmpty()) {
      for (Quality q : Quality.values()) {
        loaded.predictor(q).ifPresent(f -> files.put(q.name().toLowerCase(Locale.ROOT), f));
      }
    }
    for (Map.Entry<String, PredictorFile> e : files.entrySet()) {
      for (Anchors a : anchors.isEmpty() ? List.of(Anchors.DEFAULT) : anchors) {
        PredictedPrefill predicted = new PredictedPrefill(engine, e.getValue().predictor());
        double share =
            PrefillCost.relative(engine.weights().shape(), e.getValue().predictor(), a, typical);
        ways.add(
            new Way(
                e.getKey() + " " + a,
                (p, c) -> predicted.prefill(p, 0, a, c, Cancellation.NEVER),
                share,
                false));
        ways.add(
            new Way(
                String.format(Locale.ROOT, "cut to %.2f", share),
                (p, c) -> engine.prefill(p, 0, c, Cancellation.NEVER),
                share,
                true));
      }
    }
    return ways;
  }

  private void run(
      KvpModel loaded,
      PrefillEngine engine,
      List<SquadTask> tasks,
      List<int[]> prompts,
      List<Way> ways) {
    GreedyDecoder decoder = new GreedyDecoder(engine);
    List<Integer> ends = loaded.jlama().getConfig().eosTokens;
    try (ProgressDisplay progress = new ProgressDisplay()) {
      progress.start("eval", (long) tasks.size() * ways.size());
      for (int i = 0; i < tasks.size(); i++) {
        String exact = "";
        for (Way way : ways) {
          int[] prompt = way.cut ? cut(prompts.get(i), way.share) : prompts.get(i);
          List<Integer> tokens =
              decoder.answer(
                  prompt,
                  maxTokens,
                  way.prefill,
                  t ->
                      ends.contains(t)
                          || new String(
                                  loaded.tokenizer().bytes(t),
                                  java.nio.charset.StandardCharsets.UTF_8)
                              .contains("\n"));
          String answer =
              loaded
                  .tokenizer()
                  .decode(tokens.stream().mapToInt(Integer::intValue).toArray())
                  .strip();
          exact = way == ways.getFirst() ? answer : exact;
          way.f1 += AnswerScore.f1(answer, tasks.get(i).answers());
          way.exactMatch += AnswerScore.exactMatch(answer, tasks.get(i).answers()) ? 1 : 0;
          way.fidelity += AnswerScore.f1(answer, exact);
          way.flops += way.share;
          progress.advance(1);
        }
      }
    }
  }

  /** The last part of a prompt, begin-of-sequence kept. */
  private static int[] cut(int[] prompt, double share) {
    int keep = Math.max(2, (int) Math.round(prompt.length * share));
    if (keep >= prompt.length) {
      return prompt;
    }
    int[] out = Arrays.copyOfRange(prompt, prompt.length - keep, prompt.length);
    out[0] = prompt[0];
    return out;
  }

  private static void print(List<Way> ways, int items, List<int[]> prompts) {
    System.out.printf(
        Locale.ROOT,
        "%n%d questions, prompts of %.0f tokens on average%n%n%-40s %7s %7s %7s %9s%n",
        items,
        prompts.stream().mapToInt(p -> p.length).average().orElse(0),
        "way",
        "FLOPs",
        "F1",
        "EM",
        "fidelity");
    for (Way w : ways) {
      System.out.printf(
          Locale.ROOT,
          "%-40s %7.3f %7.3f %7.3f %9.3f%n",
          w.name,
          w.flops / items,
          w.f1 / items,
          w.exactMatch / items,
          w.fidelity / items);
    }
  }

  private static void write(Path file, List<Way> ways, int items) {
    List<Map<String, Object>> rows = new ArrayList<>();
    for (Way w : ways) {
      for (String metric : List.of("f1", "exact_match", "fidelity")) {
        Map<String, Object> row = new LinkedHashMap<>();
        row.put("row", w.name);
        row.put("task", "squad");
        row.put("metric", metric);
        row.put(
            "value",
            switch (metric) {
                  case "f1" -> w.f1;
                  case "exact_match" -> w.exactMatch;
                  default -> w.fidelity;
                }
                / items);
        row.put("items", items);
        row.put("relative_flops", w.flops / items);
        rows.add(row);
      }
    }
    try {
      Files.writeString(
          file,
          JsonMapper.builder()
                  .enable(SerializationFeature.INDENT_OUTPUT)
                  .build()
                  .writeValueAsString(Map.of("rows", rows))
              + "\n");
    } catch (IOException e) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "The file '" + file + "' can't be written: " + KvpException.reason(e) + ".",
          e);
    }
  }
}
