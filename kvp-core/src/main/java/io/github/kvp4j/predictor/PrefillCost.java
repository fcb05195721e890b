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

/**
 * Floating-point operations of prefill, counted from the shapes: two for each multiply-add of a
 * matrix product, attention and projections included, norms and activations left out.
 */
public final class PrefillCost {
  private PrefillCost() {}

  /** One whole-base exact prefill of {@code n} tokens, head for the last token included. */
  public static double exact(ModelShape s, int n) {
    double all = 0;
    for (int layer = 0; layer < s.layers() - 1; layer++) {
      all += n * layer(s) + attention(s, n);
    }
    // the last layer: keys and values of all tokens, the rest for the last one
    all += n * keysAndValues(s) + (layer(s) - keysAndValues(s)) + attentionRow(s, n);
    return all + head(s);
  }

  /**
   * Prefill by prediction.
   *
   * @param base the base's shape
   * @param predictor what reads the prompt
   * @param anchors the exact tokens
   * @param n prompt tokens
   */
  public static double predicted(ModelShape base, KvPredictor predictor, Anchors anchors, int n) {
    int rows = Math.min(n, anchors.sink() + anchors.tail() + anchors.top());
    int first = predictor.firstPredictedLayer();
    double sum = head(base);
    for (LinearProjection p : predictor.projections()) {
      sum += 2.0 * n * p.key().weight().columns() * 2 * p.key().weight().rows();
    }
    switch (predictor.auxiliary()) {
      case Auxiliary.Prefix prefix -> {
        double linear = 2.0 * base.hidden() * base.hidden();
        int below = Math.min(n, anchors.sink() + anchors.tail());
        for (int layer = 0; layer < prefix.layers(); layer++) {
          sum += attention(base, n) + (double) n * (layer(base) - feedForward(base));
          sum +=
              prefix.linearised().containsKey(layer)
                  ? n * linear + below * feedForward(base)
                  : n * feedForward(base);
        }
      }
      case Auxiliary.Separate separate -> {
        ModelShape shape = separate.shape(base);
        sum += exact(shape, n) - head(shape);
      }
    }
    sum += upper(base, anchors, rows, first, n);
    if (anchors.top() > 0 && anchors.look() == Anchors.Look.UPPER) {
      // the tail looks first: the projections and its own run once more
      sum += upper(base, anchors, Math.min(n, anchors.sink() + anchors.tail()), first, n);
      for (LinearProjection p : predictor.projections()) {
        sum += 2.0 * n * p.key().weight().columns() * 2 * p.key().weight().rows();
      }
    }
    return sum;
  }

  /** {@code rows} anchors through the layers from {@code first} on. */
  private static double upper(ModelShape base, Anchors anchors, int rows, int first, int n) {
    double anchorAttention = 0;
    // sinks see next to nothing; tail and top rows see nearly the whole prompt
    int wide = Math.max(0, rows - anchors.sink());
    for (int i = 0; i < wide; i++) {
      anchorAttention += attentionRow(base, n - i);
    }
    int upper = base.layers() - first;
    return (upper - 1) * (rows * layer(base) + anchorAttention)
        + rows * keysAndValues(base)
        + (layer(base) - keysAndValues(base))
        + attentionRow(base, n);
  }

  /** {@link #predicted} as a share of {@link #exact}. */
  public static double relative(ModelShape base, KvPredictor predictor, Anchors anchors, int n) {
    return predicted(base, predictor, anchors, n) / exact(base, n);
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
