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
package io.github.kvp4j.training;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.engine.Engine;
import io.github.kvp4j.TinyModels;
import io.github.kvp4j.kernel.ScalarKernels;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.KvPredictor;
import io.github.kvp4j.predictor.LayerMap;
import io.github.kvp4j.predictor.LinearProjection;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Predictors to train, over a golden model; their numbers are those of the reference. */
final class TrainingCases {
  static final ModelWeights WEIGHTS = TinyModels.golden("tiny-gqa-tied").weights();
  static final ModelShape SHAPE = WEIGHTS.shape();
  static final PrefillEngine BASE = new PrefillEngine(WEIGHTS, new ScalarKernels());

  private int tensors;

  private TrainingCases() {}

  /** PyTorch must be there wherever Maven has put it on the class path. */
  static void assumeTorch() {
    assumeTrue(Boolean.getBoolean("kvp.test.torch") || Engine.hasEngine("PyTorch"));
  }

  /** Layers 0 and 1 run, 1 is linearised, 2 is predicted from the streams entering 0 and 2. */
  static KvPredictor prefix() {
    TrainingCases c = new TrainingCases();
    int hidden = SHAPE.hidden();
    List<LinearProjection> projections = c.projections(2, 2 * hidden);
    LinearMap linear = c.map(hidden, hidden);
    return new KvPredictor(new Auxiliary.Prefix(2, List.of(0, 2), Map.of(1, linear)), projections);
  }

  /** Layers 0 and 2 stay. */
  static KvPredictor layerPruned() {
    return new KvPredictor(
        new Auxiliary.LayerPruned(List.of(0, 2), List.of(), new LayerMap(List.of(0, 0, 1))),
        new TrainingCases().projections(0, SHAPE.kvLength()));
  }

  /** Layers 0 and 2 stay, and both are read for each layer. */
  static KvPredictor layerPrunedWide() {
    return new KvPredictor(
        new Auxiliary.LayerPruned(List.of(0, 2), List.of(), new LayerMap(List.of(0, 0, 1), 2)),
        new TrainingCases().projections(0, 2 * SHAPE.kvLength()));
  }

  /** Another model, of other widths, with biases. */
  static KvPredictor sibling() {
    ModelShape small = new ModelShape(2, 24, 4, 2, 6, 20, SHAPE.vocabulary(), 2048, 1e-5f);
    return new KvPredictor(
        new Auxiliary.Sibling(
            TinyModels.random(small, true, true, 4), new LayerMap(List.of(0, 1, 1))),
        new TrainingCases().projections(0, small.kvLength()));
  }

  private List<LinearProjection> projections(int from, int features) {
    List<LinearProjection> out = new ArrayList<>();
    for (int layer = from; layer < SHAPE.layers(); layer++) {
      LinearMap key = map(SHAPE.kvLength(), features);
      out.add(new LinearProjection(layer, key, map(SHAPE.kvLength(), features)));
    }
    return out;
  }

  private LinearMap map(int rows, int columns) {
    float[] weight = numbers(rows * columns);
    return new LinearMap(Weight.of(weight, rows, columns), numbers(rows));
  }

  private float[] numbers(int count) {
    int k = tensors++;
    float[] out = new float[count];
    for (int i = 0; i < count; i++) {
      out[i] = (float) (0.1 * Math.sin(k + 0.37 * i));
    }
    return out;
  }
}
