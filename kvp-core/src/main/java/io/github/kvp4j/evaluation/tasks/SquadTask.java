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
import io.github.kvp4j.evaluation.DataFile;
import io.github.kvp4j.evaluation.EvaluationItem;
import io.github.kvp4j.evaluation.EvaluationTask;
import io.github.kvp4j.evaluation.TaskSettings;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * Reading comprehension from a file in SQuAD 1.1 format: worked examples, then passage, question
 * and {@code Answer:}, as plain text to complete. The answer lies far back in the prompt, and
 * further back with {@code passages}: so many others, about something else, stand around the one
 * that is asked about, as what a search brought up would.
 */
public final class SquadTask implements EvaluationTask {
  private static final String PASSAGES = "passages";

  @Override
  public String name() {
    return "squad";
  }

  @Override
  public String description() {
    return "reading comprehension (SQuAD 1.1 JSON): exact match and F1";
  }

  @Override
  public Map<String, String> options() {
    return Map.of(PASSAGES, "0", FedAnswer.FEED, FedAnswer.NOTHING);
  }

  private record Document(List<Article> data) {}

  private record Article(List<Paragraph> paragraphs) {}

  private record Paragraph(String context, List<Query> qas) {}

  private record Query(String question, List<Answer> answers) {}

  private record Answer(String text) {}

  private record Question(int number, String passage, String question, List<String> answers) {
    String block() {
      return block(List.of(passage));
    }

    String block(List<String> passages) {
      StringBuilder out = new StringBuilder();
      passages.forEach(p -> out.append("Passage: ").append(p).append('\n'));
      return out.append("Question: ").append(question).append("\nAnswer:").toString();
    }
  }

  @Override
  public List<EvaluationItem> items(TaskSettings settings) {
    List<Question> questions = questions(settings.requiredData());
    List<String> all = questions.stream().map(Question::passage).distinct().toList();
    int others = settings.intOption(PASSAGES, 0);
    int most = all.size() - 1 - settings.shots(); // besides the examples' own
    if (others > Math.max(0, most)) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The setting 'passages' is "
              + others
              + "; the file has "
              + all.size()
              + " passages, so at most "
              + Math.max(0, most)
              + " others can stand in a prompt.");
    }
    Random random = new Random(settings.seed());
    Collections.shuffle(questions, random);
    List<EvaluationItem> items = new ArrayList<>();
    for (Question q : questions.subList(0, Math.min(settings.limit(), questions.size()))) {
      StringBuilder prompt = new StringBuilder();
      List<String> used = new ArrayList<>(List.of(q.passage));
      for (int shot = 0; shot < settings.shots(); shot++) {
        Question example = questions.get(random.nextInt(questions.size()));
        while (example.passage.equals(q.passage)) {
          example = questions.get(random.nextInt(questions.size()));
        }
        prompt.append(example.block()).append(' ').append(example.answers.getFirst());
        prompt.append("\n\n");
        used.add(example.passage);
      }
      items.add(
          EvaluationItem.question(
              "question-" + q.number,
              prompt.append(q.block(among(others, all, used, random))).toString(),
              FedAnswer.tokens(settings, q.answers.getFirst()),
              answers -> Scores.exactAndF1(AnswerRules.SQUAD, answers, q.answers)));
    }
    return items;
  }

  /**
   * A passage at any place among others.
   *
   * @param others how many
   * @param used the passage, and then those that stand in the prompt already
   */
  private static List<String> among(
      int others, List<String> all, List<String> used, Random random) {
    if (others == 0) {
      return List.of(
          used.getFirst()); // nothing is drawn: the prompts are those without the setting
    }
    List<String> free = new ArrayList<>(all);
    free.removeAll(used);
    Collections.shuffle(free, random);
    List<String> out = new ArrayList<>(free.subList(0, others));
    out.add(random.nextInt(others + 1), used.getFirst());
    return out;
  }

  private static List<Question> questions(Path file) {
    List<Question> out = new ArrayList<>();
    for (Article article : DataFile.json(file, Document.class).data) {
      for (Paragraph paragraph : article.paragraphs) {
        for (Query qa : paragraph.qas) {
          if (!qa.answers.isEmpty() && !paragraph.context.isEmpty()) {
            out.add(
                new Question(
                    out.size(),
                    paragraph.context.strip(),
                    qa.question.strip(),
                    qa.answers.stream().map(Answer::text).toList()));
          }
        }
      }
    }
    if (out.stream().map(Question::passage).distinct().count() < 2) {
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE,
          "The file '" + file + "' has questions on fewer than two passages; it is no SQuAD file.");
    }
    return out;
  }
}
