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
import java.util.List;
import java.util.Map;

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
    PrefillEngine engine = CalibrateCommand.engine(model);
    ExactRow exact = new ExactRow(engine);
    rows.add(exact);
    if (modes.contains("off")) {
      JlamaRow jlama = new JlamaRow(model);
      open.add(jlama);
      rows.add(jlama);
    }
    predictors.forEach((name, file) -> {
      PredictedPrefill prediction = new PredictedPrefill(engine, file.predictor());
      for (Anchors a : anchors) {
        PredictedRow predicted = new PredictedRow(name, engine, prediction, a);
        if (modes.contains("predict")) {
          rows.add(predicted);
        }
        if (modes.contains("refine")) {
          rows.add(new RefinedRow(name, engine, prediction, a, refineChunk));
        }
        if (modes.contains("cut")) {
          rows.add(new CutRow(exact, predicted));
        }
      }
      if (modes.contains("auxiliary")
          && file.predictor().auxiliary() instanceof Auxiliary.Separate auxiliary) {
        rows.add(ModelRow.auxiliary(name, engine, auxiliary));
      }
    });
    addPruned(modes, engine);
    if (modes.contains("quantised")) {
      rows.add(ModelRow.quantised(engine, WeightType.Q8));
      rows.add(ModelRow.quantised(engine, WeightType.Q4));
    }
  }

  private void addPruned(List<String> modes, PrefillEngine engine) {
    for (double share : SHARES) {
      if (modes.contains("random")) {
        rows.add(new RandomPruningRow(engine, share, 1));
      }
      if (modes.contains("static")) {
        rows.add(new StaticPruningRow(engine, 1, share));
      }
    }
    if (modes.contains("lazyllm")) {
      LazyPruningRow.paperRates().forEach(rate -> rows.add(new LazyPruningRow(engine, rate)));
    }
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
