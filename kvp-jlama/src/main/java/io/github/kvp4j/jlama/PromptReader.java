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
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.predictor.PredictedPrefill;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.GatheredPrefill;
import io.github.kvp4j.prefill.LayerListener;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.prefix.PrefixStore;
import org.jspecify.annotations.Nullable;

/**
 * Reads a prompt with our engine into Jlama's buffer: what is at hand from earlier prompts is
 * loaded, the rest computed or predicted. Safe for use by many threads.
 */
final class PromptReader {
  private final PrefillEngine engine;
  private final GatheredPrefill gathered;
  private final JlamaKvWriter writer;
  private final PrefixStore prefixes;
  private final Workers workers;
  private final ModelShape shape;

  PromptReader(PrefillEngine engine, JlamaKvWriter writer, PrefixStore prefixes, Workers workers) {
    this.engine = engine;
    this.gathered = new GatheredPrefill(engine);
    this.writer = writer;
    this.prefixes = prefixes;
    this.workers = workers;
    this.shape = engine.weights().shape();
  }

  /**
   * A prompt in the buffer.
   *
   * @param logits {@code [vocabulary]} of the last token
   * @param reused positions that were at hand
   * @param exact positions that are exact in every layer, the reused ones among them
   * @param refiner makes the others exact, or null
   */
  record Read(float[] logits, int reused, int exact, @Nullable Refiner refiner) {}

  /**
   * Reads a prompt.
   *
   * @param prefix what of it is at hand
   * @param keeps whether it is kept for later prompts, as far as it is exact, and may be read in
   *     one pass with others: both change the last bits of the numbers
   * @param answer the most tokens of the answer, to reckon the memory with
   */
  Read read(
      int[] tokens,
      PrefillPlan plan,
      GenerateRequest request,
      PrefixStore.Prefix prefix,
      boolean keeps,
      int answer,
      KvBufferCache.KvBuffer buffer,
      Cancellation cancellation) {
    int refinedFrom = plan.refinedFrom(shape.layers());
    MemoryEstimate.of(shape, tokens.length, answer, plan.sources(), shape.layers() - refinedFrom)
        .plusHeap(plan.auxiliaryBytes(shape, tokens.length))
        .check(tokens.length);
    // Jlama's buffer holds the prompt's rows; ours only ever holds one layer's
    KvCache cache = KvCache.rolling(shape, tokens.length);
    PredictedPrefill prediction = plan.prediction();
    boolean becomesExact = prediction == null || refinedFrom < shape.layers();
    PrefixStore.Recording recording =
        keeps && becomesExact ? prefixes.record(tokens, prefix.length()) : null;
    LayerListener handOn =
        new LayerListener() {
          @Override
          public void layerBegins(int layer) {
            prefix.load(layer, cache, workers);
          }

          @Override
          public void layerDone(int layer) {
            writer.writeLayer(layer, cache, 0, tokens.length, buffer);
            if (recording != null && (prediction == null || layer < refinedFrom)) {
              recording.layer(layer, cache, workers);
            }
          }
        };
    int reused = prefix.length();
    float[] last;
    Refiner refiner = null;
    if (prediction == null) {
      last =
          keeps
              ? gathered.prefill(tokens, reused, cache, handOn, cancellation)
              : engine.prefill(tokens, reused, cache, handOn, cancellation);
      if (recording != null) {
        recording.keep();
      }
    } else if (plan.mode() == KvpMode.PREDICT_AND_REFINE) {
      PredictedPrefill.Refinable refinable =
          prediction.refinable(tokens, reused, request.anchors(), cache, handOn, cancellation);
      last = refinable.last();
      refiner =
          new Refiner(
              refinable.rest(),
              request.refine(),
              prefix,
              writer,
              shape.layers(),
              buffer,
              recording,
              workers,
              cancellation);
    } else {
      last = prediction.prefill(tokens, reused, request.anchors(), cache, handOn, cancellation);
    }
    buffer.setCurrentContextPosition(tokens.length);
    return new Read(engine.logits(last), reused, cache.exactPositions(tokens.length), refiner);
  }
}
