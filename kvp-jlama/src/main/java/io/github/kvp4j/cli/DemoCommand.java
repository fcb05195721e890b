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
import io.github.kvp4j.jlama.GenerateRequest;
import io.github.kvp4j.jlama.GenerateResult;
import io.github.kvp4j.jlama.KvpMode;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.jlama.Quality;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code kvp demo}: one long prompt, four ways to read it. */
@Command(
    name = "demo",
    mixinStandardHelpOptions = true,
    description = {
      "Reads one long prompt through Jlama (OFF), through this project's prefill engine (EXACT) and by"
          + " prediction (PREDICT, PREDICT_FAST), warmed up, in turn, and shows the time to the first"
          + " token and each answer."
    },
    footer = {
      "",
      "Examples:",
      "  kvp demo",
      "  kvp demo --prompt question.txt --max-tokens 100 --runs 3 --json demo.json"
    })
final class DemoCommand implements Callable<Integer> {
  @Mixin private ModelOption model = new ModelOption();

  @Mixin private PromptFileOption promptFile = new PromptFileOption();

  @Mixin private AnchorsOption anchors = new AnchorsOption();

  @Mixin private JsonOption json = new JsonOption();

  @Option(
      names = "--max-tokens",
      defaultValue = "48",
      description = "The most tokens of each answer (default: ${DEFAULT-VALUE}).")
  private int maxTokens;

  @Option(
      names = "--runs",
      defaultValue = "5",
      description = "Runs of each way, after one that is not counted (default: ${DEFAULT-VALUE}).")
  private int runs;

  private enum Way {
    OFF(KvpMode.OFF, Quality.FAITHFUL),
    EXACT(KvpMode.EXACT, Quality.FAITHFUL),
    PREDICT(KvpMode.PREDICT, Quality.FAITHFUL),
    PREDICT_FAST(KvpMode.PREDICT, Quality.FAST);

    final KvpMode mode;
    final Quality quality;

    Way(KvpMode mode, Quality quality) {
      this.mode = mode;
      this.quality = quality;
    }
  }

  @Override
  public Integer call() {
    if (runs < 1 || runs > 1000) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT, "--runs is " + runs + "; it must be 1 to 1000.");
    }
    json.check();
    String message = promptFile.text();
    try (KvpModel loaded = model.builder().warmUp(false).build()) {
      String prompt = loaded.chatPrompt(message);
      Map<Way, List<GenerateResult>> results = new LinkedHashMap<>();
      List<Way> ways = new ArrayList<>();
      for (Way way : Way.values()) {
        if (way.mode == KvpMode.PREDICT && loaded.predictor(way.quality).isEmpty()) {
          System.err.println(
              "No predictor of quality "
                  + way.quality
                  + " for this model: "
                  + way
                  + " is left out"
                  + " (make one with 'kvp calibrate').");
          continue;
        }
        ways.add(way);
        results.put(way, new ArrayList<>());
      }
      try (ProgressDisplay progress = new ProgressDisplay()) {
        progress.start("demo", (long) ways.size() * (runs + 1));
        // the ways take turns, so that a machine that slows down slows all of them
        for (int run = 0; run <= runs; run++) {
          for (Way way : ways) {
            GenerateResult result = loaded.generate(request(prompt, way));
            if (run > 0) {
              results.getOrDefault(way, List.of()).add(result);
            }
            progress.advance(1);
          }
        }
      }
      List<Row> rows = rows(results);
      int promptTokens = results.values().iterator().next().getFirst().promptTokens();
      print(loaded, promptTokens, rows);
      Map<String, Object> root = new LinkedHashMap<>();
      root.put("model", model.name());
      root.put("prompt_tokens", promptTokens);
      root.put("rows", rows);
      json.write(root);
    }
    return 0;
  }

  private GenerateRequest request(String prompt, Way way) {
    return GenerateRequest.builder(prompt)
        .reusesPrefix(false) // every run reads the whole prompt
        .mode(way.mode)
        .quality(way.quality)
        .anchors(anchors.value())
        .maxNewTokens(maxTokens)
        .build();
  }

  /** One line of the table, named as in its JSON form. */
  private record Row(
      String mode,
      double ttft_ms,
      double ttft_ms_min,
      double ttft_ms_max,
      double ratio_to_off,
      double ms_per_token,
      String answer) {}

  private static List<Row> rows(Map<Way, List<GenerateResult>> results) {
    List<Row> rows = new ArrayList<>();
    double off = 0;
    for (Map.Entry<Way, List<GenerateResult>> e : results.entrySet()) {
      double[] ttft =
          e.getValue().stream()
              .mapToDouble(GenerateResult::timeToFirstTokenMillis)
              .sorted()
              .toArray();
      double[] perToken =
          e.getValue().stream().mapToDouble(GenerateResult::millisPerToken).sorted().toArray();
      double median = median(ttft);
      if (e.getKey() == Way.OFF) {
        off = median;
      }
      rows.add(
          new Row(
              e.getKey().name(),
              round(median),
              round(ttft[0]),
              round(ttft[ttft.length - 1]),
              Math.round(1000 * median / off) / 1000.0,
              round(median(perToken)),
              e.getValue().getLast().text()));
    }
    return rows;
  }

  private static double median(double[] sorted) {
    int half = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  }

  private static double round(double value) {
    return Math.round(value * 10) / 10.0;
  }

  private void print(KvpModel loaded, int promptTokens, List<Row> rows) {
    System.out.printf(
        Locale.ROOT,
        "%nModel %s, prompt of %d tokens, anchors %s, kernels %s%n%n",
        model.name(),
        promptTokens,
        anchors.value(),
        loaded.engine().map(e -> e.kernels().name()).orElse("Jlama's"));
    System.out.printf(
        "%-13s %10s %19s %13s %9s %9s%n",
        "mode", "TTFT ms", "range ms", "ratio to OFF", "speed-up", "ms/token");
    for (Row r : rows) {
      System.out.printf(
          Locale.ROOT,
          "%-13s %10.1f %8.1f – %8.1f %13.3f %8.1fx %9.1f%n",
          r.mode,
          r.ttft_ms,
          r.ttft_ms_min,
          r.ttft_ms_max,
          r.ratio_to_off,
          1 / r.ratio_to_off,
          r.ms_per_token);
    }
    for (Row r : rows) {
      System.out.printf("%n%s answers:%n%s%n", r.mode, r.answer.strip());
    }
  }
}
