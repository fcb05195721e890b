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
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.LayerRun;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.prefill.PrefillScratch;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntPredicate;

/** Greedy answers by the prefill engine alone, so that predictors are measured without Jlama. */
public final class GreedyDecoder {
  private final PrefillEngine base;

  /** A decoder over a base. */
  public GreedyDecoder(PrefillEngine base) {
    this.base = base;
  }

  /**
   * Answers a prompt.
   *
   * @param prompt {@code [tokens]}
   * @param limit the most new tokens
   * @param prefill how the prompt is read
   * @param stop told each token before it is added; true ends the answer without it
   * @return the new tokens
   */
  public List<Integer> answer(
      int[] prompt, int limit, CacheQuality.Prefill prefill, IntPredicate stop) {
    ModelShape shape = base.weights().shape();
    KvCache cache = new KvCache(shape, prompt.length + limit);
    PrefillScratch scratch = new PrefillScratch(shape, 1);
    float[] x = prefill.read(prompt, cache); // (hidden)
    List<Integer> answer = new ArrayList<>();
    while (true) {
      int token = argmax(base.logits(x));
      if (stop.test(token)) {
        return answer;
      }
      answer.add(token);
      if (answer.size() == limit) {
        return answer;
      }
      prefill.between(cache);
      int position = prompt.length + answer.size() - 1;
      base.embed(new int[] {token}, 0, 1, x);
      base.runLayers(
          LayerRun.plain(0, shape.layers(), new int[] {position}, cache, Cancellation.NEVER),
          x,
          scratch);
    }
  }

  private static int argmax(float[] logits) {
    int best = 0;
    for (int i = 1; i < logits.length; i++) {
      best = logits[i] > logits[best] ? i : best;
    }
    return best;
  }
}
