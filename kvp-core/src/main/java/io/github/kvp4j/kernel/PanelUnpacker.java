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

import io.github.kvp4j.model.Weight;
import io.github.kvp4j.model.WeightType;
import java.util.Arrays;

/** Turns rows of a weight, stored in any type, into a dense panel {@code [depth][width]}. */
final class PanelUnpacker {
  private static final int NEARBY = 64;

  /** Whether rows are transposed in registers, a vector's length of them at once. */
  private static final boolean HAS_TRANSPOSE = Transpose16.isThere() || Transpose8.isThere();

  private PanelUnpacker() {}

  /**
   * Unpacks {@code rows} rows from {@code row} on and {@code depth} columns from {@code column} on
   * into {@code scratch.panel} from {@code scratch.panelAt} on; columns of the panel without a row
   * become 0. Up to 32 rows of the panel after the last are overwritten.
   *
   * @param column a multiple of 32
   * @param depth at most {@link Scratch#DEPTH}
   * @param width of the panel, a multiple of the vector
   */
  static void unpack(
      Weight w, int row, int rows, int column, int depth, int width, Scratch scratch) {
    if (w.type() == WeightType.BF16 && HAS_TRANSPOSE) {
      words(w, row, rows, column, depth, width, scratch);
      return;
    }
    boolean split = WeightDecoder.isSplit(w.type());
    int stride = Simd.roundUp(depth, 2 * LANES);
    for (int from = 0; from < width; from += LANES) {
      int there = Math.clamp(rows - from, 0, LANES);
      for (int r = 0; r < there; r++) {
        WeightDecoder.row(w, row + from + r, column, depth, scratch.rows, r * stride, scratch);
      }
      Arrays.fill(scratch.rows, there * stride, LANES * stride, 0);
      transpose(scratch.rows, stride, split, scratch.panel, scratch.panelAt + from, width);
    }
  }

  /** As above, for bfloat16: two numbers are moved as one and taken apart at the end. */
  private static void words(
      Weight w, int row, int rows, int column, int depth, int width, Scratch scratch) {
    int stride = Simd.roundUp(depth, 2 * LANES) / 2;
    float[] words = scratch.rows;
    for (int from = 0; from < width; from += LANES) {
      int there = Math.clamp(rows - from, 0, LANES);
      for (int r = 0; r < there; r++) {
        WeightDecoder.words(w, row + from + r, column, depth, words, r * stride);
      }
      Arrays.fill(words, there * stride, LANES * stride, 0);
      near(words, stride);
      for (int p = 0; p < stride; p += NEARBY) {
        int count = Math.min(NEARBY, stride - p);
        for (int r = 0; r < 4; r++) {
          int to = scratch.panelAt + from + 2 * (p + r) * width;
          if (Transpose16.isThere()) {
            Transpose16.farWords(words, r * stride + p, stride, count, scratch.panel, to, width);
          } else {
            Transpose8.farWords(words, r * stride + p, stride, count, scratch.panel, to, width);
          }
        }
      }
    }
  }

  /**
   * Writes {@code LANES} rows of {@code depth} numbers transposed: row r to column {@code at + r}
   * of the panel.
   *
   * @param rows dense, used up
   * @param depth a multiple of two vectors
   * @param split whether the rows are in the order of {@link WeightDecoder#isSplit}
   */
  static void transpose(float[] rows, int depth, boolean split, float[] panel, int at, int width) {
    if (!HAS_TRANSPOSE) {
      oneByOne(rows, depth, split, panel, at, width);
      return;
    }
    near(rows, depth);
    // a few columns at a time, so that the rows of the panel stay in the cache until they are full
    for (int p = 0; p < depth; p += NEARBY) {
      int columns = Math.min(NEARBY, depth - p);
      int to = at + p * width;
      for (int r = 0; r < 4; r++) {
        int from = r * depth + p;
        if (split) {
          int even = to + 2 * r * width;
          far(rows, from, depth, columns, 2 * LANES, panel, even, width, 2);
          int odd = even + width;
          far(rows, from + LANES, depth, columns - LANES, 2 * LANES, panel, odd, width, 2);
        } else {
          far(rows, from, depth, columns, LANES, panel, to + r * width, width, 1);
        }
      }
    }
  }

  private static void near(float[] rows, int stride) {
    for (int r = 0; r < LANES; r += 4) {
      if (Transpose16.isThere()) {
        Transpose16.near(rows, r * stride, stride, stride);
      } else {
        Transpose8.near(rows, r * stride, stride, stride);
      }
    }
  }

  private static void far(
      float[] in,
      int inAt,
      int inStride,
      int depth,
      int step,
      float[] panel,
      int panelAt,
      int width,
      int skip) {
    if (Transpose16.isThere()) {
      Transpose16.far(in, inAt, inStride, depth, step, panel, panelAt, width, skip);
    } else {
      Transpose8.far(in, inAt, inStride, depth, step, panel, panelAt, width, skip);
    }
  }

  private static void oneByOne(
      float[] rows, int depth, boolean split, float[] panel, int at, int width) {
    int skip = split ? 2 : 1;
    for (int block = 0; block < depth; block += skip * LANES) {
      for (int half = 0; half < skip; half++) {
        for (int p = 0; p < LANES; p++) {
          int from = block + half * LANES + p;
          int to = at + (block + half + skip * p) * width;
          for (int r = 0; r < LANES; r++) {
            panel[to + r] = rows[r * depth + from];
          }
        }
      }
    }
  }
}
