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

import java.util.Arrays;

/**
 * Keys and values of one call laid out as the micro-kernel reads them: the keys of a head
 * transposed in panels {@code [headSize][TILE_COLUMNS keys]}, the values of a head in panels {@code
 * [key][up to TILE_COLUMNS columns]}.
 */
final class Packed {
  /** Keys of all heads, then values of all heads. */
  final float[] numbers;

  private final VectorAttention from;
  private final int count;
  private final int panels;
  private final int width;
  private final int keysStart;
  private final int valuesStart;

  Packed(VectorAttention from, Scratch.Pool pool) {
    this.from = from;
    int headSize = from.headSize();
    this.count = from.positions()[from.m() - 1] + 1;
    this.panels = (count + TILE_COLUMNS - 1) / TILE_COLUMNS;
    int whole = headSize / TILE_COLUMNS * TILE_COLUMNS;
    this.width = headSize == whole ? whole : whole + Simd.panelWidth(headSize - whole);
    int keys = Math.multiplyExact(from.kvHeads() * panels, headSize * TILE_COLUMNS);
    int values = Math.multiplyExact(from.kvHeads() * count, width);
    this.numbers = pool.takeLarge(Math.addExact(keys, values) + CacheLines.FLOATS);
    this.keysStart = CacheLines.skip(numbers);
    this.valuesStart = keysStart + keys;
  }

  /** Panels of keys for each head. */
  int panels() {
    return panels;
  }

  /** Columns of all value panels of a head: the head size, and some padding. */
  int valueWidth() {
    return width;
  }

  /** Width of the value panel that begins at {@code column}. */
  int panelWidth(int column) {
    return Math.min(TILE_COLUMNS, width - column);
  }

  /** Where the panel of keys begins that holds {@code key}, the first of a panel. */
  int keysAt(int head, int key) {
    return keysStart + (head * panels + key / TILE_COLUMNS) * from.headSize() * TILE_COLUMNS;
  }

  /** Where the row of {@code key} begins in the value panel that begins at {@code column}. */
  int valuesAt(int head, int key, int column) {
    return valuesStart + head * count * width + count * column + key * panelWidth(column);
  }

  /** Packs one panel of keys of one head, and the values beside them. */
  void pack(int head, int panel, Scratch scratch) {
    int headSize = from.headSize();
    int kvLength = from.kvHeads() * headSize;
    int first = panel * TILE_COLUMNS;
    int last = Math.min(count, first + TILE_COLUMNS);
    int stride = Simd.roundUp(headSize, 2 * LANES);
    float[] rows = scratch.rows;
    for (int group = 0; group < TILE_COLUMNS; group += LANES) {
      Arrays.fill(rows, 0, LANES * stride, 0);
      for (int r = 0; r < LANES && first + group + r < last; r++) {
        int at = (first + group + r) * kvLength + head * headSize;
        System.arraycopy(from.k(), at, rows, r * stride, headSize);
      }
      PanelUnpacker.transpose(
          rows, stride, false, scratch.panel, scratch.panelAt + group, TILE_COLUMNS);
    }
    int keys = headSize * TILE_COLUMNS;
    System.arraycopy(scratch.panel, scratch.panelAt, numbers, keysAt(head, first), keys);
    for (int column = 0; column < headSize; column += TILE_COLUMNS) {
      int columns = Math.min(TILE_COLUMNS, headSize - column);
      for (int key = first; key < last; key++) {
        int at = key * kvLength + head * headSize + column;
        System.arraycopy(from.v(), at, numbers, valuesAt(head, key, column), columns);
      }
    }
  }
}
