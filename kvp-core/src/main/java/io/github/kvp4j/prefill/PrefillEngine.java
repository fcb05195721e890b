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
package io.github.kvp4j.prefill;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.kernel.Kernels;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.LayerWeights;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.model.RopeTable;
import io.github.kvp4j.model.Weight;
import java.util.Arrays;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Runs layers {@code [from, to)} of a Llama-family model for any set of prompt positions over a
 * {@link KvCache}. Safe for use by many threads: what a run needs besides the weights is in its own
 * {@link PrefillScratch}.
 */
public final class PrefillEngine {
  /** Rows that go through the layers together: enough to use the machine, bounded in memory. */
  public static final int CHUNK = 512;

  private final ModelWeights weights;
  private final ModelShape shape;
  private final Kernels kernels;

  /**
   * An engine over weights that stay where they are.
   *
   * @param weights the model
   * @param kernels the numeric kernels
   */
  public PrefillEngine(ModelWeights weights, Kernels kernels) {
    this.weights = weights;
    this.shape = weights.shape();
    this.kernels = kernels;
  }

  /** The model that this engine runs. */
  public ModelWeights weights() {
    return weights;
  }

  /** The kernels in use. */
  public Kernels kernels() {
    return kernels;
  }

  /** As {@link #prefill(int[], int, KvCache, LayerListener, Cancellation)}, with no listener. */
  public float[] prefill(int[] tokens, int reused, KvCache cache, Cancellation cancellation) {
    return prefill(tokens, reused, cache, LayerListener.NONE, cancellation);
  }

  /**
   * Reads a prompt exactly: every layer, every position in {@code [reused, tokens.length)}, over a
   * cache whose first {@code reused} positions are exact already.
   *
   * <p>One layer after the other, all rows through each: so a layer's keys and values are complete
   * before the next begins, and a {@linkplain KvCache#rolling rolling} cache suffices.
   *
   * @param tokens the whole prompt
   * @param reused positions that the cache holds already, less than {@code tokens.length}; or that
   *     the listener fills in as each layer begins
   * @param cache as long as the prompt at least
   * @param listener told of each layer that begins, and that is complete
   * @return the residual stream {@code [hidden]} of the last token after the last layer
   */
  public float[] prefill(
      int[] tokens, int reused, KvCache cache, LayerListener listener, Cancellation cancellation) {
    return prefill(tokens, reused, cache, listener, null, cancellation);
  }

  /**
   * As the other, watching what the prompt's tail attends to: in the last layer the last token
   * alone, since no other goes through it.
   *
   * @param mass what attention is added to, or null
   */
  public float[] prefill(
      int[] tokens,
      int reused,
      KvCache cache,
      LayerListener listener,
      @Nullable AttentionMass mass,
      Cancellation cancellation) {
    checkPrompt(tokens, reused, cache);
    int[] positions = range(reused, tokens.length);
    float[] x = new float[Math.multiplyExact(positions.length, shape.hidden())]; // (row, hidden)
    embed(tokens, reused, tokens.length, x);
    PrefillScratch scratch = new PrefillScratch(shape, Math.min(CHUNK, positions.length));
    for (int layer = 0; layer < shape.layers(); layer++) {
      // only the very last token's output is ever read
      int outputs = layer == shape.layers() - 1 ? 1 : positions.length;
      listener.layerBegins(layer);
      runLayer(
          new LayerRun(
              layer,
              layer + 1,
              positions.length,
              positions,
              outputs,
              cache,
              Map.of(),
              null,
              mass,
              cancellation),
          x,
          scratch);
      listener.layerDone(layer);
    }
    return Arrays.copyOfRange(x, x.length - shape.hidden(), x.length);
  }

  /**
   * Runs one layer for any number of rows, {@link #CHUNK} at a time; otherwise as {@link
   * #runLayers}.
   */
  public void runLayer(LayerRun run, float[] x, PrefillScratch scratch) {
    int rows = run.rows();
    for (int start = 0; start < rows; start += CHUNK) {
      int end = Math.min(rows, start + CHUNK);
      run.cancellation().check();
      boolean[] exactRows = run.exactRows();
      LayerRun part =
          rows <= CHUNK
              ? run
              : new LayerRun(
                  run.from(),
                  run.to(),
                  end - start,
                  Arrays.copyOfRange(run.positions(), start, end),
                  Math.min(end - start, Math.max(0, end - (rows - run.outputs()))),
                  run.cache(),
                  run.linearised(),
                  exactRows == null ? null : Arrays.copyOfRange(exactRows, start, end),
                  run.mass(),
                  run.cancellation());
      runLayer(run.from(), part, part.outputs(), x, start, scratch);
    }
  }

