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

import java.util.Map;
import java.util.function.Function;

/**
 * One thing that is asked.
 *
 * @param id what it is called, unique in its task
 * @param prompt what is read
 * @param following {@code [tokens]} that are fed after the prompt, to compare next-token
 *     distributions on; empty = none
 * @param scorer the metrics of an answer by name, each to be averaged over the items that have it;
 *     an item may have metrics that others lack
 */
public record EvaluationItem(
    String id, Prompt prompt, int[] following, Function<Answers, Map<String, Double>> scorer) {

  /** What is read. */
  public sealed interface Prompt {
    /** The tokens, begin-of-sequence included. */
    int[] tokens(Function<String, int[]> encode);
  }

  /** A prompt as text; to make tokens of it is part of reading it. */
  public record Text(String text) implements Prompt {
    @Override
    public int[] tokens(Function<String, int[]> encode) {
      return encode.apply(text);
    }
  }

  /** A prompt as tokens, begin-of-sequence included. */
  public record Tokens(int[] tokens) implements Prompt {
    @Override
    public int[] tokens(Function<String, int[]> encode) {
      return tokens;
    }
  }

  /** A text to complete, and how the completion is scored. */
  public static EvaluationItem question(
      String id, String prompt, Function<Answers, Map<String, Double>> scorer) {
    return question(id, prompt, new int[0], scorer);
  }

  /**
   * A text to complete, how the completion is scored, and what is fed after it besides.
   *
   * @param following {@code [tokens]}, none = nothing is fed
   */
  public static EvaluationItem question(
      String id, String prompt, int[] following, Function<Answers, Map<String, Double>> scorer) {
    return new EvaluationItem(id, new Text(prompt), following, scorer);
  }

  /** A text whose continuation is known. */
  public static EvaluationItem continuation(String id, int[] prompt, int[] following) {
    return new EvaluationItem(id, new Tokens(prompt), following, answers -> Map.of());
  }
}
