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
package io.github.kvp4j.evaluation;

import io.github.kvp4j.prefill.Cancellation;
import java.util.Arrays;

/**
 * A prompt of which only the last part is read, so that reading costs as much as another row's:
 * what a shortcut has to beat. The first token, begin-of-sequence, is kept.
 */
public final class CutRow implements EvaluationRow {
  private final EvaluationRow exact;
  private final EvaluationRow as;

  /**
   * Cuts prompts.
   *
   * @param exact reads what is left
   * @param as the row whose FLOPs are the bound
   */
  public CutRow(EvaluationRow exact, EvaluationRow as) {
    this.exact = exact;
    this.as = as;
  }

  /** The name of the row that cuts a prompt to the cost of another. */
  public static String nameFor(String row) {
    return "cut as " + row;
  }

  @Override
  public String name() {
    return nameFor(as.name());
  }

  @Override
  public Reading read(int[] prompt, int room, Cancellation cancellation) {
    int keep = keep(prompt.length);
    int[] tokens = Arrays.copyOfRange(prompt, prompt.length - keep, prompt.length);
    tokens[0] = prompt[0];
    return exact.read(tokens, room, cancellation);
  }

  @Override
  public double flops(int promptTokens) {
    return exact.flops(keep(promptTokens));
  }

  /** The most tokens that cost no more than the other row does; at least two of them, if any. */
  private int keep(int tokens) {
    double most = as.flops(tokens);
    int low = Math.min(2, tokens);
    int high = tokens;
    while (low < high) {
      int middle = (low + high + 1) >>> 1;
      if (exact.flops(middle) <= most) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low;
  }
}
