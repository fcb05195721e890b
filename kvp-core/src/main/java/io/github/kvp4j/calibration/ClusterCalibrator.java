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
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.KvPredictor;
import io.github.kvp4j.predictor.LinearProjection;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.io.Serializable;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The fit of {@link RidgeCalibrator} with the texts spread over machines: each sums up the
 * equations of its texts, the sums are added as a tree, and solved here. A linearised layer needs
 * those below it, so there is a round for each of them and one for the projections; a round begins
 * at the embedding again, so that no machine holds anything another would miss.
 */
public final class ClusterCalibrator implements Calibrator {
  /** Where a machine finds the base. */
  public interface Base extends Serializable {
    /** The engine, loaded once in a process. */
    PrefillEngine engine();
  }

  private final Cluster cluster;
  private final Base base;
  private final CalibrationSettings settings;
  private final RidgeCalibrator solver;
  private final List<TextPart> parts;
  private final CalibrationProgress progress;
  private final long tokens;

  /**
   * Prepares a fit.
   *
   * @param settings what to fit
   * @param texts as for {@link RidgeCalibrator}
   */
  public ClusterCalibrator(
      Cluster cluster,
      Base base,
      CalibrationSettings settings,
      List<int[]> texts,
      CalibrationProgress progress) {
    this.cluster = cluster;
    this.base = base;
    this.settings = settings;
    this.progress = progress;
    List<int[]> usable = RidgeCalibrator.usable(settings, texts);
    this.tokens = usable.stream().mapToLong(t -> t.length - settings.sink()).sum();
    this.solver =
        new RidgeCalibrator(
            base.engine(), settings, List.of(), CalibrationProgress.SILENT, Cancellation.NEVER);
    this.parts = TextPart.of(cluster, usable);
  }

  /** A map as it is sent. */
  private record SentMap(int rows, int columns, float[] weight, float[] bias)
      implements Serializable {
    static SentMap of(LinearMap map) {
      Weight w = map.weight();
      float[] all = new float[Math.multiplyExact(w.rows(), w.columns())];
      for (int i = 0; i < w.rows(); i++) {
        w.row(i, all, i * w.columns());
      }
      return new SentMap(w.rows(), w.columns(), all, map.bias());
    }

    LinearMap map() {
      return new LinearMap(Weight.of(weight, rows, columns), bias);
    }
  }

  private record LayerWork(
      Base base, CalibrationSettings settings, TreeMap<Integer, SentMap> below, int layer)
      implements Cluster.Work<TextPart, RidgeCalibrator.LayerSums> {
    @Override
    public RidgeCalibrator.LayerSums of(TextPart part) {
      return calibrator(base, settings, part).sumsOfLayer(layer, received(below));
    }
  }

  private record ProjectionWork(
      Base base, CalibrationSettings settings, TreeMap<Integer, SentMap> linearised)
      implements Cluster.Work<TextPart, RidgeCalibrator.ProjectionSums> {
    @Override
    public RidgeCalibrator.ProjectionSums of(TextPart part) {
      return calibrator(base, settings, part).sumsOfProjections(received(linearised));
    }
  }

  private static RidgeCalibrator calibrator(
      Base base, CalibrationSettings settings, TextPart part) {
    return new RidgeCalibrator(
        base.engine(),
        settings,
        part.tokens(),
        part.first(),
        part.all(),
        CalibrationProgress.SILENT,
        Cancellation.NEVER);
  }

  private static Map<Integer, LinearMap> received(Map<Integer, SentMap> sent) {
    Map<Integer, LinearMap> out = new TreeMap<>();
    sent.forEach((layer, map) -> out.put(layer, map.map()));
    return out;
  }

  @Override
  public KvPredictor fit() {
    progress.start("calibrate", settings.linearised().size() + 1);
    Map<Integer, LinearMap> linearised = new TreeMap<>();
    TreeMap<Integer, SentMap> sent = new TreeMap<>();
    for (int layer : settings.linearised()) {
      RidgeCalibrator.LayerSums sums =
          cluster.sum(
              parts,
              new LayerWork(base, settings, new TreeMap<>(sent), layer),
              RidgeCalibrator.LayerSums::plus);
      LinearMap map = solver.solveLayer(sums, layer);
      linearised.put(layer, map);
      sent.put(layer, SentMap.of(map));
      progress.advance(1);
    }
    List<LinearProjection> projections =
        solver.solveProjections(
            cluster.sum(
                parts,
                new ProjectionWork(base, settings, sent),
                RidgeCalibrator.ProjectionSums::plus));
    progress.advance(1);
    return new KvPredictor(
        new Auxiliary.Prefix(settings.layers(), settings.sources(), linearised), projections);
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
