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

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;

import io.github.kvp4j.TinyModels;
import io.github.kvp4j.kernel.ScalarKernels;
import io.github.kvp4j.kernel.VectorKernels;
import io.github.kvp4j.kernel.Workers;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.LayerWeights;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.model.RopeTable;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** The measure of a cache, against figures worked out by hand. */
class CacheQualityTest {
  private static final double LN2 = Math.log(2);

  @Test
  void theExactCacheIsLikeItself() {
    ModelWeights weights = TinyModels.random(TinyModels.shape(3, 24, 4, 2, 6), false, true, 1);
    PrefillEngine base = new PrefillEngine(weights, new VectorKernels(Workers.shared()));
    int vocabulary = weights.shape().vocabulary();
    List<Continuation> items =
        IntStream.range(0, 4)
            .mapToObj(i ->
                new Continuation(
                    TinyModels.tokens(20 + i, vocabulary, i),
                    TinyModels.tokens(1 + 5 * i, vocabulary, 100 + i)))
            .toList();
    List<Integer> done = new ArrayList<>();
    List<CacheQuality> both =
        CacheQuality.measure(
            base,
            List.of(
                (p, c) -> base.prefill(p, 0, c, Cancellation.NEVER),
                // the same in two steps, which differs by rounding only
                (p, c) -> {
                  base.prefill(Arrays.copyOf(p, 7), 0, c, Cancellation.NEVER);
                  return base.prefill(p, 7, c, Cancellation.NEVER);
                }),
            items,
            done::add);

    assertThat(done).containsExactly(0, 1, 2, 3);
    assertThat(both).hasSize(2);
    for (CacheQuality quality : both) {
      assertThat(quality.kl()).isCloseTo(0, within(1e-6));
      assertThat(quality.agreement()).isEqualTo(1);
      assertThat(quality.firstTokenAgreement()).isEqualTo(1);
      assertThat(quality.perplexity()).isCloseTo(quality.exactPerplexity(), within(1e-3));
      assertThat(quality.prompts()).isEqualTo(4);
    }
    assertThat(both.get(0).kl()).isZero();
    // the same numbers, added up in whatever order the threads come
    assertThat(both.get(0).perplexity())
        .isCloseTo(both.get(0).exactPerplexity(), withinPercentage(1e-9));
  }

  /** Perplexity is that of the base on the whole text: counted here from one run over all of it. */
  @Test
  void perplexityIsThatOfOneRunOverPromptAndContinuation() {
    ModelWeights weights = TinyModels.random(TinyModels.shape(3, 24, 4, 2, 6), true, false, 2);
    PrefillEngine base = new PrefillEngine(weights, new ScalarKernels());
    int vocabulary = weights.shape().vocabulary();
    int[] text = TinyModels.tokens(30, vocabulary, 3);
    Continuation item = new Continuation(Arrays.copyOf(text, 18), Arrays.copyOfRange(text, 18, 30));
    double sum = 0;
    for (int i = 18; i < 30; i++) {
      KvCache cache = new KvCache(weights.shape(), i);
      float[] logits =
          base.logits(base.prefill(Arrays.copyOf(text, i), 0, cache, Cancellation.NEVER));
      double all = 0;
      for (float logit : logits) {
        all += Math.exp(logit);
      }
      sum += logits[text[i]] - Math.log(all);
    }
    CacheQuality quality =
        CacheQuality.measure(
                base,
                List.of((p, c) -> base.prefill(p, 0, c, Cancellation.NEVER)),
                List.of(item),
                i -> {})
            .getFirst();
    assertThat(quality.exactPerplexity()).isCloseTo(Math.exp(-sum / 12), within(1e-3));
  }

