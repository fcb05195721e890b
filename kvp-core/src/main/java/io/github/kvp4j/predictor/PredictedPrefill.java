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

import io.github.kvp4j.kernel.Kernels;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.RopeTable;
import io.github.kvp4j.prefill.AttentionMass;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.LayerRun;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.prefill.PrefillScratch;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Prefill by prediction: the auxiliary reads the prompt, the projections fill the base's cache, and
 * the anchors, the last token among them, go through the base exactly over that mixed cache.
 *
 * <p>Safe for use by many threads.
 */
public final class PredictedPrefill {
  private final PrefillEngine base;
  private final KvPredictor predictor;
  private final ModelShape shape;
  private final @Nullable PrefillEngine sibling;

  /**
   * Joins a base and a predictor that fits it.
   *
   * @throws io.github.kvp4j.KvpException {@code PREDICTOR_MISMATCH} where it does not
   */
  public PredictedPrefill(PrefillEngine base, KvPredictor predictor) {
    this.base = base;
    this.predictor = predictor;
    this.shape = base.weights().shape();
    predictor.checkFits(shape);
    this.sibling =
        predictor.auxiliary() instanceof Auxiliary.Sibling s
            ? new PrefillEngine(s.weights(), base.kernels())
            : null;
  }

  /** The predictor in use. */
  public KvPredictor predictor() {
    return predictor;
  }

  /**
   * Fills the cache for a prompt and runs its last token.
   *
   * @param tokens the whole prompt
   * @param reused positions that the cache already holds exactly, less than {@code tokens.length}
   * @param anchors which tokens stay exact
   * @param cache as long as the prompt at least
   * @return the residual stream {@code [hidden]} of the last token after the last layer
   */
  public float[] prefill(
      int[] tokens, int reused, Anchors anchors, KvCache cache, Cancellation cancellation) {
    base.checkPrompt(tokens, reused, cache);
    return switch (predictor.auxiliary()) {
      case Auxiliary.Prefix prefix -> prefix(prefix, tokens, reused, anchors, cache, cancellation);
      case Auxiliary.Sibling s -> sibling(s, tokens, reused, anchors, cache, cancellation);
    };
  }

  private float[] prefix(
      Auxiliary.Prefix prefix,
      int[] tokens,
      int reused,
      Anchors anchors,
      KvCache cache,
      Cancellation cancellation) {
    int n = tokens.length;
    int hidden = shape.hidden();
    int split = prefix.layers();
    boolean[] exact = sinkAndTail(n, reused, anchors);
    AttentionMass mass = anchors.top() == 0 ? null : new AttentionMass(n, tailStart(n, anchors));
    PrefillScratch scratch =
        new PrefillScratch(shape, Math.min(PrefillEngine.CHUNK, n - reused));
    float[] x = new float[scratch.rows() * hidden]; // (row, hidden)
    int width = prefix.sources().size() * hidden;
    float[] features = new float[scratch.rows() * width]; // (row, source, hidden)
    // the stream at layer N of every row that may still become an anchor
    float @Nullable [] allStreams = mass == null ? null : new float[(n - reused) * hidden];
    float[] streams = new float[(mass == null ? count(exact) : 0) * hidden]; // (anchor, hidden)
    int kept = 0;

    for (int start = reused; start < n; start += PrefillEngine.CHUNK) {
      int end = Math.min(n, start + PrefillEngine.CHUNK);
      int rows = end - start;
      int[] positions = PrefillEngine.range(start, end);
      boolean[] exactRows = Arrays.copyOfRange(exact, start, end);
      base.embed(tokens, start, end, x);
      int layer = 0;
      for (int slot = 0; slot < prefix.sources().size(); slot++) {
        int source = prefix.sources().get(slot);
        runPrefix(layer, source, positions, prefix.linearised(), exactRows, mass, cache, x, scratch, cancellation);
        layer = source;
        capture(rows, x, features, slot * hidden, width, scratch);
      }
      runPrefix(layer, split, positions, prefix.linearised(), exactRows, mass, cache, x, scratch, cancellation);
      for (LinearProjection p : predictor.projections()) {
        project(p, rows, features, width, positions, cache);
      }
      if (allStreams != null) {
        System.arraycopy(x, 0, allStreams, (start - reused) * hidden, rows * hidden);
      } else {
        for (int i = 0; i < rows; i++) {
          if (exactRows[i]) {
            System.arraycopy(x, i * hidden, streams, kept++ * hidden, hidden);
          }
        }
      }
    }
    if (mass != null && allStreams != null) {
      chooseTop(exact, reused, anchors.top(), mass.mass());
      streams = new float[count(exact) * hidden];
      for (int p = reused, at = 0; p < n; p++) {
        if (exact[p]) {
          System.arraycopy(allStreams, (p - reused) * hidden, streams, at++ * hidden, hidden);
        }
      }
    }
    return runAnchors(split, exact, streams, cache, cancellation);
  }

