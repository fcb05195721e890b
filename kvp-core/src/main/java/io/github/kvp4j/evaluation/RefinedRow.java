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
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.PredictedPrefill;
import io.github.kvp4j.predictor.PrefillCost;
import io.github.kvp4j.predictor.Refinement;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.Lane;
import io.github.kvp4j.prefill.LayerListener;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** A prediction that is made exact, piece by piece, between the tokens of the answer. */
public final class RefinedRow implements EvaluationRow {
  private static final String REFINE = "refine ";
  private static final String BY = " by ";

  private final String name;
  private final PrefillEngine base;
  private final PredictedPrefill prediction;
  private final Anchors anchors;
  private final int chunk;

  /**
   * Reads with a predictor and refines.
   *
   * @param predictor what the predictor is called
   * @param chunk prompt tokens that become exact between two tokens, at least 1
   */
  public RefinedRow(
      String predictor,
      PrefillEngine base,
      PredictedPrefill prediction,
      Anchors anchors,
      int chunk) {
    this.name = REFINE + predictor + " " + anchors + BY + chunk;
    this.base = base;
    this.prediction = prediction;
    this.anchors = anchors;
    this.chunk = chunk;
  }

  /**
   * The name of the row whose first token a refined row has, and whose cost before it.
   *
   * @param row a row's name
   * @return empty where it isn't a refined row's
   */
  public static Optional<String> predictedFor(String row) {
    int by = row.lastIndexOf(BY);
    return row.startsWith(REFINE) && by >= REFINE.length()
        ? Optional.of(PredictedRow.PREDICT + row.substring(REFINE.length(), by))
        : Optional.empty();
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public Reading read(int[] prompt, int room, Cancellation cancellation) {
    KvCache cache = new KvCache(base.weights().shape(), prompt.length + room);
    PredictedPrefill.Refinable read =
        prediction.refinable(prompt, 0, anchors, cache, LayerListener.NONE, cancellation);
    Refinement rest = read.rest();
    Pieces pieces = new Pieces(rest, chunk, cancellation);
    return new CachedReading(base, cache, read.last(), prompt.length, cancellation) {
      private int taken;

      @Override
      protected Lane.BeforeToken beforeToken() {
        return pieces;
      }

      @Override
      public float[] next(int token) {
        pieces.prepare(taken++, cache());
        return super.next(token);
      }

      /* Token by token while rows change, and what comes after in one pass. */
      @Override
      public float[] follow(int[] tokens) {
        int single = Math.min(tokens.length, pieces.count());
        float[] first = oneByOne(Arrays.copyOf(tokens, single + (single < tokens.length ? 1 : 0)));
        if (single == tokens.length) {
          return first;
        }
        float[] others = super.follow(Arrays.copyOfRange(tokens, single, tokens.length));
        int vocabulary = others.length / (tokens.length - single);
        float[] out = Arrays.copyOf(first, tokens.length * vocabulary);
        System.arraycopy(others, 0, out, single * vocabulary, others.length);
        return out;
      }
    };
  }

  /** The pieces of a prompt's refinement, of which any number of caches are given the same. */
  private static final class Pieces implements Lane.BeforeToken {
    private final Refinement rest;
    private final int chunk;
    private final Cancellation cancellation;
    private final List<Integer> bounds = new ArrayList<>(); // (piece), what is exact before it

    Pieces(Refinement rest, int chunk, Cancellation cancellation) {
      this.rest = rest;
      this.chunk = chunk;
      this.cancellation = cancellation;
      bounds.add(rest.exact());
    }

    /** How many pieces there are, done or not. */
    int count() {
      return Math.ceilDiv(rest.length() - rest.from(), chunk);
    }

    @Override
    public void prepare(int number, KvCache cache) {
      while (bounds.size() <= number + 1 && !rest.isDone()) {
        rest.advance(chunk, cancellation);
        bounds.add(rest.exact());
      }
      if (number + 1 < bounds.size()) {
        rest.copy(bounds.get(number), bounds.get(number + 1), cache);
      }
    }
  }

  /** To the first token; what refinement does comes after it. */
  @Override
  public double flops(int promptTokens) {
    return PrefillCost.predicted(
        base.weights().shape(), prediction.predictor(), anchors, promptTokens);
  }
}
