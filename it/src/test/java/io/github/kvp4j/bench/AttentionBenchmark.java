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
import com.github.tjake.jlama.tensor.AbstractTensor;
import com.github.tjake.jlama.tensor.FloatBufferTensor;
import com.github.tjake.jlama.tensor.TensorShape;
import com.github.tjake.jlama.tensor.operations.PanamaTensorOperations;
import com.github.tjake.jlama.tensor.operations.TensorOperations;
import com.github.tjake.jlama.util.MachineSpec;
import io.github.kvp4j.kernel.KernelSelector;
import io.github.kvp4j.kernel.Kernels;
import io.github.kvp4j.kernel.Workers;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * Causal attention of one layer of SmolLM2-135M over a whole prompt, in milliseconds: {@code
 * 2·n·(n+1)·576} floating-point operations.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
public class AttentionBenchmark {
  private static final int HEADS = 9;
  private static final int KV_HEADS = 3;
  private static final int HEAD_SIZE = 64;
  private static final float SCALE = 0.125f;

  /** Tokens of the prompt. */
  @Param({"512", "2048"})
  public int tokens = 512;

  private int[] positions = new int[0];
  private float[] query = new float[0]; // (position, head, headSize)
  private float[] key = new float[0]; // (position, kvHead, headSize)
  private float[] value = new float[0]; // (position, kvHead, headSize)
  private float[] out = new float[0]; // (position, head, headSize)
  private Kernels kernels = KernelSelector.choose(new Workers(1), "scalar");
  private TensorOperations jlama = new PanamaTensorOperations(MachineSpec.VECTOR_TYPE);
  private FloatBufferTensor jlamaQuery = new FloatBufferTensor(TensorShape.of(1, 1));
  private FloatBufferTensor jlamaKey = new FloatBufferTensor(TensorShape.of(1, 1));
  private FloatBufferTensor jlamaValue = new FloatBufferTensor(TensorShape.of(1, 1));
  private FloatBufferTensor jlamaOut = new FloatBufferTensor(TensorShape.of(1, 1));

  /** Gives both the same numbers. */
  @Setup
  public void setUp() {
    JlamaThreads.set();
    SplittableRandom random = new SplittableRandom(1);
    kernels = KernelSelector.choose(Workers.shared(), System.getProperty("kvp.kernels", "vector"));
    positions = IntStream.range(0, tokens).toArray();
    query = numbers(random, HEADS);
    key = numbers(random, KV_HEADS);
    value = numbers(random, KV_HEADS);
    out = new float[query.length];
    jlamaQuery = tensor(query, HEADS);
    jlamaKey = tensor(key, KV_HEADS);
    jlamaValue = tensor(value, KV_HEADS);
    jlamaOut = tensor(out, HEADS);
  }

  private float[] numbers(SplittableRandom random, int heads) {
    float[] numbers = new float[tokens * heads * HEAD_SIZE];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = (float) random.nextDouble(-1, 1);
    }
    return numbers;
  }

  private FloatBufferTensor tensor(float[] numbers, int heads) {
    int width = heads * HEAD_SIZE;
    FloatBufferTensor tensor = new FloatBufferTensor(TensorShape.of(tokens, width));
    for (int i = 0; i < numbers.length; i++) {
      tensor.set(numbers[i], i / width, i % width);
    }
    return tensor;
  }

  /** This project's. */
  @Benchmark
  public float[] ours() {
    kernels.attention(
        tokens, query, positions, key, value, HEADS, KV_HEADS, HEAD_SIZE, SCALE, out);
    return out;
  }

  /** Jlama's kernels in the order in which its CausalSelfAttention calls them. */
  @Benchmark
  public FloatBufferTensor jlamas() {
    for (int position = 0; position < tokens; position++) {
      int seen = position + 1;
      AbstractTensor<?, ?> q = jlamaQuery.slice(position);
      AbstractTensor<?, ?> target = jlamaOut.slice(position);
      VectorMath.pfor(0, HEADS, h -> {
        int from = h / (HEADS / KV_HEADS) * HEAD_SIZE;
        int to = h * HEAD_SIZE;
        FloatBufferTensor scores = new FloatBufferTensor(TensorShape.of(1, seen));
        jlama.batchDotProduct(scores, q, jlamaKey, to, from, HEAD_SIZE, 0, 0, seen);
        jlama.scale(SCALE, scores, 0, seen);
        VectorMath.softMax(scores, 0, seen);
        jlama.saxpy(scores, jlamaValue, target, from, to, HEAD_SIZE, 0, 0, seen);
      });
    }
    return jlamaOut;
  }
}
