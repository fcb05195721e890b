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
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.ArrayBlockingQueue;
import org.jspecify.annotations.Nullable;

/**
 * Matrix products by oneDNN where the weights are bfloat16 outside the heap, as those of a mapped
 * file are: the source is rounded to bfloat16 and the processor's own dot products are used, at
 * about twice the speed of 32-bit floats. Everything else goes to {@link VectorKernels}.
 */
public final class OneDnnKernels implements Kernels {
  /** Below this many source rows, 32-bit floats are as fast and exact. */
  private static final int FEWEST_ROWS = 16;

  /** Less work than this is not worth the calls. */
  private static final long LEAST_WORK = 1 << 21;

  /** Source rows of one product at most; what is left over is rounded up to a multiple of 32. */
  private static final int ROWS = 512;

  private static final int ROW_STEP = 32;

  /** Source rows of one product at most: source, weights and result stay in a core's cache. */
  private static final int ROW_BLOCK = 256;

  /** Outputs of one product, about. */
  private static final int COLUMNS = 288;

  private final Workers workers;
  private final OneDnn library;
  private final VectorKernels vector;
  private final ArrayBlockingQueue<NativeBuffer> sources = new ArrayBlockingQueue<>(4);

  private OneDnnKernels(Workers workers, OneDnn library) {
    this.workers = workers;
    this.library = library;
    this.vector = new VectorKernels(workers);
  }

  /**
   * Loads oneDNN.
   *
   * @throws UnsupportedOperationException with the reason, if it cannot be used here
   */
  public static OneDnnKernels load(Workers workers) {
    return new OneDnnKernels(workers, OneDnnLoader.load());
  }

  @Override
  public String name() {
    return "onednn-" + library.version() + "-bf16+" + vector.name();
  }

  /** The library behind these kernels. */
  OneDnn library() {
    return library;
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
    if (!fits(m, w)) {
      vector.gemm(m, x, xOffset, xStride, w, bias, y, yOffset, yStride, accumulate);
      return;
    }
    int chunks = (m + ROWS - 1) / ROWS;
    int rows = Simd.roundUp((m + chunks - 1) / chunks, ROW_STEP);
    for (int from = 0; from < m; from += rows) {
      int there = Math.min(rows, m - from);
      int xAt = xOffset + from * xStride;
      int yAt = yOffset + from * yStride;
      if (!rows(there, x, xAt, xStride, w, bias, y, yAt, yStride, accumulate)) {
        vector.gemm(there, x, xAt, xStride, w, bias, y, yAt, yStride, accumulate);
      }
    }
  }

  private static boolean fits(int m, Weight w) {
    return w.type() == WeightType.BF16
        && m >= FEWEST_ROWS
        && (long) m * w.rows() * w.columns() >= LEAST_WORK
        && w.data().isNative()
        && w.data().address() % 2 == 0;
  }

  /** One chunk of source rows; false if the library will not do it. */
  private boolean rows(
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
    Product product = product(m, w);
    if (product == null) {
      return false;
    }
    NativeBuffer buffer = take();
    try {
      MemorySegment source = buffer.bytes(product.sourceBytes());
      round(m, x, xOffset, xStride, w.columns(), source);
      multiply(product, m, source, bias, y, yOffset, yStride, accumulate);
      return true;
    } finally {
      sources.offer(buffer);
    }
  }

  /** {@code y = source · wᵀ (+ bias)}, or {@code y += …}, the source being bfloat16 already. */
  private void multiply(
      Product product,
      int m,
      MemorySegment source,
      float @Nullable [] bias,
      float[] y,
      int yOffset,
      int yStride,
      boolean accumulate) {
    workers.forEach(
        product.tasks(),
        task -> {
          int block = product.block(task);
          int row = product.row(task);
          int count = product.matmul(block).n();
          OneDnn.Runner runner = library.runner();
          MemorySegment result = product.run(runner, task, source);
          int from = block * product.columns;
          for (int i = row; i < Math.min(m, row + product.rows); i++) {
            long at = (long) (i - row) * count;
            put(result, at, count, bias, from, y, yOffset + i * yStride + from, accumulate);
          }
          library.giveBack(runner);
        });
  }

  /**
   * The network's inner numbers are rounded as they are made, block by block while they are in the
   * processor's cache, and never lie on the heap.
   */
  @Override
  public void feedForward(
      int m,
      float[] normed,
      Weight gate,
      Weight up,
      Weight down,
      float[] x,
      int xOffset,
      float[] gated,
      float[] raised) {
    Product first = m <= ROWS && fits(m, gate) && fits(m, up) ? product(m, gate) : null;
    Product second = first == null ? null : product(m, up);
    Product third = second == null || !fits(m, down) ? null : product(m, down);
    if (first == null || second == null || third == null) {
      Kernels.super.feedForward(m, normed, gate, up, down, x, xOffset, gated, raised);
      return;
    }
    int hidden = gate.columns();
    int inner = gate.rows();
    NativeBuffer sourceBuffer = take();
    NativeBuffer innerBuffer = take();
    try {
      MemorySegment source = sourceBuffer.bytes(first.sourceBytes());
      MemorySegment between = innerBuffer.bytes(third.sourceBytes()); // [rows][inner] bfloat16
      round(m, normed, 0, hidden, hidden, source);
      workers.forEach(
          first.tasks(),
          task -> {
            int block = first.block(task);
            int row = first.row(task);
            int count = first.matmul(block).n();
            OneDnn.Runner one = library.runner();
            OneDnn.Runner other = library.runner();
            MemorySegment g = first.run(one, task, source);
            MemorySegment u = second.run(other, task, source);
            int from = block * first.columns;
            for (int i = row; i < Math.min(m, row + first.rows); i++) {
              long to = 2L * ((long) i * inner + from);
              Bfloat16.roundSiluMultiply(g, u, (long) (i - row) * count, count, between, to);
            }
            library.giveBack(one);
            library.giveBack(other);
          });
      multiply(third, m, between, null, x, xOffset, down.rows(), true);
    } finally {
      sources.offer(sourceBuffer);
      sources.offer(innerBuffer);
    }
  }

