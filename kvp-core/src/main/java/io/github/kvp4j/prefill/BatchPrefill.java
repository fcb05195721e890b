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
import io.github.kvp4j.model.ModelShape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Reads several prompts in one pass: their tokens are stacked for the matrix products, so that
 * short prompts use the machine as well as a long one does, and attention runs for each prompt
 * apart.
 *
 * <p>Safe for use by many threads.
 */
public final class BatchPrefill {
  private final PrefillEngine engine;
  private final ModelShape shape;
  private final Kernels kernels;

  /** Batches over an engine's model and kernels. */
  public BatchPrefill(PrefillEngine engine) {
    this.engine = engine;
    this.shape = engine.weights().shape();
    this.kernels = engine.kernels();
  }

  /**
   * A prompt of a batch.
   *
   * @param tokens the whole prompt
   * @param reused positions that the cache holds already or that the listener fills in as each
   *     layer begins, less than there are tokens
   * @param cache as long as the prompt at least; a rolling one suffices
   * @param listener told of each layer that begins, and that is complete
   */
  public record Prompt(int[] tokens, int reused, KvCache cache, LayerListener listener) {
    /** How many positions are read. */
    int rows() {
      return tokens.length - reused;
    }
  }

  /**
   * Reads prompts exactly.
   *
   * @return for each prompt the last token's residual stream {@code [hidden]} after the last layer
   */
  public List<float[]> prefill(List<Prompt> prompts, Cancellation cancellation) {
    if (prompts.isEmpty()) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT, "A batch has no prompts; at least one is needed.");
    }
    prompts.forEach(p -> engine.checkPrompt(p.tokens, p.reused, p.cache));
    Stack stack = new Stack(prompts);
    int hidden = shape.hidden();
    float[] x = new float[Math.multiplyExact(stack.rows, hidden)]; // (row, hidden)
    for (int i = 0; i < prompts.size(); i++) {
      Prompt p = prompts.get(i);
      float[] own = new float[p.rows() * hidden]; // (row, hidden)
      engine.embed(p.tokens, p.reused, p.tokens.length, own);
      System.arraycopy(own, 0, x, stack.first[i] * hidden, own.length);
    }
    PrefillScratch s =
        new PrefillScratch(
            shape, Math.max(prompts.size(), Math.min(PrefillEngine.CHUNK, stack.rows)));
    int last = shape.layers() - 1;
    for (int layer = 0; layer <= last; layer++) {
      for (Prompt p : prompts) {
        p.listener.layerBegins(layer);
      }
      for (int start = 0; start < stack.rows; start += PrefillEngine.CHUNK) {
        cancellation.check();
        int end = Math.min(stack.rows, start + PrefillEngine.CHUNK);
        keysAndValues(layer, stack, start, end, x, s);
        if (layer < last) {
          rest(layer, stack.parts(start, end), x, start, end - start, s);
        }
      }
      if (layer < last) {
        for (Prompt p : prompts) {
          p.listener.layerDone(layer);
        }
      }
    }
    // in the last layer only each prompt's last row goes on
    float[] ends = new float[prompts.size() * hidden]; // (prompt, hidden)
    List<Part> parts = new ArrayList<>();
    for (int i = 0; i < prompts.size(); i++) {
      Prompt p = prompts.get(i);
      System.arraycopy(x, (stack.first[i] + p.rows() - 1) * hidden, ends, i * hidden, hidden);
      parts.add(new Part(p.cache, i, 1, p.tokens.length - 1));
    }
    float[] norm = engine.weights().layers().get(last).attentionNorm();
    kernels.rmsNorm(prompts.size(), hidden, ends, 0, norm, shape.normEpsilon(), s.normed, 0);
    rest(last, parts, ends, 0, prompts.size(), s);
    List<float[]> out = new ArrayList<>();
    for (int i = 0; i < prompts.size(); i++) {
      prompts.get(i).listener.layerDone(last);
      out.add(Arrays.copyOfRange(ends, i * hidden, (i + 1) * hidden));
    }
    return out;
  }

  /**
   * Rows of one prompt within the rows at hand.
   *
   * @param cache the prompt's
   * @param row the first row, counted within the rows at hand
   * @param count how many
   * @param position prompt position of the first
   */
  private record Part(KvCache cache, int row, int count, int position) {}

  /** The rows of the prompts that are read, one after the other. */
  private static final class Stack {
    final List<Prompt> prompts;
    final int[] first; // (prompt): its first row
    final int rows;

    Stack(List<Prompt> prompts) {
      this.prompts = prompts;
      this.first = new int[prompts.size()];
      int at = 0;
      for (int i = 0; i < first.length; i++) {
        first[i] = at;
        at = Math.addExact(at, prompts.get(i).rows());
      }
      this.rows = at;
    }

    /** What of each prompt lies in rows {@code [start, end)}. */
    List<Part> parts(int start, int end) {
      List<Part> out = new ArrayList<>();
      for (int i = 0; i < first.length; i++) {
        Prompt p = prompts.get(i);
        int from = Math.max(start, first[i]);
        int to = Math.min(end, first[i] + p.rows());
        if (from < to) {
          out.add(new Part(p.cache, from - start, to - from, p.reused + from - first[i]));
        }
      }
      return out;
    }
  }

  /** Norms rows {@code [start, end)} and writes their keys and values to their caches. */
  private void keysAndValues(
      int layer, Stack stack, int start, int end, float[] x, PrefillScratch s) {
    LayerWeights w = engine.weights().layers().get(layer);
    int hidden = shape.hidden();
    int kv = shape.kvLength();
    int m = end - start;
    kernels.rmsNorm(
        m, hidden, x, start * hidden, w.attentionNorm(), shape.normEpsilon(), s.normed, 0);
    kernels.gemm(m, s.normed, 0, hidden, w.key(), w.keyBias(), s.query, 0, kv, false);
    kernels.gemm(m, s.normed, 0, hidden, w.value(), w.valueBias(), s.attended, 0, kv, false);
    for (Part part : stack.parts(start, end)) {
      float[] keys = part.cache.keys(layer);
      int at = part.position * kv;
      System.arraycopy(s.query, part.row * kv, keys, at, part.count * kv);
      System.arraycopy(s.attended, part.row * kv, part.cache.values(layer), at, part.count * kv);
      kernels.rotate(
          part.count, shape.kvHeads(), keys, at, kv, positions(part), engine.weights().rope());
      part.cache.mark(layer, part.position, part.position + part.count, KvCache.RowState.EXACT);
    }
  }

  /** Attention and feed-forward network of rows whose norm is in the scratch. */
  private void rest(int layer, List<Part> parts, float[] x, int firstRow, int m, PrefillScratch s) {
    LayerWeights w = engine.weights().layers().get(layer);
    int hidden = shape.hidden();
    int attention = shape.attentionLength();
    kernels.gemm(m, s.normed, 0, hidden, w.query(), w.queryBias(), s.query, 0, attention, false);
    for (Part part : parts) {
      int from = part.row * attention;
      float[] query = Arrays.copyOfRange(s.query, from, from + part.count * attention);
      float[] attended = new float[query.length];
      int[] positions = positions(part);
      kernels.rotate(
          part.count, shape.heads(), query, 0, attention, positions, engine.weights().rope());
      kernels.attention(
          part.count,
          query,
          positions,
          part.cache.keys(layer),
          part.cache.values(layer),
          shape.heads(),
          shape.kvHeads(),
          shape.headSize(),
          shape.attentionScale(),
          attended);
      System.arraycopy(attended, 0, s.attended, from, attended.length);
    }
    int at = firstRow * hidden;
    kernels.gemm(m, s.attended, 0, attention, w.output(), null, x, at, hidden, true);
    kernels.rmsNorm(m, hidden, x, at, w.feedForwardNorm(), shape.normEpsilon(), s.normed, 0);
    kernels.feedForward(m, s.normed, w.gate(), w.up(), w.down(), x, at, s.gate, s.up);
  }

  private static int[] positions(Part part) {
    return PrefillEngine.range(part.position, part.position + part.count);
  }
}
