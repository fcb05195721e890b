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
import io.github.kvp4j.prefill.Lane;
import io.github.kvp4j.prefill.LayerRun;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.prefill.PrefillScratch;
import java.util.Arrays;
import java.util.Optional;

/**
 * A reading that goes on by the prefill engine over a cache, so that ways of reading are compared
 * without Jlama. Positions {@code [0, next)} of the cache are the prompt, in every layer.
 */
public class CachedReading implements EvaluationRow.Reading {
  private final PrefillEngine engine;
  private final KvCache cache;
  private final Cancellation cancellation;
  private final PrefillScratch scratch;
  private final float[] x; // (hidden), the residual stream of the last token
  private final float[] logits; // (vocabulary)
  private int position;

  /**
   * A prompt that was read.
   *
   * @param engine of the model that answers
   * @param cache with room for what follows
   * @param last the residual stream {@code [hidden]} of the last prompt token after the last layer
   * @param next position of the first token that follows
   */
  public CachedReading(
      PrefillEngine engine, KvCache cache, float[] last, int next, Cancellation cancellation) {
    this.engine = engine;
    this.cache = cache;
    this.cancellation = cancellation;
    this.scratch = new PrefillScratch(shape(), 1);
    this.x = last.clone();
    this.logits = engine.logits(last);
    this.position = next;
  }

  private ModelShape shape() {
    return engine.weights().shape();
  }

  /** The cache that is decoded on. */
  protected final KvCache cache() {
    return cache;
  }

  @Override
  public final float[] logits() {
    return logits;
  }

  @Override
  public float[] next(int token) {
    engine.embed(new int[] {token}, 0, 1, x);
    engine.runLayers(
        LayerRun.plain(0, shape().layers(), new int[] {position}, cache, cancellation), x, scratch);
    position++;
    engine.logits(1, x, logits);
    return logits;
  }

  /** What happens before each token: nothing, but for who overrides it. */
  protected Lane.BeforeToken beforeToken() {
    return Lane.BeforeToken.NOTHING;
  }

  @Override
  public final Optional<Lane> lane() {
    return Optional.of(Lane.plain(engine, cache, position, beforeToken()));
  }

  /*
   * What the tokens leave in the cache is beyond the prompt, and written over by what comes next;
   * but for what happens before each of them, which may change the prompt's rows.
   */
  @Override
  public final Optional<float[]> peek(int[] tokens) {
    if (!beforeToken().equals(Lane.BeforeToken.NOTHING)) {
      return Optional.empty();
    }
    int before = position;
    float[] out = follow(tokens);
    position = before;
    return Optional.of(out);
  }

  @Override
  public float[] follow(int[] tokens) {
    int hidden = shape().hidden();
    int m = tokens.length;
    float[] streams = Arrays.copyOf(x, m * hidden); // (row, hidden)
    if (m > 1) {
      float[] further = new float[(m - 1) * hidden]; // (row, hidden)
      engine.embed(tokens, 0, m - 1, further);
      engine.runLayers(
          LayerRun.plain(
              0,
              shape().layers(),
              PrefillEngine.range(position, position + m - 1),
              cache,
              cancellation),
          further,
          new PrefillScratch(shape(), m - 1));
      System.arraycopy(further, 0, streams, hidden, further.length);
      position += m - 1;
    }
    float[] out = new float[m * shape().vocabulary()];
    engine.logits(m, streams, out);
    return out;
  }
}