  private void runPrefix(
      int from,
      int to,
      int[] positions,
      Map<Integer, LinearMap> linearised,
      boolean[] exactRows,
      @Nullable AttentionMass mass,
      KvCache cache,
      float[] x,
      PrefillScratch scratch,
      Cancellation cancellation) {
    base.runLayers(
        new LayerRun(
            from,
            to,
            positions.length,
            positions,
            positions.length,
            cache,
            linearised,
            exactRows,
            mass,
            cancellation),
        x,
        scratch);
  }

  /** RMS-normalises the stream into one source's columns of the features. */
  private void capture(
      int rows, float[] x, float[] features, int column, int width, PrefillScratch scratch) {
    int hidden = shape.hidden();
    if (width == hidden) {
      base.kernels().rmsNorm(rows, hidden, x, 0, null, shape.normEpsilon(), features, 0);
      return;
    }
    float[] normed = scratch.normed();
    base.kernels().rmsNorm(rows, hidden, x, 0, null, shape.normEpsilon(), normed, 0);
    for (int i = 0; i < rows; i++) {
      System.arraycopy(normed, i * hidden, features, i * width + column, hidden);
    }
  }

  private void project(
      LinearProjection p,
      int rows,
      float[] features,
      int width,
      int[] positions,
      KvCache cache) {
    Kernels kernels = base.kernels();
    RopeTable rope = base.weights().rope();
    int kv = shape.kvLength();
    int at = positions[0] * kv;
    float[] keys = cache.keys(p.layer());
    kernels.gemm(rows, features, 0, width, p.key().weight(), p.key().bias(), keys, at, kv, false);
    kernels.rotate(rows, shape.kvHeads(), keys, at, kv, positions, rope);
    kernels.gemm(
        rows,
        features,
        0,
        width,
        p.value().weight(),
        p.value().bias(),
        cache.values(p.layer()),
        at,
        kv,
        false);
    cache.mark(p.layer(), positions[0], positions[0] + rows, KvCache.RowState.PREDICTED);
  }

  private float[] sibling(
      Auxiliary.Sibling s,
      int[] tokens,
      int reused,
      Anchors anchors,
      KvCache cache,
      Cancellation cancellation) {
    int n = tokens.length;
    boolean[] exact = sinkAndTail(n, reused, anchors);
    if (n > 1) {
      PrefillEngine engine = java.util.Objects.requireNonNull(sibling);
      ModelShape auxShape = s.weights().shape();
      KvCache auxCache = new KvCache(auxShape, n - 1);
      int[] read = Arrays.copyOf(tokens, n - 1);
      engine.prefill(read, 0, auxCache, cancellation);
      int[] back = IntStream.range(0, n - 1).toArray();
      RopeTable inverse = s.weights().rope().inverse();
      for (int layer = 0; layer < auxShape.layers(); layer++) {
        base.kernels()
            .rotate(
                n - 1, auxShape.kvHeads(), auxCache.keys(layer), 0, auxShape.kvLength(), back, inverse);
      }
      for (LinearProjection p : predictor.projections()) {
        cancellation.check();
        projectSibling(s, p, n - 1, reused, auxCache, cache);
      }
    }
    int hidden = shape.hidden();
    float[] streams = new float[count(exact) * hidden]; // (anchor, hidden)
    for (int p = 0, at = 0; p < n; p++) {
      if (exact[p]) {
        base.weights().embedding().row(tokens[p], streams, at++ * hidden);
      }
    }
    return runAnchors(0, exact, streams, cache, cancellation);
  }