  /**
   * Turns the keys of the first {@code rows} positions back to what they were before RoPE, in every
   * layer: the form that projections read and give. The cache is of no use to attention then.
   */
  public void unrotateKeys(KvCache cache, int rows) {
    RopeTable inverse = weights.rope().inverse();
    int[] positions = range(0, rows);
    for (int layer = 0; layer < shape.layers(); layer++) {
      kernels.rotate(
          rows, shape.kvHeads(), cache.keys(layer), 0, shape.kvLength(), positions, inverse);
    }
  }

  /** Refuses a prompt that is empty, beyond the cache, or holds a token that is none. */
  public void checkPrompt(int[] tokens, int reused, KvCache cache) {
    if (tokens.length == 0) {
      throw new KvpException(
          KvpException.Kind.PROMPT, "The prompt is empty; at least one token is needed.");
    }
    int limit = Math.min(cache.capacity(), weights.rope().positions());
    if (tokens.length > limit) {
      throw new KvpException(
          KvpException.Kind.PROMPT,
          "The prompt has " + tokens.length + " tokens; the limit is " + limit + ".");
    }
    if (reused < 0 || reused >= tokens.length) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The number of reused positions is "
              + reused
              + "; it must be between 0 and "
              + (tokens.length - 1)
              + ".");
    }
    for (int token : tokens) {
      if (token < 0 || token >= shape.vocabulary()) {
        throw new KvpException(
            KvpException.Kind.PROMPT,
            "The prompt holds token "
                + token
                + "; the vocabulary has "
                + shape.vocabulary()
                + " tokens.");
      }
    }
  }

  /** Writes the embeddings of {@code tokens[start .. end-1]} to {@code x (row, hidden)}. */
  public void embed(int[] tokens, int start, int end, float[] x) {
    for (int i = start; i < end; i++) {
      weights.embedding().row(tokens[i], x, (i - start) * shape.hidden());
    }
  }

  /**
   * The logits of one residual stream row.
   *
   * @param x {@code [hidden]}, after the last layer
   * @return {@code [vocabulary]}
   */
  public float[] logits(float[] x) {
    float[] logits = new float[shape.vocabulary()];
    logits(1, x, logits);
    return logits;
  }

  /** The logits of {@code rows} rows of {@code x (row, hidden)} into {@code (row, vocabulary)}. */
  public void logits(int rows, float[] x, float[] logits) {
    int hidden = shape.hidden();
    float[] normed = new float[rows * hidden];
    kernels.rmsNorm(rows, hidden, x, 0, weights.finalNorm(), shape.normEpsilon(), normed, 0);
    kernels.gemm(
        rows, normed, 0, hidden, weights.head(), null, logits, 0, shape.vocabulary(), false);
  }

  /**
   * Runs layers over the residual stream.
   *
   * @param run which layers, rows and cache
   * @param x {@code (row, hidden)}: in, the stream before layer {@code from}; out, after layer
   *     {@code to - 1} (only the last {@code outputs} rows are meaningful then)
   * @param scratch working memory for at least as many rows
   */
  public void runLayers(LayerRun run, float[] x, PrefillScratch scratch) {
    for (int layer = run.from(); layer < run.to(); layer++) {
      run.cancellation().check();
      int outputs = layer == run.to() - 1 ? run.outputs() : run.rows();
      runLayer(layer, run, outputs, x, 0, scratch);
    }
  }

  /** One layer for rows {@code firstRow ..} of {@code x}; the run's rows count from there. */
  private void runLayer(
      int layer, LayerRun run, int outputs, float[] x, int firstRow, PrefillScratch s) {
    LayerWeights w = weights.layers().get(layer);
    int m = run.rows();
    int hidden = shape.hidden();
    int attention = shape.attentionLength();

    // keys and values of every row, straight into the cache
    kernels.rmsNorm(
        m, hidden, x, firstRow * hidden, w.attentionNorm(), shape.normEpsilon(), s.normed, 0);
    writeKeysAndValues(layer, run, w, s);
    if (outputs == 0) {
      return;
    }

    // attention of the rows that go on
    int first = m - outputs;
    int[] positions =
        outputs == run.positions().length
            ? run.positions()
            : Arrays.copyOfRange(run.positions(), first, m);
    kernels.gemm(
        outputs,
        s.normed,
        first * hidden,
        hidden,
        w.query(),
        w.queryBias(),
        s.query,
        0,
        attention,
        false);
    kernels.rotate(outputs, shape.heads(), s.query, 0, attention, positions, weights.rope());
    float[] keys = run.cache().keys(layer);
    AttentionMass mass = run.mass();
    if (mass != null) {
      mass.observe(kernels, shape, outputs, s.query, positions, keys);
    }
    kernels.attention(
        outputs,
        s.query,
        positions,
        keys,
        run.cache().values(layer),
        shape.heads(),
        shape.kvHeads(),
        shape.headSize(),
        shape.attentionScale(),
        s.attended);
    int row = firstRow + first;
    kernels.gemm(
        outputs, s.attended, 0, attention, w.output(), null, x, row * hidden, hidden, true);

    // feed-forward network, or its linear stand-in
    kernels.rmsNorm(
        outputs, hidden, x, row * hidden, w.feedForwardNorm(), shape.normEpsilon(), s.normed, 0);
    LinearMap map = run.linearised().get(layer);
    if (map == null) {
      feedForward(w, outputs, s.normed, x, row, s);
    } else {
      linearised(map, w, outputs, run.exactRows(), first, x, row, s);
    }
  }

  private void writeKeysAndValues(int layer, LayerRun run, LayerWeights w, PrefillScratch s) {
    int m = run.rows();
    int hidden = shape.hidden();
    int kv = shape.kvLength();
    int[] positions = run.positions();
    float[] keys = run.cache().keys(layer);
    float[] values = run.cache().values(layer);
    if (positions[m - 1] - positions[0] == m - 1) {
      int at = positions[0] * kv;
      kernels.gemm(m, s.normed, 0, hidden, w.key(), w.keyBias(), keys, at, kv, false);
      kernels.gemm(m, s.normed, 0, hidden, w.value(), w.valueBias(), values, at, kv, false);
      kernels.rotate(m, shape.kvHeads(), keys, at, kv, positions, weights.rope());
      run.cache().mark(layer, positions[0], positions[0] + m, KvCache.RowState.EXACT);
      return;
    }
    kernels.gemm(m, s.normed, 0, hidden, w.key(), w.keyBias(), s.query, 0, kv, false);
    kernels.rotate(m, shape.kvHeads(), s.query, 0, kv, positions, weights.rope());
    kernels.gemm(m, s.normed, 0, hidden, w.value(), w.valueBias(), s.attended, 0, kv, false);
    for (int i = 0; i < m; i++) {
      System.arraycopy(s.query, i * kv, keys, positions[i] * kv, kv);
      System.arraycopy(s.attended, i * kv, values, positions[i] * kv, kv);
      run.cache().mark(layer, positions[i], positions[i] + 1, KvCache.RowState.EXACT);
    }
  }

  private void feedForward(
      LayerWeights w, int rows, float[] normed, float[] x, int firstRow, PrefillScratch s) {
    int at = firstRow * shape.hidden();
    kernels.feedForward(rows, normed, w.gate(), w.up(), w.down(), x, at, s.gate, s.up);
  }

  /** {@code x += A · rmsnorm(x) + b} for all rows but the exact ones, which keep the network. */
  private void linearised(
      LinearMap map,
      LayerWeights w,
      int rows,
      boolean @Nullable [] exactRows,
      int firstFlag,
      float[] x,
      int firstRow,
      PrefillScratch s) {
    int hidden = shape.hidden();
    Weight a = map.weight();
    int exact = 0;
    if (exactRows != null) {
      for (int i = 0; i < rows; i++) {
        exact += exactRows[firstFlag + i] ? 1 : 0;
      }
    }
    if (exact == 0) {
      kernels.gemm(rows, s.normed, 0, hidden, a, map.bias(), x, firstRow * hidden, hidden, true);
      return;
    }
    // put the exact rows aside (stream and norm), so that the others run as one dense matrix
    float[] stream = new float[exact * hidden]; // (exact row, hidden)
    float[] normed = new float[exact * hidden]; // (exact row, hidden)
    int at = 0;
    for (int i = 0; i < rows; i++) {
      if (exactRows != null && exactRows[firstFlag + i]) {
        System.arraycopy(x, (firstRow + i) * hidden, stream, at * hidden, hidden);
        System.arraycopy(s.normed, i * hidden, normed, at * hidden, hidden);
        at++;
      }
    }
    kernels.gemm(rows, s.normed, 0, hidden, a, map.bias(), x, firstRow * hidden, hidden, true);
    feedForward(w, exact, normed, stream, 0, s);
    at = 0;
    for (int i = 0; i < rows; i++) {
      if (exactRows != null && exactRows[firstFlag + i]) {
        System.arraycopy(stream, at * hidden, x, (firstRow + i) * hidden, hidden);
        at++;
      }
    }
  }

  /** The numbers {@code from .. to-1}. */
  public static int[] range(int from, int to) {
    int[] out = new int[to - from];
    Arrays.setAll(out, i -> from + i);
    return out;
  }
}
