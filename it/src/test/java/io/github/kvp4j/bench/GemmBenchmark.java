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

import com.github.tjake.jlama.math.VectorMath;
import com.github.tjake.jlama.tensor.BFloat16BufferTensor;
import com.github.tjake.jlama.tensor.FloatBufferTensor;
import com.github.tjake.jlama.tensor.TensorShape;
import com.github.tjake.jlama.tensor.operations.PanamaTensorOperations;
import com.github.tjake.jlama.tensor.operations.TensorOperations;
import com.github.tjake.jlama.util.MachineSpec;
import io.github.kvp4j.kernel.KernelSelector;
import io.github.kvp4j.kernel.Kernels;
import io.github.kvp4j.kernel.Workers;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.model.WeightType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * The matrix product of prefill, 512 rows by BF16 weights, in milliseconds: {@code 2·512·n·k}
 * floating-point operations.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
public class GemmBenchmark {
  private static final int ROWS = 512;

  /** Outputs x inputs: those of SmolLM2-135M and of a Llama with 1.1 billion weights. */
  @Param({"576x576", "1536x576", "576x1536", "2048x5632"})
  public String shape = "576x576";

  private int outputs;
  private int inputs;
  private float[] x = new float[0]; // (row, input)
  private float[] y = new float[0]; // (row, output)
  private Weight weight = Weight.of(new float[1], 1, 1);
  private Kernels kernels = KernelSelector.choose(new Workers(1), "scalar");
  private TensorOperations jlama = new PanamaTensorOperations(MachineSpec.VECTOR_TYPE);
  private FloatBufferTensor jlamaX = new FloatBufferTensor(TensorShape.of(1, 1));
  private FloatBufferTensor jlamaY = new FloatBufferTensor(TensorShape.of(1, 1));
  private BFloat16BufferTensor jlamaWeight = new BFloat16BufferTensor(jlamaX);

  /** Gives both the same numbers. */
  @Setup
  public void setUp() {
    JlamaThreads.set();
    int by = shape.indexOf('x');
    outputs = Integer.parseInt(shape.substring(0, by));
    inputs = Integer.parseInt(shape.substring(by + 1));
    SplittableRandom random = new SplittableRandom(1);
    kernels = KernelSelector.choose(Workers.shared(), System.getProperty("kvp.kernels", "vector"));
    x = new float[ROWS * inputs];
    y = new float[ROWS * outputs];
    jlamaX = new FloatBufferTensor(TensorShape.of(ROWS, inputs));
    jlamaY = new FloatBufferTensor(TensorShape.of(ROWS, outputs));
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) random.nextDouble(-1, 1);
      jlamaX.set(x[i], i / inputs, i % inputs);
    }
    short[] numbers = new short[outputs * inputs];
    FloatBufferTensor weights = new FloatBufferTensor(TensorShape.of(outputs, inputs));
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = (short) (Float.floatToRawIntBits((float) random.nextDouble(-1, 1)) >>> 16);
      weights.set(Float.intBitsToFloat(numbers[i] << 16), i / inputs, i % inputs);
    }
    // off the heap, as those of a mapped file are: oneDNN reads no others
    MemorySegment data = Arena.ofAuto().allocate(2L * numbers.length, 64);
    MemorySegment.copy(numbers, 0, data, ValueLayout.JAVA_SHORT, 0, numbers.length);
    weight = new Weight(WeightType.BF16, outputs, inputs, data, null);
    jlamaWeight = new BFloat16BufferTensor(weights);
  }

  /** This project's. */
  @Benchmark
  public float[] ours() {
    kernels.gemm(ROWS, x, 0, inputs, weight, null, y, 0, outputs, false);
    return y;
  }

  /** Jlama's, shared out among its threads as its layers do. */
  @Benchmark
  public FloatBufferTensor jlamas() {
    VectorMath.pchunk(
        0,
        outputs,
        (start, length) ->
            jlama.dotProductChunk(jlamaY, jlamaX, jlamaWeight, 0, inputs, start, length));
    return jlamaY;
  }
}
