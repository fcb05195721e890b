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
package io.github.kvp4j.prefill;

import io.github.kvp4j.model.KvCache;
import java.util.Arrays;

/**
 * A sequence that was read and goes on token by token, stacked with others by {@link
 * StackedDecoding}. For one thread.
 */
public final class Lane {
  /** Something that happens to the cache before a token is taken in. */
  @FunctionalInterface
  public interface BeforeToken {
    /** Nothing. */
    BeforeToken NOTHING = (number, cache) -> {};

    /**
     * Changes rows of what was read.
     *
     * @param number of the token, from 0: the first is the one that follows the prompt
     */
    void prepare(int number, KvCache cache);
  }

  private final PrefillEngine engine;
  private final KvCache cache;
  private final int position;
  private final int[] rows; // (layer): the cache row of the first token that follows
  private final BeforeToken before;
  private int taken;

  /**
   * A sequence after its prompt.
   *
   * @param engine of the model that goes on; lanes of one engine go together
   * @param cache with room for what follows
   * @param position of the first token that follows, as RoPE counts
   * @param rows {@code [layer]}: how many rows of the cache the prompt has in each layer
   */
  public Lane(PrefillEngine engine, KvCache cache, int position, int[] rows, BeforeToken before) {
    this.engine = engine;
    this.cache = cache;
    this.position = position;
    this.rows = rows.clone();
    this.before = before;
  }

  /** A sequence whose prompt has a row for each position in every layer. */
  public static Lane plain(PrefillEngine engine, KvCache cache, int position, BeforeToken before) {
    int[] rows = new int[engine.weights().shape().layers()];
    Arrays.fill(rows, position);
    return new Lane(engine, cache, position, rows, before);
  }

  /** Another one after the same prompt, which is copied; only as long as no token was taken in. */
  public Lane fork() {
    if (taken > 0) {
      throw new IllegalStateException("tokens were taken in already");
    }
    return new Lane(engine, cache.copy(rows), position, rows, before);
  }

  /** The engine of the model that goes on. */
  public PrefillEngine engine() {
    return engine;
  }

  /** Keys and values of what was read and taken in. */
  public KvCache cache() {
    return cache;
  }

  /** Where the next token stands, as RoPE counts. */
  int position() {
    return position + taken;
  }

  /** The cache row of the next token. */
  int row(int layer) {
    return rows[layer] + taken;
  }

  void begin() {
    before.prepare(taken, cache);
  }

  void end() {
    taken++;
  }
}
