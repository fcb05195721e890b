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
import io.github.kvp4j.evaluation.CutRow;
import io.github.kvp4j.evaluation.EvaluationRow;
import io.github.kvp4j.evaluation.ExactRow;
import io.github.kvp4j.evaluation.LazyPruningRow;
import io.github.kvp4j.evaluation.ModelRow;
import io.github.kvp4j.evaluation.PredictedRow;
import io.github.kvp4j.evaluation.RandomPruningRow;
import io.github.kvp4j.evaluation.RefinedRow;
import io.github.kvp4j.evaluation.StaticPruningRow;
import io.github.kvp4j.jlama.JlamaRow;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.model.WeightType;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.PredictedPrefill;
import io.github.kvp4j.predictor.PredictorFile;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/** The rows of an evaluation, by the names that {@code --modes} gives them. */
final class EvalRows implements AutoCloseable {
  /** All modes, in the table's order. */
  static final List<String> MODES =
      List.of(
          "exact",
          "off",
          "predict",
          "refine",
          "cut",
          "auxiliary",
          "random",
          "static",
          "lazyllm",
          "quantised");

  /** The shares of tokens that random and static pruning keep. */
  private static final List<Double> SHARES = List.of(0.75, 0.5);

  private final List<EvaluationRow> rows = new ArrayList<>();
  private final Map<String, String> modeOf = new LinkedHashMap<>(); // by row
  private final Map<String, String> predictorOf = new LinkedHashMap<>(); // by row, if it has one
  private final List<JlamaRow> open = new ArrayList<>();

  /**
   * Makes the rows.
   *
   * @param modes some of {@link #MODES}; the exact row is always there, and first, and an
   *     auxiliary's own row only where the predictor has an auxiliary that can answer
   * @param predictors by the name that is shown
   * @param refineChunk prompt tokens that the refined rows make exact between two tokens
   */
  EvalRows(
      KvpModel model,
      List<String> modes,
      Map<String, PredictorFile> predictors,
      List<Anchors> anchors,
      int refineChunk) {
    for (String mode : modes) {
      if (!MODES.contains(mode)) {
        throw new KvpException(
            KvpException.Kind.BAD_ARGUMENT,
            "There is no mode '" + mode + "'; there are " + String.join(", ", MODES) + ".");
      }
    }
    PrefillEngine engine = ModelOption.engine(model);
    ExactRow exact = new ExactRow(engine);
    add("exact", exact);
    if (modes.contains("off")) {
      JlamaRow jlama = new JlamaRow(model);
      open.add(jlama);
      add("off", jlama);
    }
    predictors.forEach((name, file) -> {
      PredictedPrefill prediction = new PredictedPrefill(engine, file.predictor());
      for (Anchors a : anchors) {
        PredictedRow predicted = new PredictedRow(name, engine, prediction, a);
        if (modes.contains("predict")) {
          add("predict", name, predicted);
        }
        if (modes.contains("refine")) {
          add("refine", name, new RefinedRow(name, engine, prediction, a, refineChunk));
        }
        if (modes.contains("cut")) {
          add("cut", name, new CutRow(exact, predicted));
        }
      }
      if (modes.contains("auxiliary")
          && file.predictor().auxiliary() instanceof Auxiliary.Separate auxiliary) {
        add("auxiliary", name, ModelRow.auxiliary(name, engine, auxiliary));
      }
    });
    addPruned(modes, engine);
    if (modes.contains("quantised")) {
      add("quantised", ModelRow.quantised(engine, WeightType.Q8));
      add("quantised", ModelRow.quantised(engine, WeightType.Q4));
    }
  }

  private void add(String mode, String predictor, EvaluationRow row) {
    add(mode, row);
    predictorOf.put(row.name(), predictor);
  }

  private void add(String mode, EvaluationRow row) {
    rows.add(row);
    modeOf.put(row.name(), mode);
  }

  private void addPruned(List<String> modes, PrefillEngine engine) {
    for (double share : SHARES) {
      if (modes.contains("random")) {
        add("random", new RandomPruningRow(engine, share, 1));
      }
      if (modes.contains("static")) {
        add("static", new StaticPruningRow(engine, 1, share));
      }
    }
    if (modes.contains("lazyllm")) {
      LazyPruningRow.paperRates().forEach(rate -> add("lazyllm", new LazyPruningRow(engine, rate)));
    }
  }

  /**
   * Of which share of the items rows are asked, by their names.
   *
   * @param by the same by {@code MODE}, or by {@code MODE:PREDICTOR}, which goes first; each mode
   *     but {@code exact}, which the others are compared with
   */
  Map<String, Double> shares(Map<String, Double> by) {
    by.forEach(this::checkPredictor);
    Map<String, Double> shares = new LinkedHashMap<>();
    modeOf.forEach((row, mode) -> {
      Double share = by.getOrDefault(mode + ":" + predictorOf.get(row), by.get(mode));
      if (share != null) {
        shares.put(row, share);
      }
    });
    return shares;
  }

  /**
   * Shares as {@link #shares} takes them, of those that a command line gives.
   *
   * @throws KvpException BAD_ARGUMENT where there is no such mode or share; whether there is such a
   *     predictor is seen when there are rows
   */
  static Map<String, Double> given(Map<String, Double> shares) {
    Map<String, Double> out = new TreeMap<>();
    shares.forEach((what, share) -> {
      String[] parts = what.strip().split(":", 2); // a predictor's name is as it is written
      parts[0] = parts[0].toLowerCase(Locale.ROOT);
      if (!MODES.contains(parts[0]) || parts[0].equals("exact") || !(share > 0 && share <= 1)) {
        String modes = String.join(", ", MODES.subList(1, MODES.size()));
        throw wrongShare(
            what,
            share,
            "give one of " + modes + " and a share of the items above 0 and at most 1.");
      }
      out.put(String.join(":", parts), share);
    });
    return out;
  }

  private void checkPredictor(String what, double share) {
    String[] parts = what.split(":", 2);
    if (parts.length > 1 && !predictorOf.containsValue(parts[1])) {
      String all = String.join(", ", new LinkedHashSet<>(predictorOf.values()));
      throw wrongShare(what, share, "the predictors of this run are " + all + ".");
    }
  }

  private static KvpException wrongShare(String what, double share, String remedy) {
    return new KvpException(
        KvpException.Kind.BAD_ARGUMENT, "--fewer is " + what + "=" + share + "; " + remedy);
  }

  /** The rows, the exact one first. */
  List<EvaluationRow> all() {
    return rows;
  }

  @Override
  public void close() {
    open.forEach(JlamaRow::close);
  }
}
