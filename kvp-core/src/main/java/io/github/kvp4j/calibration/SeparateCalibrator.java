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
import io.github.kvp4j.predictor.LayerMap;
import io.github.kvp4j.predictor.LinearProjection;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/**
 * Fits the projections of a predictor whose auxiliary reads for itself: both models read each text,
 * and the base's keys (before RoPE) and values are regressed on those of the auxiliary's layers
 * that the layer map names.
 */
public final class SeparateCalibrator implements Calibrator {
  private final PrefillEngine base;
  private final Auxiliary.Separate auxiliary;
  private final int sink;
  private final List<Double> lambdas;
  private final List<int[]> texts;
  private final int first;
  private final int all;
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
    this(
        base,
        auxiliary,
        sink,
        lambdas,
        TextPart.whole(usable(sink, texts)),
        progress,
        cancellation);
  }

  /**
   * Prepares the sums of a part of the texts.
   *
   * @param part all of whose texts are usable
   */
  SeparateCalibrator(
      PrefillEngine base,
      Auxiliary.Separate auxiliary,
      int sink,
      List<Double> lambdas,
      TextPart part,
      CalibrationProgress progress,
      Cancellation cancellation) {
    this.base = base;
    this.auxiliary = auxiliary;
    this.sink = sink;
    this.lambdas = List.copyOf(lambdas);
    this.texts = part.tokens();
    this.first = part.first();
    this.all = part.all();
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
    int own = auxiliary.shape(base.weights().shape()).layers();
    if (auxiliary.map().width() > own) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The width of the layer map is "
              + auxiliary.map().width()
              + "; the auxiliary has "
              + own
              + " layers.");
    }
  }

  /** Those that have positions besides the sink. */
  static List<int[]> usable(int sink, List<int[]> texts) {
    return texts.stream().filter(t -> t.length > sink + 1).toList();
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
  private static final class Side implements Serializable {
    private static final long serialVersionUID = 1L;

    /** By the first of the auxiliary layers that are read together. */
    final TreeMap<Integer, NormalEquations> inputs = new TreeMap<>();

    final ArrayList<NormalEquations> targets = new ArrayList<>(); // by base layer

    Side(int features, int outputs, List<Integer> firsts) {
      for (int first : firsts) {
        targets.add(
            inputs
                .computeIfAbsent(first, f -> new NormalEquations(features, 1))
                .sharingInputs(outputs));
      }
    }

    void plus(Side other) {
      other.inputs.forEach((first, more) -> inputsOf(first).mergeInputs(more));
      for (int layer = 0; layer < targets.size(); layer++) {
        targets.get(layer).mergeTargets(other.targets.get(layer));
      }
    }

    NormalEquations inputsOf(int first) {
      return Objects.requireNonNull(inputs.get(first));
    }

    /** Adds the rows of a text, of the auxiliary's cache and of the base's, by layer. */
    void add(
        Kernels kernels,
        int rows,
        int sink,
        List<Integer> firsts,
        IntFunction<float[]> from,
        IntFunction<float[]> to) {
      for (var e : inputs.entrySet()) {
        int first = e.getKey();
        float[] features = from.apply(first); // (position, source layer, kvLength)
        e.getValue().addInputs(kernels, rows, features, sink * e.getValue().inputs);
        for (int layer = 0; layer < targets.size(); layer++) {
          if (firsts.get(layer) == first) {
            NormalEquations t = targets.get(layer);
            t.addTargets(
                kernels, rows, features, sink * t.inputs, to.apply(layer), sink * t.outputs);
          }
        }
      }
    }
  }

  /** What is summed up over texts. */
  static final class Sums implements Serializable {
    private static final long serialVersionUID = 1L;

    // training, held out
    private final Side[] keys;
    private final Side[] values;

    private Sums(int features, int outputs, List<Integer> firsts) {
      keys = new Side[] {new Side(features, outputs, firsts), new Side(features, outputs, firsts)};
      values =
          new Side[] {new Side(features, outputs, firsts), new Side(features, outputs, firsts)};
    }

    /** Adds those of other texts. */
    Sums plus(Sums other) {
      for (int held = 0; held < keys.length; held++) {
        keys[held].plus(other.keys[held]);
        values[held].plus(other.values[held]);
      }
      return this;
    }
  }

  /** The first auxiliary layer that each layer of the base is predicted from. */
  private List<Integer> firsts(ModelShape from) {
    return IntStream.range(0, base.weights().shape().layers())
        .mapToObj(layer -> auxiliary.map().firstSource(layer, from.layers()))
        .toList();
  }

  @Override
  public KvPredictor fit() {
    progress.start("calibrate", texts.stream().mapToLong(t -> t.length).sum());
    return solve(sums());
  }

  /** Has both models read the texts. */
  Sums sums() {
    ModelShape to = base.weights().shape();
    PrefillEngine reader = new PrefillEngine(auxiliary.weights(base.weights()), base.kernels());
    ModelShape from = reader.weights().shape();
    List<Integer> firsts = firsts(from);
    Sums sums = new Sums(auxiliary.map().width() * from.kvLength(), to.kvLength(), firsts);
    int longest = texts.stream().mapToInt(t -> t.length).max().orElse(1);
    KvCache exact = new KvCache(to, longest);
    KvCache own = new KvCache(from, longest);
    for (int t = 0; t < texts.size(); t++) {
      int[] text = texts.get(t);
      read(base, text, exact);
      read(reader, text, own);
      int held = (first + t) % HOLD_OUT == HOLD_OUT - 1 && all >= 2 * HOLD_OUT ? 1 : 0;
      int rows = text.length - sink;
      Kernels kernels = base.kernels();
      sums.keys[held].add(
          kernels,
          rows,
          sink,
          firsts,
          source -> features(source, text.length, from.kvLength(), own::keys),
          exact::keys);
      sums.values[held].add(
          kernels,
          rows,
          sink,
          firsts,
          source -> features(source, text.length, from.kvLength(), own::values),
          exact::values);
      progress.advance(text.length);
    }
    return sums;
  }

  /** The predictor that the sums of all texts give. */
  KvPredictor solve(Sums sums) {
    List<Integer> firsts = firsts(auxiliary.shape(base.weights().shape()));
    List<LinearMap> keyMaps = solve(sums.keys, firsts, "key");
    List<LinearMap> valueMaps = solve(sums.values, firsts, "value");
    List<LinearProjection> projections = new ArrayList<>();
    for (int layer = 0; layer < firsts.size(); layer++) {
      projections.add(new LinearProjection(layer, keyMaps.get(layer), valueMaps.get(layer)));
    }
    return new KvPredictor(auxiliary, projections);
  }

  private void read(PrefillEngine engine, int[] text, KvCache cache) {
    engine.prefill(text, 0, cache, cancellation);
    engine.unrotateKeys(cache, text.length);
  }

  /** What the layers from {@code first} on that are read together hold of a text. */
  private float[] features(int first, int positions, int kvLength, IntFunction<float[]> layers) {
    LayerMap map = auxiliary.map();
    if (map.width() == 1) {
      return layers.apply(first);
    }
    float[] out = new float[positions * map.width() * kvLength]; // (position, layer, kvLength)
    map.gather(layers, first, kvLength, 0, positions, out);
    return out;
  }

  private List<LinearMap> solve(Side[] sides, List<Integer> firsts, String what) {
    Side train = sides[0];
    Side held = sides[1];
    double[] best = new double[firsts.size()];
    for (int layer = 0; layer < best.length; layer++) {
      cancellation.check();
      NormalEquations heldOut = held.targets.get(layer);
      heldOut.rows = held.inputsOf(firsts.get(layer)).rows;
      NormalEquations inputs = train.inputsOf(firsts.get(layer));
      NormalEquations fitted = train.targets.get(layer);
      fitted.rows = inputs.rows;
      best[layer] = RidgeSolver.best(lambdas, inputs, fitted, heldOut);
      chosen.put("layers." + layer + "." + what, best[layer]);
    }
    train.inputs.forEach((first, inputs) -> inputs.mergeInputs(held.inputsOf(first)));
    List<LinearMap> out = new ArrayList<>();
    for (int layer = 0; layer < best.length; layer++) {
      cancellation.check();
      NormalEquations inputs = train.inputsOf(firsts.get(layer));
      NormalEquations fitted = train.targets.get(layer);
      fitted.mergeTargets(held.targets.get(layer));
      fitted.rows = inputs.rows;
      out.add(RidgeSolver.of(inputs, best[layer], lambdas).solve(fitted).toMap());
    }
    return out;
  }
}
