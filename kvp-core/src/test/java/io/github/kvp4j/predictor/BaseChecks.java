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
package io.github.kvp4j.predictor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.TinyModels;
import io.github.kvp4j.kernel.Kernels;
import io.github.kvp4j.kernel.ScalarKernels;
import io.github.kvp4j.kernel.VectorKernels;
import io.github.kvp4j.kernel.Workers;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.LayerRun;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.prefill.PrefillScratch;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/** What is held against the base, and what the tests of this package share. */
final class BaseChecks {
  static final double TOLERANCE = 1e-4;
  static final Kernels KERNELS = new VectorKernels(Workers.shared());
  static final Anchors LAST = new Anchors(0, 1, 0);
  private static final int GREEDY = 20;

  private BaseChecks() {}

  static void assertIsBase(ModelWeights weights, KvPredictor predictor, Anchors anchors, int n) {
    ModelShape shape = weights.shape();
    int[] tokens = TinyModels.tokens(n, shape.vocabulary(), n);
    PrefillEngine base = new PrefillEngine(weights, KERNELS);
    KvCache exact = new KvCache(shape, n + GREEDY);
    KvCache mixed = new KvCache(shape, n + GREEDY);
    float[] expected = base.logits(base.prefill(tokens, 0, exact, Cancellation.NEVER));
    float[] actual =
        base.logits(
            new PredictedPrefill(base, predictor)
                .prefill(tokens, 0, anchors, mixed, Cancellation.NEVER));
    assertThat(TinyModels.maxDifference(actual, expected))
        .as("logits, anchors %s, %d tokens", anchors, n)
        .isLessThan(TOLERANCE);
    assertThat(greedy(base, mixed, actual, n))
        .as("greedy tokens, anchors %s, %d tokens", anchors, n)
        .containsExactly(greedy(base, exact, expected, n));
  }

  private static int[] greedy(PrefillEngine base, KvCache cache, float[] first, int n) {
    ModelShape shape = base.weights().shape();
    PrefillScratch scratch = new PrefillScratch(shape, 1);
    float[] x = new float[shape.hidden()];
    float[] logits = first;
    int[] out = new int[GREEDY];
    for (int i = 0; i < GREEDY; i++) {
      for (int token = 0; token < logits.length; token++) {
        out[i] = logits[token] > logits[out[i]] ? token : out[i];
      }
      base.embed(out, i, i + 1, x);
      base.runLayers(
          LayerRun.plain(0, shape.layers(), new int[] {n + i}, cache, Cancellation.NEVER),
          x,
          scratch);
      logits = base.logits(x);
    }
    return out;
  }

  /** The streams that enter layers 0 to {@code last}. */
  static float[][] streams(ModelWeights weights, int[] tokens, int last) {
    PrefillEngine engine = new PrefillEngine(weights, new ScalarKernels());
    int n = tokens.length;
    KvCache cache = new KvCache(weights.shape(), n);
    PrefillScratch scratch = new PrefillScratch(weights.shape(), n);
    float[][] out = new float[last + 1][];
    float[] x = new float[n * weights.shape().hidden()];
    engine.embed(tokens, 0, n, x);
    for (int layer = 0; layer <= last; layer++) {
      out[layer] = x.clone();
      engine.runLayers(
          LayerRun.plain(layer, layer + 1, PrefillEngine.range(0, n), cache, Cancellation.NEVER),
          x,
          scratch);
    }
    return out;
  }

  static void refused(KvpException.Kind kind, ThrowingCallable call) {
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(call)
        .satisfies(e -> assertThat(e.kind()).isEqualTo(kind));
  }
}
