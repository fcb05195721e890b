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
package io.github.kvp4j.cli;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.evaluation.CacheQuality;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.KvPredictor;
import io.github.kvp4j.predictor.MeasuredQuality;
import io.github.kvp4j.predictor.PredictedPrefill;
import io.github.kvp4j.predictor.PrefillCost;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** What a predictor's file says of its quality: how it is measured, and how it is shown. */
final class PredictorMeasurement {
  private PredictorMeasurement() {}

  /**
   * Measures a predictor for some settings of the anchors.
   *
   * @return nothing of a task of which there are no prompts
   */
  static List<MeasuredQuality> measure(
      PrefillEngine engine, KvPredictor predictor, HeldOut held, ProgressDisplay progress) {
    PredictedPrefill prefill = new PredictedPrefill(engine, predictor);
    List<Anchors> settings =
        List.of(
            new Anchors(0, 1, 0),
            new Anchors(4, 16, 0),
            new Anchors(4, 24, 0),
            Anchors.DEFAULT,
            new Anchors(4, 64, 64));
    List<CacheQuality.Prefill> ways = new ArrayList<>();
    for (Anchors a : settings) {
      ways.add((tokens, cache) -> prefill.prefill(tokens, 0, a, cache, Cancellation.NEVER));
    }
    List<MeasuredQuality> out = new ArrayList<>();
    for (HeldOut.Items items : held.kinds()) {
      if (items.prompts().isEmpty()) {
        continue;
      }
      progress.start("measure " + items.task(), items.prompts().size());
      List<CacheQuality> results =
          CacheQuality.measure(engine, ways, items.prompts(), i -> progress.advance(1));
      for (int i = 0; i < results.size(); i++) {
        double cost =
            PrefillCost.relative(
                engine.weights().shape(),
                predictor,
                settings.get(i),
                items.prompts().getFirst().prompt().length);
        out.add(figures(settings.get(i), items.task(), cost, results.get(i)));
      }
    }
    return out;
  }

  /**
   * What the file says.
   *
   * @throws KvpException {@code BAD_ARGUMENT} where the predictor leads to no number: rounded, that
   *     would be 0, as if it were exact
   */
  static MeasuredQuality figures(Anchors anchors, String task, double cost, CacheQuality q) {
    if (!Double.isFinite(q.kl())) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The predictor's KL on "
              + task
              + " with anchors "
              + anchors
              + " is "
              + q.kl()
              + ", so it is of no use; make it from other text, or train it with a lower learning"
              + " rate.");
    }
    return new MeasuredQuality(
        anchors.toString(),
        task,
        round(cost),
        round(q.kl()),
        round(q.agreement()),
        round(q.firstTokenAgreement()),
        q.prompts());
  }

  private static double round(double value) {
    return Math.round(value * 1e4) / 1e4;
  }

  static void print(List<MeasuredQuality> quality) {
    if (quality.isEmpty()) {
      return;
    }
    System.out.printf(
        "%-6s %-10s %6s %8s %7s %12s %8s%n",
        "task", "anchors", "FLOPs", "KL", "agree", "first token", "prompts");
    for (MeasuredQuality q : quality) {
      System.out.printf(
          Locale.ROOT,
          "%-6s %-10s %6.3f %8.4f %7.3f %12.3f %8d%n",
          q.task(),
          q.anchors(),
          q.relativeFlops(),
          q.kl(),
          q.agreement(),
          q.firstTokenAgreement(),
          q.prompts());
    }
  }
}