  private NativeBuffer take() {
    NativeBuffer resting = sources.poll();
    return resting == null ? new NativeBuffer() : resting;
  }

  /**
   * A product in blocks of source rows and outputs, a task each.
   *
   * @param rows source rows of a block, those that pad the last one counted
   * @param rowBlocks blocks of source rows
   * @param columns outputs of every block but the last
   * @param blocks blocks of outputs
   */
  private record Product(
      Weight w,
      int rows,
      int rowBlocks,
      int columns,
      int blocks,
      OneDnn.Matmul wide,
      OneDnn.Matmul last) {
    int tasks() {
      return rowBlocks * blocks;
    }

    /** The block of outputs of a task. */
    int block(int task) {
      return task / rowBlocks;
    }

    /** The first source row of a task. */
    int row(int task) {
      return task % rowBlocks * rows;
    }

    OneDnn.Matmul matmul(int block) {
      return block == blocks - 1 ? last : wide;
    }

    /** Bytes of the source, {@code [rowBlocks * rows][w.columns()]} bfloat16. */
    long sourceBytes() {
      return 2L * rowBlocks * rows * w.columns();
    }

    MemorySegment run(OneDnn.Runner runner, int task, MemorySegment source) {
      long row = 2L * w.columns();
      OneDnn.Matmul matmul = matmul(block(task));
      MemorySegment weights = w.data().asSlice(row * block(task) * columns, row * matmul.n());
      return runner.run(matmul, source.asSlice(row * row(task), row * rows), weights);
    }
  }

  /** How a product is done, or null if the library will not do it. */
  private @Nullable Product product(int m, Weight w) {
    int k = w.columns();
    int n = w.rows();
    int rowBlocks = (m + ROW_BLOCK - 1) / ROW_BLOCK;
    int rows = Simd.roundUp((m + rowBlocks - 1) / rowBlocks, ROW_STEP);
    int threads = workers.threads();
    int tasks = threads * ((n + threads * COLUMNS - 1) / (threads * COLUMNS));
    int columns = Simd.roundUp((n + tasks - 1) / tasks, 16);
    int blocks = (n + columns - 1) / columns;
    OneDnn.Matmul wide = library.matmul(OneDnn.Numbers.BFLOAT16, rows, Math.min(columns, n), k);
    OneDnn.Matmul last =
        library.matmul(OneDnn.Numbers.BFLOAT16, rows, n - (blocks - 1) * columns, k);
    return wide == null || last == null
        ? null
        : new Product(w, rows, rowBlocks, columns, blocks, wide, last);
  }

  private void round(int m, float[] x, int xOffset, int xStride, int k, MemorySegment source) {
    int tasks = Math.clamp(((long) m * k) >> 15, 1, 4 * workers.threads());
    workers.forEach(
        tasks,
        t -> {
          int to = (int) ((long) m * (t + 1) / tasks);
          for (int i = (int) ((long) m * t / tasks); i < to; i++) {
            Bfloat16.round(x, xOffset + i * xStride, k, source, 2L * i * k);
          }
        });
  }

  private static void put(
      MemorySegment result,
      long from,
      int count,
      float @Nullable [] bias,
      int biasFrom,
      float[] y,
      int to,
      boolean accumulate) {
    if (accumulate) {
      VectorMath.addFrom(result, from, count, y, to);
    } else {
      MemorySegment.copy(result, ValueLayout.JAVA_FLOAT, from * Float.BYTES, y, to, count);
    }
    if (bias != null) {
      for (int j = 0; j < count; j++) {
        y[to + j] += bias[biasFrom + j];
      }
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
    vector.attention(m, q, positions, k, v, heads, kvHeads, headSize, scale, out);
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
    vector.attentionOfEach(q, positions, k, v, heads, kvHeads, headSize, scale, out);
  }

  /** As rows are padded to it anyway; for matrices of {@link #LEAST_WORK} / 32 numbers at least. */
  @Override
  public int steadyRows() {
    return ROW_STEP;
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
    vector.attentionMass(m, q, qOffset, positions, k, heads, kvHeads, headSize, scale, mass);
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
    vector.rmsNorm(m, columns, x, xOffset, weight, epsilon, y, yOffset);
  }

  @Override
  public void rotate(
      int m, int heads, float[] x, int xOffset, int xStride, int[] positions, RopeTable rope) {
    vector.rotate(m, heads, x, xOffset, xStride, positions, rope);
  }

  @Override
  public void siluMultiply(int n, float[] gate, float[] up) {
    vector.siluMultiply(n, gate, up);
  }

  @Override
  public void add(int n, float[] x, float[] y) {
    vector.add(n, x, y);
  }
}
