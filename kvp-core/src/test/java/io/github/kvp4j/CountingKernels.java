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
package io.github.kvp4j;

import io.github.kvp4j.kernel.Kernels;
import io.github.kvp4j.model.RopeTable;
import io.github.kvp4j.model.Weight;
import org.jspecify.annotations.Nullable;

/** Kernels that count what they are asked for, and tell a listener of every matrix product. */
public final class CountingKernels implements Kernels {
  private final Kernels to;
  private final Runnable onGemm;
  private double gemmFlops;
  private double attentionFlops;
  private int gemms;

  /** Kernels that pass everything on. */
  public CountingKernels(Kernels to) {
    this(to, () -> {});
  }

  /** Kernels that call a listener before each matrix product. */
  public CountingKernels(Kernels to, Runnable onGemm) {
    this.to = to;
    this.onGemm = onGemm;
  }

  /** Two for each multiply-add of the matrix products and of attention. */
  public double flops() {
    return gemmFlops + attentionFlops;
  }

  /** The matrix products asked for so far. */
  public int gemms() {
    return gemms;
  }

  @Override
  public String name() {
    return to.name();
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
    onGemm.run();
    gemms++;
    gemmFlops += 2.0 * m * w.rows() * w.columns();
    to.gemm(m, x, xOffset, xStride, w, bias, y, yOffset, yStride, accumulate);
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
    for (int i = 0; i < m; i++) {
      attentionFlops += 2.0 * (positions[i] + 1) * heads * headSize;
    }
    to.attentionMass(m, q, qOffset, positions, k, heads, kvHeads, headSize, scale, mass);
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
    for (int i = 0; i < m; i++) {
      attentionFlops += 2.0 * 2 * (positions[i] + 1) * heads * headSize;
    }
    to.attention(m, q, positions, k, v, heads, kvHeads, headSize, scale, out);
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
    to.rmsNorm(m, columns, x, xOffset, weight, epsilon, y, yOffset);
  }

  @Override
  public void rotate(
      int m, int heads, float[] x, int xOffset, int xStride, int[] positions, RopeTable rope) {
    to.rotate(m, heads, x, xOffset, xStride, positions, rope);
  }

  @Override
  public void siluMultiply(int n, float[] gate, float[] up) {
    to.siluMultiply(n, gate, up);
  }

  @Override
  public void add(int n, float[] x, float[] y) {
    to.add(n, x, y);
  }
}
