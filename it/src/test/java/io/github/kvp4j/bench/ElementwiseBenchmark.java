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
package io.github.kvp4j.bench;

import com.github.tjake.jlama.math.ActivationFunction;
import com.github.tjake.jlama.math.VectorMath;
import com.github.tjake.jlama.model.AbstractModel;
import com.github.tjake.jlama.model.ModelSupport;
import com.github.tjake.jlama.model.RMSNorm;
import com.github.tjake.jlama.safetensors.DType;
import com.github.tjake.jlama.tensor.AbstractTensor;
import com.github.tjake.jlama.tensor.FloatBufferTensor;
import com.github.tjake.jlama.tensor.TensorShape;
import com.github.tjake.jlama.tensor.operations.TensorOperationsProvider;
import io.github.kvp4j.jlama.importer.ImportProgress;
import io.github.kvp4j.jlama.importer.ModelStore;
import io.github.kvp4j.kernel.KernelSelector;
import io.github.kvp4j.kernel.Kernels;
import io.github.kvp4j.kernel.Workers;
import io.github.kvp4j.model.RopeTable;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * What prefill does number by number, for 512 rows of SmolLM2-135M, in microseconds: the norm, the
 * rotation of queries and the gate of the feed-forward network. Jlama has the norm as a method; the
 * other two are within its layers, so their loops are written out here as they stand there.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class ElementwiseBenchmark {
  private static final int ROWS = 512;
  private static final int HIDDEN = 576;
  private static final int INNER = 1536;
  private static final int HEADS = 9;
  private static final int HALF = 32;

  private final float[] x = new float[ROWS * HIDDEN]; // (row, hidden)
  private final float[] y = new float[ROWS * HIDDEN]; // (row, hidden)
  private final float[] weight = new float[HIDDEN];
  private final float[] gate = new float[ROWS * INNER]; // (row, inner)
  private final float[] up = new float[ROWS * INNER]; // (row, inner)
  private final int[] positions = new int[ROWS];
  private final RopeTable rope = RopeTable.of(2 * HALF, ROWS, 100_000, 1);
  private Kernels kernels = KernelSelector.choose(new Workers(1), "scalar");
  private FloatBufferTensor jlamaX = new FloatBufferTensor(TensorShape.of(1, 1));
  private FloatBufferTensor jlamaGate = new FloatBufferTensor(TensorShape.of(1, 1));
  private FloatBufferTensor jlamaUp = new FloatBufferTensor(TensorShape.of(1, 1));
  private @Nullable AbstractModel jlama;
  private @Nullable RMSNorm norm;

  /** Gives both the same numbers. */
  @Setup
  public void setUp() {
    JlamaThreads.set();
    kernels = KernelSelector.choose(Workers.shared(), System.getProperty("kvp.kernels", "vector"));
    AbstractModel model =
        ModelSupport.loadModel(
            ModelStore.ofUser().resolve(null, ImportProgress.NONE).toFile(), DType.F32, DType.I8);
    jlama = model;
    SplittableRandom random = new SplittableRandom(1);
    jlamaX = tensor(random, x, HIDDEN);
    jlamaGate = tensor(random, gate, INNER);
    jlamaUp = tensor(random, up, INNER);
    for (int i = 0; i < up.length; i++) {
      // so that the gate, which is overwritten, stays as it is: g / (1 + e^-g) * (1 + e^-g)
      up[i] = 1 + (float) Math.exp(-gate[i]);
      jlamaUp.set(up[i], i / INNER, i % INNER);
    }
    FloatBufferTensor jlamaWeight = new FloatBufferTensor(TensorShape.of(1, HIDDEN));
    for (int i = 0; i < HIDDEN; i++) {
      weight[i] = (float) random.nextDouble(-1, 1);
      jlamaWeight.set(weight[i], 0, i);
    }
    norm = new RMSNorm(model, jlamaWeight);
    for (int i = 0; i < ROWS; i++) {
      positions[i] = i;
    }
  }

  /** Ends what Jlama started. */
  @TearDown
  public void tearDown() {
    if (jlama != null) {
      jlama.close();
    }
  }

  private static FloatBufferTensor tensor(SplittableRandom random, float[] numbers, int columns) {
    FloatBufferTensor tensor = new FloatBufferTensor(TensorShape.of(ROWS, columns));
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = (float) random.nextDouble(-1, 1);
      tensor.set(numbers[i], i / columns, i % columns);
    }
    return tensor;
  }

  /** This project's norm. */
  @Benchmark
  public float[] normOurs() {
    kernels.rmsNorm(ROWS, HIDDEN, x, 0, weight, 1e-5f, y, 0);
    return y;
  }

  /** Jlama's norm. */
  @Benchmark
  public float normJlamas() {
    RMSNorm rms = norm;
    if (rms == null) {
      throw new IllegalStateException("not set up");
    }
    try (AbstractTensor<?, ?> out = rms.forward(jlamaX, 0, HIDDEN)) {
      return out.get(0, 0);
    }
  }

  /** This project's rotation, in place. */
  @Benchmark
  public float[] rotateOurs() {
    kernels.rotate(ROWS, HEADS, x, 0, HIDDEN, positions, rope);
    return x;
  }

  /** The rotation as Jlama's attention has it. */
  @Benchmark
  public FloatBufferTensor rotateJlamas() {
    float[] cos = rope.cos();
    float[] sin = rope.sin();
    for (int row = 0; row < ROWS; row++) {
      for (int head = 0; head < HEADS; head++) {
        int at = head * 2 * HALF;
        for (int i = 0; i < HALF; i++) {
          float a = jlamaX.get(row, at + i);
          float b = jlamaX.get(row, at + i + HALF);
          float c = cos[row * HALF + i];
          float s = sin[row * HALF + i];
          jlamaX.set(a * c - b * s, row, at + i);
          jlamaX.set(a * s + b * c, row, at + i + HALF);
        }
      }
    }
    return jlamaX;
  }

  /** This project's gate, in place. */
  @Benchmark
  public float[] gateOurs() {
    kernels.siluMultiply(ROWS * INNER, gate, up);
    return gate;
  }

  /** The gate as Jlama's feed-forward network has it. */
  @Benchmark
  public FloatBufferTensor gateJlamas() {
    VectorMath.pfor(
        0,
        INNER,
        column -> {
          for (int row = 0; row < ROWS; row++) {
            float value = jlamaGate.get(row, column);
            jlamaGate.set(
                ActivationFunction.eval(ActivationFunction.Type.SILU, value), row, column);
          }
        });
    TensorOperationsProvider.get().maccumulate(jlamaGate, jlamaUp, 0, INNER);
    return jlamaGate;
  }
}
