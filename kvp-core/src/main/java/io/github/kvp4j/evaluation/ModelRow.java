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

import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.model.WeightType;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.PrefillCost;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.Locale;

/** Another model than the base reads the whole prompt and answers. */
public final class ModelRow implements EvaluationRow {
  private final String name;
  private final PrefillEngine engine;

  private ModelRow(String name, PrefillEngine engine) {
    this.name = name;
    this.engine = engine;
  }

  /**
   * The auxiliary of a predictor alone: what its answers are worth before they are the base's.
   *
   * @param predictor what the predictor is called
   * @param auxiliary a sibling, or the base with layers left out
   */
  public static ModelRow auxiliary(
      String predictor, PrefillEngine base, Auxiliary.Separate auxiliary) {
    return new ModelRow(
        "auxiliary alone " + predictor,
        new PrefillEngine(auxiliary.weights(base.weights()), base.kernels()));
  }

  /**
   * The base with its matrices rounded by {@link BlockRounding}. Activations and the cache are not
   * rounded, and as many operations are counted as for the base: what is saved is memory.
   *
   * @param type {@link WeightType#Q8} or {@link WeightType#Q4}
   */
  public static ModelRow quantised(PrefillEngine base, WeightType type) {
    return new ModelRow(
        "base in " + type.name().toLowerCase(Locale.ROOT),
        new PrefillEngine(BlockRounding.of(base.weights(), type), base.kernels()));
  }

  /** The model that reads and answers. */
  ModelWeights weights() {
    return engine.weights();
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public Reading read(int[] prompt, int room, Cancellation cancellation) {
    KvCache cache = new KvCache(engine.weights().shape(), prompt.length + room);
    float[] last = engine.prefill(prompt, 0, cache, cancellation);
    return new CachedReading(engine, cache, last, prompt.length, cancellation);
  }

  @Override
  public double flops(int promptTokens) {
    return PrefillCost.exact(engine.weights().shape(), promptTokens);
  }
}
