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
package io.github.kvp4j.model;

import io.github.kvp4j.KvpException;
import java.util.Arrays;

/**
 * Keys and values of a prompt, for every layer, and what each row is worth.
 *
 * <p>Keys are stored after RoPE, plainly rotated at their position; whoever hands them to another
 * engine applies that engine's convention. Not safe for use by several threads at once.
 */
public final class KvCache {
  /** What a row of the cache holds. */
  public enum RowState {
    /** Nothing yet. */
    ABSENT,
    /** A prediction. */
    PREDICTED,
    /** What the base itself computes (over a cache that may hold predictions below). */
    EXACT
  }

  private final ModelShape shape;
  private final int capacity;
  private final float[][] keys; // [layer](position, kvHeads * headSize)
  private final float[][] values; // [layer](position, kvHeads * headSize)
  private final RowState[][] states; // [layer](position)

  /**
   * Allocates an empty cache.
   *
   * @param shape the base's shape
   * @param capacity positions, at least 1
   */
  public KvCache(ModelShape shape, int capacity) {
    this(shape, capacity, 0, false);
  }

  /**
   * A cache that keeps one layer's rows at a time: each layer overwrites the one before. It is for
   * prefill that hands every layer on as it is complete, and takes 1/layers of the memory.
   */
  public static KvCache rolling(ModelShape shape, int capacity) {
    return new KvCache(shape, capacity, 0, true);
  }

  /**
   * A cache of the layers from {@code firstLayer} on; those below have no rows. It is for work that
   * goes on where the layers below are done.
   */
  public static KvCache upper(ModelShape shape, int capacity, int firstLayer) {
    return new KvCache(shape, capacity, firstLayer, false);
  }

  private KvCache(ModelShape shape, int capacity, int firstLayer, boolean rolling) {
    long floats = (long) capacity * shape.kvLength();
    if (capacity < 1 || floats > Integer.MAX_VALUE - 8) {
      throw new KvpException(
          KvpException.Kind.PROMPT,
          "A KV cache of "
              + capacity
              + " positions is not possible; the limit is "
              + (Integer.MAX_VALUE - 8) / shape.kvLength()
              + ".");
    }
    this.shape = shape;
    this.capacity = capacity;
    this.keys = new float[shape.layers()][];
    this.values = new float[shape.layers()][];
    for (int layer = 0; layer < shape.layers(); layer++) {
      boolean share = rolling && layer > 0;
      int size = layer < firstLayer ? 0 : (int) floats;
      keys[layer] = share ? keys[0] : new float[size];
      values[layer] = share ? values[0] : new float[size];
    }
    this.states = new RowState[shape.layers()][capacity];
    for (RowState[] layer : states) {
      Arrays.fill(layer, RowState.ABSENT);
    }
  }

  /**
   * A cache of the same capacity that holds the first rows of this one.
   *
   * @param rows {@code [layer]} how many of each layer
   */
  public KvCache copy(int[] rows) {
    KvCache out = new KvCache(shape, capacity);
    for (int layer = 0; layer < shape.layers(); layer++) {
      int count = rows[layer] * shape.kvLength();
      System.arraycopy(keys[layer], 0, out.keys[layer], 0, count);
      System.arraycopy(values[layer], 0, out.values[layer], 0, count);
      System.arraycopy(states[layer], 0, out.states[layer], 0, rows[layer]);
    }
    return out;
  }

  /** Bytes that the keys and values of a cache that is not rolling take. */
  public long bytes() {
    return 2L * Float.BYTES * shape.layers() * capacity * shape.kvLength();
  }

  /** The base's shape. */
  public ModelShape shape() {
    return shape;
  }

  /** Positions that fit. */
  public int capacity() {
    return capacity;
  }

  /** Keys of a layer after RoPE, {@code (position, kvHeads * headSize)}: the array itself. */
  public float[] keys(int layer) {
    return keys[layer];
  }

  /** Values of a layer, {@code (position, kvHeads * headSize)}: the array itself. */
  public float[] values(int layer) {
    return values[layer];
  }

  /** What the row of a layer at a position holds. */
  public RowState state(int layer, int position) {
    return states[layer][position];
  }

  /** Marks rows {@code [from, to)} of a layer. */
  public void mark(int layer, int from, int to, RowState state) {
    Arrays.fill(states[layer], from, to, state);
  }

  /** How many of the first {@code length} positions are {@link RowState#EXACT} in every layer. */
  public int exactPositions(int length) {
    int count = 0;
    for (int p = 0; p < length; p++) {
      boolean exact = true;
      for (RowState[] layer : states) {
        exact &= layer[p] == RowState.EXACT;
      }
      count += exact ? 1 : 0;
    }
    return count;
  }
}
