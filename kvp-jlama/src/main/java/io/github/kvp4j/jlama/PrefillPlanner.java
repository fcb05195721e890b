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
package io.github.kvp4j.jlama;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.predictor.PredictedPrefill;
import io.github.kvp4j.predictor.PredictorFile;
import io.github.kvp4j.predictor.PrefillCost;
import io.github.kvp4j.prefill.PrefillEngine;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;

/**
 * Chooses how a prompt is read: what was asked for, and for {@link KvpMode#AUTO} what the
 * predictors at hand are worth.
 */
final class PrefillPlanner {
  /** AUTO predicts where the work is at most this share of an exact prefill's. */
  private static final double BREAK_EVEN = 0.9;

  /** A predictor, joined to the base. */
  record Joined(PredictorFile file, PredictedPrefill prefill) {
    Joined(PredictorFile file, PrefillEngine base) {
      this(file, new PredictedPrefill(base, file.predictor()));
    }
  }

  /**
   * What is done where a request says nothing.
   *
   * @param minAgreement the least that AUTO predicts with, 0 to 1
   */
  record Defaults(KvpMode mode, Quality quality, double minAgreement) {
    Defaults {
      if (!(minAgreement >= 0 && minAgreement <= 1)) {
        throw new KvpException(
            KvpException.Kind.BAD_ARGUMENT,
            "The least agreement of a predictor is "
                + minAgreement
                + "; it must be between 0 and 1.");
      }
    }
  }

  private final Path directory;
  private final String modelType;
  private final ModelShape shape;
  private final boolean reads;
  private final Defaults defaults;
  private final Map<Quality, Joined> predictors;

  /**
   * A planner.
   *
   * @param directory the model's, for what is said of it
   * @param modelType as Jlama calls it, alike
   * @param reads whether the project's own engine reads the model; else Jlama alone does
   * @param predictors by what they serve
   */
  PrefillPlanner(
      Path directory,
      String modelType,
      ModelShape shape,
      boolean reads,
      Defaults defaults,
      Map<Quality, Joined> predictors) {
    this.directory = directory;
    this.modelType = modelType;
    this.shape = shape;
    this.reads = reads;
    this.defaults = defaults;
    this.predictors = new EnumMap<>(Quality.class);
    this.predictors.putAll(predictors);
  }

  /** The file that serves a quality, if there is one. */
  Optional<PredictorFile> predictor(Quality quality) {
    return Optional.ofNullable(predictors.get(quality)).map(Joined::file);
  }

  /** Each predictor once. */
  List<PredictedPrefill> predictions() {
    return Set.copyOf(predictors.values()).stream().map(Joined::prefill).toList();
  }

  /**
   * The plan for a request.
   *
   * @param reused tokens of the prompt whose exact rows are at hand
   * @throws KvpException BAD_ARGUMENT where a prediction is asked for and nothing can predict,
   *     UNSUPPORTED where only Jlama reads this model
   */
  PrefillPlan choose(GenerateRequest request, int promptTokens, int reused) {
    KvpMode wanted = request.mode() == null ? defaults.mode : request.mode();
    Quality quality = request.quality() == null ? defaults.quality : request.quality();
    Quality used = predictors.containsKey(quality) ? quality : insteadOf(quality);
    Joined predictor = predictors.get(used);
    String instead =
        predictor == null || used == quality
            ? ""
            : "; no predictor of quality " + quality + " was found, so it was " + used + "'s";
    if (!reads) {
      if (wanted != KvpMode.OFF && wanted != KvpMode.AUTO) {
        throw new KvpException(
            KvpException.Kind.UNSUPPORTED,
            "The mode "
                + wanted
                + " is not possible for models of type "
                + modelType
                + "; use OFF or AUTO.");
      }
      return new PrefillPlan(
          KvpMode.OFF, "models of type " + modelType + " are read by Jlama", null);
    }
    return switch (wanted) {
      case OFF, EXACT -> new PrefillPlan(wanted, "asked for", null);
      case PREDICT, PREDICT_AND_REFINE -> {
        if (predictor == null) {
          throw new KvpException(
              KvpException.Kind.BAD_ARGUMENT,
              "The mode "
                  + wanted
                  + " needs a predictor, and none of quality "
                  + quality
                  + " for the model in '"
                  + directory
                  + "' was found; calibrate one or use EXACT.");
        }
        yield new PrefillPlan(wanted, "asked for" + instead, predictor.prefill);
      }
      case AUTO -> {
        if (predictor == null) {
          yield new PrefillPlan(KvpMode.EXACT, "no predictor for this model was found", null);
        }
        OptionalDouble agreement = predictor.file.worstAgreement(request.anchors());
        if (defaults.minAgreement > 0 && agreement.orElse(0) < defaults.minAgreement) {
          yield new PrefillPlan(KvpMode.EXACT, tooPoor(agreement) + instead, null);
        }
        if (promptTokens > predictor.prefill.longestPrompt()) {
          yield new PrefillPlan(
              KvpMode.EXACT,
              "the prompt has "
                  + promptTokens
                  + " tokens, and the predictor's auxiliary reads "
                  + predictor.prefill.longestPrompt()
                  + " at most"
                  + instead,
              null);
        }
        double share =
            PrefillCost.relative(
                shape, predictor.file.predictor(), request.anchors(), promptTokens, reused);
        yield share <= BREAK_EVEN
            ? new PrefillPlan(
                KvpMode.PREDICT,
                String.format(Locale.ROOT, "predicting takes %.0f %% of the work", 100 * share)
                    + instead,
                predictor.prefill)
            : new PrefillPlan(
                KvpMode.EXACT,
                reused == 0
                    ? "a prompt of "
                        + promptTokens
                        + " tokens is below the break-even of prediction"
                    : "of " + promptTokens + " tokens " + reused + " were at hand",
                null);
      }
    };
  }

  private String tooPoor(OptionalDouble agreement) {
    return agreement.isEmpty()
        ? "the predictor was never measured: see kvp predictor verify --update"
        : String.format(
            Locale.ROOT,
            "the predictor was measured to agree with the exact base on %.3f of the tokens, less"
                + " than the least of %.3f that is asked for",
            agreement.getAsDouble(),
            defaults.minAgreement);
  }

  /**
   * What serves where a model has no predictor of a quality: only the middle one has neighbours.
   */
  private Quality insteadOf(Quality quality) {
    return quality != Quality.BALANCED
        ? quality
        : predictors.containsKey(Quality.FAITHFUL) ? Quality.FAITHFUL : Quality.FAST;
  }
}
