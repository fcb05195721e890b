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
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.prefill.AttentionMass;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.LayerListener;
import io.github.kvp4j.prefill.LayerRun;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.prefill.PrefillScratch;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
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
  private final @Nullable PrefillEngine auxiliary;

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
    this.auxiliary =
        predictor.auxiliary() instanceof Auxiliary.Separate s
            ? new PrefillEngine(s.weights(base.weights()), base.kernels())
            : null;
  }

  /** The predictor in use. */
  public KvPredictor predictor() {
    return predictor;
  }

  /**
   * The most tokens of a prompt: those of the base's context, or of the auxiliary's and the last
   * one, which the base reads alone.
   */
  public int longestPrompt() {
    int own = base.weights().rope().positions();
    return auxiliary == null ? own : Math.min(own, auxiliary.weights().rope().positions() + 1);
  }

  /** As the other, with no listener. */
  public float[] prefill(
      int[] tokens, int reused, Anchors anchors, KvCache cache, Cancellation cancellation) {
    return prefill(tokens, reused, anchors, cache, LayerListener.NONE, cancellation);
  }

  /**
   * Fills the cache for a prompt and runs its last token, layer by layer, so that a {@linkplain
   * KvCache#rolling rolling} cache suffices.
   *
   * @param tokens the whole prompt
   * @param reused positions that the cache already holds exactly, less than {@code tokens.length};
   *     or that the listener fills in as each layer begins
   * @param anchors which tokens stay exact
   * @param cache as long as the prompt at least
   * @param listener told of each base layer that begins, and that is complete
   * @return the residual stream {@code [hidden]} of the last token after the last layer
   */
  public float[] prefill(
      int[] tokens,
      int reused,
      Anchors anchors,
      KvCache cache,
      LayerListener listener,
      Cancellation cancellation) {
    return run(new Request(tokens, reused, anchors, cache, listener, false, cancellation)).last;
  }

  /** As {@link #prefill}, with what is left to make the prompt's rows exact. */
  public Refinable refinable(
      int[] tokens,
      int reused,
      Anchors anchors,
      KvCache cache,
      LayerListener listener,
      Cancellation cancellation) {
    Outcome outcome =
        run(new Request(tokens, reused, anchors, cache, listener, true, cancellation));
    return new Refinable(
        outcome.last,
        new Refinement(base, firstInexact(), Objects.requireNonNull(outcome.stream), reused));
  }

  /**
   * A predicted prompt that can be made exact.
   *
   * @param last the residual stream {@code [hidden]} of the last token after the last layer
   * @param rest the work that prediction left out
   */
  public record Refinable(float[] last, Refinement rest) {}

  /** The stream of the last token, and that of all rows where the first inexact layer begins. */
  private record Outcome(float[] last, float @Nullable [] stream) {}

  private Outcome run(Request request) {
    base.checkPrompt(request.tokens, request.reused, request.cache);
    return switch (predictor.auxiliary()) {
      case Auxiliary.Prefix prefix -> prefix(prefix, request);
      case Auxiliary.Separate s -> separate(s, request);
    };
  }

  /** The first layer whose rows are not exact for every token of the prompt. */
  public int firstInexact() {
    return predictor.auxiliary() instanceof Auxiliary.Prefix prefix
        ? prefix.linearised().keySet().stream().min(Integer::compare).orElse(prefix.layers())
        : 0;
  }

  private record Request(
      int[] tokens,
      int reused,
      Anchors anchors,
      KvCache cache,
      LayerListener listener,
      boolean refinable,
      Cancellation cancellation) {
    int length() {
      return tokens.length;
    }

    int rows() {
      return tokens.length - reused;
    }
  }

  private Outcome prefix(Auxiliary.Prefix prefix, Request r) {
    int n = r.length();
    int hidden = shape.hidden();
    int rows = r.rows();
    boolean[] exact = sinkAndTail(n, r.reused, r.anchors);
    boolean[] exactRows = Arrays.copyOfRange(exact, r.reused, n);
    AttentionMass mass =
        r.anchors.top() > 0 && r.anchors.look() == Anchors.Look.LOWER
            ? new AttentionMass(n, tailStart(n, r.anchors))
            : null;
    PrefillScratch scratch = new PrefillScratch(shape, Math.min(PrefillEngine.CHUNK, rows));
    int[] positions = PrefillEngine.range(r.reused, n);
    int width = prefix.sources().size() * hidden;
    float[] features = new float[Math.multiplyExact(rows, width)]; // (row, source, hidden)
    float[] x = new float[Math.multiplyExact(rows, hidden)]; // (row, hidden)
    base.embed(r.tokens, r.reused, n, x);
    float[] entering = null; // the stream where the first inexact layer begins

    // the auxiliary: the base's own first layers, for every row
    for (int layer = 0; layer < prefix.layers(); layer++) {
      capture(prefix, layer, rows, x, features);
      if (r.refinable && layer == firstInexact()) {
        entering = x.clone();
      }
      r.listener.layerBegins(layer);
      base.runLayer(
          new LayerRun(
              layer,
              layer + 1,
              rows,
              positions,
              rows,
              r.cache,
              prefix.linearised(),
              exactRows,
              mass,
              r.cancellation),
          x,
          scratch);
      r.listener.layerDone(layer);
    }
    capture(prefix, prefix.layers(), rows, x, features);

    // the anchors go on alone
    Consumer<LinearProjection> predict =
        p -> project(p, rows, features, features, 0, width, r.reused, r.cache);
    if (mass != null) {
      chooseTop(exact, r, mass.mass());
    } else if (r.anchors.top() > 0) {
      chooseTop(exact, r, look(r, exact, rowsOf(exact, r.reused, x), predict));
    }
    float[] last = upperLayers(r, exact, rowsOf(exact, r.reused, x), predict, r.listener, null);
    // the stream that enters layer N is not written any more
    return new Outcome(last, entering == null ? x : entering);
  }

  /**
   * RMS-normalises the stream into a source's columns of the features, if the layer is a source.
   */
  private void capture(Auxiliary.Prefix prefix, int layer, int rows, float[] x, float[] features) {
    int slot = prefix.sources().indexOf(layer);
    if (slot < 0) {
      return;
    }
    int hidden = shape.hidden();
    int width = prefix.sources().size() * hidden;
    if (width == hidden) {
      base.kernels().rmsNorm(rows, hidden, x, 0, null, shape.normEpsilon(), features, 0);
      return;
    }
    float[] normed = new float[rows * hidden]; // (row, hidden)
    base.kernels().rmsNorm(rows, hidden, x, 0, null, shape.normEpsilon(), normed, 0);
    for (int i = 0; i < rows; i++) {
      System.arraycopy(normed, i * hidden, features, i * width + slot * hidden, hidden);
    }
  }

  /** Predicts the keys and values of {@code rows} positions from {@code from} on in one layer. */
  private void project(
      LinearProjection p,
      int rows,
      float[] keyFeatures,
      float[] valueFeatures,
      int offset,
      int width,
      int from,
      KvCache cache) {
    Kernels kernels = base.kernels();
    int kv = shape.kvLength();
    int at = from * kv;
    float[] keys = cache.keys(p.layer());
    float[] values = cache.values(p.layer());
    kernels.gemm(
        rows, keyFeatures, offset, width, p.key().weight(), p.key().bias(), keys, at, kv, false);
    kernels.rotate(
        rows,
        shape.kvHeads(),
        keys,
        at,
        kv,
        PrefillEngine.range(from, from + rows),
        base.weights().rope());
    kernels.gemm(
        rows,
        valueFeatures,
        offset,
        width,
        p.value().weight(),
        p.value().bias(),
        values,
        at,
        kv,
        false);
    cache.mark(p.layer(), from, from + rows, KvCache.RowState.PREDICTED);
  }

  private Outcome separate(Auxiliary.Separate s, Request r) {
    int read = r.length() - 1; // the last token is the base's
    boolean[] exact = sinkAndTail(r.length(), r.reused, r.anchors);
    PrefillEngine engine = Objects.requireNonNull(auxiliary);
    KvCache own = new KvCache(engine.weights().shape(), Math.max(1, read));
    boolean looks = r.anchors.top() > 0 && read > 0;
    AttentionMass mass =
        looks && r.anchors.look() == Anchors.Look.LOWER
            // what the auxiliary reads of the tail, its last token at least
            ? new AttentionMass(r.length(), Math.min(read - 1, tailStart(r.length(), r.anchors)))
            : null;
    if (read > 0) {
      engine.prefill(
          Arrays.copyOf(r.tokens, read), 0, own, LayerListener.NONE, mass, r.cancellation);
      engine.unrotateKeys(own, read);
    }
    int hidden = shape.hidden();
    float[] embedded = new float[r.rows() * hidden]; // (row, hidden)
    base.embed(r.tokens, r.reused, r.length(), embedded);
    SourceLayers sources = new SourceLayers(s.map(), own, r.reused, read);
    Consumer<LinearProjection> predict =
        p -> {
          if (read > r.reused) {
            sources.of(p.layer());
            project(
                p,
                read - r.reused,
                sources.keys,
                sources.values,
                sources.offset,
                sources.width,
                r.reused,
                r.cache);
          }
        };
    if (mass != null) {
      chooseTop(exact, r, mass.mass());
    } else if (looks) {
      chooseTop(exact, r, look(r, exact, rowsOf(exact, r.reused, embedded), predict));
    }
    float[] last =
        upperLayers(r, exact, rowsOf(exact, r.reused, embedded), predict, r.listener, null);
    return new Outcome(last, r.refinable ? embedded : null);
  }

  /** What the projections of a base layer read of an auxiliary's cache. */
  private static final class SourceLayers {
    final int width; // features
    private final LayerMap map;
    private final KvCache own;
    private final int from;
    private final int to;
    float[] keys = {}; // (row, source layer, kvLength), the rows beginning at the offset
    float[] values = {};
    int offset;
    private int gathered = -1; // the first source layer of what the arrays hold

    SourceLayers(LayerMap map, KvCache own, int from, int to) {
      this.map = map;
      this.own = own;
      this.from = from;
      this.to = to;
      this.width = map.width() * own.shape().kvLength();
    }

    void of(int layer) {
      int first = map.firstSource(layer, own.shape().layers());
      if (map.width() == 1) {
        keys = own.keys(first);
        values = own.values(first);
        offset = from * width;
      } else if (first != gathered) {
        if (gathered < 0) {
          keys = new float[(to - from) * width];
          values = new float[(to - from) * width];
        }
        int kv = own.shape().kvLength();
        map.gather(own::keys, first, kv, from, to, keys);
        map.gather(own::values, first, kv, from, to, values);
        gathered = first;
      }
    }
  }

  /** The streams of the exact positions, {@code (anchor, hidden)}. */
  private float[] rowsOf(boolean[] exact, int reused, float[] x) {
    int hidden = shape.hidden();
    float[] streams = new float[count(exact) * hidden];
    for (int p = reused, at = 0; p < exact.length; p++) {
      if (exact[p]) {
        System.arraycopy(x, (p - reused) * hidden, streams, at++ * hidden, hidden);
      }
    }
    return streams;
  }

  /** What the tail attends to in the predicted layers, over the predicted keys. */
  private float[] look(
      Request r, boolean[] exact, float[] streams, Consumer<LinearProjection> predict) {
    AttentionMass mass = new AttentionMass(r.length(), tailStart(r.length(), r.anchors));
    LayerListener noHandOn =
        new LayerListener() {
          @Override
          public void layerBegins(int layer) {
            r.listener.layerBegins(layer);
          }

          @Override
          public void layerDone(int layer) {}
        };
    upperLayers(r, exact, streams, predict, noHandOn, mass);
    return mass.mass();
  }

  /**
   * The predicted layers: in each, first the prediction for all rows, then the anchors exactly over
   * the mixed cache. Returns the last token's stream.
   */
  private float[] upperLayers(
      Request r,
      boolean[] exact,
      float[] streams,
      Consumer<LinearProjection> predict,
      LayerListener listener,
      @Nullable AttentionMass mass) {
    int hidden = shape.hidden();
    int[] positions = IntStream.range(0, exact.length).filter(p -> exact[p]).toArray();
    PrefillScratch scratch =
        new PrefillScratch(shape, Math.min(PrefillEngine.CHUNK, positions.length));
    for (LinearProjection p : predictor.projections()) {
      r.cancellation.check();
      listener.layerBegins(p.layer());
      predict.accept(p);
      base.runLayer(
          new LayerRun(
              p.layer(),
              p.layer() + 1,
              positions.length,
              positions,
              mass == null && p.layer() == shape.layers() - 1 ? 1 : positions.length,
              r.cache,
              Map.of(),
              null,
              mass,
              r.cancellation),
          streams,
          scratch);
      listener.layerDone(p.layer());
    }
    return Arrays.copyOfRange(streams, streams.length - hidden, streams.length);
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

  /** Marks the positions that received most, window by window, until there are enough. */
  private static void chooseTop(boolean[] exact, Request r, float[] mass) {
    int window = r.anchors.window();
    int windows = (exact.length - r.reused + window - 1) / window;
    float[] received = new float[windows];
    for (int p = r.reused; p < exact.length; p++) {
      if (!exact[p]) {
        received[(p - r.reused) / window] += mass[p];
      }
    }
    int left = r.anchors.top();
    int[] order =
        IntStream.range(0, windows)
            .boxed()
            .sorted((a, b) -> Float.compare(received[b], received[a]))
            .mapToInt(Integer::intValue)
            .toArray();
    for (int w : order) {
      int from = r.reused + w * window;
      for (int p = from; p < Math.min(exact.length, from + window) && left > 0; p++) {
        if (!exact[p]) {
          exact[p] = true;
          left--;
        }
      }
    }
  }

  private static int count(boolean[] flags) {
    int count = 0;
    for (boolean f : flags) {
      count += f ? 1 : 0;
    }
    return count;
  }
}
