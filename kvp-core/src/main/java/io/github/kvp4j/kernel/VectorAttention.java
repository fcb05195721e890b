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
package io.github.kvp4j.kernel;

import static io.github.kvp4j.kernel.Simd.LANES;
import static io.github.kvp4j.kernel.Simd.TILE_COLUMNS;
import static io.github.kvp4j.kernel.Simd.TILE_ROWS;

import java.util.Arrays;

/**
 * Attention that never holds more than a strip of scores (FlashAttention, arXiv 2205.14135): the
 * scores of six query rows against a block of keys are one product, their powers times the values
 * another, and a running maximum and sum join the blocks. The query heads that share a key head are
 * rows of the same strip.
 *
 * @param m query rows
 * @param q {@code [m][heads * headSize]}
 * @param positions {@code [m]}: the last key that each query sees
 * @param k {@code [key][kvHeads * headSize]}
 * @param v {@code [key][kvHeads * headSize]}
 * @param out {@code [m][heads * headSize]}
 */
record VectorAttention(
    int m,
    float[] q,
    int[] positions,
    float[] k,
    float[] v,
    int heads,
    int kvHeads,
    int headSize,
    float scale,
    float[] out) {

  /** Keys in a block: with their values they stay in the second-level cache. */
  private static final int KEYS = 256;

  /** Rows (queries times heads of a group) in a task: at most about, and not below. */
  private static final int MOST_ROWS = 96;

  private static final int LEAST_ROWS = 24;

  /** Up to so many rows for a key head, packing the keys would cost more than it saves. */
  private static final int FEW_ROWS = 6;

  void run(Workers workers, Scratch.Pool pool) {
    if (m * group() <= FEW_ROWS || headSize > Scratch.DEPTH) {
      forEach(
          workers,
          pool,
          m * kvHeads,
          (task, scratch) -> single(task / kvHeads, task % kvHeads, scratch));
      return;
    }
    Packed packed = new Packed(this, pool);
    try {
      forEach(
          workers,
          pool,
          kvHeads * packed.panels(),
          (task, scratch) -> packed.pack(task / packed.panels(), task % packed.panels(), scratch));
      int queries = queries(workers.threads());
      int tiles = (m + queries - 1) / queries;
      forEach(
          workers,
          pool,
          kvHeads * tiles,
          (task, scratch) -> {
            // the last queries see the most keys: they come first
            int from = (tiles - 1 - task / kvHeads) * queries;
            tile(task % kvHeads, from, Math.min(m, from + queries), packed, scratch);
          });
    } finally {
      pool.giveLarge(packed.numbers);
    }
  }

  /** A task that needs working memory. */
  private interface Task {
    void run(int number, Scratch scratch);
  }

  private static void forEach(Workers workers, Scratch.Pool pool, int count, Task task) {
    workers.forEach(
        count,
        number -> {
          Scratch scratch = pool.take();
          try {
            task.run(number, scratch);
          } finally {
            pool.give(scratch);
          }
        });
  }

  private int group() {
    return heads / kvHeads;
  }

  /** Queries in a task. */
  private int queries(int threads) {
    int rows = MOST_ROWS;
    if (threads > 1) {
      int tiles = Math.max(1, 8 * threads / kvHeads);
      rows = Math.clamp(m * group() / tiles, LEAST_ROWS, MOST_ROWS);
    }
    return Math.max(1, rows / group());
  }

  /** One query and the heads of one group, without packing. */
  void single(int query, int kvHead, Scratch scratch) {
    int keys = positions[query] + 1;
    int kvLength = kvHeads * headSize;
    float[] score = scratch.floats(Simd.roundUp(keys, LANES));
    for (int g = 0; g < group(); g++) {
      int qAt = (query * heads + kvHead * group() + g) * headSize;
      float factor = scale * VectorMath.LOG2_E;
      for (int p = 0; p < keys; p++) {
        int kAt = p * kvLength + kvHead * headSize;
        score[p] = factor * VectorMath.dot(q, qAt, k, kAt, headSize);
      }
      float max = VectorMath.max(score, 0, keys, Float.NEGATIVE_INFINITY);
      float sum = VectorMath.exp2Sum(score, 0, keys, max);
      Arrays.fill(out, qAt, qAt + headSize, 0);
      for (int p = 0; p < keys; p++) {
        int vAt = p * kvLength + kvHead * headSize;
        VectorMath.addScaled(out, qAt, v, vAt, headSize, score[p]);
      }
      VectorMath.scale(out, qAt, headSize, 1 / sum);
    }
  }

  /** The queries {@code [from, to)} and the heads of one group. */
  private void tile(int kvHead, int from, int to, Packed packed, Scratch scratch) {
    int group = group();
    int rows = (to - from) * group;
    int padded = Simd.roundUp(rows, TILE_ROWS);
    int width = packed.valueWidth();
    // queries, outputs, scores, maxima, sums
    int outAt = rows * headSize;
    int scoreAt = outAt + padded * width;
    int maxAt = scoreAt + TILE_ROWS * KEYS;
    int sumAt = maxAt + padded;
    float[] s = scratch.floats(sumAt + padded);
    for (int i = from; i < to; i++) {
      int at = (i * heads + kvHead * group) * headSize;
      int to0 = (i - from) * group * headSize;
      VectorMath.scale(q, at, group * headSize, scale * VectorMath.LOG2_E, s, to0);
    }
    Arrays.fill(s, outAt, scoreAt, 0);
    Arrays.fill(s, maxAt, maxAt + padded, Float.NEGATIVE_INFINITY);
    Arrays.fill(s, sumAt, sumAt + padded, 0);
    int keys = positions[to - 1] + 1;
    for (int block = 0; block < keys; block += KEYS) {
      for (int row = 0; row < rows; row += TILE_ROWS) {
        int there = Math.min(TILE_ROWS, rows - row);
        int seen = seen(from + (row + there - 1) / group, block);
        if (seen == 0) {
          continue;
        }
        for (int c = 0; c < seen; c += TILE_COLUMNS) {
          MicroKernel.multiply(
              there,
              headSize,
              s,
              row * headSize,
              headSize,
              packed.numbers,
              packed.keysAt(kvHead, block + c),
              TILE_COLUMNS,
              MicroKernel.ZEROS,
              0,
              0,
              s,
              scoreAt + c,
              KEYS);
        }
        for (int r = 0; r < there; r++) {
          int mine = seen(from + (row + r) / group, block);
          int at = row + r;
          softmax(
              s, scoreAt + r * KEYS, mine, seen, maxAt + at, sumAt + at, outAt + at * width, width);
        }
        for (int c = 0; c < width; ) {
          int columns = packed.panelWidth(c);
          int cAt = outAt + row * width + c;
          MicroKernel.multiply(
              there,
              seen,
              s,
              scoreAt,
              KEYS,
              packed.numbers,
              packed.valuesAt(kvHead, block, c),
              columns,
              s,
              cAt,
              width,
              s,
              cAt,
              width);
          c += columns;
        }
      }
    }
    for (int r = 0; r < rows; r++) {
      int at = ((from + r / group) * heads + kvHead * group + r % group) * headSize;
      VectorMath.scale(s, outAt + r * width, headSize, 1 / s[sumAt + r], out, at);
    }
  }

  /** How many keys of the block from {@code block} on the query sees. */
  private int seen(int query, int block) {
    return Math.clamp((long) positions[query] + 1 - block, 0, KEYS);
  }

  /**
   * Turns a row of scores into powers, after the largest score so far; where that rose, the row of
   * outputs shrinks.
   *
   * @param mine scores that count; those up to {@code seen} become 0
   */
  private static void softmax(
      float[] s, int at, int mine, int seen, int maxAt, int sumAt, int outAt, int width) {
    float old = s[maxAt];
    if (mine > 0) {
      float max = VectorMath.max(s, at, mine, old);
      float sum = VectorMath.exp2Sum(s, at, mine, max);
      if (max > old && old > Float.NEGATIVE_INFINITY) {
        float factor = (float) Math.pow(2, old - max);
        s[sumAt] *= factor;
        VectorMath.scale(s, outAt, width, factor);
      }
      s[maxAt] = max;
      s[sumAt] += sum;
    }
    for (int i = mine; i < seen; i++) {
      s[at + i] = 0;
    }
  }
}
