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
package io.github.kvp4j.jlama;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * An answer and what it took.
 *
 * @param text the answer, special tokens and stop strings left out
 * @param tokens the answer's token ids, the end-of-sequence token left out
 * @param finishReason why it ended
 * @param promptTokens tokens of the prompt, split into the next three
 * @param reusedTokens whose cache rows were at hand
 * @param predictedTokens whose cache rows were predicted in at least one layer
 * @param exactTokens whose cache rows were computed by the base
 * @param mode how the prompt was read: never {@link KvpMode#AUTO}
 * @param modeReason one sentence why
 * @param timeToFirstTokenNanos from the call to the first token, tokenizer included
 * @param totalNanos from the call to the end
 * @param refinement how the prompt was made exact, or null unless the mode is {@link
 *     KvpMode#PREDICT_AND_REFINE}
 */
public record GenerateResult(
    String text,
    List<Integer> tokens,
    FinishReason finishReason,
    int promptTokens,
    int reusedTokens,
    int predictedTokens,
    int exactTokens,
    KvpMode mode,
    String modeReason,
    long timeToFirstTokenNanos,
    long totalNanos,
    @Nullable RefinementReport refinement) {
  /** Copies the list. */
  public GenerateResult {
    tokens = List.copyOf(tokens);
  }

  /** Time to first token in milliseconds. */
  public double timeToFirstTokenMillis() {
    return timeToFirstTokenNanos / 1e6;
  }

  /** Mean time of each token after the first, in milliseconds; 0 where there was but one. */
  public double millisPerToken() {
    int further = tokens.size() - 1;
    return further < 1 ? 0 : (totalNanos - timeToFirstTokenNanos) / 1e6 / further;
  }
}
