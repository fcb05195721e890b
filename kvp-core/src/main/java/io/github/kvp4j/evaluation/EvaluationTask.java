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

import io.github.kvp4j.KvpException;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.stream.Collectors;

/**
 * Something that models are measured at: where its items come from, what is asked, and how an
 * answer is scored.
 *
 * <p>Found by {@link ServiceLoader}: a class of its own, named in {@code
 * META-INF/services/io.github.kvp4j.evaluation.EvaluationTask}, is a task of {@code kvp eval}.
 */
public interface EvaluationTask {
  /** What {@code --task} calls it: lower case, words joined by hyphens. */
  String name();

  /** What is asked and measured, in one line. */
  String description();

  /** The settings that only this task has, by name, with what is used where nothing is said. */
  default Map<String, String> options() {
    return Map.of();
  }

  /** Worked examples before a question, where nothing is said. */
  default int shots() {
    return 1;
  }

  /** The most tokens of an answer, where nothing is said; 0 = nothing is generated. */
  default int maxNewTokens() {
    return 24;
  }

  /** An answer ends before the first of these texts, or at the model's end token. */
  default List<String> stops() {
    return List.of("\n");
  }

  /** How further answers are drawn beside the greedy one, where nothing is said. */
  default Sampling sampling() {
    return Sampling.NONE;
  }

  /**
   * Reads or makes the items. The same settings give the same items in the same order, and a
   * smaller limit the first of them.
   *
   * @return at least one item
   * @throws KvpException FILE_ACCESS; MALFORMED_FILE, naming the line; BAD_ARGUMENT
   */
  List<EvaluationItem> items(TaskSettings settings);

  /** All tasks on the class path, by name. */
  static List<EvaluationTask> all() {
    return ServiceLoader.load(EvaluationTask.class).stream()
        .map(ServiceLoader.Provider::get)
        .sorted((a, b) -> a.name().compareTo(b.name()))
        .toList();
  }

  /** The task of a name, whatever its case. */
  static EvaluationTask named(String name) {
    List<EvaluationTask> all = all();
    return all.stream()
        .filter(t -> t.name().equals(name.toLowerCase(Locale.ROOT)))
        .findFirst()
        .orElseThrow(() ->
            new KvpException(
                KvpException.Kind.BAD_ARGUMENT,
                "There is no task '"
                    + name
                    + "'; there are "
                    + all.stream().map(EvaluationTask::name).collect(Collectors.joining(", "))
                    + "."));
  }
}
