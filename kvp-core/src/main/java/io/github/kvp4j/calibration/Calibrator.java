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

import io.github.kvp4j.predictor.KvPredictor;
import java.util.Map;

/** A closed-form fit of a predictor, run once. */
public interface Calibrator {
  /** One text in this many is held out to choose λ by, then counted in. */
  int HOLD_OUT = 10;

  /** Runs the fit. */
  KvPredictor fit();

  /** The λ taken, by what was fitted: for the predictor file. */
  Map<String, Double> chosenLambdas();

  /** Tokens that the fit rests on, sinks left out. */
  long tokens();
}
