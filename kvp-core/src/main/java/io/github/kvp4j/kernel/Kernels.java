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

import io.github.kvp4j.model.RopeTable;
import io.github.kvp4j.model.Weight;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The numeric work of prefill. All matrices are row-major 32-bit floats on the heap; a matrix is
 * given as array, offset of its first number, and stride from row to row. Implementations keep no
 * state between calls that a second thread could see: one object serves many threads.
 *
 * <p>{@link ScalarKernels} is the oracle: every other implementation is tested against it.
 */
public interface Kernels {
  /** A short name for logs and {@code kvp info}, e.g. {@code vector-512}. */
  String name();

  /**
   * {@code y = x · wᵀ (+ bias)}, or {@code y += …} when {@code accumulate}.
   *
   * @param m rows of x and y, at least 1
   * @param x {@code [m][w.columns()]}
   * @param w {@code [n][k]}, n = {@code w.rows()} outputs
   * @param bias {@code [n]} or null
   * @param y {@code [m][n]}; must not overlap x
   * @param accumulate whether to add to y instead of writing it
   */
  void gemm(
      int m,
      float[] x,
      int xOffset,
      int xStride,
      Weight w,
      float @Nullable [] bias,
      float[] y,
      int yOffset,
      int yStride,
      boolean accumulate);

  /**
   * Causal attention with grouped heads: query row i attends to the cache rows {@code 0 ..
   * positions[i]}; softmax over {@code scale · q·k}.
   *
   * @param m query rows, at least 1
   * @param q {@code [m][heads * headSize]}, rotated, dense
   * @param positions {@code [m]} ascending: the last cache row that each query sees
   * @param k {@code [position][kvHeads * headSize]}, rotated, dense
   * @param v {@code [position][kvHeads * headSize]}, dense
   * @param out {@code [m][heads * headSize]}, dense; must not overlap q
   */
  void attention(
      int m,
      float[] q,
      int[] positions,
      float[] k,
      float[] v,
      int heads,
      int kvHeads,
      int headSize,
      float scale,
      float[] out);

  /**
   * One query row each of several sequences: row i attends to the rows {@code 0 .. positions[i]} of
   * a cache of its own; otherwise as {@link #attention}, and with the same numbers for a row
   * whatever the others are.
   *
   * @param q {@code [m][heads * headSize]} with {@code m = positions.length}
   * @param k for each row {@code [position][kvHeads * headSize]}
   * @param v for each row {@code [position][kvHeads * headSize]}
   * @param out {@code [m][heads * headSize]}, dense; must not overlap q
   */
  default void attentionOfEach(
      float[] q,
      int[] positions,
      float[][] k,
      float[][] v,
      int heads,
      int kvHeads,
      int headSize,
      float scale,
      float[] out) {
    int length = heads * headSize;
    float[] row = new float[length];
    for (int i = 0; i < positions.length; i++) {
      float[] query = Arrays.copyOfRange(q, i * length, (i + 1) * length);
      int[] position = {positions[i]};
      attention(1, query, position, k[i], v[i], heads, kvHeads, headSize, scale, row);
      System.arraycopy(row, 0, out, i * length, length);
    }
  }

  /**
   * From so many rows on, what {@link #gemm} and {@link #feedForward} give for a row does not
   * depend on how many rows there are, to the last bit.
   */
  default int steadyRows() {
    return 1;
  }

  /**
   * Adds to each cache row the attention that it receives, over all queries and heads: the softmax
   * of {@link #attention} summed up by key.
   *
   * @param m query rows, at least 1
   * @param q {@code [m][heads * headSize]}, rotated, dense, from {@code qOffset} on
   * @param positions {@code [m]} ascending: the last cache row that each query sees
   * @param k {@code [position][kvHeads * headSize]}, rotated, dense
   * @param mass {@code [position]}, added to
   */
  void attentionMass(
      int m,
      float[] q,
      int qOffset,
      int[] positions,
      float[] k,
      int heads,
      int kvHeads,
      int headSize,
      float scale,
      float[] mass);

  /**
   * RMS norm of each row: {@code y = weight · x / sqrt(mean(x²) + ε)}.
   *
   * @param m rows
   * @param x {@code [m][columns]}
   * @param weight {@code [columns]}, or null for all ones
   * @param y {@code [m][columns]}; may be x itself
   */
  void rmsNorm(
      int m,
      int columns,
      float[] x,
      int xOffset,
      float @Nullable [] weight,
      float epsilon,
      float[] y,
      int yOffset);

  /**
   * Rotates each head of each row by RoPE at the row's position, in place.
   *
   * @param m rows
   * @param heads heads a row
   * @param x {@code [m][heads * headSize]} with {@code headSize = 2 * rope.halfHead()}
   * @param positions {@code [m]}
   */
  void rotate(
      int m, int heads, float[] x, int xOffset, int xStride, int[] positions, RopeTable rope);

  /** {@code gate = silu(gate) · up}, element by element, over the first {@code n} numbers. */
  void siluMultiply(int n, float[] gate, float[] up);

  /** {@code x += y} over the first {@code n} numbers. */
  void add(int n, float[] x, float[] y);

  /**
   * A gated feed-forward network: {@code x += down · (silu(gate · n) · (up · n))}. Kernels that
   * keep what lies between in another form or place override it.
   *
   * @param m rows, at least 1
   * @param normed {@code [m][hidden]}, n, dense
   * @param gate {@code [inner][hidden]}
   * @param up {@code [inner][hidden]}
   * @param down {@code [hidden][inner]}
   * @param x {@code [m][hidden]}, dense; must not overlap normed
   * @param gated working memory of {@code m * inner} numbers at least
   * @param raised working memory of {@code m * inner} numbers at least
   */
  default void feedForward(
      int m,
      float[] normed,
      Weight gate,
      Weight up,
      Weight down,
      float[] x,
      int xOffset,
      float[] gated,
      float[] raised) {
    int hidden = gate.columns();
    int inner = gate.rows();
    gemm(m, normed, 0, hidden, gate, null, gated, 0, inner, false);
    gemm(m, normed, 0, hidden, up, null, raised, 0, inner, false);
    siluMultiply(m * inner, gated, raised);
    gemm(m, gated, 0, inner, down, null, x, xOffset, down.rows(), true);
  }
}
