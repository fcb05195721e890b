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

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.github.tjake.jlama.tensor.BFloat16BufferTensor;
import com.github.tjake.jlama.tensor.FloatBufferTensor;
import com.github.tjake.jlama.tensor.TensorShape;
import com.github.tjake.jlama.tensor.operations.TensorOperations;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks, before Jlama picks its kernels, whether its native ones compute right on this machine and
 * for this model. Two things go wrong in 0.8.4:
 *
 * <ul>
 *   <li>the native matrix product leaves out the last rows' last columns where a batch of more than
 *       five rows is no multiple of five (seen with AVX-512);
 *   <li>a width is shared out in {@code width / parts} columns for each of the provider's parts
 *       (128 for the native one) and one remainder of {@code width % share}, so that columns are
 *       lost wherever more than that is left over: 576 becomes 512.
 * </ul>
 *
 * <p>Either way answers are nonsense. Jlama reads {@code jlama.force_panama_tensor_operations}
 * once, when its kernels are first used; where the native ones are wrong and the user has not set
 * it, it is set to true, and Jlama computes with the Vector API.
 */
final class JlamaOperationsCheck {
  private static final Logger LOG = LoggerFactory.getLogger(JlamaOperationsCheck.class);
  private static final String PROPERTY = "jlama.force_panama_tensor_operations";

  private JlamaOperationsCheck() {}

  /**
   * Runs the check for a model about to be loaded; the first model loaded decides for the JVM.
   *
   * @param model its folder, with a config.json
   */
  static synchronized void run(Path model) {
    if (System.getProperty(PROPERTY) != null) {
      return;
    }
    TensorOperations ops;
    try {
      ops =
          Class.forName("com.github.tjake.jlama.tensor.operations.NativeSimdTensorOperations")
              .asSubclass(TensorOperations.class)
              .getConstructor()
              .newInstance();
    } catch (ReflectiveOperationException | LinkageError | RuntimeException e) {
      LOG.debug("Jlama's native kernels are not available", e);
      return;
    }
    boolean rows = isRight(ops);
    boolean columns =
        widths(model).stream().noneMatch(w -> losesColumns(w, ops.parallelSplitSize()));
    if (!rows || !columns) {
      System.setProperty(PROPERTY, "true");
      LOG.info(
          "Jlama's native matrix product leaves out {} here; Jlama computes with the Vector API"
              + " instead. Set -D{}=false to overrule.",
          rows ? "columns" : "rows",
          PROPERTY);
    }
  }

  /** Whether sharing a width out among parts leaves columns over that nobody computes. */
  static boolean losesColumns(int width, int parts) {
    int splits = Math.min(width, parts);
    if (splits == 1) {
      return false;
    }
    int share = width / splits;
    return width - splits * share != width % share;
  }

  /** The widths of a model's matrix products; empty where the configuration can't be read. */
  private static List<Integer> widths(Path model) {
    try {
      JsonNode c = new ObjectMapper().readTree(model.resolve("config.json").toFile());
      int hidden = c.path("hidden_size").asInt();
      int heads = Math.max(1, c.path("num_attention_heads").asInt());
      int headSize = c.path("head_dim").asInt(hidden / heads);
      int kvHeads = c.path("num_key_value_heads").asInt(heads);
      return Stream.of(
              hidden,
              heads * headSize,
              kvHeads * headSize,
              c.path("intermediate_size").asInt(),
              c.path("vocab_size").asInt())
          .filter(w -> w > 0)
          .toList();
    } catch (IOException e) {
      return List.of(); // loading the model will say what is wrong with it
    }
  }

  /** Compares one product of 12 x 64 by 64 x 16 with a plain loop. */
  private static boolean isRight(TensorOperations ops) {
    int m = 12;
    int k = 64;
    int n = 16;
    SplittableRandom random = new SplittableRandom(1);
    FloatBufferTensor x = new FloatBufferTensor(TensorShape.of(m, k));
    FloatBufferTensor w = new FloatBufferTensor(TensorShape.of(n, k));
    fill(x, m, k, random);
    fill(w, n, k, random);
    BFloat16BufferTensor weight = new BFloat16BufferTensor(w);
    FloatBufferTensor y = new FloatBufferTensor(TensorShape.of(m, n));
    ops.dotProductChunk(y, x, weight, 0, k, 0, n);
    for (int i = 0; i < m; i++) {
      for (int j = 0; j < n; j++) {
        double sum = 0;
        for (int l = 0; l < k; l++) {
          sum += (double) x.get(i, l) * weight.get(j, l);
        }
        if (Math.abs(sum - y.get(i, j)) > 1e-2) {
          return false;
        }
      }
    }
    return true;
  }

  private static void fill(FloatBufferTensor t, int rows, int columns, SplittableRandom random) {
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        t.set((float) random.nextDouble(-1, 1), i, j);
      }
    }
  }
}
