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

import com.github.tjake.jlama.tensor.operations.TensorOperationsProvider;
import com.github.tjake.jlama.util.PhysicalCoreExecutor;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.GenerateRequest;
import io.github.kvp4j.jlama.GenerateResult;
import io.github.kvp4j.jlama.KvpMode;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.prefill.BatchPrefill;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.LayerListener;
import io.github.kvp4j.prefill.PrefillEngine;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A model of this project, or Jlama alone. */
final class KvpSubject implements Subject {
  private final KvpModel model;
  private final WorkerSetup setup;

  KvpSubject(WorkerSetup setup) {
    this.setup = setup;
    // Jlama takes half of the processors unless told; every row works with as many
    PhysicalCoreExecutor.overrideThreadCount(setup.threads());
    KvpModel.Builder builder = KvpModel.builder(Path.of(setup.model()));
    if (setup.mode() == KvpMode.PREDICT) {
      builder.quality(setup.quality());
    } else {
      builder.withoutPredictor();
    }
    // every run reads the whole prompt
    this.model = builder.prefixStoreBytes(0).warmUp(setup.mode() != KvpMode.OFF).build();
    if (setup.mode() == KvpMode.PREDICT && model.predictor(setup.quality()).isEmpty()) {
      model.close();
      throw new KvpException(
          KvpException.Kind.UNSUPPORTED,
          "there is no predictor of quality "
              + setup.quality()
              + " for this model; make one with 'kvp calibrate'.");
    }
  }

  @Override
  public String kernels() {
    return setup.mode() == KvpMode.OFF
        ? TensorOperationsProvider.get().name()
        : model.engine().map(e -> e.kernels().name()).orElse("none");
  }

  @Override
  public Times measure(List<String> prompts, int length, int maxTokens) {
    PrefillEngine engine = model.engine().orElse(null);
    if (engine != null && setup.mode() == KvpMode.EXACT && prompts.size() > 1) {
      return stacked(engine, prompts, length, maxTokens);
    }
    return inTurn(prompts, length, maxTokens);
  }

  /** One prompt after the other; the last one is answered at length. */
  private Times inTurn(List<String> prompts, int length, int maxTokens) {
    double ttft = 0;
    Double perToken = null;
    for (int i = 0; i < prompts.size(); i++) {
      boolean last = i == prompts.size() - 1;
      GenerateResult result =
          model.generate(
              GenerateRequest.builder(prompts.get(i))
                  .mode(setup.mode())
                  .quality(setup.quality())
                  .anchors(Anchors.parse(setup.anchors()))
                  .maxNewTokens(last ? maxTokens : 1)
                  .build());
      checkLength(result.promptTokens(), length);
      ttft += result.timeToFirstTokenMillis();
      perToken = result.tokens().size() > 1 ? (Double) result.millisPerToken() : perToken;
    }
    return new Times(ttft, ofAll(perToken, prompts.size()));
  }

  /** Answers are decoded one after the other, so that a token of each takes as often as long. */
  private static @Nullable Double ofAll(@Nullable Double perToken, int prompts) {
    return perToken == null ? null : perToken * prompts;
  }

  /**
   * All prompts in one pass of the engine, each into a cache of its own, up to its first token;
   * then one of them is answered at length, for the time that a token takes.
   */
  private Times stacked(PrefillEngine engine, List<String> prompts, int length, int maxTokens) {
    long start = System.nanoTime();
    List<BatchPrefill.Prompt> stack = new ArrayList<>();
    for (String prompt : prompts) {
      int[] tokens = model.encodePrompt(prompt);
      checkLength(tokens.length, length);
      KvCache cache = new KvCache(model.shape(), length);
      stack.add(new BatchPrefill.Prompt(tokens, 0, cache, LayerListener.NONE));
    }
    List<float[]> ends = new BatchPrefill(engine).prefill(stack, Cancellation.NEVER);
    for (float[] end : ends) {
      argmax(engine.logits(end));
    }
    double ttft = (System.nanoTime() - start) / 1e6;
    Double perToken = inTurn(prompts.subList(0, 1), length, maxTokens).millisPerToken();
    return new Times(ttft, ofAll(perToken, prompts.size()));
  }

  private static int argmax(float[] logits) {
    int best = 0;
    for (int i = 1; i < logits.length; i++) {
      best = logits[i] > logits[best] ? i : best;
    }
    return best;
  }

  private static void checkLength(int actual, int expected) {
    if (actual != expected) {
      throw new KvpException(
          KvpException.Kind.PROMPT,
          "a prompt of " + expected + " tokens was read as " + actual + ".");
    }
  }

  @Override
  public void close() {
    model.close();
  }
}
