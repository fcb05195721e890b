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

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.kvp4j.KvpException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/**
 * Reading comprehension from a file in SQuAD 1.1 format: one worked example, then passage, question
 * and {@code Answer:}, as plain text to complete. The answer lies far back in the prompt.
 *
 * @param prompt the text to complete
 * @param answers references, any of which is right
 */
public record SquadTask(String prompt, List<String> answers) {
  /** Copies the list. */
  public SquadTask {
    answers = List.copyOf(answers);
  }

  private record Question(String passage, String question, List<String> answers) {}

  /**
   * Reads a file.
   *
   * @param file SQuAD 1.1 JSON
   * @param limit the most questions; they are shuffled first
   * @param seed of the shuffle and of the choice of worked examples
   */
  public static List<SquadTask> read(Path file, int limit, long seed) {
    List<Question> questions = questions(file);
    Random random = new Random(seed);
    Collections.shuffle(questions, random);
    List<SquadTask> out = new ArrayList<>();
    for (Question q : questions) {
      if (out.size() == limit) {
        break;
      }
      Question example = questions.get(random.nextInt(questions.size()));
      while (example.passage.equals(q.passage)) {
        example = questions.get(random.nextInt(questions.size()));
      }
      out.add(
          new SquadTask(
              block(example) + " " + example.answers.getFirst() + "\n\n" + block(q), q.answers));
    }
    return out;
  }

  private static String block(Question q) {
    return "Passage: " + q.passage + "\nQuestion: " + q.question + "\nAnswer:";
  }

  private static List<Question> questions(Path file) {
    List<Question> out = new ArrayList<>();
    try {
      for (JsonNode article : new ObjectMapper().readTree(file.toFile()).path("data")) {
        for (JsonNode paragraph : article.path("paragraphs")) {
          String passage = paragraph.path("context").asText();
          for (JsonNode qa : paragraph.path("qas")) {
            List<String> answers = new ArrayList<>();
            qa.path("answers").forEach(a -> answers.add(a.path("text").asText()));
            if (!answers.isEmpty() && !passage.isEmpty()) {
              out.add(new Question(passage.strip(), qa.path("question").asText().strip(), answers));
            }
          }
        }
      }
    } catch (IOException e) {
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE,
          "The file '" + file + "' can't be read as SQuAD JSON: " + e.getMessage() + ".",
          e);
    }
    if (out.stream().map(Question::passage).distinct().count() < 2) {
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE,
          "The file '" + file + "' has questions on fewer than two passages; it is no SQuAD file.");
    }
    return out;
  }
}
