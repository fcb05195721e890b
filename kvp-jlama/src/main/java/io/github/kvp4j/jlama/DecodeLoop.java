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

import com.github.tjake.jlama.model.AbstractModel;
import com.github.tjake.jlama.tensor.AbstractTensor;
import com.github.tjake.jlama.tensor.KvBufferCache;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.sampling.Sampler;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntConsumer;

/**
 * Token after token through Jlama's own forward pass.
 *
 * <p>Jlama's layers keep working arrays in fields, so two threads must not be inside one model at
 * once: each step takes the model's lock, which is fair, so that requests take turns token by
 * token.
 */
final class DecodeLoop {
  private static final int PREFILL_BATCH = 256;

  private final AbstractModel model;
  private final ReentrantLock lock;
  private final KvpTokenizer tokenizer;

  DecodeLoop(AbstractModel model, ReentrantLock lock, KvpTokenizer tokenizer) {
    this.model = model;
    this.lock = lock;
    this.tokenizer = tokenizer;
  }

  /** What the loop came to. */
  record Outcome(List<Integer> tokens, String text, FinishReason reason, long firstTokenNanos) {}

  /**
   * Answers from a filled buffer.
   *
   * @param logits the last prompt token's {@code [vocabulary]}
   * @param position where the first new token will stand
   * @param limit the most new tokens, at least 1
   * @param buffer Jlama's cache of the prompt
   * @param between called before each step with the number of tokens given out: the moment at which
   *     the prompt's rows may change
   */
  Outcome run(
      float[] logits,
      int position,
      int limit,
      KvBufferCache.KvBuffer buffer,
      Sampler sampler,
      AnswerText answer,
      IntConsumer between,
      Cancellation cancellation) {
    List<Integer> tokens = new ArrayList<>();
    FinishReason reason = FinishReason.LENGTH;
    int next = sampler.pick(logits);
    long first = System.nanoTime();
    float[] scores = logits;
    while (true) {
      if (model.getConfig().eosTokens.contains(next)) {
        reason = FinishReason.STOP;
        break;
      }
      tokens.add(next);
      if (answer.add(tokenizer.bytes(next))) {
        reason = FinishReason.STOP;
        break;
      }
      if (tokens.size() >= limit) {
        break;
      }
      cancellation.check();
      between.accept(tokens.size());
      scores = step(next, position++, buffer, scores);
      next = sampler.pick(scores);
    }
    return new Outcome(tokens, answer.finish(), reason, first);
  }

  /** One token forward; its logits in {@code reuse}, which may be the array given. */
  float[] step(int token, int position, KvBufferCache.KvBuffer buffer, float[] reuse) {
    lock.lock();
    try (AbstractTensor<?, ?> output = model.forward(token, position, buffer, Optional.empty())) {
      buffer.incrementContextPosition();
      return logits(output, reuse);
    } catch (UnsupportedOperationException e) {
      throw unsupported(e);
    } finally {
      lock.unlock();
    }
  }

  /** Jlama's own prefill; returns the last token's logits. */
  float[] prefill(int[] tokens, KvBufferCache.KvBuffer buffer, Cancellation cancellation) {
    float[] scores = new float[model.getConfig().vocabularySize];
    for (int start = 0; start < tokens.length; start += PREFILL_BATCH) {
      cancellation.check();
      int end = Math.min(tokens.length, start + PREFILL_BATCH);
      lock.lock();
      try (AbstractTensor<?, ?> output =
          model.batchForward(Arrays.copyOfRange(tokens, start, end), start, buffer)) {
        if (end == tokens.length) {
          try (AbstractTensor<?, ?> last = output.slice(output.shape().first() - 1)) {
            scores = logits(last, scores);
          }
        }
      } catch (UnsupportedOperationException e) {
        throw unsupported(e);
      } finally {
        lock.unlock();
      }
    }
    buffer.setCurrentContextPosition(tokens.length);
    return scores;
  }

  /** Jlama finds out as it computes. */
  private static KvpException unsupported(UnsupportedOperationException e) {
    return new KvpException(
        KvpException.Kind.UNSUPPORTED,
        "Jlama can't compute with these types of weights and activations; leave"
            + " quantizeModelAtRuntime and workingQuantizedType at their defaults.",
        e);
  }

  private float[] logits(AbstractTensor<?, ?> output, float[] out) {
    try (AbstractTensor<?, ?> scores = model.makeDenseTensor(out.length)) {
      model.sample(output, 0f, 0f, scores);
      MemorySegment.copy(
          scores.getMemorySegment(), ValueLayout.JAVA_FLOAT_UNALIGNED, 0, out, 0, out.length);
      return out;
    }
  }
}
