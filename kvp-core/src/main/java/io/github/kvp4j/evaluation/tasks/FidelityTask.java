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

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.corpus.TextCorpus;
import io.github.kvp4j.evaluation.DataFile;
import io.github.kvp4j.evaluation.EvaluationItem;
import io.github.kvp4j.evaluation.EvaluationTask;
import io.github.kvp4j.evaluation.TaskSettings;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Whether the answers to any prompts are those over the exact cache. */
public final class FidelityTask implements EvaluationTask {
  private static final ObjectMapper JSON = new ObjectMapper();

  @Override
  public String name() {
    return "fidelity";
  }

  @Override
  public String description() {
    return "answers against those over the exact cache, on prompts ({\"prompt\": …} a line) or on"
        + " the first 447 tokens of texts";
  }

  @Override
  public Map<String, String> options() {
    return Map.of("prompt", "447");
  }

  @Override
  public List<String> stops() {
    return List.of();
  }

  private record Prompt(String prompt) {}

  @Override
  public List<EvaluationItem> items(TaskSettings settings) {
    Path file = settings.requiredData();
    List<EvaluationItem> items = new ArrayList<>();
    if (DataFile.lines(file, FidelityTask::isPrompt).getFirst()) {
      for (Prompt prompt : settings.chosen(DataFile.jsonLines(file, Prompt.class))) {
        items.add(
            EvaluationItem.question("prompt-" + items.size(), prompt.prompt, answers -> Map.of()));
      }
      return items;
    }
    int length = settings.intOption("prompt", 2);
    for (int[] tokens :
        TextCorpus.read(List.of(file), settings.seed())
            .take(settings.encode(), 0, settings.limit(), length, length)) {
      items.add(
          new EvaluationItem(
              "text-" + items.size(),
              new EvaluationItem.Tokens(tokens),
              new int[0],
              answers -> Map.of()));
    }
    if (items.isEmpty()) {
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE,
          "The file '" + file + "' holds no text of " + length + " tokens; give longer ones.");
    }
    return items;
  }

  private static boolean isPrompt(String line) {
    if (!line.startsWith("{")) {
      return false;
    }
    try {
      JsonNode node = JSON.readTree(line);
      return node.has("prompt");
    } catch (IOException e) {
      return false; // whoever reads the file as what it is says where it is malformed
    }
  }
}
