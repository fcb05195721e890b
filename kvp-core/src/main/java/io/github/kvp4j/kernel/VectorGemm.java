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

import static io.github.kvp4j.kernel.Simd.TILE_COLUMNS;
import static io.github.kvp4j.kernel.Simd.TILE_ROWS;

import io.github.kvp4j.model.Weight;
import org.jspecify.annotations.Nullable;

/**
 * The matrix product for many rows: the weights are unpacked to floats one panel of {@link
 * Simd#TILE_COLUMNS} outputs at a time, and the panel, which stays in the second-level cache, is
 * multiplied by six source rows after the other.
 *
 * @param m rows of x and y
 * @param x {@code [m][w.columns()]}
 * @param bias {@code [w.rows()]} or null
 * @param y {@code [m][w.rows()]}
 * @param accumulate whether to add to y
 */
record VectorGemm(
    int m,
    float[] x,
    int xOffset,
    int xStride,
    Weight w,
    float @Nullable [] bias,
    float[] y,
    int yOffset,
    int yStride,
    boolean accumulate) {

  /** Fewer source rows than this in a task would not pay for unpacking the weights again. */
  private static final int FEWEST_ROWS = 96;

  void run(Workers workers, Scratch.Pool pool) {
    int panels = (w.rows() + TILE_COLUMNS - 1) / TILE_COLUMNS;
    int parts = parts(panels, workers.threads());
    int rows = Simd.roundUp((m + parts - 1) / parts, TILE_ROWS);
    int used = (m + rows - 1) / rows;
    workers.forEach(
        panels * used,
        task -> {
          int from = task % used * rows;
          Scratch scratch = pool.take();
          try {
            panel(task / used * TILE_COLUMNS, from, Math.min(m, from + rows), scratch);
          } finally {
            pool.give(scratch);
          }
        });
  }

  /**
   * Into how many parts to cut the source rows, so that every thread has several tasks, and if
   * possible as many as the others.
   */
  private int parts(int panels, int threads) {
    if (threads == 1) {
      return 1;
    }
    int most = Math.max(1, m / FEWEST_ROWS);
    int parts = Math.clamp((6 * threads + panels - 1) / panels, 1, most);
    for (int more = parts; more <= most && more < parts + threads; more++) {
      if (panels * more % threads == 0) {
        return more;
      }
    }
    return parts;
  }

  /** Outputs {@code [column, column + TILE_COLUMNS)} of the source rows {@code [from, to)}. */
  private void panel(int column, int from, int to, Scratch scratch) {
    int columns = Math.min(TILE_COLUMNS, w.rows() - column);
    int width = Simd.panelWidth(columns);
    int k = w.columns();
    int blocks = (k + Scratch.DEPTH - 1) / Scratch.DEPTH;
    int step = Simd.roundUp((k + blocks - 1) / blocks, 32);
    boolean add = accumulate;
    if (bias != null && (accumulate || columns < width)) {
      startFromBias(bias, column, columns, from, to);
      add = true;
    }
    for (int block = 0; block < k; block += step) {
      int depth = Math.min(step, k - block);
      PanelUnpacker.unpack(w, column, columns, block, depth, width, scratch);
      float[] start = bias == null ? MicroKernel.ZEROS : bias;
      int startAt = bias == null ? 0 : column;
      for (int row = from; row < to; row += TILE_ROWS) {
        int rows = Math.min(TILE_ROWS, to - row);
        int xAt = xOffset + row * xStride + block;
        int yAt = yOffset + row * yStride + column;
        if (rows < TILE_ROWS || columns < width) {
          boolean plain = add || bias == null;
          MicroKernel.multiply(
              rows,
              depth,
              x,
              xAt,
              xStride,
              scratch.panel,
              scratch.panelAt,
              width,
              plain ? MicroKernel.ZEROS : start,
              plain ? 0 : startAt,
              0,
              scratch.edge,
              0,
              width);
          put(scratch.edge, width, rows, columns, yAt, add);
        } else if (add) {
          MicroKernel.multiply(
              rows,
              depth,
              x,
              xAt,
              xStride,
              scratch.panel,
              scratch.panelAt,
              width,
              y,
              yAt,
              yStride,
              y,
              yAt,
              yStride);
        } else {
          MicroKernel.multiply(
              rows,
              depth,
              x,
              xAt,
              xStride,
              scratch.panel,
              scratch.panelAt,
              width,
              start,
              startAt,
              0,
              y,
              yAt,
              yStride);
        }
      }
      add = true;
    }
  }

  private void startFromBias(float[] values, int column, int columns, int from, int to) {
    for (int row = from; row < to; row++) {
      int at = yOffset + row * yStride + column;
      if (accumulate) {
        for (int j = 0; j < columns; j++) {
          y[at + j] += values[column + j];
        }
      } else {
        System.arraycopy(values, column, y, at, columns);
      }
    }
  }

  private void put(float[] tile, int width, int rows, int columns, int at, boolean add) {
    for (int r = 0; r < rows; r++) {
      int to = at + r * yStride;
      if (add) {
        for (int j = 0; j < columns; j++) {
          y[to + j] += tile[r * width + j];
        }
      } else {
        System.arraycopy(tile, r * width, y, to, columns);
      }
    }
  }
}
