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
import org.jspecify.annotations.Nullable;

/** The plainest implementation that is right: the oracle, with sums in double precision. */
public final class ScalarKernels implements Kernels {
  @Override
  public String name() {
    return "scalar";
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
    int k = w.columns();
    float[] row = new float[k];
    for (int n = 0; n < w.rows(); n++) {
      w.row(n, row, 0);
      for (int i = 0; i < m; i++) {
        double sum = bias == null ? 0 : bias[n];
        for (int j = 0; j < k; j++) {
          sum += (double) x[xOffset + i * xStride + j] * row[j];
        }
        int at = yOffset + i * yStride + n;
        y[at] = (float) (accumulate ? y[at] + sum : sum);
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
    int group = heads / kvHeads;
    int kvLength = kvHeads * headSize;
    for (int i = 0; i < m; i++) {
      int keys = positions[i] + 1;
      double[] score = new double[keys];
      for (int h = 0; h < heads; h++) {
        int qAt = (i * heads + h) * headSize;
        int kvAt = h / group * headSize;
        double max = Double.NEGATIVE_INFINITY;
        for (int p = 0; p < keys; p++) {
          double dot = 0;
          for (int d = 0; d < headSize; d++) {
            dot += (double) q[qAt + d] * k[p * kvLength + kvAt + d];
          }
          score[p] = dot * scale;
          max = Math.max(max, score[p]);
        }
        double sum = 0;
        for (int p = 0; p < keys; p++) {
          score[p] = Math.exp(score[p] - max);
          sum += score[p];
        }
        for (int d = 0; d < headSize; d++) {
          double value = 0;
          for (int p = 0; p < keys; p++) {
            value += score[p] * v[p * kvLength + kvAt + d];
          }
          out[qAt + d] = (float) (value / sum);
        }
      }
    }
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
    int group = heads / kvHeads;
    for (int i = 0; i < m; i++) {
      int keys = positions[i] + 1;
      double[] score = new double[keys];
      for (int h = 0; h < heads; h++) {
        double max = Double.NEGATIVE_INFINITY;
        for (int p = 0; p < keys; p++) {
          double dot = 0;
          for (int d = 0; d < headSize; d++) {
            dot +=
                (double) q[qOffset + (i * heads + h) * headSize + d]
                    * k[(p * kvHeads + h / group) * headSize + d];
          }
          score[p] = dot * scale;
          max = Math.max(max, score[p]);
        }
        double sum = 0;
        for (int p = 0; p < keys; p++) {
          score[p] = Math.exp(score[p] - max);
          sum += score[p];
        }
        for (int p = 0; p < keys; p++) {
          mass[p] += (float) (score[p] / sum);
        }
      }
    }
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
    for (int i = 0; i < m; i++) {
      double sum = 0;
      for (int j = 0; j < columns; j++) {
        double value = x[xOffset + i * columns + j];
        sum += value * value;
      }
      double inverse = 1.0 / Math.sqrt(sum / columns + epsilon);
      for (int j = 0; j < columns; j++) {
        double value = x[xOffset + i * columns + j] * inverse;
        y[yOffset + i * columns + j] = (float) (weight == null ? value : value * weight[j]);
      }
    }
  }

  @Override
  public void rotate(
      int m, int heads, float[] x, int xOffset, int xStride, int[] positions, RopeTable rope) {
    int half = rope.halfHead();
    float[] cos = rope.cos();
    float[] sin = rope.sin();
    for (int i = 0; i < m; i++) {
      int table = positions[i] * half;
      for (int h = 0; h < heads; h++) {
        int at = xOffset + i * xStride + h * 2 * half;
        for (int d = 0; d < half; d++) {
          float a = x[at + d];
          float b = x[at + d + half];
          x[at + d] = a * cos[table + d] - b * sin[table + d];
          x[at + d + half] = a * sin[table + d] + b * cos[table + d];
        }
      }
    }
  }

  @Override
  public void siluMultiply(int n, float[] gate, float[] up) {
    for (int i = 0; i < n; i++) {
      gate[i] = (float) (gate[i] / (1.0 + Math.exp(-gate[i])) * up[i]);
    }
  }

  @Override
  public void add(int n, float[] x, float[] y) {
    for (int i = 0; i < n; i++) {
      x[i] += y[i];
    }
  }
}
