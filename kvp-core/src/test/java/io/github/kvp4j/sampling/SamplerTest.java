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
package io.github.kvp4j.sampling;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tokens come as often as the softmax says, cut as top-k and top-p say. */
class SamplerTest {
  /** Probabilities 1/2, 1/4, 1/8, 1/16, 1/16, mixed up. */
  private static final float[] LOGITS = {log(0.125), log(0.0625), log(0.5), log(0.0625), log(0.25)};

  private static final int DRAWS = 40_000;

  @Test
  void greedyTakesTheLargestAndTheFirstOfEquals() {
    assertThat(new Sampler(0, 0, 1, null).pick(LOGITS)).isEqualTo(2);
    assertThat(new Sampler(0, 3, 0.5f, 1L).pick(LOGITS)).isEqualTo(2);
    assertThat(new Sampler(1, 1, 1, null).pick(LOGITS)).isEqualTo(2);
    assertThat(Sampler.argmax(new float[] {1, 3, 3, 2})).isEqualTo(1);
    assertThat(Sampler.argmax(new float[] {-5})).isZero();
    float least = Float.NEGATIVE_INFINITY;
    assertThat(Sampler.argmax(new float[] {least, least, -1e30f})).isEqualTo(2);
  }

  @Test
  void theArgmaxOfManyIsTheArgmax() {
    Random random = new Random(1);
    for (int n = 1; n < 300; n++) {
      float[] logits = new float[n];
      for (int i = 0; i < n; i++) {
        logits[i] = (float) random.nextGaussian();
      }
      int best = IntStream.range(0, n).reduce(0, (a, b) -> logits[b] > logits[a] ? b : a);
      assertThat(new Sampler(0, 0, 1, null).pick(logits)).isEqualTo(best);
      assertThat(new Sampler(1, 0, 1e-6f, 1L).pick(logits)).isEqualTo(best);
    }
  }

  @Test
  void tokensComeAsOftenAsTheSoftmaxSays() {
    assertThat(shares(new Sampler(1, 0, 1, 1L)))
        .containsExactly(new double[] {0.125, 0.0625, 0.5, 0.0625, 0.25}, within(0.02));
  }

  /** Temperature 1/2 squares the probabilities, temperature 2 takes their root. */
  @Test
  void temperatureSharpensAndFlattens() {
    double[] p = {0.125, 0.0625, 0.5, 0.0625, 0.25};
    for (double temperature : new double[] {0.5, 2}) {
      double[] expected = Arrays.stream(p).map(x -> Math.pow(x, 1 / temperature)).toArray();
      double sum = Arrays.stream(expected).sum();
      Arrays.setAll(expected, i -> expected[i] / sum);
      assertThat(shares(new Sampler((float) temperature, 0, 1, 2L)))
          .containsExactly(expected, within(0.02));
    }
  }

  @ParameterizedTest
  @CsvSource({"2,2", "3,3", "5,5", "9,5"})
  void topKKeepsTheMostLikely(int k, int kept) {
    double[] p = {0.5, 0.25, 0.125, 0.0625, 0.0625};
    int[] order = {2, 4, 0, 1, 3};
    double all = Arrays.stream(p, 0, kept).sum();
    double[] shares = shares(new Sampler(1, k, 1, 3L));
    for (int i = 0; i < 5; i++) {
      assertThat(shares[order[i]]).isCloseTo(i < kept ? p[i] / all : 0, within(0.02));
    }
  }

  /** The fewest tokens that together have at least this probability. */
  @ParameterizedTest
  @CsvSource({"0.0001,1", "0.49,1", "0.51,2", "0.74,2", "0.76,3", "0.9,4", "1,5"})
  void topPKeepsTheFewestThatSuffice(float topP, int kept) {
    double[] p = {0.5, 0.25, 0.125, 0.0625, 0.0625};
    int[] order = {2, 4, 0, 1, 3};
    double all = Arrays.stream(p, 0, kept).sum();
    double[] shares = shares(new Sampler(1, 0, topP, 4L));
    for (int i = 0; i < 5; i++) {
      assertThat(shares[order[i]]).isCloseTo(i < kept ? p[i] / all : 0, within(0.02));
    }
  }

  /** Top-p counts within what top-k has left: of 2/3 and 1/3, the first alone is 0.66. */
  @Test
  void topPCountsWithinTopK() {
    assertThat(draws(new Sampler(1, 2, 0.6f, 5L), 1000)).containsOnly(2);
    assertThat(shares(new Sampler(1, 2, 0.7f, 5L))[4]).isCloseTo(1 / 3.0, within(0.02));
  }

  @Test
  void aSeedRepeatsTheDraws() {
    int[] one = draws(new Sampler(1, 0, 1, 6L), 200);
    assertThat(draws(new Sampler(1, 0, 1, 6L), 200)).containsExactly(one);
    assertThat(draws(new Sampler(1, 0, 1, 7L), 200)).isNotEqualTo(one);
    assertThat(draws(new Sampler(1, 0, 1, null), 200)).isNotEqualTo(one);
  }

  /** Extremes of the settings that a request may have, and of logits: always a token. */
  @ParameterizedTest
  @ValueSource(floats = {Float.MIN_VALUE, 1e-30f, 1e-3f, 1, 100})
  void extremesStillGiveAToken(float temperature) {
    float[][] all = {
      {0},
      {1e30f, -1e30f},
      {Float.MAX_VALUE, -Float.MAX_VALUE, 0},
      {5, 5, 5, 5},
      {Float.NEGATIVE_INFINITY, 1, Float.NEGATIVE_INFINITY}
    };
    for (float[] logits : all) {
      float[] before = logits.clone();
      for (float topP : new float[] {Float.MIN_VALUE, 0.5f, 1}) {
        for (int topK : new int[] {0, 2, Integer.MAX_VALUE}) {
          int token = new Sampler(temperature, topK, topP, 8L).pick(logits);
          assertThat(token).isBetween(0, logits.length - 1);
          assertThat(logits[token]).isGreaterThan(Float.NEGATIVE_INFINITY);
        }
      }
      assertThat(logits).as("not changed").containsExactly(before);
    }
  }

  private static int[] draws(Sampler sampler, int count) {
    return IntStream.range(0, count).map(i -> sampler.pick(LOGITS)).toArray();
  }

  private static double[] shares(Sampler sampler) {
    double[] out = new double[LOGITS.length];
    for (int token : draws(sampler, DRAWS)) {
      out[token] += 1.0 / DRAWS;
    }
    return out;
  }

  private static float log(double value) {
    return (float) Math.log(value);
  }
}
