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

import io.github.kvp4j.predictor.Int8;
import io.github.kvp4j.predictor.KvPredictor;
import picocli.CommandLine.Option;

/** How a predictor is kept in its file, shared by {@code calibrate} and {@code train}. */
final class PredictorDtypeOption {
  private enum Dtype {
    BF16,
    I8
  }

  @Option(
      names = "--dtype",
      defaultValue = "BF16",
      description =
          "How the numbers are kept in the file: ${COMPLETION-CANDIDATES} (default:"
              + " ${DEFAULT-VALUE}); I8 is a little more than half as large.")
  private Dtype dtype = Dtype.BF16;

  /** The predictor as the file will hold it, so that what is measured is what is kept. */
  KvPredictor of(KvPredictor predictor) {
    return dtype == Dtype.I8 ? Int8.of(predictor) : predictor;
  }
}