  private void projectSibling(
      Auxiliary.Sibling s,
      LinearProjection p,
      int rows,
      int reused,
      KvCache auxCache,
      KvCache cache) {
    if (rows <= reused) {
      return;
    }
    int source = s.map().source(p.layer());
    int width = s.weights().shape().kvLength();
    int kv = shape.kvLength();
    int m = rows - reused;
    int at = reused * kv;
    Kernels kernels = base.kernels();
    float[] keys = cache.keys(p.layer());
    kernels.gemm(
        m, auxCache.keys(source), reused * width, width, p.key().weight(), p.key().bias(), keys, at, kv, false);
    kernels.rotate(
        m, shape.kvHeads(), keys, at, kv, PrefillEngine.range(reused, rows), base.weights().rope());
    kernels.gemm(
        m,
        auxCache.values(source),
        reused * width,
        width,
        p.value().weight(),
        p.value().bias(),
        cache.values(p.layer()),
        at,
        kv,
        false);
    cache.mark(p.layer(), reused, rows, KvCache.RowState.PREDICTED);
  }

  /** Runs the anchors through the layers from {@code split} on; the last one's stream is returned. */
  private float[] runAnchors(
      int split, boolean[] exact, float[] streams, KvCache cache, Cancellation cancellation) {
    int hidden = shape.hidden();
    int[] positions =
        IntStream.range(0, exact.length).filter(p -> exact[p]).toArray();
    PrefillScratch scratch =
        new PrefillScratch(shape, Math.min(PrefillEngine.CHUNK, positions.length));
    for (int start = 0; start < positions.length; start += PrefillEngine.CHUNK) {
      int end = Math.min(positions.length, start + PrefillEngine.CHUNK);
      float[] x =
          start == 0 && end == positions.length
              ? streams
              : Arrays.copyOfRange(streams, start * hidden, end * hidden);
      boolean last = end == positions.length;
      base.runLayers(
          LayerRun.plain(
                  split,
                  shape.layers(),
                  Arrays.copyOfRange(positions, start, end),
                  cache,
                  cancellation)
              .withOutputs(last ? 1 : 0),
          x,
          scratch);
      if (last) {
        return Arrays.copyOfRange(x, (end - start - 1) * hidden, (end - start) * hidden);
      }
    }
    throw new IllegalStateException("the last token is always an anchor");
  }

  private static int tailStart(int length, Anchors anchors) {
    return Math.max(0, length - anchors.tail());
  }

  private static boolean[] sinkAndTail(int length, int reused, Anchors anchors) {
    boolean[] exact = new boolean[length];
    Arrays.fill(exact, 0, Math.min(length, anchors.sink()), true);
    Arrays.fill(exact, tailStart(length, anchors), length, true);
    Arrays.fill(exact, 0, reused, false);
    return exact;
  }

  private static void chooseTop(boolean[] exact, int reused, int top, float[] mass) {
    IntStream.range(reused, exact.length)
        .filter(p -> !exact[p])
        .boxed()
        .sorted((a, b) -> Float.compare(mass[b], mass[a]))
        .limit(top)
        .toList()
        .forEach(p -> exact[p] = true);
  }

  private static int count(boolean[] flags) {
    int count = 0;
    for (boolean f : flags) {
      count += f ? 1 : 0;
    }
    return count;
  }
}
