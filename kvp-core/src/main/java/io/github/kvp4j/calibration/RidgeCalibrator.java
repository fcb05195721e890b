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
import io.github.kvp4j.model.LayerWeights;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.KvPredictor;
import io.github.kvp4j.predictor.LinearProjection;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.LayerRun;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.prefill.PrefillScratch;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Fits a PREFIX predictor in closed form; {@link SeparateCalibrator} fits the others.
 *
 * <p>All texts go through the base layer by layer together, so that a linearised layer is fitted
 * against the exact stream on what the layers linearised before it really leave: it also corrects
 * their error. Two residual streams are kept for each text, the exact one and the auxiliary's;
 * until the first linearised layer they are the same. One text in ten is held out to choose λ by,
 * then counted in.
 */
public final class RidgeCalibrator implements Calibrator {
  private final PrefillEngine base;
  private final Kernels kernels;
  private final ModelShape shape;
  private final CalibrationSettings settings;
  private final CalibrationProgress progress;
  private final Cancellation cancellation;
  private final List<int[]> texts;
  private final int longest;
  private final float[][] exact; // [text](row, hidden)
  private final float[][] approximate; // [text](row, hidden); the same arrays while they are equal
  private final float[][] features; // [text](row, source, hidden)
  private final KvCache cache; // of one text and layer at a time
  private final PrefillScratch scratch;
  private final Map<String, Double> chosen = new TreeMap<>();
  private final int firstText; // number of the first text, of all that are fitted on
  private final int allTexts;
  private boolean streamsDiffer; // set by the first linearised layer

  /**
   * Prepares a fit.
   *
   * @param base the base
   * @param settings what to fit
   * @param texts token sequences of at most {@link PrefillEngine#CHUNK} tokens each
   */
  public RidgeCalibrator(
      PrefillEngine base,
      CalibrationSettings settings,
      List<int[]> texts,
      CalibrationProgress progress,
      Cancellation cancellation) {
    this(base, settings, usable(settings, texts), 0, -1, progress, cancellation);
  }

  /** The texts that are longer than the sink. */
  static List<int[]> usable(CalibrationSettings settings, List<int[]> texts) {
    return texts.stream().filter(t -> t.length > settings.sink() + 1).toList();
  }

