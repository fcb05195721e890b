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
package io.github.kvp4j.calibration;

import io.github.kvp4j.kernel.Kernels;
import io.github.kvp4j.model.Weight;
import java.io.Serializable;

/**
 * The sums of a linear regression with bias, gathered chunk by chunk: XᵀX, XᵀY, and the sums that
 * the bias and the error need. Products of a chunk are in single, sums over chunks in double
 * precision.
 */
final class NormalEquations implements Serializable {
  private static final long serialVersionUID = 1L;

  final int inputs;
  final int outputs;
  final double[] xx; // (inputs, inputs)
  final double[] xy; // (inputs, outputs)
  final double[] x; // (inputs)
  final double[] y; // (outputs)
  final double[] yy; // (outputs): sums of squares
  long rows;

  NormalEquations(int inputs, int outputs) {
    this.inputs = inputs;
    this.outputs = outputs;
    this.xx = new double[Math.multiplyExact(inputs, inputs)];
    this.xy = new double[Math.multiplyExact(inputs, outputs)];
    this.x = new double[inputs];
    this.y = new double[outputs];
    this.yy = new double[outputs];
  }

  /** A set of equations that shares another's XᵀX, so that many targets cost it but once. */
  private NormalEquations(NormalEquations shared, int outputs) {
    this.inputs = shared.inputs;
    this.outputs = outputs;
    this.xx = shared.xx;
    this.x = shared.x;
    this.xy = new double[Math.multiplyExact(inputs, outputs)];
    this.y = new double[outputs];
    this.yy = new double[outputs];
    this.rows = shared.rows;
  }

  /** Equations of other targets over the same inputs: only {@link #addTargets} is called on it. */
  NormalEquations sharingInputs(int otherOutputs) {
    return new NormalEquations(this, otherOutputs);
  }

  /** Every {@code stride}-th target alone: enough to choose λ by, at a fraction of the cost. */
  NormalEquations everyNth(int stride) {
    int count = (outputs + stride - 1) / stride;
    NormalEquations out = sharingInputs(count);
    out.rows = rows;
    for (int o = 0; o < count; o++) {
      out.y[o] = y[o * stride];
      out.yy[o] = yy[o * stride];
      for (int i = 0; i < inputs; i++) {
        out.xy[i * count + o] = xy[i * outputs + o * stride];
      }
    }
    return out;
  }

  /** Adds {@code m} rows to everything. */
  void add(Kernels kernels, int m, float[] xs, int xOffset, float[] ys, int yOffset) {
    addInputs(kernels, m, xs, xOffset);
    addTargets(kernels, m, xs, xOffset, ys, yOffset);
  }

  /** Adds {@code m} rows {@code xs (row, inputs)} to XᵀX. */
  void addInputs(Kernels kernels, int m, float[] xs, int xOffset) {
    float[] xt = transpose(xs, xOffset, m, inputs);
    accumulate(kernels, m, xt, xt, inputs, inputs, xx);
    for (int i = 0; i < m; i++) {
      for (int j = 0; j < inputs; j++) {
        x[j] += xs[xOffset + i * inputs + j];
      }
    }
    rows += m;
  }

  /** Adds {@code m} rows to XᵀY; the inputs were added before. */
  void addTargets(Kernels kernels, int m, float[] xs, int xOffset, float[] ys, int yOffset) {
    accumulate(
        kernels,
        m,
        transpose(xs, xOffset, m, inputs),
        transpose(ys, yOffset, m, outputs),
        inputs,
        outputs,
        xy);
    for (int i = 0; i < m; i++) {
      for (int j = 0; j < outputs; j++) {
        double value = ys[yOffset + i * outputs + j];
        y[j] += value;
        yy[j] += value * value;
      }
    }
  }

  /** Adds another set's sums to this one's. */
  void merge(NormalEquations o) {
    mergeInputs(o);
    mergeTargets(o);
  }

  void mergeInputs(NormalEquations o) {
    plus(xx, o.xx);
    plus(x, o.x);
    rows += o.rows;
  }

  void mergeTargets(NormalEquations o) {
    plus(xy, o.xy);
    plus(y, o.y);
    plus(yy, o.yy);
  }

  private static void plus(double[] a, double[] b) {
    for (int i = 0; i < a.length; i++) {
      a[i] += b[i];
    }
  }

  /** {@code sum (p, q) += a · bᵀ} for {@code a (p, m)} and {@code b (q, m)}. */
  private static void accumulate(
      Kernels kernels, int m, float[] a, float[] b, int p, int q, double[] sum) {
    float[] part = new float[p * q];
    kernels.gemm(p, a, 0, m, Weight.of(b, q, m), null, part, 0, q, false);
    for (int i = 0; i < part.length; i++) {
      sum[i] += part[i];
    }
  }

  private static float[] transpose(float[] a, int offset, int rows, int columns) {
    float[] t = new float[rows * columns];
    int block = 32;
    for (int r0 = 0; r0 < rows; r0 += block) {
      int r1 = Math.min(rows, r0 + block);
      for (int c = 0; c < columns; c++) {
        for (int r = r0; r < r1; r++) {
          t[c * rows + r] = a[offset + r * columns + c];
        }
      }
    }
    return t;
  }
}
