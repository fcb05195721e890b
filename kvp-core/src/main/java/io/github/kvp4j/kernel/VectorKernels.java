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
import io.github.kvp4j.model.WeightType;
import org.jspecify.annotations.Nullable;

/**
 * The kernels on the Vector API, in 32-bit floats at the machine's widest vectors. Loading this
 * class needs the JVM flag {@code --add-modules jdk.incubator.vector}.
 */
public final class VectorKernels implements Kernels {
  /** Up to so many source rows, dot products with the weights as they lie beat unpacking them. */
  private static final int FEW_ROWS = 8;

  /** As above for bfloat16, which is unpacked faster. */
  private static final int FEW_ROWS_BF16 = 5;

  /** Numbers an element-wise task has at least: some 10 µs of work. */
  private static final int CHUNK = 1 << 15;

  private final Workers workers;
  private final Scratch.Pool pool;

  /** Kernels that share their work among {@code workers}. */
  public VectorKernels(Workers workers) {
    this.workers = workers;
    this.pool = new Scratch.Pool(2 * workers.threads());
  }

  @Override
  public String name() {
    return "vector-" + Simd.FLOATS.vectorBitSize();
  }

  @Override
  public void gemm(
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
    if (m <= (w.type() == WeightType.BF16 ? FEW_ROWS_BF16 : FEW_ROWS)) {
      new VectorDots(m, x, xOffset, xStride, w, bias, y, yOffset, yStride, accumulate)
          .run(workers, pool);
    } else {
      new VectorGemm(m, x, xOffset, xStride, w, bias, y, yOffset, yStride, accumulate)
          .run(workers, pool);
    }
  }

  @Override
  public void attention(
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
    new VectorAttention(m, q, positions, k, v, heads, kvHeads, headSize, scale, out)
        .run(workers, pool);
  }

  @Override
  public void attentionOfEach(
      float[] q,
      int[] positions,
      float[][] k,
      float[][] v,
      int heads,
      int kvHeads,
      int headSize,
      float scale,
      float[] out) {
    // a task is a whole row: the keys of one row and another share nothing
    workers.forEach(
        positions.length,
        i -> {
          Scratch scratch = pool.take();
          try {
            VectorAttention row =
                new VectorAttention(
                    1, q, positions, k[i], v[i], heads, kvHeads, headSize, scale, out);
            for (int head = 0; head < kvHeads; head++) {
              row.single(i, head, scratch);
            }
          } finally {
            pool.give(scratch);
          }
        });
  }

  @Override
  public int steadyRows() {
    return FEW_ROWS + 1;
  }

  @Override
  public void attentionMass(
      int m,
      float[] q,
      int qOffset,
      int[] positions,
      float[] k,
      int heads,
      int kvHeads,
      int headSize,
      float scale,
      float[] mass) {
    new VectorAttentionMass(m, q, qOffset, positions, k, heads, kvHeads, headSize, scale, mass)
        .run(workers);
  }

  @Override
  public void rmsNorm(
      int m,
      int columns,
      float[] x,
      int xOffset,
      float @Nullable [] weight,
      float epsilon,
      float[] y,
      int yOffset) {
    forRows(
        m,
        columns,
        i -> {
          int at = xOffset + i * columns;
          float mean = VectorMath.squares(x, at, columns) / columns;
          float factor = (float) (1 / Math.sqrt(mean + epsilon));
          if (weight == null) {
            VectorMath.scale(x, at, columns, factor, y, yOffset + i * columns);
          } else {
            VectorMath.scale(x, at, columns, factor, weight, y, yOffset + i * columns);
          }
        });
  }

  @Override
  public void rotate(
      int m, int heads, float[] x, int xOffset, int xStride, int[] positions, RopeTable rope) {
    int half = rope.halfHead();
    float[] cos = rope.cos();
    float[] sin = rope.sin();
    forRows(
        m,
        heads * 2 * half,
        i -> {
          for (int h = 0; h < heads; h++) {
            int at = xOffset + i * xStride + h * 2 * half;
            VectorMath.rotate(x, at, half, cos, sin, positions[i] * half);
          }
        });
  }

  @Override
  public void siluMultiply(int n, float[] gate, float[] up) {
    int tasks = tasks(n);
    int size = chunk(n, tasks);
    workers.forEach(
        tasks,
        t -> VectorMath.siluMultiply(gate, up, Math.min(n, t * size), Math.min(n, (t + 1) * size)));
  }

  @Override
  public void add(int n, float[] x, float[] y) {
    int tasks = tasks(n);
    int size = chunk(n, tasks);
    workers.forEach(
        tasks, t -> VectorMath.add(x, y, Math.min(n, t * size), Math.min(n, (t + 1) * size)));
  }

  /** What is done to one row. */
  private interface Row {
    void at(int i);
  }

  private void forRows(int m, int columns, Row row) {
    int tasks = Math.min(m, tasks((long) m * columns));
    workers.forEach(
        tasks,
        t -> {
          int to = (int) ((long) m * (t + 1) / tasks);
          for (int i = (int) ((long) m * t / tasks); i < to; i++) {
            row.at(i);
          }
        });
  }

  /** Into how many tasks to cut work on {@code n} numbers. */
  private int tasks(long n) {
    return workers.threads() == 1 ? 1 : Math.clamp(n / CHUNK, 1, 4 * workers.threads());
  }

  private static int chunk(int n, int tasks) {
    return Simd.roundUp((n + tasks - 1) / tasks, Simd.LANES);
  }
}
