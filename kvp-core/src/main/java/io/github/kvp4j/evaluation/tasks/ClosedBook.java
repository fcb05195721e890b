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
package io.github.kvp4j.evaluation.tasks;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.evaluation.AnswerRules;
import io.github.kvp4j.evaluation.EvaluationItem;
import io.github.kvp4j.evaluation.TaskSettings;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;

/**
 * A question that is answered from what the model knows.
 *
 * @param question as it is asked
 * @param answers at least one, any of which is right
 */
record ClosedBook(String question, List<String> answers) {
  ClosedBook {
    if (question.isBlank() || answers.isEmpty()) {
      throw new IllegalArgumentException("it has no question or no answer");
    }
    answers = List.copyOf(answers);
  }

  private String block() {
    return "Question: " + question + "\nAnswer:";
  }

  /** The answer that a worked example gives: the first that is more than a sign. */
  private String shown() {
    return answers.stream()
        .filter(a -> !a.isEmpty() && Character.isLetterOrDigit(a.codePointAt(0)))
        .findFirst()
        .orElse(answers.getFirst());
  }

  /** The settings that such a task has. */
  static Map<String, String> options() {
    return Map.of(FedAnswer.FEED, FedAnswer.NOTHING);
  }

  /** Questions with others of them as worked examples. */
  static List<EvaluationItem> items(
      TaskSettings settings, AnswerRules rules, List<ClosedBook> all) {
    if (all.size() <= settings.shots()) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The data file has "
              + all.size()
              + " questions, too few for "
              + settings.shots()
              + " worked examples; say fewer with --shots.");
    }
    List<EvaluationItem> items = new ArrayList<>();
    for (int number : settings.chosen(IntStream.range(0, all.size()).boxed().toList())) {
      ClosedBook asked = all.get(number);
      StringBuilder prompt = new StringBuilder();
      for (int example : examples(settings, all.size(), number)) {
        prompt.append(all.get(example).block()).append(' ').append(all.get(example).shown());
        prompt.append("\n\n");
      }
      items.add(
          EvaluationItem.question(
              "question-" + number,
              prompt.append(asked.block()).toString(),
              FedAnswer.tokens(settings, asked.shown()),
              answers -> Scores.exactAndF1(rules, answers, asked.answers)));
    }
    return items;
  }

  /** The worked examples for an item: never the item itself, none twice. */
  static int[] examples(TaskSettings settings, int size, int asked) {
    return new Random(settings.seed() * 1_000_003 + asked)
        .ints(0, size)
        .filter(i -> i != asked)
        .distinct()
        .limit(settings.shots())
        .toArray();
  }
}
