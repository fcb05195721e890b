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
import io.github.kvp4j.corpus.TextCorpus;
import io.github.kvp4j.evaluation.AnswerScore;
import io.github.kvp4j.evaluation.CacheQuality;
import io.github.kvp4j.evaluation.GreedyDecoder;
import io.github.kvp4j.evaluation.RefinedPrefill;
import io.github.kvp4j.evaluation.SquadTask;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.jlama.Quality;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.PredictedPrefill;
import io.github.kvp4j.predictor.PredictorFile;
import io.github.kvp4j.predictor.PrefillCost;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.nio.charset.StandardCharsets;
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
    description = {
      "How good answers are over the exact cache, over that of each predictor, and over a prompt cut"
          + " to the same cost.",
      "Task squad: reading comprehension (SQuAD format, one worked example, plain completion), F1"
          + " and exact match. Task fidelity: texts are continued from their first 447 tokens, and"
          + " the continuation is compared with that over the exact cache."
    },
    footer = {
      "",
      "Examples:",
      "  kvp eval --data xquad.en.json --limit 200 --anchors 4/24/0",
      "  kvp eval --data xquad.en.json --predictor a.safetensors --predictor b.safetensors",
      "  kvp eval --task fidelity --data texts.jsonl.gz --limit 100 --max-tokens 64 --refine-chunk 128"
    })
final class EvalCommand implements Callable<Integer> {
  @Mixin private ModelOption model = new ModelOption();

  @Mixin private JsonOption json = new JsonOption();

  /** Tokens of a text that is to be continued. */
  private static final int TEXT_TOKENS = 447;

  @Option(
      names = "--task",
      defaultValue = "SQUAD",
      description = "${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
  private Task task = Task.SQUAD;

  @Option(
      names = "--data",
      required = true,
      paramLabel = "FILE",
      description =
          "For squad questions on passages, SQuAD 1.1 JSON; for fidelity texts: plain, gzip or JSONL"
              + " with a field \"text\".")
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
      names = "--refine-chunk",
      paramLabel = "TOKENS",
      description =
          "Adds a row for each prediction that is made exact by so many prompt tokens between two"
              + " tokens of the answer.")
  private @Nullable Integer refineChunk;

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

  /** What is asked. */
  private enum Task {
    SQUAD,
    FIDELITY
  }

  /** A prompt and what would be right, if anything is known to be. */
  private record Item(int[] prompt, List<String> answers) {}

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
    json.check();
    if (limit < 1 || maxTokens < 1 || (refineChunk != null && refineChunk < 1)) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "--limit is "
              + limit
              + ", --max-tokens "
              + maxTokens
              + (refineChunk == null ? "" : ", --refine-chunk " + refineChunk)
              + "; each must be at least 1.");
    }
    Path file = java.util.Objects.requireNonNull(data);
    try (KvpModel loaded = model.builder().warmUp(false).build()) {
      PrefillEngine engine =
          loaded
              .engine()
              .orElseThrow(() ->
                  new KvpException(
                      KvpException.Kind.UNSUPPORTED, "This model has no prefill engine."));
      List<Item> items = items(loaded, file);
      List<Way> ways = ways(loaded, engine, items);
      run(loaded, engine, items, ways);
      print(ways, items);
      json.write(Map.of("rows", rows(ways, items.size())));
    }
    return 0;
  }

  private List<Item> items(KvpModel loaded, Path file) {
    List<Item> items =
        switch (task) {
          case SQUAD ->
              SquadTask.read(file, limit, seed).stream()
                  .map(t -> new Item(loaded.encodePrompt(t.prompt()), t.answers()))
                  .toList();
          case FIDELITY ->
              TextCorpus.read(List.of(file), seed)
                  .take(loaded::encodePrompt, 0, limit, TEXT_TOKENS, TEXT_TOKENS)
                  .stream()
                  .map(t -> new Item(t, List.of()))
                  .toList();
        };
    if (items.isEmpty()) {
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE,
          "The file '" + file + "' holds no text of " + TEXT_TOKENS + " tokens; give longer ones.");
    }
    return items;
  }

  private List<Way> ways(KvpModel loaded, PrefillEngine engine, List<Item> items) {
    int typical = (int) averageLength(items);
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
        if (refineChunk != null) {
          ways.add(
              new Way(
                  e.getKey() + " " + a + " refined by " + refineChunk,
                  new RefinedPrefill(predicted, a, refineChunk),
                  share,
                  false));
        }
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

  private void run(KvpModel loaded, PrefillEngine engine, List<Item> items, List<Way> ways) {
    GreedyDecoder decoder = new GreedyDecoder(engine);
    List<Integer> ends = loaded.jlama().getConfig().eosTokens;
    try (ProgressDisplay progress = new ProgressDisplay()) {
      progress.start("eval", (long) items.size() * ways.size());
      for (Item item : items) {
        String exact = "";
        for (Way way : ways) {
          int[] prompt = way.cut ? cut(item.prompt, way.share) : item.prompt;
          List<Integer> tokens =
              decoder.answer(
                  prompt,
                  maxTokens,
                  way.prefill,
                  t -> ends.contains(t) || (task == Task.SQUAD && isLineEnd(loaded, t)));
          String answer =
              loaded
                  .tokenizer()
                  .decode(tokens.stream().mapToInt(Integer::intValue).toArray())
                  .strip();
          exact = way == ways.getFirst() ? answer : exact;
          if (task == Task.SQUAD) {
            way.f1 += AnswerScore.f1(answer, item.answers);
            way.exactMatch += AnswerScore.exactMatch(answer, item.answers) ? 1 : 0;
          }
          way.fidelity += AnswerScore.f1(answer, exact);
          way.flops += way.share;
          progress.advance(1);
        }
      }
    }
  }

  private static boolean isLineEnd(KvpModel loaded, int token) {
    return new String(loaded.tokenizer().bytes(token), StandardCharsets.UTF_8).contains("\n");
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

  private static double averageLength(List<Item> items) {
    return items.stream().mapToInt(item -> item.prompt.length).average().orElse(1);
  }

  private void print(List<Way> ways, List<Item> all) {
    int items = all.size();
    System.out.printf(
        Locale.ROOT,
        "%n%d prompts of %.0f tokens on average%n%n%-40s %7s %7s %7s %9s%n",
        items,
        averageLength(all),
        "way",
        "FLOPs",
        "F1",
        "EM",
        "fidelity");
    for (Way w : ways) {
      System.out.printf(
          Locale.ROOT,
          "%-40s %7.3f %7s %7s %9.3f%n",
          w.name,
          w.flops / items,
          task == Task.SQUAD ? String.format(Locale.ROOT, "%.3f", w.f1 / items) : "-",
          task == Task.SQUAD ? String.format(Locale.ROOT, "%.3f", w.exactMatch / items) : "-",
          w.fidelity / items);
    }
  }

  private List<Map<String, Object>> rows(List<Way> ways, int items) {
    List<Map<String, Object>> rows = new ArrayList<>();
    for (Way w : ways) {
      for (String metric :
          task == Task.SQUAD ? List.of("f1", "exact_match", "fidelity") : List.of("fidelity")) {
        Map<String, Object> row = new LinkedHashMap<>();
        row.put("row", w.name);
        row.put("task", task.name().toLowerCase(Locale.ROOT));
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
    return rows;
  }
}
