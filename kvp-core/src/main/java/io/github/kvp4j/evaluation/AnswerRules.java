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

import java.text.Normalizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;

/** How a dataset's own evaluation script compares an answer with the references. */
public enum AnswerRules {
  /** SQuAD 1.1: lower case, no ASCII punctuation, no articles. */
  SQUAD {
    @Override
    String withoutPunctuation(String text) {
      return PUNCTUATION.matcher(text.toLowerCase(Locale.ROOT)).replaceAll("");
    }
  },
  /** TriviaQA: as SQuAD, but a space stands for each punctuation mark, four more among them. */
  TRIVIA_QA {
    @Override
    String withoutPunctuation(String text) {
      return MORE_PUNCTUATION.matcher(text.toLowerCase(Locale.ROOT)).replaceAll(" ");
    }
  },
  /** Natural Questions (open): as SQuAD, after accents are taken off their letters. */
  NQ_OPEN {
    @Override
    String withoutPunctuation(String text) {
      return SQUAD.withoutPunctuation(Normalizer.normalize(text, Normalizer.Form.NFD));
    }
  };

  private static final Pattern PUNCTUATION = Pattern.compile("\\p{Punct}");
  private static final Pattern MORE_PUNCTUATION = Pattern.compile("[\\p{Punct}\u2018\u2019\u00b4]");

  /** Articles as words by Python's rules, whose word characters are letters, numbers and '_'. */
  private static final Pattern ARTICLES =
      Pattern.compile("(?<![\\p{L}\\p{N}_])(?:a|an|the)(?![\\p{L}\\p{N}_])");

  /** What Python splits at. */
  private static final Pattern SPACE =
      Pattern.compile(
          "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+");

  abstract String withoutPunctuation(String text);

  /** A text as it is compared. */
  public String normalise(String text) {
    return String.join(" ", tokens(text));
  }

  private List<String> tokens(String text) {
    String bare = ARTICLES.matcher(withoutPunctuation(text)).replaceAll(" ");
    return Arrays.stream(SPACE.split(bare)).filter(t -> !t.isEmpty()).toList();
  }

  /** Whether an answer equals any reference after normalisation. */
  public boolean exactMatch(String answer, List<String> references) {
    String normal = normalise(answer);
    return references.stream().anyMatch(r -> normalise(r).equals(normal));
  }

  /** The best token F1 against any reference. */
  public double f1(String answer, List<String> references) {
    return references.stream().mapToDouble(r -> f1(answer, r)).max().orElse(0);
  }

  /** Token F1 of an answer against one reference; 0 where they share nothing. */
  public double f1(String answer, String reference) {
    List<String> a = tokens(answer);
    List<String> rest = new ArrayList<>(tokens(reference));
    int length = rest.size();
    int common = 0;
    for (String token : a) {
      common += rest.remove(token) ? 1 : 0;
    }
    if (common == 0) {
      return 0;
    }
    double precision = (double) common / a.size();
    double recall = (double) common / length;
    return 2 * precision * recall / (precision + recall);
  }

  /** F1 between two answers, neither of which is the right one: 1 where both say the same. */
  public double fidelity(String answer, String other) {
    return normalise(answer).equals(normalise(other)) ? 1 : f1(answer, other);
  }
}
