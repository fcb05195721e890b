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

import java.util.concurrent.ArrayBlockingQueue;

/**
 * The working memory of one task, about 400 KiB. Tasks take one from a {@link Pool} and put it
 * back, so that as many are kept as threads work at once, whatever threads those are.
 */
final class Scratch {
  /** Columns of the source that a panel of weights spans at most. */
  static final int DEPTH = 768;

  /** Columns of a row of weights that are decoded at once at most. */
  static final int LONGEST = 2048;

  /** Weights, {@code [depth][panel width]}, from {@link #panelAt} on. */
  final float[] panel = new float[(DEPTH + 32) * Simd.TILE_COLUMNS + CacheLines.FLOATS];

  /** Where the panel begins, so that it begins a cache line. */
  int panelAt;

  /** Rows of weights before they are transposed, {@code [16][DEPTH]} or {@code [4][LONGEST]}. */
  final float[] rows = new float[16 * (DEPTH + 32)];

  /** One transposed block. */
  final float[] block = new float[16 * 16];

  /** A register tile that hangs over the edge of the result. */
  final float[] edge = new float[Simd.TILE_ROWS * Simd.TILE_COLUMNS];

  /** Words of two 16-bit numbers. */
  final float[] words = new float[LONGEST / 2];

  /** The bytes of a row of quantised weights. */
  final byte[] bytes = new byte[LONGEST];

  /** The scales of a row of quantised weights. */
  final float[] scales = new float[LONGEST / 32];

  private float[] free = new float[0];

  /** An array of at least {@code length} floats with any content, kept for the next call. */
  float[] floats(int length) {
    if (free.length < length) {
      free = new float[length];
    }
    return free;
  }

  /** Scratch memory at rest. */
  static final class Pool {
    /** Arrays above 16 MiB are left to the garbage collector. */
    private static final int LARGEST = 1 << 22;

    private final ArrayBlockingQueue<Scratch> resting;
    private final ArrayBlockingQueue<float[]> large = new ArrayBlockingQueue<>(2);

    Pool(int most) {
      resting = new ArrayBlockingQueue<>(most);
    }

    Scratch take() {
      Scratch resting = this.resting.poll();
      Scratch scratch = resting == null ? new Scratch() : resting;
      scratch.panelAt = CacheLines.skip(scratch.panel);
      return scratch;
    }

    /** Takes the scratch back; more than the pool holds are left to the garbage collector. */
    void give(Scratch scratch) {
      resting.offer(scratch);
    }

    /** An array of at least {@code length} floats with any content. */
    float[] takeLarge(int length) {
      float[] array = large.poll();
      return array == null || array.length < length ? new float[length] : array;
    }

    /** Takes the array back. */
    void giveLarge(float[] array) {
      if (array.length <= LARGEST) {
        large.offer(array);
      }
    }
  }
}
