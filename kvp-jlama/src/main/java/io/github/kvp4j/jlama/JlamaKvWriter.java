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

import com.github.tjake.jlama.safetensors.DType;
import com.github.tjake.jlama.tensor.AbstractTensor;
import com.github.tjake.jlama.tensor.KvBufferCache;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.kernel.Workers;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.RopeTable;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.ArrayBlockingQueue;

/**
 * Hands a prompt's keys and values to Jlama.
 *
 * <p>Jlama rotates KV head h as if it stood at position {@code p + 2h} (its RoPE table is indexed
 * by {@code position * headSize/2 + h * headSize + i}), and the queries of that group likewise, so
 * that attention comes out right; whoever writes keys must follow, or every head but the first is
 * wrong.
 */
final class JlamaKvWriter {
  /** Rows that one thread copies at a time. */
  private static final int BLOCK = 128;

  private final ModelShape shape;
  private final RopeTable rope;
  private final Workers workers;

  /** Arrays of {@link #BLOCK} rows at rest. */
  private final ArrayBlockingQueue<float[]> resting;

  JlamaKvWriter(ModelShape shape, RopeTable rope, Workers workers) {
    this.shape = shape;
    this.rope = rope;
    this.workers = workers;
    this.resting = new ArrayBlockingQueue<>(2 * workers.threads());
  }

  /** Positions of the context that Jlama can use: the shift would run off its table beyond. */
  static int usablePositions(ModelShape shape) {
    return shape.contextLength() - 2 * (shape.kvHeads() - 1);
  }

  /**
   * Copies rows {@code [from, to)} of every layer and sets the buffer's context position to {@code
   * to}.
   */
  void write(KvCache cache, int from, int to, KvBufferCache.KvBuffer buffer) {
    for (int layer = 0; layer < shape.layers(); layer++) {
      writeLayer(layer, cache, from, to, buffer);
    }
    buffer.setCurrentContextPosition(to);
  }

  /** Copies rows {@code [from, to)} of one layer; the buffer's context position stays. */
  void writeLayer(int layer, KvCache cache, int from, int to, KvBufferCache.KvBuffer buffer) {
    AbstractTensor<?, ?>[] keyPages = buffer.getKeyTensorsUptoPosition(layer, to - 1);
    AbstractTensor<?, ?>[] valuePages = buffer.getValTensorsUptoPosition(layer, to - 1);
    int kv = shape.kvLength();
    int blocks = (to - from + BLOCK - 1) / BLOCK;
    workers.forEach(
        blocks,
        block -> {
          int start = from + block * BLOCK;
          int end = Math.min(to, start + BLOCK);
          float[] idle = resting.poll();
          float[] shifted = idle == null ? new float[BLOCK * kv] : idle;
          System.arraycopy(cache.keys(layer), start * kv, shifted, 0, (end - start) * kv);
          shiftHeads(shifted, end - start);
          copy(shifted, 0, start, end, keyPages);
          resting.offer(shifted);
          copy(cache.values(layer), start * kv, start, end, valuePages);
        });
  }

  /** Turns each head h of plainly rotated keys on by another 2h positions. */
  private void shiftHeads(float[] keys, int rows) {
    int half = rope.halfHead();
    float[] cos = rope.cos();
    float[] sin = rope.sin();
    for (int row = 0; row < rows; row++) {
      for (int h = 1; h < shape.kvHeads(); h++) {
        int at = row * shape.kvLength() + h * shape.headSize();
        int table = 2 * h * half;
        for (int d = 0; d < half; d++) {
          float a = keys[at + d];
          float b = keys[at + d + half];
          keys[at + d] = a * cos[table + d] - b * sin[table + d];
          keys[at + d + half] = a * sin[table + d] + b * cos[table + d];
        }
      }
    }
  }

  /** Copies rows, page by page: within one page the rows of a layer lie one after the other. */
  private void copy(float[] rows, int offset, int from, int to, AbstractTensor<?, ?>[] pages) {
    int kv = shape.kvLength();
    int rowsPerPage = pages[0].shape().first();
    MemorySegment source = MemorySegment.ofArray(rows);
    for (int position = from; position < to; ) {
      int page = position / rowsPerPage;
      int within = position % rowsPerPage;
      int count = Math.min(rowsPerPage - within, to - position);
      AbstractTensor<?, ?> target = pages[page];
      if (target.dType() != DType.F32) {
        throw new KvpException(
            KvpException.Kind.UNSUPPORTED,
            "Jlama keeps its KV cache in "
                + target.dType()
                + "; load the model with F32 working"
                + " memory.");
      }
      MemorySegment.copy(
          source,
          ValueLayout.JAVA_FLOAT,
          4L * (offset + (position - from) * kv),
          target.getMemorySegment(),
          ValueLayout.JAVA_FLOAT_UNALIGNED,
          4L * within * kv,
          (long) count * kv);
      position += count;
    }
  }
}
