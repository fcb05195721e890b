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

import io.github.kvp4j.KvpException;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.prefill.PrefillScratch;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;

/**
 * What a prompt will take, reckoned before anything of it is allocated.
 *
 * @param heapBytes on the Java heap: one layer's keys and values, the residual stream, features and
 *     scratch
 * @param directBytes off the heap: Jlama's KV buffer for prompt and answer
 */
record MemoryEstimate(long heapBytes, long directBytes) {

  /**
   * Reckons a prompt.
   *
   * @param prompt its positions
   * @param answer the most positions after it
   * @param sources source layers of the predictor, 0 for exact prefill
   * @param refinedLayers layers that are made exact after the first token
   */
  static MemoryEstimate of(
      ModelShape shape, int prompt, int answer, int sources, int refinedLayers) {
    int chunk = Math.min(prompt, PrefillEngine.CHUNK);
    long perRow =
        2L * shape.kvLength() // one layer's keys and values
            + (1L + sources) * shape.hidden() // the stream, and the features of prediction
            + (sources > 1 ? shape.hidden() : 0)
            // their keys and values, and the stream that enters them
            + (refinedLayers > 0 ? 2L * refinedLayers * shape.kvLength() + shape.hidden() : 0);
    long heap =
        Float.BYTES * (prompt * perRow + 2L * shape.vocabulary())
            + PrefillScratch.bytes(shape, chunk);
    return new MemoryEstimate(heap, shape.kvBytesPerPosition() * (prompt + answer));
  }

  /** The same with more on the heap. */
  MemoryEstimate plusHeap(long bytes) {
    return new MemoryEstimate(heapBytes + bytes, directBytes);
  }

  /**
   * Refuses what can't fit.
   *
   * @throws KvpException OUT_OF_MEMORY with the figures
   */
  void check(int positions) {
    Runtime runtime = Runtime.getRuntime();
    long free = freeHeap(runtime);
    if (heapBytes > free) {
      System.gc(); // what looks used may be garbage; asked only where the alternative is to refuse
      free = freeHeap(runtime);
    }
    refuse(positions, "of Java heap", heapBytes, free);
    // the limit of direct memory is that of the heap unless set apart, and can't be asked for
    long direct =
        ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
            .filter(pool -> pool.getName().equals("direct"))
            .mapToLong(BufferPoolMXBean::getMemoryUsed)
            .sum();
    refuse(positions, "off the heap", directBytes, runtime.maxMemory() - direct);
  }

  private static long freeHeap(Runtime runtime) {
    return runtime.maxMemory() - runtime.totalMemory() + runtime.freeMemory();
  }

  private static void refuse(int positions, String where, long need, long free) {
    if (need > free) {
      throw new KvpException(
          KvpException.Kind.OUT_OF_MEMORY,
          "A prompt of "
              + positions
              + " tokens needs "
              + megabytes(need)
              + " MB "
              + where
              + ", but "
              + megabytes(Math.max(0, free))
              + " MB are free; start Java with a larger -Xmx or shorten the prompt.");
    }
  }

  private static long megabytes(long bytes) {
    return (bytes + (1 << 20) - 1) >> 20;
  }
}
