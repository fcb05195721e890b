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

import io.github.kvp4j.jlama.KvpMode;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.jlama.Quality;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The options that say how prompts are read, shared by {@code complete} and {@code serve}. */
final class PredictionOptions {
  @Option(
      names = "--mode",
      defaultValue = "auto",
      converter = ModeConverter.class,
      description =
          "How prompts are read: auto, exact, predict, refine (predict, then make it exact while the"
              + " answer is given out), off (default: ${DEFAULT-VALUE}).")
  private KvpMode mode = KvpMode.AUTO;

  @Option(
      names = "--kv-predict",
      arity = "0..1",
      paramLabel = "MODE",
      fallbackValue = "auto",
      preprocessor = KvPredict.AttachedOnly.class,
      converter = ModeConverter.class,
      description = "The same as --mode, written as for Jlama's commands; alone it means auto.")
  private @Nullable KvpMode kvPredict;

  @Option(
      names = "--quality",
      defaultValue = "FAITHFUL",
      description = "Which predictor: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
  private Quality quality = Quality.FAITHFUL;

  @Option(
      names = "--min-agreement",
      defaultValue = "0.5",
      paramLabel = "SHARE",
      description =
          "auto reads exactly where the predictor was measured to agree with the exact model on less"
              + " of the tokens (default: ${DEFAULT-VALUE}).")
  private double minAgreement;

  @Option(names = "--predictor", paramLabel = "FILE", description = "A predictor of your own.")
  private @Nullable Path predictor;

  /** Makes them the defaults of a model. */
  KvpModel.Builder apply(KvpModel.Builder builder) {
    return builder
        .mode(kvPredict == null ? mode : kvPredict)
        .quality(quality)
        .minAgreement(minAgreement)
        .predictor(predictor);
  }
}
