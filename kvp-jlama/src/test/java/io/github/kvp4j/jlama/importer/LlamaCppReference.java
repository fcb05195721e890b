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
package io.github.kvp4j.jlama.importer;

import java.util.Map;
import java.util.Objects;

/**
 * A Llama computed from a GGUF file's own tensors, in its own conventions (neighbouring pairs are
 * rotated, as in llama.cpp), in plain loops: what an import must not change.
 */
final class LlamaCppReference {
  private final TinyModels.Shape shape;
  private final Map<String, float[]> weights;

  LlamaCppReference(TinyModels.Shape shape, Map<String, float[]> weights) {
    this.shape = shape;
    this.weights = weights;
  }

  /** The logits after the last of some tokens. */
  double[] logits(int... tokens) {
    int n = tokens.length;
    double[][] x = new double[n][shape.hidden()];
    for (int t = 0; t < n; t++) {
      for (int i = 0; i < shape.hidden(); i++) {
        x[t][i] = tensor("token_embd.weight")[tokens[t] * shape.hidden() + i];
      }
    }
    for (int layer = 0; layer < shape.layers(); layer++) {
      layer("blk." + layer + ".", x);
    }
    String output = weights.containsKey("output.weight") ? "output.weight" : "token_embd.weight";
    return multiply(output, shape.vocabulary(), norm("output_norm.weight", x[n - 1]));
  }

  private void layer(String blk, double[][] x) {
    int n = x.length;
    int size = shape.headSize();
    double[][] q = new double[n][];
    double[][] k = new double[n][];
    double[][] v = new double[n][];
    for (int t = 0; t < n; t++) {
      double[] h = norm(blk + "attn_norm.weight", x[t]);
      q[t] = rotate(multiply(blk + "attn_q.weight", shape.hidden(), h), t);
      k[t] = rotate(multiply(blk + "attn_k.weight", shape.kvLength(), h), t);
      v[t] = multiply(blk + "attn_v.weight", shape.kvLength(), h);
    }
    for (int t = 0; t < n; t++) {
      double[] mixed = new double[shape.hidden()];
      for (int head = 0; head < shape.heads(); head++) {
        int kv = head * shape.kvHeads() / shape.heads();
        double[] weight = new double[t + 1];
        double sum = 0;
        for (int s = 0; s <= t; s++) {
          double dot = 0;
          for (int i = 0; i < size; i++) {
            dot += q[t][head * size + i] * k[s][kv * size + i];
          }
          weight[s] = Math.exp(dot / Math.sqrt(size));
          sum += weight[s];
        }
        for (int s = 0; s <= t; s++) {
          for (int i = 0; i < size; i++) {
            mixed[head * size + i] += weight[s] / sum * v[s][kv * size + i];
          }
        }
      }
      add(x[t], multiply(blk + "attn_output.weight", shape.hidden(), mixed));
      double[] h = norm(blk + "ffn_norm.weight", x[t]);
      double[] gate = multiply(blk + "ffn_gate.weight", shape.feedForward(), h);
      double[] up = multiply(blk + "ffn_up.weight", shape.feedForward(), h);
      for (int i = 0; i < up.length; i++) {
        up[i] *= gate[i] / (1 + Math.exp(-gate[i]));
      }
      add(x[t], multiply(blk + "ffn_down.weight", shape.hidden(), up));
    }
  }

  private float[] tensor(String name) {
    return Objects.requireNonNull(weights.get(name), name);
  }

  private static void add(double[] to, double[] what) {
    for (int i = 0; i < to.length; i++) {
      to[i] += what[i];
    }
  }

  private double[] norm(String name, double[] x) {
    double square = 0;
    for (double value : x) {
      square += value * value;
    }
    double scale = 1 / Math.sqrt(square / x.length + TinyModels.EPSILON);
    double[] out = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      out[i] = tensor(name)[i] * scale * x[i];
    }
    return out;
  }

  private double[] multiply(String name, int rows, double[] x) {
    float[] matrix = tensor(name);
    double[] out = new double[rows];
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < x.length; c++) {
        out[r] += matrix[r * x.length + c] * x[c];
      }
    }
    return out;
  }

  private double[] rotate(double[] x, int position) {
    int size = shape.headSize();
    double[] out = new double[x.length];
    for (int i = 0; i < x.length; i += 2) {
      double angle = position * Math.pow(TinyModels.THETA, -(double) (i % size) / size);
      out[i] = x[i] * Math.cos(angle) - x[i + 1] * Math.sin(angle);
      out[i + 1] = x[i] * Math.sin(angle) + x[i + 1] * Math.cos(angle);
    }
    return out;
  }
}
