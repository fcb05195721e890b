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

import com.fasterxml.jackson.annotation.JsonProperty;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.evaluation.Answers;
import io.github.kvp4j.evaluation.DataFile;
import io.github.kvp4j.evaluation.EvaluationItem;
import io.github.kvp4j.evaluation.EvaluationTask;
import io.github.kvp4j.evaluation.PassAtK;
import io.github.kvp4j.evaluation.PythonSandbox;
import io.github.kvp4j.evaluation.Sampling;
import io.github.kvp4j.evaluation.TaskSettings;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * HumanEval: the body of a Python function, judged by its tests. {@code pass@1} is of the greedy
 * answer, {@code pass@10} of at least ten drawn ones.
 */
public final class HumanEvalTask implements EvaluationTask {
  private static final int K = 10;

  @Override
  public String name() {
    return "humaneval";
  }

  @Override
  public String description() {
    return "HumanEval (its JSON Lines): pass@1 and pass@10; runs what the model writes, so it asks"
        + " for --allow-code-execution";
  }

  @Override
  public Map<String, String> options() {
    return Map.of("python", "python3");
  }

  @Override
  public int shots() {
    return 0;
  }

  @Override
  public int maxNewTokens() {
    return 256;
  }

  @Override
  public List<String> stops() {
    return List.of("\nclass", "\ndef", "\n#", "\nif", "\nprint");
  }

  @Override
  public Sampling sampling() {
    return new Sampling(K, 0.8f, 0.95f);
  }

  private record Problem(
      @JsonProperty("task_id") String id,
      @JsonProperty("prompt") String prompt,
      @JsonProperty("entry_point") String entryPoint,
      @JsonProperty("test") String test) {
    /** The whole program: it runs to its end if the tests pass. */
    String program(String completion) {
      return prompt.stripTrailing() + completion + "\n" + test + "\ncheck(" + entryPoint + ")\n";
    }
  }

  @Override
  public List<EvaluationItem> items(TaskSettings settings) {
    List<Problem> all = DataFile.jsonLines(settings.requiredData(), Problem.class);
    if (!settings.allowCodeExecution()) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The task humaneval runs programs that the model writes, in a confined process; say"
              + " --allow-code-execution to have that done.");
    }
    PythonSandbox sandbox =
        new PythonSandbox(settings.option("python"), PythonSandbox.Limits.DEFAULT);
    // without the line end that closes the prompt: it is one token with the indentation after it
    return settings.chosen(all).stream()
        .map(p ->
            EvaluationItem.question(
                p.id, p.prompt.stripTrailing(), answers -> score(sandbox, p, answers)))
        .toList();
  }

  private static Map<String, Double> score(PythonSandbox sandbox, Problem p, Answers answers) {
    Map<String, Double> scores = new LinkedHashMap<>();
    scores.put("pass@1", sandbox.passes(p.program(answers.greedy())) ? 1.0 : 0.0);
    int n = answers.sampled().size();
    if (n >= K) {
      int right =
          (int) answers.sampled().stream().filter(a -> sandbox.passes(p.program(a))).count();
      scores.put("pass@" + K, PassAtK.estimate(n, right, K));
    }
    return scores;
  }
}