  /**
   * A base that passes a token's embedding through, with distributions that are known: after token
   * 0 it is (1/2, 1/4, 1/4), after token 1 it is (1/4, 1/4, 1/2).
   */
  @Test
  void divergenceAgreementAndPerplexityAreThoseWorkedOutByHand() {
    PrefillEngine base = new PrefillEngine(passThrough(), new ScalarKernels());
    // whatever the prompt is, the measured cache says what it would after token 1
    CacheQuality.Prefill fake =
        (p, c) -> {
          base.prefill(p, 0, c, Cancellation.NEVER);
          float[] stream = new float[2];
          base.embed(new int[] {1}, 0, 1, stream);
          return stream;
        };
    CacheQuality one = measure(base, fake, new Continuation(new int[] {2, 0}, new int[] {0}));
    // 1/2 ln(1/2 : 1/4) + 1/4 ln(1/4 : 1/4) + 1/4 ln(1/4 : 1/2) = 1/2 ln 2 - 1/4 ln 2
    assertThat(one.kl()).isCloseTo(LN2 / 4, within(1e-6));
    assertThat(one.agreement()).isZero();
    assertThat(one.firstTokenAgreement()).isZero();
    assertThat(one.exactPerplexity()).isCloseTo(2, within(1e-5));
    assertThat(one.perplexity()).isCloseTo(4, within(1e-5));
    assertThat(one.prompts()).isEqualTo(1);

    // the second token is run by the base itself: the two agree there
    CacheQuality two = measure(base, fake, new Continuation(new int[] {2, 0}, new int[] {0, 2}));
    assertThat(two.kl()).isCloseTo(LN2 / 8, within(1e-6));
    assertThat(two.agreement()).isCloseTo(0.5, within(1e-12));
    assertThat(two.firstTokenAgreement()).isZero();
    assertThat(two.exactPerplexity()).isCloseTo(Math.sqrt(2 * 4), within(1e-5));
    assertThat(two.perplexity()).isCloseTo(4, within(1e-5));

    // the mean over positions and over prompts: one of two prompts is as the fake says
    List<CacheQuality> many =
        CacheQuality.measure(
            base,
            List.of(fake),
            List.of(
                new Continuation(new int[] {0}, new int[] {0}),
                new Continuation(new int[] {1}, new int[] {0, 0, 0})),
            i -> {});
    assertThat(many.getFirst().kl()).isCloseTo(LN2 / 4 / 4, within(1e-6));
    assertThat(many.getFirst().agreement()).isCloseTo(0.75, within(1e-12));
    assertThat(many.getFirst().firstTokenAgreement()).isCloseTo(0.5, within(1e-12));
    assertThat(many.getFirst().prompts()).isEqualTo(2);
  }

  private static CacheQuality measure(
      PrefillEngine base, CacheQuality.Prefill fake, Continuation item) {
    return CacheQuality.measure(base, List.of(fake), List.of(item), i -> {}).getFirst();
  }

  private static ModelWeights passThrough() {
    ModelShape shape = new ModelShape(1, 2, 1, 1, 2, 1, 3, 16, 1e-12f);
    float root = (float) Math.sqrt(2);
    Weight zero = Weight.of(new float[4], 2, 2);
    LayerWeights nothing =
        new LayerWeights(
            new float[] {1, 1},
            zero,
            zero,
            zero,
            zero,
            null,
            null,
            null,
            new float[] {1, 1},
            Weight.of(new float[2], 1, 2),
            Weight.of(new float[2], 1, 2),
            Weight.of(new float[2], 2, 1));
    // rows of length sqrt(2), so that the norm leaves them as they are
    Weight embedding = Weight.of(new float[] {root, 0, 0, root, 1, 1}, 3, 2);
    float[] head = {
      log(0.5) / root, log(0.25) / root,
      log(0.25) / root, log(0.25) / root,
      log(0.25) / root, log(0.5) / root
    };
    return new ModelWeights(
        shape,
        RopeTable.of(2, 16, 10_000, 1),
        embedding,
        List.of(nothing),
        new float[] {1, 1},
        Weight.of(head, 3, 2));
  }

  private static float log(double value) {
    return (float) Math.log(value);
  }
}
