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
package io.github.kvp4j.evaluation;

import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.predictor.PrefillCost;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;

/**
 * Progressive pruning after LazyLLM (arXiv 2407.14057): before some layers, only those tokens go on
 * that the last token attended to most in the layer before, all heads added up. Each layer's cache
 * holds the tokens that reached it, at their own positions.
 *
 * <p>LazyLLM leaves the number and the places of these layers and their rates open; {@link
 * #paperRates} has those that give the FLOPs at which KV Prediction (arXiv 2410.08391) reports it.
 * Left out here: LazyLLM chooses anew for each token of the answer and revives dropped tokens from
 * an auxiliary cache of their streams. Here the answer is decoded over what was left by the prompt,
 * so that the first token is LazyLLM's, and later ones may be worse.
 */
public final class LazyPruningRow implements EvaluationRow {
  private final PrefillEngine base;
  private final TreeSet<Integer> before;
  private final double rate;

  /**
   * Prunes on the way.
   *
   * @param before layers before which tokens are dropped, each at least 1 and in the base
   * @param rate the share of the tokens left that goes on each time, above 0 and at most 1
   */
  public LazyPruningRow(PrefillEngine base, List<Integer> before, double rate) {
    this.base = base;
    this.before = new TreeSet<>(before);
    this.before.forEach(layer -> PruningShares.checkLayer("layer to prune before", layer, base));
    this.rate = PruningShares.check(rate);
  }

  /** Prunes at 30, 50 and 70 % of the base's depth. */
  public LazyPruningRow(PrefillEngine base, double rate) {
    this(base, depths(base.weights().shape().layers()), rate);
  }

  /** The rates that save as much as the paper's rows at 1.21 and 1.60 times fewer FLOPs. */
  public static List<Double> paperRates() {
    return List.of(0.87, 0.68);
  }

  private static List<Integer> depths(int layers) {
    return List.of(3, 5, 7).stream()
        .map(tenths -> Math.round(tenths * layers / 10f))
        .filter(layer -> layer > 0 && layer < layers)
        .toList();
  }

  @Override
  public String name() {
    return PruningShares.name("lazyllm", rate);
  }

  @Override
  public Reading read(int[] prompt, int room, Cancellation cancellation) {
    PrunedReading reading = new PrunedReading(base, prompt, room, cancellation);
    for (int layer : before) {
      float[] received = reading.runTo(layer);
      reading.keep(PrunedReading.top(received, PruningShares.count(rate, reading.rows())));
    }
    reading.runTo(base.weights().shape().layers());
    return reading;
  }

  @Override
  public double flops(int promptTokens) {
    ModelShape shape = base.weights().shape();
    List<Integer> rows = new ArrayList<>();
    TreeSet<Integer> looks = new TreeSet<>();
    int left = promptTokens;
    for (int layer = 0; layer < shape.layers(); layer++) {
      if (before.contains(layer)) {
        looks.add(layer - 1);
        left = PruningShares.count(rate, left);
      }
      rows.add(left);
    }
    return PrefillCost.pruned(shape, rows, looks);
  }
}
