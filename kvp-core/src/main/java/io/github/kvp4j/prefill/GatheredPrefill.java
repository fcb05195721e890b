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
package io.github.kvp4j.prefill;

import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.prefill.BatchPrefill.Prompt;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Reads short prompts that come while another short one is read together, by one {@link
 * BatchPrefill}: a short prompt does not use the machine as well as a long one, and several side by
 * side use it no better. Nobody waits for company: who comes while nothing short is read begins at
 * once, alone. Long prompts are read side by side, apart from all this.
 *
 * <p>Each prompt is its caller's own: one that is cancelled, or whose listener fails, takes none of
 * the others with it. Safe for use by many threads.
 */
public final class GatheredPrefill {
  /** Tokens to read of a prompt that is short: beyond, it fills the machine by itself. */
  static final int SHORT = 256;

  /** Tokens to read of one pass, at most: those that go through the layers together. */
  static final int MOST_ROWS = PrefillEngine.CHUNK;

  /** How often who waits looks whether it was cancelled. */
  private static final long LOOK_MILLIS = 20;

  private final PrefillEngine engine;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition passEnds = lock.newCondition();
  private final Deque<Entry> waiting = new ArrayDeque<>(); // guarded by the lock
  private boolean running; // guarded by the lock

  /** Gathers the prompts of an engine. */
  public GatheredPrefill(PrefillEngine engine) {
    this.engine = engine;
  }

  /** A caller's prompt. What its listener fails by is the caller's alone. */
  private static final class Entry implements LayerListener {
    final Prompt prompt;
    final Cancellation cancellation;
    private final LayerListener listener;
    private @Nullable Throwable failure;
    private float @Nullable [] last; // (hidden)
    private boolean done; // guarded by the lock

    Entry(
        int[] tokens,
        int reused,
        KvCache cache,
        LayerListener listener,
        Cancellation cancellation) {
      this.prompt = new Prompt(tokens, reused, cache, this);
      this.listener = listener;
      this.cancellation = cancellation;
    }

    @Override
    public void layerBegins(int layer) {
      unlessFailed(() -> listener.layerBegins(layer));
    }

    @Override
    public void layerDone(int layer) {
      unlessFailed(() -> listener.layerDone(layer));
    }

    private void unlessFailed(Runnable told) {
      if (failure != null) {
        return;
      }
      try {
        told.run();
      } catch (RuntimeException | Error e) {
        failure = e;
      }
    }

    float[] result() {
      if (failure instanceof RuntimeException e) {
        throw e;
      }
      if (failure instanceof Error e) {
        throw e;
      }
      cancellation.check();
      return Objects.requireNonNull(last);
    }
  }

  /**
   * Reads a prompt exactly, as {@link PrefillEngine#prefill} does; up to rounding also the numbers
   * are those, whoever else is read in the same pass.
   *
   * @param tokens the whole prompt
   * @param reused positions that the cache holds already or that the listener fills in
   * @param listener told of each layer that begins, and that is complete; perhaps by the thread of
   *     another caller, while this one waits
   * @return the residual stream {@code [hidden]} of the last token after the last layer
   */
  public float[] prefill(
      int[] tokens, int reused, KvCache cache, LayerListener listener, Cancellation cancellation) {
    if (tokens.length - reused > SHORT) {
      return engine.prefill(tokens, reused, cache, listener, cancellation);
    }
    // refused here, where it is the caller's own mistake
    engine.checkPrompt(tokens, reused, cache);
    Entry own = new Entry(tokens, reused, cache, listener, cancellation);
    boolean interrupted = false;
    lock.lock();
    try {
      waiting.add(own);
      while (!own.done) {
        if (!running) {
          lead();
          continue;
        }
        try {
          passEnds.await(LOOK_MILLIS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
          interrupted = true; // as for any other prompt, cancellation is what ends it
        }
        if (cancellation.isCancelled() && waiting.remove(own)) {
          cancellation.check();
        }
      }
    } finally {
      lock.unlock();
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
    return own.result();
  }

  /** How many wait. */
  int waiting() {
    lock.lock();
    try {
      return waiting.size();
    } finally {
      lock.unlock();
    }
  }

  /** Reads those who have waited longest, with the lock given back meanwhile. */
  private void lead() {
    List<Entry> pass = new ArrayList<>();
    int rows = 0;
    for (Entry e = waiting.peek(); e != null; e = waiting.peek()) {
      rows += e.prompt.rows();
      if (!pass.isEmpty() && rows > MOST_ROWS) {
        break;
      }
      pass.add(waiting.remove());
    }
    running = true;
    lock.unlock();
    try {
      read(pass);
    } catch (RuntimeException | Error e) {
      pass.forEach(entry -> entry.failure = entry.failure == null ? e : entry.failure);
    } finally {
      lock.lock();
      running = false;
      pass.forEach(entry -> entry.done = true);
      passEnds.signalAll();
    }
  }

  private void read(List<Entry> pass) {
    if (pass.size() == 1) {
      Entry e = pass.getFirst();
      Prompt p = e.prompt;
      e.last = engine.prefill(p.tokens(), p.reused(), p.cache(), e, e.cancellation);
      return;
    }
    List<float[]> lasts =
        new BatchPrefill(engine)
            .prefill(
                pass.stream().map(e -> e.prompt).toList(),
                () -> pass.stream().allMatch(e -> e.cancellation.isCancelled()));
    for (int i = 0; i < lasts.size(); i++) {
      pass.get(i).last = lasts.get(i);
    }
  }
}
