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

import io.github.kvp4j.KvpException;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.predictor.Bf16;
import java.util.List;
import java.util.stream.Stream;
import org.ejml.data.DMatrixRMaj;
import org.ejml.dense.row.CommonOps_MT_DDRM;
import org.ejml.dense.row.factory.LinearSolverFactory_MT_DDRM;
import org.ejml.interfaces.linsol.LinearSolverDense;
import org.jspecify.annotations.Nullable;

/**
 * Ridge regression with an unpenalised bias: {@code W = (XᵀX - n·μμᵀ + λ·d·I)⁻¹ (XᵀY - n·μνᵀ)},
 * with μ and ν the means and d the mean diagonal of the centred XᵀX, so that λ means the same
 * whatever the scale of the inputs.
 */
final class RidgeSolver {
  private final int inputs;
  private final double[] mean; // (inputs)
  private final DMatrixRMaj inverse; // (inputs, inputs)

  private RidgeSolver(double[] mean, DMatrixRMaj inverse) {
    this.inputs = mean.length;
    this.mean = mean;
    this.inverse = inverse;
  }

  /**
   * Factorises once for one λ, or, where that is too small for the matrix to be positive definite,
   * for the next larger candidate that is not.
   *
   * @param equations whose XᵀX is used
   * @param lambda relative to the mean diagonal
   * @param candidates may be taken in its place
   */
  static RidgeSolver of(NormalEquations equations, double lambda, List<Double> candidates) {
    List<Double> larger =
        Stream.concat(Stream.of(lambda), candidates.stream().filter(c -> c > lambda).sorted())
            .toList();
    for (double l : larger) {
      RidgeSolver solver = factorise(equations, l);
      if (solver != null) {
        return solver;
      }
    }
    throw new KvpException(
        KvpException.Kind.BAD_ARGUMENT,
        "The regression can't be solved with lambda "
            + larger.getLast()
            + "; calibrate on more tokens or with a larger lambda.");
  }

  /** The solver for one λ; null where the matrix is not positive definite. */
  static @Nullable RidgeSolver factorise(NormalEquations equations, double lambda) {
    int inputs = equations.inputs;
    double n = equations.rows;
    if (n < 2) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT, "The calibration has fewer than two tokens to fit on.");
    }
    double[] mean = new double[inputs];
    for (int i = 0; i < inputs; i++) {
      mean[i] = equations.x[i] / n;
    }
    DMatrixRMaj a = new DMatrixRMaj(inputs, inputs);
    double diagonal = 0;
    for (int i = 0; i < inputs; i++) {
      for (int j = 0; j < inputs; j++) {
        // single-precision products need not be symmetric to the last bit
        double both = equations.xx[i * inputs + j] + equations.xx[j * inputs + i];
        a.data[i * inputs + j] = both / 2 - n * mean[i] * mean[j];
      }
      diagonal += a.data[i * inputs + i];
    }
    double ridge = lambda * diagonal / inputs;
    for (int i = 0; i < inputs; i++) {
      a.data[i * inputs + i] += ridge;
    }
    LinearSolverDense<DMatrixRMaj> solver = LinearSolverFactory_MT_DDRM.symmPosDef(inputs);
    if (!solver.setA(a)) {
      return null;
    }
    DMatrixRMaj inverse = new DMatrixRMaj(inputs, inputs);
    solver.invert(inverse);
    return new RidgeSolver(mean, inverse);
  }

  /**
   * The solution for some targets: {@code weights (inputs, outputs)} and {@code bias (outputs)}.
   */
  record Solution(DMatrixRMaj weights, double[] bias) {
    /** As a map with BF16 weights {@code [outputs][inputs]}, the form it is kept and run in. */
    LinearMap toMap() {
      int in = weights.numRows;
      int out = weights.numCols;
      float[] values = new float[in * out];
      for (int i = 0; i < in; i++) {
        for (int o = 0; o < out; o++) {
          values[o * in + i] = (float) weights.data[i * out + o];
        }
      }
      float[] b = new float[out];
      for (int o = 0; o < out; o++) {
        b[o] = (float) bias[o];
      }
      return new LinearMap(Bf16.matrix(values, out, in), b);
    }

    /** Outputs {@code [from, to)} alone. */
    Solution outputs(int from, int to) {
      int count = to - from;
      DMatrixRMaj part = new DMatrixRMaj(weights.numRows, count);
      for (int i = 0; i < weights.numRows; i++) {
        System.arraycopy(weights.data, i * weights.numCols + from, part.data, i * count, count);
      }
      return new Solution(part, java.util.Arrays.copyOfRange(bias, from, to));
    }
  }

  /** Solves for the targets of some equations over the same inputs. */
  Solution solve(NormalEquations e) {
    double n = e.rows;
    DMatrixRMaj b = new DMatrixRMaj(inputs, e.outputs);
    for (int i = 0; i < inputs; i++) {
      for (int o = 0; o < e.outputs; o++) {
        b.data[i * e.outputs + o] = e.xy[i * e.outputs + o] - mean[i] * e.y[o];
      }
    }
    DMatrixRMaj w = new DMatrixRMaj(inputs, e.outputs);
    CommonOps_MT_DDRM.mult(inverse, b, w);
    double[] bias = new double[e.outputs];
    for (int o = 0; o < e.outputs; o++) {
      bias[o] = e.y[o] / n;
    }
    for (int i = 0; i < inputs; i++) {
      for (int o = 0; o < e.outputs; o++) {
        bias[o] -= mean[i] * w.data[i * e.outputs + o];
      }
    }
    return new Solution(w, bias);
  }

  /**
   * The λ that leaves least unexplained on held-out data; where there is none, the middle one.
   *
   * @param inputs whose XᵀX is used
   * @param train what is fitted on, over the same inputs
   */
  static double best(
      List<Double> lambdas, NormalEquations inputs, NormalEquations train, NormalEquations held) {
    double best = withoutHeldOut(lambdas);
    if (held.rows > 0 && lambdas.size() > 1) {
      double least = Double.POSITIVE_INFINITY;
      for (double lambda : lambdas) {
        RidgeSolver solver = factorise(inputs, lambda);
        double left =
            solver == null ? Double.POSITIVE_INFINITY : unexplained(solver.solve(train), held);
        if (left < least) {
          least = left;
          best = lambda;
        }
      }
    }
    return best;
  }

  /** What is taken where no text is held out: too little smoothing costs more than too much. */
  static double withoutHeldOut(List<Double> lambdas) {
    return lambdas.get(lambdas.size() / 2);
  }

  /**
   * The share of the targets' variance that a solution leaves unexplained on other data, averaged
   * over outputs.
   */
  static double unexplained(Solution s, NormalEquations held) {
    int in = held.inputs;
    int out = held.outputs;
    DMatrixRMaj xx = DMatrixRMaj.wrap(in, in, held.xx);
    DMatrixRMaj xxw = new DMatrixRMaj(in, out);
    CommonOps_MT_DDRM.mult(xx, s.weights, xxw);
    double n = held.rows;
    double sum = 0;
    for (int o = 0; o < out; o++) {
      double bias = s.bias[o];
      double error = held.yy[o] - 2 * bias * held.y[o] + n * bias * bias;
      for (int i = 0; i < in; i++) {
        double w = s.weights.data[i * out + o];
        error += w * (xxw.data[i * out + o] - 2 * held.xy[i * out + o] + 2 * bias * held.x[i]);
      }
      double variance = held.yy[o] - held.y[o] * held.y[o] / n;
      sum += variance <= 0 ? 0 : error / variance;
    }
    return sum / out;
  }
}
