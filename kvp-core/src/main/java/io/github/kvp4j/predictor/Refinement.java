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

import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.LayerRun;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.prefill.PrefillScratch;
import java.util.Arrays;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The exact prefill that prediction left undone, in pieces: from the prompt's first position to its
 * last, each piece goes through the layers that were not exact, over rows that are. When all is
 * done the rows equal those of an exact prefill.
 *
 * <p>Nothing exact is computed twice: it begins with the residual stream that enters the first such
 * layer, which the prediction had computed anyway. With a {@link Auxiliary.Prefix} that is layer N,
 * or the first linearised layer; with other auxiliaries the embedding. For one thread.
 */
public final class Refinement {
  private final PrefillEngine base;
  private final int firstLayer;
  private final int from;
  private final int length;
  private final float[] stream; // (row, hidden), row 0 at position from, entering firstLayer

  /** Made when it is first asked for, since its memory need not be there before the first token. */
  private @Nullable KvCache cache;

  private int done;

  /**
   * What is left of a prompt.
   *
   * @param firstLayer the first layer whose rows are not exact
   * @param stream {@code (row, hidden)}, exact, entering that layer
   * @param from position of the first row; what stands before is exact already
   */
  Refinement(PrefillEngine base, int firstLayer, float[] stream, int from) {
    this.base = base;
    this.firstLayer = firstLayer;
    this.from = from;
    this.stream = stream;
    this.length = from + stream.length / base.weights().shape().hidden();
    this.done = from;
  }

  /** The first layer whose rows are refined. */
  public int firstLayer() {
    return firstLayer;
  }

  /** Where the first piece begins: rows before it must be put into the {@link #cache()} first. */
  public int from() {
    return from;
  }

  /** Positions {@code [0, exact())} are exact in every layer. */
  public int exact() {
    return done;
  }

  /** Positions of the prompt. */
  public int length() {
    return length;
  }

  /** Whether all of the prompt is exact. */
  public boolean isDone() {
    return done == length;
  }

  /**
   * Exact rows of the layers from {@link #firstLayer()} on, up to {@link #exact()}. The first call
   * takes the memory for them.
   */
  public KvCache cache() {
    KvCache made = cache;
    if (made == null) {
      made = KvCache.upper(base.weights().shape(), length, firstLayer);
      cache = made;
    }
    return made;
  }

  /** Copies exact rows {@code [start, end)} of every refined layer, {@code end <= exact()}. */
  public void copy(int start, int end, KvCache target) {
    int kv = base.weights().shape().kvLength();
    KvCache exact = cache();
    for (int layer = firstLayer; layer < base.weights().shape().layers(); layer++) {
      int count = (end - start) * kv;
      System.arraycopy(exact.keys(layer), start * kv, target.keys(layer), start * kv, count);
      System.arraycopy(exact.values(layer), start * kv, target.values(layer), start * kv, count);
      target.mark(layer, start, end, KvCache.RowState.EXACT);
    }
  }

  /**
   * Takes the next piece through the layers. Cancelled in the middle, it leaves what was exact as
   * it is, and can be called again.
   *
   * @param rows positions of the piece at most, at least 1
   */
  public void advance(int rows, Cancellation cancellation) {
    ModelShape shape = base.weights().shape();
    KvCache exact = cache();
    int hidden = shape.hidden();
    int to = Math.min(length, done + rows);
    int[] positions = PrefillEngine.range(done, to);
    float[] x = Arrays.copyOfRange(stream, (done - from) * hidden, (to - from) * hidden);
    PrefillScratch scratch =
        new PrefillScratch(shape, Math.min(PrefillEngine.CHUNK, positions.length));
    for (int layer = firstLayer; layer < shape.layers(); layer++) {
      base.runLayer(
          new LayerRun(
              layer,
              layer + 1,
              positions.length,
              positions,
              layer == shape.layers() - 1 ? 0 : positions.length,
              exact,
              Map.of(),
              null,
              null,
              cancellation),
          x,
          scratch);
    }
    done = to;
  }
}
