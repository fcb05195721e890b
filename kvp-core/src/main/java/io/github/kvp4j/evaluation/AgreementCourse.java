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
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * How often rows have the exact row's most likely token at each token of a continuation: the course
 * that refinement takes, beside rows that are not refined.
 */
public final class AgreementCourse {
  /** The columns of {@link #csv}. */
  public static final String HEADER = "row,token,agreement,items";

  private final EvaluationRow exact;
  private final List<EvaluationRow> rows;
  private final int tokens;
  private final long[][] agree; // [row][token]
  private int items;

  /**
   * Nothing measured yet.
   *
   * @param tokens of every continuation
   */
  public AgreementCourse(EvaluationRow exact, List<EvaluationRow> rows, int tokens) {
    this.exact = exact;
    this.rows = List.copyOf(rows);
    this.tokens = tokens;
    this.agree = new long[rows.size()][tokens];
  }

  /** Measures one continuation, at least as long as was named. */
  public void add(Continuation item) {
    int[] right = best(exact, item);
    for (int r = 0; r < rows.size(); r++) {
      int[] other = best(rows.get(r), item);
      for (int t = 0; t < tokens; t++) {
        agree[r][t] += right[t] == other[t] ? 1 : 0;
      }
    }
    items++;
  }

  private int[] best(EvaluationRow row, Continuation item) {
    int[] following = java.util.Arrays.copyOf(item.following(), tokens);
    try (EvaluationRow.Reading reading = row.read(item.prompt(), tokens, Cancellation.NEVER)) {
      float[] logits = reading.follow(following);
      int vocabulary = logits.length / tokens;
      int[] out = new int[tokens];
      for (int t = 0; t < tokens; t++) {
        int at = t * vocabulary;
        for (int i = 1; i < vocabulary; i++) {
          out[t] = logits[at + i] > logits[at + out[t]] ? i : out[t];
        }
      }
      return out;
    }
  }

  /** CSV lines, tokens counted from 1. */
  public List<String> csv() {
    List<String> out = new ArrayList<>(List.of(HEADER));
    for (int r = 0; r < rows.size(); r++) {
      for (int t = 0; t < tokens; t++) {
        out.add(
            Csv.cell(rows.get(r).name())
                + String.format(
                    Locale.ROOT, ",%d,%.5f,%d", t + 1, (double) agree[r][t] / items, items));
      }
    }
    return out;
  }
}
