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
package io.github.kvp4j.jlama;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.github.tjake.jlama.model.AbstractModel;
import com.github.tjake.jlama.model.ModelSupport;
import com.github.tjake.jlama.safetensors.DType;
import com.github.tjake.jlama.tensor.AbstractTensor;
import com.github.tjake.jlama.tensor.KvBufferCache;
import io.github.kvp4j.jlama.TinyModelDirectory.Kind;
import io.github.kvp4j.kernel.VectorKernels;
import io.github.kvp4j.kernel.Workers;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.nio.file.Path;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What we put into Jlama's buffer is what Jlama would have put there itself. */
class JlamaKvWriterTest {
  /** Sums of 64 to 96 products in single precision, three layers deep. */
  private static final double F32_TOLERANCE = 2e-4;

  /**
   * Jlama rounds what enters each product of a BF16 model to BF16, that is by up to 2^-9; we do
   * not. Errors of single numbers grow through the layers; the root mean square stays within this.
   */
  private static final double BF16_TOLERANCE = 0.02;

  @TempDir Path folder;

  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "GRANITE")
  void everyHeadLayerAndPositionIsJlamas(Kind kind) {
    try (Both both = both(TinyModelDirectory.of(kind))) {
      ModelShape shape = both.shape;
      // up to the last position that Jlama can use
      int n = JlamaKvWriter.usablePositions(shape);
      assertThat(n).isEqualTo(TinyModelDirectory.CONTEXT - 2 * (kind.kvHeads - 1));
      int[] tokens = tokens(n);
      both.ours(tokens, n);
      both.jlamas(tokens);
      for (int layer = 0; layer < shape.layers(); layer++) {
        for (int position = 0; position < n; position++) {
          for (int head = 0; head < shape.kvHeads(); head++) {
            for (int d = 0; d < shape.headSize(); d++) {
              int i = head * shape.headSize() + d;
              float key = both.own.getKeyTensorForPosition(layer, position).get(0, i);
              float value = both.own.getValTensorForPosition(layer, position).get(0, i);
              float jlamaKey = both.jlama.getKeyTensorForPosition(layer, position).get(0, i);
              float jlamaValue = both.jlama.getValTensorForPosition(layer, position).get(0, i);
              // plain comparisons, since there are 100,000 of them
              if (!(Math.abs(key - jlamaKey) < F32_TOLERANCE)
                  || !(Math.abs(value - jlamaValue) < F32_TOLERANCE)) {
                throw new AssertionError(
                    "layer %d position %d head %d: key %s, Jlama's %s; value %s, Jlama's %s"
                        .formatted(layer, position, head, key, jlamaKey, value, jlamaValue));
              }
            }
          }
        }
      }
      assertThat(both.own.getCurrentContextPosition()).isEqualTo(n);
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"LLAMA_GROUPED_TIED", "LLAMA_FULL_UNTIED", "QWEN2"})
  void weightsInHalfPrecisionDifferByTheirRoundingOnly(Kind kind) {
    try (Both both = both(TinyModelDirectory.of(kind).bf16())) {
      int n = 100;
      int[] tokens = tokens(n);
      both.ours(tokens, n);
      both.jlamas(tokens);
      for (int layer = 0; layer < both.shape.layers(); layer++) {
        for (boolean keys : new boolean[] {true, false}) {
          assertThat(both.relativeError(layer, n, keys))
              .as("%s of layer %d", keys ? "keys" : "values", layer)
              .isLessThan(BF16_TOLERANCE);
        }
      }
    }
  }

  /** A buffer has pages, each of all layers, so that no part of one stays empty. */
  @Test
  void pagesAreFilledAcrossTheirEnds() {
    TinyModelDirectory directory =
        TinyModelDirectory.of(Kind.LLAMA_FULL_UNTIED).layers(8).context(700);
    try (Both both = both(directory)) {
      int n = 600;
      int rowsPerPage = both.own.getKeyTensorsUptoPosition(0, 0)[0].shape().first();
      assertThat(rowsPerPage).isEqualTo(JlamaBuffers.PAGE_POSITIONS);
      int[] tokens = tokens(n);
      // in parts that begin and end within pages, and at a page's very end
      both.ours(tokens, 1, rowsPerPage - 1, rowsPerPage, rowsPerPage + 130, n);
      both.jlamas(tokens);
      for (int layer = 0; layer < both.shape.layers(); layer++) {
        assertThat(both.relativeError(layer, n, true)).isLessThan(1e-4);
        assertThat(both.relativeError(layer, n, false)).isLessThan(1e-4);
      }
    }
  }

  /** A context that is shorter than a page would be. */
  @Test
  void aShortContextHasOnePage() {
    try (Both both = both(TinyModelDirectory.of(Kind.LLAMA_FULL_UNTIED).context(24))) {
      int n = JlamaKvWriter.usablePositions(both.shape);
      assertThat(both.own.getKeyTensorsUptoPosition(1, n - 1)).hasSize(1);
      int[] tokens = tokens(n);
      both.ours(tokens, n);
      both.jlamas(tokens);
      assertThat(both.relativeError(1, n, true)).isLessThan(1e-4);
    }
  }

  /** Jlama goes on from our rows as it does from its own. */
  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "GRANITE")
  void jlamaGoesOnFromOurRows(Kind kind) {
    try (Both both = both(TinyModelDirectory.of(kind).seed(2))) {
      int n = JlamaKvWriter.usablePositions(both.shape) - 1;
      int[] tokens = tokens(n);
      both.ours(tokens, n);
      both.jlamas(tokens);
      // the last position there is
      float[] ours = both.logits(77, n, both.own);
      float[] jlamas = both.logits(77, n, both.jlama);
      for (int i = 0; i < ours.length; i++) {
        assertThat(Math.abs(ours[i] - jlamas[i])).isLessThan(1e-3f);
      }
    }
  }

  /** One position further, Jlama itself runs off its table. */
  @ParameterizedTest
  @EnumSource(names = {"LLAMA_GROUPED_TIED", "LLAMA_FULL_UNTIED", "QWEN2"})
  void usablePositionsAreAllThereAre(Kind kind) {
    try (Both both = both(TinyModelDirectory.of(kind))) {
      int n = JlamaKvWriter.usablePositions(both.shape);
      both.ours(tokens(n), n);
      assertThatThrownBy(() -> both.logits(77, n, both.own))
          .hasStackTraceContaining("ArrayIndexOutOfBoundsException");
    }
  }

  @Test
  void usablePositionsFollowFromTheHeads() {
    assertThat(JlamaKvWriter.usablePositions(new ModelShape(1, 64, 4, 1, 16, 96, 9, 256, 1e-5f)))
        .isEqualTo(256);
    assertThat(JlamaKvWriter.usablePositions(new ModelShape(1, 64, 4, 4, 16, 96, 9, 256, 1e-5f)))
        .isEqualTo(250);
  }

  private Both both(TinyModelDirectory directory) {
    return new Both(directory.write(folder.resolve("model")));
  }

  private static int[] tokens(int count) {
    return new SplittableRandom(count).ints(count, 0, TinyModelDirectory.VOCABULARY).toArray();
  }

  /** A model, a buffer that we fill, and one that Jlama fills. */
  private static final class Both implements AutoCloseable {
    final AbstractModel model;
    final ModelShape shape;
    final KvBufferCache.KvBuffer own;
    final KvBufferCache.KvBuffer jlama;
    private final PrefillEngine engine;

    Both(Path directory) {
      JlamaOperationsCheck.run(directory);
      model =
          ModelSupport.loadModel(
              directory.toFile(), null, DType.F32, DType.I8, Optional.empty(), Optional.empty());
      ModelWeights weights = JlamaWeights.load(model);
      shape = weights.shape();
      engine = new PrefillEngine(weights, new VectorKernels(Workers.shared()));
      JlamaBuffers buffers = new JlamaBuffers(model, shape);
      own = buffers.open();
      jlama = buffers.asJlamaDoes();
    }

    /** Fills our buffer by several writes that end before these positions. */
    void ours(int[] tokens, int... ends) {
      KvCache cache = new KvCache(shape, tokens.length);
      engine.prefill(tokens, 0, cache, Cancellation.NEVER);
      JlamaKvWriter writer = new JlamaKvWriter(shape, engine.weights().rope(), Workers.shared());
      int from = 0;
      for (int end : ends) {
        writer.write(cache, from, end, own);
        from = end;
      }
    }

    void jlamas(int[] tokens) {
      model.batchForward(tokens, 0, jlama).close();
    }

    float[] logits(int token, int position, KvBufferCache.KvBuffer buffer) {
      try (AbstractTensor<?, ?> output = model.forward(token, position, buffer, Optional.empty())) {
        return model.getLogits(output);
      }
    }

    double relativeError(int layer, int n, boolean keys) {
      double error = 0;
      double size = 0;
      for (int p = 0; p < n; p++) {
        AbstractTensor<?, ?> a =
            keys ? own.getKeyTensorForPosition(layer, p) : own.getValTensorForPosition(layer, p);
        AbstractTensor<?, ?> b =
            keys
                ? jlama.getKeyTensorForPosition(layer, p)
                : jlama.getValTensorForPosition(layer, p);
        for (int i = 0; i < shape.kvLength(); i++) {
          error += Math.pow(a.get(0, i) - b.get(0, i), 2);
          size += Math.pow(b.get(0, i), 2);
        }
      }
      return Math.sqrt(error / size);
    }

    @Override
    public void close() {
      own.close();
      jlama.close();
      model.close();
    }
  }
}
