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

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One line of the table: a row at one length and batch. Times are medians over the runs.
 *
 * @param row its name
 * @param promptTokens of each prompt
 * @param batch prompts
 * @param ttft until the first token of every prompt is out, in milliseconds
 * @param ttftMin the least
 * @param ttftMax the most
 * @param tokensPerSecond prompt tokens, of all prompts, a second
 * @param ratioToJlama this row's time over Jlama's at the same length and batch; null without it
 * @param msPerToken of decoding; null where nothing was decoded
 * @param peakMegabytes memory at its highest in any run; null where the system does not tell
 * @param loadedMegabytes memory once loaded; null likewise
 * @param kernels what computed
 */
@JsonPropertyOrder({
  "row",
  "prompt_tokens",
  "batch",
  "ttft_ms",
  "ttft_ms_min",
  "ttft_ms_max",
  "tokens_per_second",
  "ratio_to_jlama",
  "ms_per_token",
  "peak_mb",
  "loaded_mb",
  "kernels"
})
public record BenchRow(
    @JsonProperty("row") String row,
    @JsonProperty("prompt_tokens") int promptTokens,
    @JsonProperty("batch") int batch,
    @JsonProperty("ttft_ms") double ttft,
    @JsonProperty("ttft_ms_min") double ttftMin,
    @JsonProperty("ttft_ms_max") double ttftMax,
    @JsonProperty("tokens_per_second") double tokensPerSecond,
    @JsonProperty("ratio_to_jlama") @Nullable Double ratioToJlama,
    @JsonProperty("ms_per_token") @Nullable Double msPerToken,
    @JsonProperty("peak_mb") @Nullable Double peakMegabytes,
    @JsonProperty("loaded_mb") @Nullable Double loadedMegabytes,
    @JsonProperty("kernels") String kernels) {
  /** Sums samples up; the ratio is yet to be set. */
  static BenchRow of(Contestant contestant, int length, int batch, List<Sample> samples) {
    Statistics ttft = Statistics.of(samples.stream().map(Sample::ttftMillis).toList());
    List<Double> perToken =
        samples.stream().map(Sample::millisPerToken).filter(Objects::nonNull).toList();
    List<Double> peaks =
        samples.stream().map(Sample::peakMegabytes).filter(Objects::nonNull).toList();
    return new BenchRow(
        contestant.row(),
        length,
        batch,
        ttft.median(),
        ttft.min(),
        ttft.max(),
        1000.0 * length * batch / ttft.median(),
        null,
        perToken.isEmpty() ? null : (Double) Statistics.of(perToken).median(),
        peaks.isEmpty() ? null : (Double) Statistics.of(peaks).max(),
        contestant.loadedMegabytes(),
        contestant.kernels());
  }

  /** The same, compared with Jlama's. */
  BenchRow against(BenchRow jlama) {
    return as(row, ttft / jlama.ttft);
  }

  /** The same under another name. */
  BenchRow as(String name, @Nullable Double ratio) {
    return new BenchRow(
        name,
        promptTokens,
        batch,
        ttft,
        ttftMin,
        ttftMax,
        tokensPerSecond,
        ratio,
        msPerToken,
        peakMegabytes,
        loadedMegabytes,
        kernels);
  }

  boolean isBeside(BenchRow other) {
    return promptTokens == other.promptTokens && batch == other.batch;
  }
}
