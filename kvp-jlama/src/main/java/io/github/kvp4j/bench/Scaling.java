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
import java.util.ArrayList;
import java.util.List;

/**
 * How a row gains from a second thread, and what Amdahl's law makes of it for more cores.
 *
 * @param row which
 * @param promptTokens of the prompt
 * @param oneThread median time to first token with one thread, in milliseconds
 * @param twoThreads the same with two
 * @param speedup how many times as fast two threads are: the median over pairs of runs, one right
 *     after the other, so that a clock that changes changes both
 * @param speedupLow a quarter of the pairs lie below this
 * @param speedupHigh a quarter of the pairs lie above this
 */
public record Scaling(
    @JsonProperty("row") String row,
    @JsonProperty("prompt_tokens") int promptTokens,
    @JsonProperty("ttft_ms_1_thread") double oneThread,
    @JsonProperty("ttft_ms_2_threads") double twoThreads,
    @JsonProperty("speedup") double speedup,
    @JsonProperty("speedup_low") double speedupLow,
    @JsonProperty("speedup_high") double speedupHigh) {
  /** What {@link #on} takes for granted. */
  static final String ASSUMPTIONS =
      "Amdahl's law from the share that two threads were seen to run side by side: every core as fast"
          + " as the first at the same clock, memory bandwidth and caches that grow with the cores,"
          + " tiles enough to share out evenly, no cost of threads that meet; an upper bound.";

  /**
   * From times in milliseconds, at least one pair.
   *
   * @param one with one thread, run by run
   * @param two with two threads, in the same order
   */
  static Scaling of(String row, int promptTokens, List<Double> one, List<Double> two) {
    List<Double> ratios = new ArrayList<>();
    for (int i = 0; i < one.size(); i++) {
      ratios.add(one.get(i) / two.get(i));
    }
    return new Scaling(
        row,
        promptTokens,
        Statistics.of(one).median(),
        Statistics.of(two).median(),
        Statistics.of(ratios).median(),
        Statistics.quantile(ratios, 0.25),
        Statistics.quantile(ratios, 0.75));
  }

  /** The share of the work that runs in parallel, 0 to 1: from {@code 1/s = (1 - p) + p/2}. */
  @JsonProperty("parallel_share")
  double parallelShare() {
    return Math.clamp(2 * (1 - 1 / speedup), 0, 1);
  }

  @JsonProperty("simulated_ttft_ms_8_cores")
  double eightCores() {
    return on(8);
  }

  @JsonProperty("simulated_ttft_ms_64_cores")
  double sixtyFourCores() {
    return on(64);
  }

  /** Time to first token on this many cores on paper, in milliseconds. */
  double on(int cores) {
    double p = parallelShare();
    return oneThread * (1 - p + p / cores);
  }
}
