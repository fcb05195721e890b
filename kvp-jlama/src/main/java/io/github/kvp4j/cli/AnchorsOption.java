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

import io.github.kvp4j.predictor.Anchors;
import picocli.CommandLine.Option;

/** The option that says which tokens of a predicted prompt are exact. */
final class AnchorsOption {
  @Option(
      names = "--anchors",
      paramLabel = "S/T/T",
      defaultValue = "4/64/0",
      converter = AnchorsConverter.class,
      description = "Exact tokens of prediction: sink/tail/top (default: ${DEFAULT-VALUE}).")
  private Anchors anchors = Anchors.DEFAULT;

  /** What the user named, or the default. */
  Anchors value() {
    return anchors;
  }
}
