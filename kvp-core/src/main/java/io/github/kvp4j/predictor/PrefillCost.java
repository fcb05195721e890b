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

import io.github.kvp4j.model.ModelShape;
import java.util.List;
import java.util.Set;

/**
 * Floating-point operations of prefill, counted from the shapes: two for each multiply-add of a
 * matrix product, attention and projections included, norms and activations left out.
 */
public final class PrefillCost {
  private PrefillCost() {}

  /** One whole-base exact prefill of {@code n} tokens, head for the last token included. */
  public static double exact(ModelShape s, int n) {
    return exact(s, n, 0);
  }

  /** The same where the first {@code reused} positions are at hand, less than {@code n}. */
  public static double exact(ModelShape s, int n, int reused) {
    int rows = n - reused;
    double each = rows * layer(s) + attention(s, n) - attention(s, reused);
    // of the last layer only the last token's output is computed
    double last = rows * keysAndValues(s) + (layer(s) - keysAndValues(s)) + attentionRow(s, n);
    return (s.layers() - 1) * each + last + head(s);
  }

  /**
   * Prefill by prediction.
   *
   * <p>Which tokens are the top ones depends on the prompt; they are reckoned as if each saw all of
   * it, so the count is exact without them and an upper bound with them.
   *
   * @param base the base's shape
   * @param predictor what reads the prompt
   * @param anchors the exact tokens
   * @param n prompt tokens
   */
  public static double predicted(ModelShape base, KvPredictor predictor, Anchors anchors, int n) {
    return predicted(base, predictor, anchors, n, 0);
  }

  /**
   * The same where the base's exact rows of the first positions are at hand. An auxiliary with a
   * cache of its own reads them all the same: nothing of that cache is kept.
   *
   * @param reused positions that are at hand, less than {@code n}
   */
  public static double predicted(
      ModelShape base, KvPredictor predictor, Anchors anchors, int n, int reused) {
    int first = predictor.firstPredictedLayer();
    int rows = n - reused;
    int tailStart = Math.max(0, n - anchors.tail());
    int sink = Math.min(tailStart, anchors.sink());
    int sinkAndTail = Math.max(0, sink - reused) + n - Math.max(tailStart, reused);
    int top = Math.min(rows - sinkAndTail, anchors.top());
    // with an auxiliary of its own the last token is read by the base alone
    int read = predictor.auxiliary() instanceof Auxiliary.Prefix ? n : n - 1;
    double projections = 0;
    for (LinearProjection p : predictor.projections()) {
      projections +=
          2.0 * (read - reused) * p.key().weight().columns() * 2 * p.key().weight().rows();
    }
    double sum = head(base) + projections;
    switch (predictor.auxiliary()) {
      case Auxiliary.Prefix prefix -> {
        double linear = 2.0 * base.hidden() * base.hidden();
        for (int layer = 0; layer < prefix.layers(); layer++) {
          sum += attention(base, n) - attention(base, reused);
          sum += rows * (layer(base) - feedForward(base));
          sum +=
              prefix.linearised().containsKey(layer)
                  ? rows * linear + sinkAndTail * feedForward(base)
                  : rows * feedForward(base);
        }
      }
      case Auxiliary.Separate separate -> {
        ModelShape shape = separate.shape(base);
        sum += read == 0 ? 0 : exact(shape, read) - head(shape);
      }
    }
    double seen =
        attention(base, sink)
            - attention(base, Math.min(sink, reused))
            + attention(base, n)
            - attention(base, Math.max(tailStart, reused));
    int layers = base.layers() - first;
    sum += upper(base, sinkAndTail + top, seen + top * attentionRow(base, n), layers, n);
    if (anchors.top() > 0) {
      double mass = tailLook(base, n, Math.min(anchors.tail(), rows));
      sum +=
          switch (anchors.look()) {
            case LOWER ->
                predictor.auxiliary() instanceof Auxiliary.Separate separate
                    ? ownLook(separate.shape(base), read, anchors.tail() - 1)
                    : first * mass;
            // the tail looks first: the projections and a run of its own, all rows to the end
            case UPPER -> projections + layers * (sinkAndTail * layer(base) + seen + mass);
          };
    }
    return sum;
  }

