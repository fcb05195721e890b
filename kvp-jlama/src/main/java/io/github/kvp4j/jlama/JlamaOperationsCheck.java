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

import com.github.tjake.jlama.tensor.BFloat16BufferTensor;
import com.github.tjake.jlama.tensor.FloatBufferTensor;
import com.github.tjake.jlama.tensor.TensorShape;
import com.github.tjake.jlama.tensor.operations.TensorOperations;
import java.util.SplittableRandom;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks, before Jlama picks its kernels, whether its native ones compute right on this machine.
 *
 * <p>The native matrix product of jlama-native 0.8.4 leaves out the last rows' last columns when a
 * block of columns is no multiple of its tile, as happens with two worker threads: prompts of more
 * than five tokens then end in nonsense. Jlama reads {@code jlama.force_panama_tensor_operations}
 * once, when its kernels are first used; where the native product is wrong and the user has not set
 * it, it is set to true, and Jlama computes with the Vector API.
 */
final class JlamaOperationsCheck {
  private static final Logger LOG = LoggerFactory.getLogger(JlamaOperationsCheck.class);
  private static final String PROPERTY = "jlama.force_panama_tensor_operations";
  private static boolean done;

  private JlamaOperationsCheck() {}

  /** Runs the check once in the life of the JVM; cheap afterwards. */
  static synchronized void run() {
    if (done) {
      return;
    }
    done = true;
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
    if (!isRight(ops)) {
      System.setProperty(PROPERTY, "true");
      LOG.info(
          "Jlama's native matrix product is wrong on this machine (rows left out); Jlama computes with"
              + " the Vector API instead. Set -D{}=false to overrule.",
          PROPERTY);
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
