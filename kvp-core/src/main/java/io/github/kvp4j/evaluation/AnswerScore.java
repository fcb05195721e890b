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

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Exact match and token F1 with SQuAD's normalisation (lower case, no punctuation, no articles).
 */
public final class AnswerScore {
  private AnswerScore() {}

  /** A text as SQuAD compares it. */
  public static String normalise(String text) {
    return text.toLowerCase(Locale.ROOT)
        .replaceAll("\\p{Punct}", "")
        .replaceAll("\\b(a|an|the)\\b", " ")
        .strip()
        .replaceAll("\\s+", " ");
  }

  /** Token F1 of an answer against one reference; 1 where both are empty. */
  public static double f1(String answer, String reference) {
    List<String> a = tokens(answer);
    List<String> b = tokens(reference);
    if (a.isEmpty() || b.isEmpty()) {
      return a.isEmpty() && b.isEmpty() ? 1 : 0;
    }
    List<String> rest = new ArrayList<>(b);
    int common = 0;
    for (String t : a) {
      common += rest.remove(t) ? 1 : 0;
    }
    if (common == 0) {
      return 0;
    }
    double precision = (double) common / a.size();
    double recall = (double) common / b.size();
    return 2 * precision * recall / (precision + recall);
  }

  /** The best F1 against any reference. */
  public static double f1(String answer, List<String> references) {
    return references.stream().mapToDouble(r -> f1(answer, r)).max().orElse(0);
  }

  /** Whether an answer equals any reference after normalisation. */
  public static boolean exactMatch(String answer, List<String> references) {
    return references.stream().anyMatch(r -> normalise(r).equals(normalise(answer)));
  }

  private static List<String> tokens(String text) {
    String normal = normalise(text);
    return normal.isEmpty() ? List.of() : Arrays.asList(normal.split(" "));
  }
}
