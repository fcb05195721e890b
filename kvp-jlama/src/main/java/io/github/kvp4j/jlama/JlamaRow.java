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
import io.github.kvp4j.evaluation.EvaluationRow;
import io.github.kvp4j.predictor.PrefillCost;
import io.github.kvp4j.prefill.Cancellation;
import java.util.concurrent.locks.ReentrantLock;

/** Jlama as it is: its own prefill and its own decoding. */
public final class JlamaRow implements EvaluationRow, AutoCloseable {
  private final KvpModel model;
  private final DecodeLoop decode;
  private final KvBufferCache buffers;

  /** Reads with a loaded model, which nothing else may use meanwhile. */
  public JlamaRow(KvpModel model) {
    this.model = model;
    this.decode = new DecodeLoop(model.jlama(), new ReentrantLock(), model.tokenizer());
    this.buffers = new KvBufferCache(model.jlama());
  }

  @Override
  public String name() {
    return "jlama";
  }

  @Override
  public Reading read(int[] prompt, int room, Cancellation cancellation) {
    KvBufferCache.KvBuffer buffer = buffers.getEphemeralKvBuffer();
    try {
      float[] first = decode.prefill(prompt, buffer, cancellation);
      return new JlamaReading(buffer, first, prompt.length);
    } catch (RuntimeException | Error e) {
      buffer.close();
      throw e;
    }
  }

  private final class JlamaReading implements Reading {
    private final KvBufferCache.KvBuffer buffer;
    private final float[] logits;
    private int position;

    JlamaReading(KvBufferCache.KvBuffer buffer, float[] logits, int position) {
      this.buffer = buffer;
      this.logits = logits;
      this.position = position;
    }

    @Override
    public float[] logits() {
      return logits;
    }

    @Override
    public float[] next(int token) {
      return decode.step(token, position++, buffer, logits);
    }

    @Override
    public void close() {
      buffer.close();
    }
  }

  /** As an exact prefill; how Jlama computes does not change what is to be computed. */
  @Override
  public double flops(int promptTokens) {
    return PrefillCost.exact(model.shape(), promptTokens);
  }

  /** No: it decodes one answer after the other, each from a prompt that is read anew. */
  @Override
  public boolean draws() {
    return false;
  }

  /** Gives the buffers back; the model stays. */
  @Override
  public void close() {
    buffers.close();
  }
}