  /** What the last {@code tail} of {@code n} tokens attend to in one layer: no values are read. */
  private static double tailLook(ModelShape s, int n, int tail) {
    double sum = 0;
    for (int i = 0; i < Math.min(n, tail); i++) {
      sum += attentionRow(s, n - i) / 2;
    }
    return sum;
  }

  /** The look of an auxiliary of {@code read} tokens, of which the last layer has the last only. */
  private static double ownLook(ModelShape s, int read, int tail) {
    return (s.layers() - 1) * tailLook(s, read, Math.max(1, tail)) + tailLook(s, read, 1);
  }

  /** {@code rows} anchors through the last {@code layers}, {@code attention} a layer. */
  private static double upper(ModelShape base, int rows, double attention, int layers, int n) {
    return (layers - 1) * (rows * layer(base) + attention)
        + rows * keysAndValues(base)
        + (layer(base) - keysAndValues(base))
        + attentionRow(base, n);
  }

  /**
   * Prefill over a prompt that loses tokens on the way up.
   *
   * @param rows how many tokens go through each layer
   * @param looks the layers in which the last token's attention is looked at
   */
  public static double pruned(ModelShape s, List<Integer> rows, Set<Integer> looks) {
    double sum = head(s);
    for (int layer = 0; layer < rows.size(); layer++) {
      int m = rows.get(layer);
      boolean last = layer == rows.size() - 1;
      sum += last ? oneOutput(s, m) : m * layer(s) + attention(s, m);
      sum += looks.contains(layer) ? attentionRow(s, m) / 2 : 0;
    }
    return sum;
  }

  /**
   * A look at what the last of {@code n} tokens attends to in the first layers.
   *
   * @param layers how many, at least 1; the last of them need not be left by any but the last token
   */
  public static double look(ModelShape s, int layers, int n) {
    return (layers - 1) * (n * layer(s) + attention(s, n))
        + oneOutput(s, n)
        + layers * attentionRow(s, n) / 2;
  }

  /** A layer that only the last of {@code n} tokens leaves: keys and values of all of them. */
  private static double oneOutput(ModelShape s, int n) {
    return n * keysAndValues(s) + (layer(s) - keysAndValues(s)) + attentionRow(s, n);
  }

  /** {@link #predicted} as a share of {@link #exact}. */
  public static double relative(ModelShape base, KvPredictor predictor, Anchors anchors, int n) {
    return relative(base, predictor, anchors, n, 0);
  }

  /** The same where the first {@code reused} positions are at hand for both. */
  public static double relative(
      ModelShape base, KvPredictor predictor, Anchors anchors, int n, int reused) {
    return predicted(base, predictor, anchors, n, reused) / exact(base, n, reused);
  }

  private static double keysAndValues(ModelShape s) {
    return 2.0 * s.hidden() * 2 * s.kvLength();
  }

  private static double feedForward(ModelShape s) {
    return 2.0 * 3 * s.hidden() * s.feedForward();
  }

  /** One token through one layer, attention over the cache left out. */
  private static double layer(ModelShape s) {
    return keysAndValues(s) + 2.0 * 2 * s.hidden() * s.attentionLength() + feedForward(s);
  }

  /** Attention of one query over {@code keys} cache rows. */
  private static double attentionRow(ModelShape s, int keys) {
    return 2.0 * 2 * keys * s.attentionLength();
  }

  /** Causal attention of {@code n} queries. */
  private static double attention(ModelShape s, int n) {
    return 2.0 * 2 * s.attentionLength() * ((double) n * (n + 1) / 2);
  }

  private static double head(ModelShape s) {
    return 2.0 * s.hidden() * s.vocabulary();
  }
}
