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

import io.github.kvp4j.KvpException;
import io.github.kvp4j.predictor.Anchors;
import java.time.Duration;
import java.util.List;

/**
 * What is measured.
 *
 * @param lengths of the prompts, in tokens
 * @param batches how many prompts are read at once
 * @param runs counted measurements of each
 * @param warmUps measurements of each before them that are not counted
 * @param maxTokens of each answer: those after the first give the time per token
 * @param anchors of the predicted rows
 * @param threads that each row works with
 * @param limit how long one measurement, or loading, may take
 */
public record BenchSettings(
    List<Integer> lengths,
    List<Integer> batches,
    int runs,
    int warmUps,
    int maxTokens,
    Anchors anchors,
    int threads,
    Duration limit) {
  /** Checks the bounds, and sorts the lists. */
  public BenchSettings {
    lengths = checked("--lengths", lengths, 2, 1_000_000);
    batches = checked("--batch", batches, 1, 64);
    check("--runs", runs, 1, 1000);
    check("--warm-up", warmUps, 0, 1000);
    check("--max-tokens", maxTokens, 1, 10_000);
    check("--threads", threads, 1, 1024);
    check("--timeout", limit.toSeconds(), 1, 1_000_000);
  }

  private static List<Integer> checked(String option, List<Integer> values, int least, int most) {
    if (values.isEmpty()) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT, option + " is empty; give at least one number.");
    }
    values.forEach(v -> check(option, v, least, most));
    return values.stream().distinct().sorted().toList();
  }

  private static void check(String option, long value, long least, long most) {
    if (value < least || value > most) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          option + " is " + value + "; it must be " + least + " to " + most + ".");
    }
  }
}
