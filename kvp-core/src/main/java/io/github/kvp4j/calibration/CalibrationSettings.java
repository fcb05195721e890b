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
import io.github.kvp4j.model.ModelShape;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * Which PREFIX predictor to fit, and how.
 *
 * @param layers N: the base's layers that run for every prompt token
 * @param sources layers whose incoming stream is read, each at most N
 * @param linearised layers below N whose feed-forward network becomes linear
 * @param sink first positions that are left out of the fit and keep the real network
 * @param lambdas candidates for the ridge, relative to the mean diagonal; the best on held-out text
 *     is taken
 */
public record CalibrationSettings(
    int layers,
    List<Integer> sources,
    SortedSet<Integer> linearised,
    int sink,
    List<Double> lambdas)
    implements java.io.Serializable {
  /** Candidates that span what was ever best. */
  public static final List<Double> LAMBDAS =
      List.of(1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1);

  /** Copies and checks. */
  public CalibrationSettings {
    sources = sources.stream().sorted().distinct().toList();
    linearised = java.util.Collections.unmodifiableSortedSet(new TreeSet<>(linearised));
    lambdas = List.copyOf(lambdas);
    if (lambdas.isEmpty() || lambdas.stream().anyMatch(l -> !(l > 0) || !Double.isFinite(l))) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The lambdas are " + lambdas + "; give positive numbers, at least one.");
    }
    if (sink < 0) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT, "The sink is " + sink + "; it must not be negative.");
    }
  }

  /** Refuses settings that no base of this shape has room for. */
  void checkFits(ModelShape shape) {
    if (layers < 0 || layers >= shape.layers()) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The number of prefix layers is "
              + layers
              + "; it must be between 0 and "
              + (shape.layers() - 1)
              + " for this model.");
    }
    if (sources.isEmpty() || sources.getFirst() < 0 || sources.getLast() > layers) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The source layers are "
              + sources
              + "; give at least one, each between 0 and "
              + layers
              + ".");
    }
    if (!linearised.isEmpty() && (linearised.first() < 0 || linearised.last() >= layers)) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The linearised layers are "
              + linearised
              + "; each must be between 0 and "
              + (layers - 1)
              + ".");
    }
  }
}
