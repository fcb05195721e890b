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
import io.github.kvp4j.evaluation.DataFile;
import io.github.kvp4j.evaluation.EvaluationItem;
import io.github.kvp4j.evaluation.EvaluationTask;
import io.github.kvp4j.evaluation.TaskSettings;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/**
 * Grade-school mathematics. {@code exact_match} compares the number after {@code ####} as the
 * dataset's script does; {@code last_number} takes the last number of an answer that does not keep
 * to that form.
 */
public final class Gsm8kTask implements EvaluationTask {
  private static final Pattern MARKED = Pattern.compile("#### (-?[0-9.,]+)");
  private static final Pattern NUMBER = Pattern.compile("-?[0-9](?:[0-9,]*[0-9])?(?:\\.[0-9]+)?");

  @Override
  public String name() {
    return "gsm8k";
  }

  @Override
  public String description() {
    return "grade-school mathematics ({\"question\", \"answer\"} a line): the final number";
  }

  @Override
  public int maxNewTokens() {
    return 200;
  }

  @Override
  public List<String> stops() {
    return List.of("\n\n", "\nQuestion:");
  }

  private record Problem(String question, String answer) {
    /** Without a number to be right by, each answer would be counted wrong. */
    Problem checked() {
      if (marked(answer).isEmpty()) {
        throw new IllegalArgumentException("its answer does not end with '#### ' and a number");
      }
      return this;
    }

    String block() {
      return "Question: " + question + "\nAnswer:";
    }
  }

  @Override
  public List<EvaluationItem> items(TaskSettings settings) {
    Path file = settings.requiredData();
    List<Problem> all = DataFile.jsonLines(file, Problem.class, Problem::checked);
    if (all.size() <= settings.shots()) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The data file has " + all.size() + " problems, too few for the worked examples.");
    }
    List<EvaluationItem> items = new ArrayList<>();
    for (int number : settings.chosen(IntStream.range(0, all.size()).boxed().toList())) {
      Problem asked = all.get(number);
      StringBuilder prompt = new StringBuilder();
      for (int example : ClosedBook.examples(settings, all.size(), number)) {
        prompt.append(all.get(example).block()).append(' ').append(all.get(example).answer);
        prompt.append("\n\n");
      }
      items.add(
          EvaluationItem.question(
              "problem-" + number,
              prompt.append(asked.block()).toString(),
              answers -> score(answers.greedy(), asked.answer)));
    }
    return items;
  }

  static Map<String, Double> score(String answer, String reference) {
    Optional<String> right = marked(reference);
    Map<String, Double> scores = new LinkedHashMap<>();
    scores.put("exact_match", right.isPresent() && right.equals(marked(answer)) ? 1.0 : 0.0);
    Optional<String> said =
        marked(answer)
            .or(() ->
                NUMBER
                    .matcher(answer)
                    .results()
                    .map(m -> m.group().replace(",", ""))
                    .reduce((a, b) -> b));
    scores.put("last_number", right.isPresent() && right.equals(said) ? 1.0 : 0.0);
    return scores;
  }

  /** The number after {@code ####}, its commas left out. */
  static Optional<String> marked(String text) {
    Matcher m = MARKED.matcher(text);
    return m.find() ? Optional.of(m.group(1).replace(",", "")) : Optional.empty();
  }
}
