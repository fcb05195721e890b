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

import static io.github.kvp4j.kernel.Simd.FLOATS;
import static io.github.kvp4j.kernel.Simd.LANES;

import io.github.kvp4j.model.Weight;
import io.github.kvp4j.model.WeightType;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/** Turns rows of a weight, stored in any type, into a dense panel {@code [depth][width]}. */
final class PanelUnpacker {
  private PanelUnpacker() {}

  /**
   * Unpacks {@code rows} rows from {@code row} on and {@code depth} columns from {@code column} on
   * into {@code scratch.panel}; columns of the panel without a row become 0. Up to 32 rows of the
   * panel after the last are overwritten.
   *
   * @param column a multiple of 32
   * @param depth at most {@link Scratch#DEPTH}
   * @param width of the panel, a multiple of the vector
   */
  static void unpack(
      Weight w, int row, int rows, int column, int depth, int width, Scratch scratch) {
    boolean paired = WeightDecoder.isPaired(w.type());
    for (int from = 0; from < width; from += LANES) {
      int there = Math.clamp(rows - from, 0, LANES);
      if (paired) {
        words(w, row + from, there, column, depth, width, from, scratch);
      } else {
        int stride = Simd.roundUp(depth, LANES);
        for (int r = 0; r < there; r++) {
          WeightDecoder.row(w, row + from + r, column, depth, scratch.rows, r * stride, scratch);
        }
        Arrays.fill(scratch.rows, there * stride, LANES * stride, 0);
        floats(scratch.rows, 0, stride, depth, scratch.panel, from, width, scratch.block);
      }
    }
  }

  /**
   * Writes {@code [LANES][depth]} transposed: row r of {@code in} to column {@code at + r} of the
   * panel. Reads up to a multiple of the vector in each row and writes as many rows of the panel.
   */
  static void floats(
      float[] in,
      int from,
      int stride,
      int depth,
      float[] panel,
      int at,
      int width,
      float[] block) {
    if (Transpose16.isThere()) {
      for (int p = 0; p < depth; p += 16) {
        Transpose16.transpose(in, from + p, stride, block);
        for (int i = 0; i < 16; i++) {
          FloatVector.fromArray(FLOATS, block, i * 16).intoArray(panel, at + (p + i) * width);
        }
      }
      return;
    }
    for (int p = 0; p < depth; p++) {
      for (int r = 0; r < LANES; r++) {
        panel[at + p * width + r] = in[from + r * stride + p];
      }
    }
  }

  private static void words(
      Weight w, int row, int rows, int column, int depth, int width, int at, Scratch scratch) {
    float[] in = scratch.rows;
    int stride = Simd.roundUp((depth + 1) / 2, LANES);
    for (int r = 0; r < rows; r++) {
      int there = WeightDecoder.words(w, row + r, column, depth, in, r * stride);
      Arrays.fill(in, r * stride + there, (r + 1) * stride, 0);
    }
    Arrays.fill(in, rows * stride, LANES * stride, 0);
    boolean half = w.type() == WeightType.F16;
    for (int p = 0; p < stride; p += LANES) {
      transposeWords(in, p, stride, scratch.block);
      int to = at + 2 * p * width;
      if (half) {
        spread(scratch.block, scratch.panel, to, width, true);
      } else {
        spread(scratch.block, scratch.panel, to, width, false);
      }
    }
  }

  private static void transposeWords(float[] in, int at, int stride, float[] block) {
    if (Transpose16.isThere()) {
      Transpose16.transpose(in, at, stride, block);
      return;
    }
    for (int i = 0; i < LANES; i++) {
      for (int r = 0; r < LANES; r++) {
        block[i * LANES + r] = in[at + r * stride + i];
      }
    }
  }

  /** Takes a transposed block of words apart: word i to rows 2i and 2i + 1 of the panel. */
  private static void spread(float[] block, float[] panel, int at, int width, boolean half) {
    for (int i = 0; i < LANES; i++) {
      IntVector words = FloatVector.fromArray(FLOATS, block, i * LANES).reinterpretAsInts();
      WeightDecoder.even(words, half).intoArray(panel, at + 2 * i * width);
      WeightDecoder.odd(words, half).intoArray(panel, at + (2 * i + 1) * width);
    }
  }
}
