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

import io.github.kvp4j.jlama.GenerateRequest;
import io.github.kvp4j.jlama.GenerateResult;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.jlama.RefineSettings;
import io.github.kvp4j.jlama.RefinementReport;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code kvp complete}: one answer, streamed. */
@Command(
    name = "complete",
    mixinStandardHelpOptions = true,
    description = {
      "Answers one prompt.",
      "",
      "With --prompt it is Jlama's own command instead, which takes the model as its parameter:",
      "see 'kvp complete --prompt x --help'."
    },
    footer = {
      "",
      "Examples:",
      "  kvp complete \"What is the capital of France?\"",
      "  kvp complete --raw --mode exact --max-tokens 40 \"Once upon a time\"",
      "  kvp complete HuggingFaceTB/SmolLM2-135M-Instruct --prompt \"Once upon\" --kv-predict=exact"
    })
final class CompleteCommand implements Callable<Integer> {
  @Mixin private ModelOption model = new ModelOption();

  @Parameters(paramLabel = "PROMPT", description = "What to answer.")
  private String prompt = "";

  @Mixin private PredictionOptions prediction = new PredictionOptions();

  @Mixin private AnchorsOption anchors = new AnchorsOption();

  @Option(names = "--raw", description = "Take the prompt as it is, without the chat template.")
  private boolean raw;

  @Option(
      names = "--refine-chunk",
      paramLabel = "TOKENS",
      defaultValue = "128",
      converter = RefineConverter.class,
      description = RefineConverter.DESCRIPTION)
  private RefineSettings refine = RefineSettings.DEFAULT;

  @Option(
      names = "--max-tokens",
      defaultValue = "256",
      description = "The most tokens of the answer (default: ${DEFAULT-VALUE}).")
  private int maxTokens;

  @Option(
      names = "--temperature",
      defaultValue = "0",
      description = "0 = greedy (default: ${DEFAULT-VALUE}).")
  private double temperature;

  @Option(names = "--top-k", defaultValue = "0", description = "0 = all tokens.")
  private int topK;

  @Option(names = "--top-p", defaultValue = "1", description = "1 = all tokens.")
  private double topP;

  @Option(names = "--seed", description = "Makes sampling repeatable.")
  private @Nullable Long seed;

  @Option(names = "--stop", paramLabel = "TEXT", description = "Ends the answer; repeatable.")
  private List<String> stop = List.of();

  @Option(names = "--stats", description = "Show time to first token, tokens and mode.")
  private boolean stats;

  @Override
  public Integer call() {
    GenerateRequest.Builder request =
        GenerateRequest.builder(prompt)
            .anchors(anchors.value())
            .refine(refine)
            .maxNewTokens(maxTokens)
            .temperature(temperature)
            .topK(topK)
            .topP(topP)
            .seed(seed)
            .stopStrings(stop);
    try (KvpModel loaded = prediction.apply(model.builder()).warmUp(false).build()) {
      GenerateResult result =
          loaded.generate(
              raw ? request.build() : request.prompt(loaded.chatPrompt(prompt)).build(),
              part -> {
                System.out.print(part);
                System.out.flush();
              });
      System.out.println();
      if (stats) {
        System.err.println(stats(result));
      }
    }
    return 0;
  }

  /** One line on what an answer took. */
  static String stats(GenerateResult result) {
    RefinementReport refinement = result.refinement();
    String refined =
        refinement == null
            ? ""
            : refinement.tokensUntilExact() < 0
                ? String.format(Locale.ROOT, ", %d exact in the end", refinement.exactPositions())
                : String.format(
                    Locale.ROOT,
                    ", all exact after %d tokens (%.1f ms a token until then, %.1f after)",
                    refinement.tokensUntilExact(),
                    refinement.nanosPerTokenRefining() / 1e6,
                    refinement.nanosPerTokenAfter() / 1e6);
    String read =
        String.format(
            Locale.ROOT,
            "%s (%s): %d prompt tokens (%d predicted, %d exact), first token after %.0f ms, %.1f ms"
                + " a token, %d tokens, %.0f ms in all",
            result.mode(),
            result.modeReason(),
            result.promptTokens(),
            result.predictedTokens(),
            result.exactTokens(),
            result.timeToFirstTokenMillis(),
            result.millisPerToken(),
            result.tokens().size(),
            result.totalNanos() / 1e6);
    return read + refined;
  }
}
