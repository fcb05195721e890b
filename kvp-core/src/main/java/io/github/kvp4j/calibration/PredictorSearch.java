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
import io.github.kvp4j.evaluation.CacheQuality;
import io.github.kvp4j.evaluation.Continuation;
import io.github.kvp4j.kernel.Kernels;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.KvPredictor;
import io.github.kvp4j.predictor.LinearProjection;
import io.github.kvp4j.predictor.PredictedPrefill;
import io.github.kvp4j.predictor.PrefillCost;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.LayerRun;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.prefill.PrefillScratch;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.IntStream;

/**
 * Looks for the PREFIX predictor of a model that harms the output least within a budget of
 * operations.
 *
 * <p>Each layer's feed-forward network is first made linear alone and the harm is measured at the
 * output, since how well a stream is fitted says little of it. Then for each N the least harmful
 * layers are made linear until the budget holds; each such setting is fitted and measured as a
 * whole.
 */
public final class PredictorSearch {
  /**
   * What is looked for.
   *
   * @param budget the most operations of prefill, as a share of the exact one's
   * @param promptTokens length of the prompt that operations are counted for
   * @param anchors exact tokens, counted and measured with
   * @param prefixes the N that are tried
   * @param sink first positions that are left out of the fits
   */
  public record Settings(
      double budget, int promptTokens, Anchors anchors, List<Integer> prefixes, int sink) {
    /** Checks the numbers. */
    public Settings {
      prefixes = prefixes.stream().sorted().distinct().toList();
      if (!(budget > 0 && budget <= 1)) {
        throw new KvpException(
            KvpException.Kind.BAD_ARGUMENT,
            "The budget is " + budget + "; it must be above 0 and at most 1.");
      }
      if (promptTokens < 1 || prefixes.isEmpty()) {
        throw new KvpException(
            KvpException.Kind.BAD_ARGUMENT,
            "A search needs prompts of at least one token and one number of layers to try.");
      }
    }
  }

  /**
   * A setting that keeps to the budget, fitted and measured.
   *
   * @param settings N, the sources and the layers made linear
   * @param predictor as fitted for the search
   * @param cost operations of prefill, as a share of the exact one's
   * @param text on running text
   * @param copy on copied spans
   */
  public record Candidate(
      CalibrationSettings settings,
      KvPredictor predictor,
      double cost,
      CacheQuality text,
      CacheQuality copy) {
    /** What candidates are ordered by: the mean KL divergence over both kinds of text, in nats. */
    public double kl() {
      return (text.kl() + copy.kl()) / 2;
    }
  }

  private final PrefillEngine base;
  private final ModelShape shape;
  private final Settings settings;
  private final List<int[]> texts;
  private final List<Continuation> text;
  private final List<Continuation> copy;
  private final CalibrationProgress progress;
  private final Cancellation cancellation;

