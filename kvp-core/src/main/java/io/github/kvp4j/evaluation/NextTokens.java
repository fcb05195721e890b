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

import io.github.kvp4j.kernel.Workers;

/**
 * Next-token distributions over some cache against those over the exact one, summed over the
 * positions of a text.
 *
 * @param kl sum of the KL divergences from the exact distribution, in nats
 * @param agree positions with the same most likely token
 * @param firstAgrees whether the first position is one of them
 * @param logLoss sum of the negative log-likelihoods of the text, in nats
 * @param exactLogLoss the same over the exact cache
 * @param positions how many
 */
record NextTokens(
    double kl, int agree, boolean firstAgrees, double logLoss, double exactLogLoss, int positions) {

  /**
   * Compares.
   *
   * @param following {@code [tokens]} the text
   * @param exact {@code (tokens, vocabulary)} logits
   * @param other the same over the cache that is measured
   */
  static NextTokens compare(int[] following, float[] exact, float[] other) {
    int n = following.length;
    int vocabulary = exact.length / n;
    double[] kl = new double[n];
    double[] loss = new double[n];
    double[] exactLoss = new double[n];
    boolean[] same = new boolean[n];
    Workers.shared()
        .forEach(
            n,
            row -> {
              int at = row * vocabulary;
              double zExact = logSumExp(exact, at, vocabulary);
              double zOther = logSumExp(other, at, vocabulary);
              double divergence = 0;
              int bestExact = 0;
              int bestOther = 0;
              for (int i = 0; i < vocabulary; i++) {
                double p = exact[at + i] - zExact;
                divergence += Math.exp(p) * (p - (other[at + i] - zOther));
                bestExact = exact[at + i] > exact[at + bestExact] ? i : bestExact;
                bestOther = other[at + i] > other[at + bestOther] ? i : bestOther;
              }
              kl[row] = divergence;
              loss[row] = zOther - other[at + following[row]];
              exactLoss[row] = zExact - exact[at + following[row]];
              same[row] = bestExact == bestOther;
            });
    // summed in order, so that two runs agree to the last bit
    double klSum = 0;
    double lossSum = 0;
    double exactLossSum = 0;
    int agree = 0;
    for (int row = 0; row < n; row++) {
      klSum += kl[row];
      lossSum += loss[row];
      exactLossSum += exactLoss[row];
      agree += same[row] ? 1 : 0;
    }
    return new NextTokens(klSum, agree, same[0], lossSum, exactLossSum, n);
  }

  private static double logSumExp(float[] v, int at, int n) {
    float max = v[at];
    for (int i = 1; i < n; i++) {
      max = Math.max(max, v[at + i]);
    }
    double sum = 0;
    for (int i = 0; i < n; i++) {
      sum += Math.exp(v[at + i] - max);
    }
    return max + Math.log(sum);
  }
}
