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
import java.util.List;
import java.util.function.IntConsumer;

/**
 * Compares the base's next-token distributions over a cache with those over the exact cache, on the
 * same continuation.
 *
 * @param kl mean KL divergence from the exact distribution, in nats
 * @param agreement share of positions with the same most likely token
 * @param firstTokenAgreement share of prompts whose first token is the same
 * @param perplexity of the continuation over the cache measured
 * @param exactPerplexity of the continuation over the exact cache
 * @param prompts how many prompts
 */
public record CacheQuality(
    double kl,
    double agreement,
    double firstTokenAgreement,
    double perplexity,
    double exactPerplexity,
    int prompts) {

  /** Fills a cache for a prompt some way and returns the last token's residual stream. */
  @FunctionalInterface
  public interface Prefill {
    /**
     * Reads a prompt.
     *
     * @param prompt {@code [tokens]}
     * @param cache larger than the prompt by the continuation
     * @return {@code [hidden]}, the last token after the last layer
     */
    float[] read(int[] prompt, KvCache cache);
  }

  /**
   * Measures several ways of prefill on the same items; the exact cache is made but once for each.
   *
   * @param base the base
   * @param ways what to compare with exact prefill
   * @param items prompts and continuations
   * @param done called after each item with its number
   * @return one result a way
   */
  public static List<CacheQuality> measure(
      PrefillEngine base, List<Prefill> ways, List<Continuation> items, IntConsumer done) {
    Sum[] sums = new Sum[ways.size()];
    java.util.Arrays.setAll(sums, i -> new Sum());
    for (int i = 0; i < items.size(); i++) {
      Continuation item = items.get(i);
      float[] exact = logits(base, item, (p, c) -> base.prefill(p, 0, c, Cancellation.NEVER));
      for (int w = 0; w < sums.length; w++) {
        sums[w].add(item.following(), exact, logits(base, item, ways.get(w)));
      }
      done.accept(i);
    }
    return java.util.Arrays.stream(sums).map(Sum::result).toList();
  }

  /** Logits {@code (following, vocabulary)}: row i is what predicts {@code following[i]}. */
  private static float[] logits(PrefillEngine base, Continuation item, Prefill prefill) {
    ModelShape shape = base.weights().shape();
    int hidden = shape.hidden();
    int n = item.prompt().length;
    int m = item.following().length;
    KvCache cache = new KvCache(shape, n + m);
    float[] streams = new float[m * hidden]; // (row, hidden)
    System.arraycopy(prefill.read(item.prompt(), cache), 0, streams, 0, hidden);
    if (m > 1) {
      float[] x = new float[(m - 1) * hidden];
      base.embed(item.following(), 0, m - 1, x);
      base.runLayers(
          LayerRun.plain(
              0, shape.layers(), PrefillEngine.range(n, n + m - 1), cache, Cancellation.NEVER),
          x,
          new PrefillScratch(shape, m - 1));
      System.arraycopy(x, 0, streams, hidden, x.length);
    }
    float[] logits = new float[m * shape.vocabulary()];
    base.logits(m, streams, logits);
    return logits;
  }

  private static final class Sum {
    private double kl;
    private double logLoss;
    private double exactLogLoss;
    private long agree;
    private long firstAgree;
    private long positions;
    private int prompts;

    void add(int[] following, float[] exact, float[] other) {
      NextTokens compared = NextTokens.compare(following, exact, other);
      kl += compared.kl();
      logLoss += compared.logLoss();
      exactLogLoss += compared.exactLogLoss();
      agree += compared.agree();
      firstAgree += compared.firstAgrees() ? 1 : 0;
      positions += following.length;
      prompts++;
    }

    CacheQuality result() {
      return new CacheQuality(
          kl / positions,
          (double) agree / positions,
          (double) firstAgree / prompts,
          Math.exp(logLoss / positions),
          Math.exp(exactLogLoss / positions),
          prompts);
    }
  }
}
