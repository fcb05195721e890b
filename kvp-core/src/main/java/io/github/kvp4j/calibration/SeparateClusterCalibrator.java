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

import io.github.kvp4j.cluster.Cluster;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.KvPredictor;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.io.Serializable;
import java.util.List;
import java.util.Map;

/**
 * The fit of {@link SeparateCalibrator} with the texts spread over machines: on each both models
 * read its texts and the equations are summed up, the sums are added as a tree, and solved here.
 */
public final class SeparateClusterCalibrator implements Calibrator {
  /** Where a machine finds the two models. */
  public interface Models extends Serializable {
    /** The base's engine, loaded once in a process. */
    PrefillEngine base();

    /** The auxiliary, loaded once in a process. */
    Auxiliary.Separate auxiliary();
  }

  private final Cluster cluster;
  private final Models models;
  private final int sink;
  private final SeparateCalibrator solver;
  private final List<TextPart> parts;
  private final CalibrationProgress progress;
  private final long tokens;

  /**
   * Prepares a fit.
   *
   * @param sink first positions that are left out of the fit
   * @param lambdas candidates for the ridge, relative to the mean diagonal
   * @param texts token sequences
   */
  public SeparateClusterCalibrator(
      Cluster cluster,
      Models models,
      int sink,
      List<Double> lambdas,
      List<int[]> texts,
      CalibrationProgress progress) {
    this.cluster = cluster;
    this.models = models;
    this.sink = sink;
    this.progress = progress;
    List<int[]> usable = SeparateCalibrator.usable(sink, texts);
    this.tokens = usable.stream().mapToLong(t -> t.length - sink).sum();
    this.parts = TextPart.of(cluster, usable);
    this.solver =
        new SeparateCalibrator(
            models.base(),
            models.auxiliary(),
            sink,
            lambdas,
            TextPart.whole(List.of()),
            CalibrationProgress.SILENT,
            Cancellation.NEVER);
  }

  private record Reading(Models models, int sink)
      implements Cluster.Work<TextPart, SeparateCalibrator.Sums> {
    @Override
    public SeparateCalibrator.Sums of(TextPart part) {
      return new SeparateCalibrator(
              models.base(),
              models.auxiliary(),
              sink,
              List.of(),
              part,
              CalibrationProgress.SILENT,
              Cancellation.NEVER)
          .sums();
    }
  }

  @Override
  public KvPredictor fit() {
    progress.start("calibrate", 1);
    SeparateCalibrator.Sums sums =
        cluster.sum(parts, new Reading(models, sink), SeparateCalibrator.Sums::plus);
    progress.advance(1);
    return solver.solve(sums);
  }

  @Override
  public Map<String, Double> chosenLambdas() {
    return solver.chosenLambdas();
  }

  @Override
  public long tokens() {
    return tokens;
  }
}
