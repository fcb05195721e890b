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
import io.github.kvp4j.kernel.Kernels;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.KvPredictor;
import io.github.kvp4j.predictor.LinearProjection;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Fits the projections of a predictor whose auxiliary reads for itself: both models read each text,
 * and the base's keys (before RoPE) and values are regressed on those of the auxiliary's layer that
 * the layer map names.
 */
public final class SeparateCalibrator implements Calibrator {
  private final PrefillEngine base;
  private final Auxiliary.Separate auxiliary;
  private final int sink;
  private final List<Double> lambdas;
  private final List<int[]> texts;
  private final CalibrationProgress progress;
  private final Cancellation cancellation;
  private final Map<String, Double> chosen = new TreeMap<>();

  /**
   * Prepares a fit.
   *
   * @param sink first positions that are left out of the fit
   * @param lambdas candidates for the ridge, relative to the mean diagonal
   * @param texts token sequences
   */
  public SeparateCalibrator(
      PrefillEngine base,
      Auxiliary.Separate auxiliary,
      int sink,
      List<Double> lambdas,
      List<int[]> texts,
      CalibrationProgress progress,
      Cancellation cancellation) {
    this.base = base;
    this.auxiliary = auxiliary;
    this.sink = sink;
    this.lambdas = List.copyOf(lambdas);
    this.texts = texts.stream().filter(t -> t.length > sink + 1).toList();
    this.progress = progress;
    this.cancellation = cancellation;
    int layers = base.weights().shape().layers();
    if (auxiliary.map().sources().size() != layers) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The layer map "
              + auxiliary.map().sources()
              + " is for "
              + auxiliary.map().sources().size()
              + " layers; the base has "
              + layers
              + ".");
    }
  }

  @Override
  public Map<String, Double> chosenLambdas() {
    return new TreeMap<>(chosen);
  }

  @Override
  public long tokens() {
    return texts.stream().mapToLong(t -> t.length - sink).sum();
  }

  /** The regressions into all base layers, of keys or of values, for training or held-out texts. */
  private static final class Side {
    final List<NormalEquations> inputs = new ArrayList<>(); // by auxiliary layer
    final List<NormalEquations> targets = new ArrayList<>(); // by base layer

    Side(ModelShape from, ModelShape to, List<Integer> map) {
      for (int layer = 0; layer < from.layers(); layer++) {
        inputs.add(new NormalEquations(from.kvLength(), 1));
      }
      for (int source : map) {
        targets.add(inputs.get(source).sharingInputs(to.kvLength()));
      }
    }
  }

  @Override
  public KvPredictor fit() {
    ModelShape to = base.weights().shape();
    PrefillEngine reader = new PrefillEngine(auxiliary.weights(base.weights()), base.kernels());
    ModelShape from = reader.weights().shape();
    List<Integer> map = auxiliary.map().sources();
    Side[] keys = {new Side(from, to, map), new Side(from, to, map)}; // training, held out
    Side[] values = {new Side(from, to, map), new Side(from, to, map)};
    int longest = texts.stream().mapToInt(t -> t.length).max().orElse(1);
    KvCache exact = new KvCache(to, longest);
    KvCache own = new KvCache(from, longest);
    progress.start("calibrate", texts.stream().mapToLong(t -> t.length).sum());
    for (int t = 0; t < texts.size(); t++) {
      int[] text = texts.get(t);
      read(base, text, exact);
      read(reader, text, own);
      int held = t % HOLD_OUT == HOLD_OUT - 1 && texts.size() >= 2 * HOLD_OUT ? 1 : 0;
      int rows = text.length - sink;
      for (int layer = 0; layer < from.layers(); layer++) {
        int skip = sink * from.kvLength();
        Kernels kernels = base.kernels();
        keys[held].inputs.get(layer).addInputs(kernels, rows, own.keys(layer), skip);
        values[held].inputs.get(layer).addInputs(kernels, rows, own.values(layer), skip);
      }
      for (int layer = 0; layer < to.layers(); layer++) {
        int source = map.get(layer);
        add(keys[held].targets.get(layer), rows, own.keys(source), exact.keys(layer));
        add(values[held].targets.get(layer), rows, own.values(source), exact.values(layer));
      }
      progress.advance(text.length);
    }
    List<LinearMap> keyMaps = solve(keys, map, "key");
    List<LinearMap> valueMaps = solve(values, map, "value");
    List<LinearProjection> projections = new ArrayList<>();
    for (int layer = 0; layer < to.layers(); layer++) {
      projections.add(new LinearProjection(layer, keyMaps.get(layer), valueMaps.get(layer)));
    }
    return new KvPredictor(auxiliary, projections);
  }

  private void read(PrefillEngine engine, int[] text, KvCache cache) {
    engine.prefill(text, 0, cache, cancellation);
    engine.unrotateKeys(cache, text.length);
  }

  private void add(NormalEquations e, int rows, float[] from, float[] to) {
    e.addTargets(base.kernels(), rows, from, sink * e.inputs, to, sink * e.outputs);
  }

  private List<LinearMap> solve(Side[] sides, List<Integer> map, String what) {
    Side train = sides[0];
    Side held = sides[1];
    double[] best = new double[map.size()];
    for (int layer = 0; layer < best.length; layer++) {
      cancellation.check();
      NormalEquations heldOut = held.targets.get(layer);
      heldOut.rows = held.inputs.get(map.get(layer)).rows;
      NormalEquations fitted = train.targets.get(layer);
      fitted.rows = train.inputs.get(map.get(layer)).rows;
      best[layer] = RidgeSolver.best(lambdas, train.inputs.get(map.get(layer)), fitted, heldOut);
      chosen.put("layers." + layer + "." + what, best[layer]);
    }
    for (int layer = 0; layer < train.inputs.size(); layer++) {
      train.inputs.get(layer).mergeInputs(held.inputs.get(layer));
    }
    List<LinearMap> out = new ArrayList<>();
    for (int layer = 0; layer < best.length; layer++) {
      cancellation.check();
      NormalEquations inputs = train.inputs.get(map.get(layer));
      NormalEquations fitted = train.targets.get(layer);
      fitted.mergeTargets(held.targets.get(layer));
      fitted.rows = inputs.rows;
      out.add(RidgeSolver.of(inputs, best[layer], lambdas).solve(fitted).toMap());
    }
    return out;
  }
}