  /**
   * For a part of the texts.
   *
   * @param texts usable ones
   * @param firstText number of the first of them
   * @param allTexts how many there are in all parts; negative = these
   */
  RidgeCalibrator(
      PrefillEngine base,
      CalibrationSettings settings,
      List<int[]> texts,
      int firstText,
      int allTexts,
      CalibrationProgress progress,
      Cancellation cancellation) {
    this.firstText = firstText;
    this.allTexts = allTexts < 0 ? texts.size() : allTexts;
    this.base = base;
    this.kernels = base.kernels();
    this.shape = base.weights().shape();
    settings.checkFits(shape);
    this.settings = settings;
    this.progress = progress;
    this.cancellation = cancellation;
    this.texts = texts;
    this.longest = this.texts.stream().mapToInt(t -> t.length).max().orElse(1);
    if (longest > PrefillEngine.CHUNK) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "A calibration text has "
              + longest
              + " tokens; the limit is "
              + PrefillEngine.CHUNK
              + ".");
    }
    this.exact = new float[this.texts.size()][];
    this.approximate = new float[this.texts.size()][];
    this.features = new float[this.texts.size()][];
    this.cache = new KvCache(shape, longest);
    this.texts.forEach(t -> base.checkPrompt(t, 0, cache));
    this.scratch = new PrefillScratch(shape, Math.min(PrefillEngine.CHUNK, longest));
  }

  @Override
  public Map<String, Double> chosenLambdas() {
    return new TreeMap<>(chosen);
  }

  @Override
  public long tokens() {
    return texts.stream().mapToLong(t -> t.length - settings.sink()).sum();
  }

  @Override
  public KvPredictor fit() {
    long perLayer = texts.stream().mapToLong(t -> t.length).sum();
    progress.start("calibrate", perLayer * shape.layers());
    embed();
    Map<Integer, LinearMap> linearised = new TreeMap<>();
    for (int layer = 0; layer < settings.layers(); layer++) {
      captureSource(layer);
      if (settings.linearised().contains(layer)) {
        LayerSums sums = layerSums(layer, true);
        LinearMap map = solveLayer(sums, layer);
        moveOn(layer, map);
        linearised.put(layer, map);
      } else {
        advance(layer);
      }
      progress.advance(perLayer);
    }
    captureSource(settings.layers());
    List<LinearProjection> projections = solveProjections(projectionSums(perLayer));
    return new KvPredictor(
        new Auxiliary.Prefix(settings.layers(), settings.sources(), linearised), projections);
  }

  /** What a linearised layer is fitted by, where those below are fitted already. */
  LayerSums sumsOfLayer(int target, Map<Integer, LinearMap> below) {
    runTo(target, below);
    return layerSums(target, true);
  }

  /** What the projections are fitted by, where all linearised layers are fitted already. */
  ProjectionSums sumsOfProjections(Map<Integer, LinearMap> linearised) {
    runTo(settings.layers(), linearised);
    captureSource(settings.layers());
    return projectionSums(0);
  }

  private void runTo(int end, Map<Integer, LinearMap> linearised) {
    embed();
    for (int layer = 0; layer < end; layer++) {
      captureSource(layer);
      LinearMap map = linearised.get(layer);
      if (map == null) {
        advance(layer);
      } else {
        layerSums(layer, false);
        moveOn(layer, map);
      }
    }
  }

  private void embed() {
    int hidden = shape.hidden();
    for (int t = 0; t < texts.size(); t++) {
      exact[t] = new float[texts.get(t).length * hidden];
      base.embed(texts.get(t), 0, texts.get(t).length, exact[t]);
      approximate[t] = exact[t];
      features[t] = new float[texts.get(t).length * settings.sources().size() * hidden];
    }
  }

  private boolean isHeldOut(int text) {
    return (firstText + text) % HOLD_OUT == HOLD_OUT - 1 && allTexts >= 2 * HOLD_OUT;
  }

  /** Keeps the auxiliary's normalised stream where it enters a source layer. */
  private void captureSource(int layer) {
    int slot = settings.sources().indexOf(layer);
    if (slot < 0) {
      return;
    }
    int hidden = shape.hidden();
    int width = settings.sources().size() * hidden;
    float[] normed = new float[longest * hidden]; // (row, hidden)
    for (int t = 0; t < texts.size(); t++) {
      int rows = texts.get(t).length;
      kernels.rmsNorm(rows, hidden, approximate[t], 0, null, shape.normEpsilon(), normed, 0);
      for (int i = 0; i < rows; i++) {
        System.arraycopy(normed, i * hidden, features[t], i * width + slot * hidden, hidden);
      }
    }
  }

  /** Runs one layer as it is, on both streams. */
  private void advance(int layer) {
    for (int t = 0; t < texts.size(); t++) {
      run(layer, exact[t], Map.of());
      if (streamsDiffer) {
        run(layer, approximate[t], Map.of());
      }
    }
  }

  private void run(int layer, float[] stream, Map<Integer, LinearMap> linear) {
    int rows = stream.length / shape.hidden();
    boolean[] sinks = new boolean[rows];
    Arrays.fill(sinks, 0, Math.min(rows, settings.sink()), true);
    base.runLayers(
        new LayerRun(
            layer,
            layer + 1,
            rows,
            PrefillEngine.range(0, rows),
            rows,
            cache,
            linear,
            sinks,
            null,
            cancellation),
        stream,
        scratch);
  }

  /** The equations of a linearised layer, of training and of held-out texts. */
  record LayerSums(NormalEquations train, NormalEquations held) implements Serializable {
    LayerSums plus(LayerSums other) {
      train.merge(other.train);
      held.merge(other.held);
      return this;
    }
  }

  /**
   * The equations of {@code x_exact(after the layer) - x_attn ≈ W · rmsnorm(x_attn) + b}, with
   * x_attn the auxiliary's stream after attention. Moves the exact stream over the layer and the
   * auxiliary's over its attention.
   *
   * @param wanted whether the equations are; else they stay empty
   */
  private LayerSums layerSums(int layer, boolean wanted) {
    int hidden = shape.hidden();
    int skip = settings.sink() * hidden;
    float[] norm = base.weights().layers().get(layer).feedForwardNorm();
    LinearMap nothing =
        new LinearMap(Weight.of(new float[hidden * hidden], hidden, hidden), new float[hidden]);
    NormalEquations train = new NormalEquations(hidden, hidden);
    NormalEquations held = new NormalEquations(hidden, hidden);
    float[] normed = new float[longest * hidden]; // (row, hidden)
    float[] target = new float[longest * hidden]; // (row, hidden)
    for (int t = 0; t < texts.size(); t++) {
      int rows = texts.get(t).length;
      if (!streamsDiffer) {
        approximate[t] = exact[t].clone();
      }
      // with a map that is nothing, what is left of the layer is its attention
      run(layer, approximate[t], Map.of(layer, nothing));
      run(layer, exact[t], Map.of());
      if (!wanted) {
        continue;
      }
      kernels.rmsNorm(rows, hidden, approximate[t], 0, norm, shape.normEpsilon(), normed, 0);
      for (int i = skip; i < rows * hidden; i++) {
        target[i] = exact[t][i] - approximate[t][i];
      }
      (isHeldOut(t) ? held : train)
          .add(kernels, rows - settings.sink(), normed, skip, target, skip);
    }
    streamsDiffer = true;
    return new LayerSums(train, held);
  }

  LinearMap solveLayer(LayerSums sums, int layer) {
    NormalEquations train = sums.train;
    double lambda = chooseLambda(train, train, sums.held, "linearised." + layer);
    if (sums.held.rows > 0) {
      train.merge(sums.held);
    }
    return RidgeSolver.of(train, lambda, settings.lambdas()).solve(train).toMap();
  }

  /** Moves the auxiliary's stream over a linearised layer, whose attention is done. */
  private void moveOn(int layer, LinearMap map) {
    int hidden = shape.hidden();
    int skip = settings.sink() * hidden;
    float[] norm = base.weights().layers().get(layer).feedForwardNorm();
    float[] normed = new float[longest * hidden]; // (row, hidden)
    for (int t = 0; t < texts.size(); t++) {
      int rows = texts.get(t).length;
      kernels.rmsNorm(rows, hidden, approximate[t], 0, norm, shape.normEpsilon(), normed, 0);
      kernels.gemm(
          rows - settings.sink(),
          normed,
          skip,
          hidden,
          map.weight(),
          map.bias(),
          approximate[t],
          skip,
          hidden,
          true);
    }
  }

  /**
   * The equations of the projections, of training and of held-out texts: what is common to all
   * layers, and each layer's targets.
   */
  record ProjectionSums(
      NormalEquations train,
      NormalEquations held,
      List<NormalEquations> trained,
      List<NormalEquations> heldOut)
      implements Serializable {
    ProjectionSums plus(ProjectionSums other) {
      train.mergeInputs(other.train);
      held.mergeInputs(other.held);
      for (int i = 0; i < trained.size(); i++) {
        trained.get(i).mergeTargets(other.trained.get(i));
        trained.get(i).rows = train.rows;
        heldOut.get(i).mergeTargets(other.heldOut.get(i));
        heldOut.get(i).rows = held.rows;
      }
      return this;
    }
  }

  private ProjectionSums projectionSums(long perLayer) {
    int kv = shape.kvLength();
    int hidden = shape.hidden();
    int width = settings.sources().size() * hidden;
    int skip = settings.sink() * width;
    NormalEquations train = new NormalEquations(width, 1);
    NormalEquations held = new NormalEquations(width, 1);
    for (int t = 0; t < texts.size(); t++) {
      cancellation.check();
      (isHeldOut(t) ? held : train)
          .addInputs(kernels, texts.get(t).length - settings.sink(), features[t], skip);
    }
    List<NormalEquations> trained = new ArrayList<>();
    List<NormalEquations> heldOut = new ArrayList<>();
    float[] targets = new float[longest * 2 * kv]; // (row, keys then values)
    float[] normed = new float[longest * hidden]; // (row, hidden)
    for (int layer = settings.layers(); layer < shape.layers(); layer++) {
      NormalEquations a = train.sharingInputs(2 * kv);
      NormalEquations b = held.sharingInputs(2 * kv);
      LayerWeights w = base.weights().layers().get(layer);
      for (int t = 0; t < texts.size(); t++) {
        cancellation.check();
        int rows = texts.get(t).length;
        kernels.rmsNorm(
            rows, hidden, exact[t], 0, w.attentionNorm(), shape.normEpsilon(), normed, 0);
        kernels.gemm(rows, normed, 0, hidden, w.key(), w.keyBias(), targets, 0, 2 * kv, false);
        kernels.gemm(rows, normed, 0, hidden, w.value(), w.valueBias(), targets, kv, 2 * kv, false);
        (isHeldOut(t) ? b : a)
            .addTargets(
                kernels,
                rows - settings.sink(),
                features[t],
                skip,
                targets,
                settings.sink() * 2 * kv);
        if (layer + 1 < shape.layers()) {
          run(layer, exact[t], Map.of());
        }
      }
      trained.add(a);
      heldOut.add(b);
      progress.advance(perLayer);
    }
    return new ProjectionSums(train, held, trained, heldOut);
  }

  List<LinearProjection> solveProjections(ProjectionSums sums) {
    int kv = shape.kvLength();
    NormalEquations train = sums.train;
    NormalEquations held = sums.held;
    List<NormalEquations> trained = sums.trained;
    List<NormalEquations> heldOut = sums.heldOut;
    // the nearer a layer is to its source, the less it wants to be smoothed: a λ for each
    double[] lambdas = chooseLambdas(train, trained, heldOut);
    boolean merge = held.rows > 0;
    if (merge) {
      train.mergeInputs(held);
    }
    Map<Double, RidgeSolver> solvers = new TreeMap<>();
    List<LinearProjection> out = new ArrayList<>();
    for (int i = 0; i < trained.size(); i++) {
      cancellation.check();
      NormalEquations e = trained.get(i);
      if (merge) {
        e.mergeTargets(heldOut.get(i));
        e.rows = train.rows;
      }
      RidgeSolver.Solution s =
          solvers
              .computeIfAbsent(lambdas[i], l -> RidgeSolver.of(train, l, settings.lambdas()))
              .solve(e);
      chosen.put("layers." + (settings.layers() + i), lambdas[i]);
      out.add(
          new LinearProjection(
              settings.layers() + i, s.outputs(0, kv).toMap(), s.outputs(kv, 2 * kv).toMap()));
    }
    return out;
  }

  /** The λ of each projected layer that leaves least unexplained on the held-out texts. */
  private double[] chooseLambdas(
      NormalEquations train, List<NormalEquations> trained, List<NormalEquations> heldOut) {
    double[] best = new double[trained.size()];
    Arrays.fill(best, RidgeSolver.withoutHeldOut(settings.lambdas()));
    if (heldOut.getFirst().rows == 0 || settings.lambdas().size() < 2) {
      return best;
    }
    int stride = Math.max(1, train.inputs / 400);
    double[] least = new double[trained.size()];
    Arrays.fill(least, Double.POSITIVE_INFINITY);
    for (double lambda : settings.lambdas()) {
      RidgeSolver solver = RidgeSolver.factorise(train, lambda);
      if (solver == null) {
        continue;
      }
      for (int i = 0; i < best.length; i++) {
        cancellation.check();
        double left =
            RidgeSolver.unexplained(
                solver.solve(trained.get(i).everyNth(stride)), heldOut.get(i).everyNth(stride));
        if (left < least[i]) {
          least[i] = left;
          best[i] = lambda;
        }
      }
    }
    return best;
  }

  private double chooseLambda(
      NormalEquations inputs, NormalEquations train, NormalEquations held, String what) {
    double best = RidgeSolver.best(settings.lambdas(), inputs, train, held);
    chosen.put(what, best);
    return best;
  }
}
