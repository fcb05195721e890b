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
package io.github.kvp4j.training;

import io.github.kvp4j.kernel.Workers;
import java.util.Collection;
import java.util.List;

/**
 * AdamW (arXiv 1711.05101) with the betas 0.9 and 0.95, on the heap.
 *
 * @param weightDecay of matrices; vectors do not decay
 * @param clip the largest norm of all gradients together
 */
record AdamW(double weightDecay, double clip) {
  private static final double BETA1 = 0.9;
  private static final double BETA2 = 0.95;
  private static final double EPSILON = 1e-8;

  /** The norm of all gradients together. */
  static double norm(Collection<Parameter> parameters) {
    double sum = 0;
    for (Parameter p : parameters) {
      for (float g : p.gradient) {
        sum += (double) g * g;
      }
    }
    return Math.sqrt(sum);
  }

  /**
   * One update by the gradients that the parameters hold.
   *
   * @param step from 0
   * @param norm of the gradients
   */
  void update(Collection<Parameter> parameters, int step, double rate, double norm) {
    List<Parameter> list = List.copyOf(parameters);
    float scale = (float) (norm > clip ? clip / norm : 1);
    double correction1 = 1 - Math.pow(BETA1, step + 1);
    double correction2 = Math.sqrt(1 - Math.pow(BETA2, step + 1));
    Workers.shared()
        .forEach(list.size(), i -> update(list.get(i), scale, rate, correction1, correction2));
  }

  private void update(
      Parameter p, float scale, double rate, double correction1, double correction2) {
    float keep = (float) (1 - rate * (p.matrix ? weightDecay : 0));
    float stepSize = (float) (rate / correction1);
    float rootScale = (float) (1 / correction2);
    for (int i = 0; i < p.values.length; i++) {
      float g = p.gradient[i] * scale;
      float m = (float) (BETA1 * p.mean[i] + (1 - BETA1) * g);
      float v = (float) (BETA2 * p.variance[i] + (1 - BETA2) * g * g);
      p.mean[i] = m;
      p.variance[i] = v;
      float root = (float) (Math.sqrt(v) * rootScale + EPSILON);
      p.values[i] = p.values[i] * keep - stepSize * m / root;
    }
  }
}
