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

import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.Lane;
import java.util.Arrays;
import java.util.Optional;

/**
 * A row of an evaluation's table: one way to read a prompt and to answer from what was read.
 *
 * <p>Rows are asked one after the other, by one thread.
 */
public interface EvaluationRow {
  /** What the row is called: {@code exact}, {@code predict fast 4/24/0}, {@code cut 0.50}, … */
  String name();

  /**
   * Reads a prompt.
   *
   * @param prompt {@code [tokens]}, begin-of-sequence included
   * @param room how many tokens may follow the prompt, at least 1
   * @param cancellation asked while the prompt is read and while the answer is made
   * @return what the answer is decoded from
   */
  Reading read(int[] prompt, int room, Cancellation cancellation);

  /**
   * Floating-point operations that reading a prompt takes, two for each multiply-add, attention and
   * projections included.
   *
   * @param promptTokens tokens of the whole prompt, also of what the row does not read
   */
  double flops(int promptTokens);

  /**
   * Whether answers are drawn from this row beside the greedy one, where the task has that done. A
   * row that decodes so slowly that ten more answers would take minutes says no; metrics of drawn
   * answers are missing for it.
   */
  default boolean draws() {
    return true;
  }

  /** A prompt that was read. Each call of {@link #next} goes one token further. */
  interface Reading extends AutoCloseable {
    /** The logits {@code [vocabulary]} of the first token after the prompt. */
    float[] logits();

    /**
     * Takes a token in.
     *
     * @param token the one that follows what was read so far
     * @return the logits {@code [vocabulary]} of the token after it; good until the next call
     */
    float[] next(int token);

    /**
     * Takes in the tokens of a text that is given: what each of them was expected to be.
     *
     * @param tokens what follows the prompt, at least one
     * @return {@code (tokens, vocabulary)}: row i holds the logits that {@code tokens[i]} is one of
     */
    default float[] follow(int[] tokens) {
      return oneByOne(tokens);
    }

    /**
     * Like {@link #follow}, but the reading stays where it is, so that what comes of it is as if
     * nothing had been taken in.
     *
     * @return empty where that can't be: the prompt is to be read once more then
     */
    default Optional<float[]> peek(int[] tokens) {
      return Optional.empty();
    }

    /** {@link #follow} by one {@link #next} after the other. */
    default float[] oneByOne(int[] tokens) {
      float[] row = logits();
      int vocabulary = row.length;
      float[] out = Arrays.copyOf(row, Math.multiplyExact(tokens.length, vocabulary));
      for (int i = 1; i < tokens.length; i++) {
        System.arraycopy(next(tokens[i - 1]), 0, out, i * vocabulary, vocabulary);
      }
      return out;
    }

    /**
     * The sequence behind this reading where it goes on by a {@link
     * io.github.kvp4j.prefill.PrefillEngine} over a cache: what is made of it is decoded together
     * with others then. For the one or the other: who takes the lane does not call {@link #next}.
     */
    default Optional<Lane> lane() {
      return Optional.empty();
    }

    /** Gives back what the reading holds. */
    @Override
    default void close() {}
  }
}
