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

import com.github.tjake.jlama.tensor.KvBufferCache;
import io.github.kvp4j.kernel.Workers;
import io.github.kvp4j.predictor.Refinement;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefix.PrefixStore;
import org.jspecify.annotations.Nullable;

/**
 * Makes a predicted prompt exact between the steps of decoding: each piece is computed apart and
 * then put into Jlama's buffer whole, so that no step ever sees half a row. For one thread, that of
 * the request.
 */
final class Refiner {
  private final Refinement refinement;
  private final RefineSettings settings;
  private final PrefixStore.Prefix prefix;
  private final JlamaKvWriter writer;
  private final int layers;
  private final KvBufferCache.KvBuffer buffer;
  private final PrefixStore.@Nullable Recording recording;
  private final Workers workers;
  private final Cancellation cancellation;
  private long refineNanos;
  private long begin;
  private long exactAt;
  private int tokensUntilExact = -1;

  /**
   * Prepares the work; nothing is computed yet, and no memory taken: the first token waits for
   * this.
   *
   * @param prefix rows that are at hand, which the first piece stands on
   * @param recording holds the layers below the refined ones, or null if nothing is to be kept
   */
  Refiner(
      Refinement refinement,
      RefineSettings settings,
      PrefixStore.Prefix prefix,
      JlamaKvWriter writer,
      int layers,
      KvBufferCache.KvBuffer buffer,
      PrefixStore.@Nullable Recording recording,
      Workers workers,
      Cancellation cancellation) {
    this.refinement = refinement;
    this.settings = settings;
    this.prefix = prefix;
    this.writer = writer;
    this.layers = layers;
    this.buffer = buffer;
    this.recording = recording;
    this.workers = workers;
    this.cancellation = cancellation;
  }

  /**
   * Takes the next pieces, between two steps of decoding.
   *
   * @param tokens answer tokens that were given out
   */
  void between(int tokens) {
    if (refinement.isDone()) {
      return;
    }
    long start = System.nanoTime();
    if (begin == 0) {
      begin = start;
    }
    long budget = settings.budgetMillis() * 1_000_000L;
    long chunkStart = start;
    long now;
    do {
      chunk();
      now = System.nanoTime();
      long took = now - chunkStart;
      chunkStart = now;
      if (now - start + took > budget) {
        break;
      }
    } while (!refinement.isDone());
    refineNanos += now - start;
    if (refinement.isDone()) {
      tokensUntilExact = tokens;
      exactAt = now;
    }
  }

  private void chunk() {
    int from = refinement.exact();
    if (from == refinement.from()) {
      for (int layer = refinement.firstLayer(); layer < layers; layer++) {
        prefix.load(layer, refinement.cache(), workers);
      }
    }
    refinement.advance(settings.chunk(), cancellation);
    for (int layer = refinement.firstLayer(); layer < layers; layer++) {
      writer.writeLayer(layer, refinement.cache(), from, refinement.exact(), buffer);
    }
  }

  /** Keeps for later prompts what is exact. */
  void keep() {
    if (recording == null || refinement.exact() == refinement.from()) {
      return; // an answer of one token leaves nothing refined
    }
    recording.cut(refinement.exact());
    for (int layer = refinement.firstLayer(); layer < layers; layer++) {
      recording.layer(layer, refinement.cache(), workers);
    }
    recording.keep();
  }

  /**
   * What came of it.
   *
   * @param tokens answer tokens in all
   * @param end when the answer was complete
   */
  RefinementReport report(int tokens, long end) {
    boolean exact = tokensUntilExact >= 0;
    long refiningEnd = exact ? exactAt : end;
    int refining = (exact ? tokensUntilExact : tokens) - 1;
    int after = exact ? tokens - tokensUntilExact : 0;
    return new RefinementReport(
        tokensUntilExact,
        refinement.exact(),
        refineNanos,
        begin == 0 ? 0 : (refiningEnd - begin) / Math.max(1, refining),
        after < 1 ? 0 : (end - exactAt) / after);
  }
}