  /**
   * Prepares a search.
   *
   * @param texts token sequences to fit on, of at most {@link PrefillEngine#CHUNK} tokens each
   * @param text held-out running text to measure on
   * @param copy held-out copied spans to measure on
   */
  public PredictorSearch(
      PrefillEngine base,
      Settings settings,
      List<int[]> texts,
      List<Continuation> text,
      List<Continuation> copy,
      CalibrationProgress progress,
      Cancellation cancellation) {
    this.base = base;
    this.shape = base.weights().shape();
    this.settings = settings;
    this.texts = texts.stream().filter(t -> t.length > settings.sink() + 1).toList();
    this.text = List.copyOf(text);
    this.copy = List.copyOf(copy);
    this.progress = progress;
    this.cancellation = cancellation;
    if (this.text.isEmpty() || this.copy.isEmpty() || this.texts.isEmpty()) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The search has no text to fit on or to measure on; give more text.");
    }
    settings.prefixes().forEach(n -> plain(n, new TreeSet<>()).checkFits(shape));
  }

  /**
   * Runs the search.
   *
   * @return the candidates, the best first
   * @throws KvpException {@code BAD_ARGUMENT} where no setting keeps to the budget
   */
  public List<Candidate> run() {
    List<CalibrationSettings> within = new ArrayList<>();
    List<Integer> byHarm = null;
    for (int n : settings.prefixes()) {
      if (cost(plain(n, new TreeSet<>())) <= settings.budget()) {
        within.add(plain(n, new TreeSet<>()));
        continue;
      }
      SortedSet<Integer> all = new TreeSet<>(IntStream.range(0, n).boxed().toList());
      if (cost(plain(n, all)) > settings.budget()) {
        continue;
      }
      byHarm = byHarm == null ? byHarm(settings.prefixes().getLast()) : byHarm;
      SortedSet<Integer> linear = new TreeSet<>();
      for (int layer : byHarm) {
        if (cost(plain(n, linear)) <= settings.budget()) {
          break;
        }
        if (layer < n) {
          linear.add(layer);
        }
      }
      within.add(plain(n, linear));
    }
    if (within.isEmpty()) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "No predictor that reads the first "
              + settings.prefixes()
              + " layers costs at most "
              + settings.budget()
              + " of exact prefill; raise the budget.");
    }
    return within.stream()
        .map(this::candidate)
        .sorted(Comparator.comparingDouble(Candidate::kl))
        .toList();
  }

  private CalibrationSettings plain(int n, SortedSet<Integer> linearised) {
    return new CalibrationSettings(
        n, List.of(n), linearised, settings.sink(), CalibrationSettings.LAMBDAS);
  }

  private double cost(CalibrationSettings s) {
    return PrefillCost.relative(shape, unfitted(s), settings.anchors(), settings.promptTokens());
  }

  /** A predictor of the right sizes: all that its cost goes by. */
  private KvPredictor unfitted(CalibrationSettings s) {
    LinearMap projection = zeros(shape.kvLength(), s.sources().size() * shape.hidden());
    LinearMap network = zeros(shape.hidden(), shape.hidden());
    Map<Integer, LinearMap> linearised = new TreeMap<>();
    s.linearised().forEach(layer -> linearised.put(layer, network));
    return new KvPredictor(
        new Auxiliary.Prefix(s.layers(), s.sources(), linearised),
        IntStream.range(s.layers(), shape.layers())
            .mapToObj(layer -> new LinearProjection(layer, projection, projection))
            .toList());
  }

  private static LinearMap zeros(int outputs, int inputs) {
    return new LinearMap(
        Weight.of(new float[outputs * inputs], outputs, inputs), new float[outputs]);
  }

  private Candidate candidate(CalibrationSettings s) {
    KvPredictor predictor = new RidgeCalibrator(base, s, texts, progress, cancellation).fit();
    PredictedPrefill prefill = new PredictedPrefill(base, predictor);
    List<CacheQuality.Prefill> way =
        List.of(
            (tokens, cache) -> prefill.prefill(tokens, 0, settings.anchors(), cache, cancellation));
    return new Candidate(
        s, predictor, cost(s), measure(way, text).getFirst(), measure(way, copy).getFirst());
  }

  private List<CacheQuality> measure(List<CacheQuality.Prefill> ways, List<Continuation> items) {
    progress.start("measure", items.size());
    return CacheQuality.measure(
        base,
        ways,
        items,
        i -> {
          cancellation.check();
          progress.advance(1);
        });
  }

  // --- each layer alone

  /** Layers below {@code n}, the one whose linear network harms the output least first. */
  private List<Integer> byHarm(int n) {
    Map<Integer, LinearMap> maps = linearMaps(n);
    List<CacheQuality.Prefill> ways = new ArrayList<>();
    maps.forEach((layer, map) -> ways.add((tokens, cache) -> read(tokens, cache, layer, map)));
    List<CacheQuality> onText = measure(ways, text);
    List<CacheQuality> onCopy = measure(ways, copy);
    double[] harm = new double[n];
    Arrays.setAll(harm, i -> onText.get(i).kl() + onCopy.get(i).kl());
    return IntStream.range(0, n)
        .boxed()
        .sorted(Comparator.comparingDouble(layer -> harm[layer]))
        .toList();
  }

  /** Exact prefill but for one layer's network. */
  private float[] read(int[] tokens, KvCache cache, int linear, LinearMap map) {
    int n = tokens.length;
    boolean[] exact = new boolean[n];
    Arrays.fill(exact, 0, Math.min(n, settings.anchors().sink()), true);
    Arrays.fill(exact, Math.max(0, n - settings.anchors().tail()), n, true);
    float[] x = new float[n * shape.hidden()]; // (row, hidden)
    base.embed(tokens, 0, n, x);
    run(0, shape.layers(), n, cache, Map.of(linear, map), exact, x);
    return Arrays.copyOfRange(x, x.length - shape.hidden(), x.length);
  }

  private void run(
      int from,
      int to,
      int rows,
      KvCache cache,
      Map<Integer, LinearMap> linear,
      boolean[] exact,
      float[] x) {
    PrefillScratch scratch = new PrefillScratch(shape, Math.min(PrefillEngine.CHUNK, rows));
    for (int layer = from; layer < to; layer++) {
      base.runLayer(
          new LayerRun(
              layer,
              layer + 1,
              rows,
              PrefillEngine.range(0, rows),
              rows,
              cache,
              linear,
              exact,
              null,
              cancellation),
          x,
          scratch);
    }
  }

  /** For each layer below {@code n} the map that its network is nearest to on exact streams. */
  private Map<Integer, LinearMap> linearMaps(int n) {
    int hidden = shape.hidden();
    int skip = settings.sink() * hidden;
    int longest = texts.stream().mapToInt(t -> t.length).max().orElseThrow();
    Kernels kernels = base.kernels();
    LinearMap nothing = zeros(hidden, hidden);
    List<float[]> streams = new ArrayList<>(); // (row, hidden) each
    for (int[] tokens : texts) {
      float[] x = new float[tokens.length * hidden];
      base.embed(tokens, 0, tokens.length, x);
      streams.add(x);
    }
    KvCache cache = new KvCache(shape, longest);
    float[] normed = new float[longest * hidden]; // (row, hidden)
    Map<Integer, LinearMap> maps = new TreeMap<>();
    long tokens = texts.stream().mapToLong(t -> t.length).sum();
    progress.start("each layer", tokens * n);
    for (int layer = 0; layer < n; layer++) {
      NormalEquations train = new NormalEquations(hidden, hidden);
      float[] norm = base.weights().layers().get(layer).feedForwardNorm();
      for (float[] x : streams) {
        cancellation.check();
        int rows = x.length / hidden;
        boolean[] sinks = new boolean[rows];
        Arrays.fill(sinks, 0, Math.min(rows, settings.sink()), true);
        float[] attended = x.clone(); // with a network that is nothing: after attention
        run(layer, layer + 1, rows, cache, Map.of(layer, nothing), sinks, attended);
        run(layer, layer + 1, rows, cache, Map.of(), sinks, x);
        kernels.rmsNorm(rows, hidden, attended, 0, norm, shape.normEpsilon(), normed, 0);
        for (int i = skip; i < x.length; i++) {
          attended[i] = x[i] - attended[i];
        }
        train.add(kernels, rows - settings.sink(), normed, skip, attended, skip);
        progress.advance(rows);
      }
      double lambda = RidgeSolver.withoutHeldOut(CalibrationSettings.LAMBDAS);
      maps.put(
          layer, RidgeSolver.of(train, lambda, CalibrationSettings.LAMBDAS).solve(train).toMap());
    }
    return maps;
  }
}
