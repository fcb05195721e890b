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
package io.github.kvp4j.server;

import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** Lets some requests run at once and some wait, first come first served, and refuses the rest. */
final class Turns {
  private final int parallel;
  private final int queue;
  private final Semaphore free;
  private final AtomicInteger inside = new AtomicInteger();

  Turns(int parallel, int queue) {
    this.parallel = parallel;
    this.queue = queue;
    this.free = new Semaphore(parallel, true);
  }

  /**
   * Waits for a turn.
   *
   * @param deadline as {@link System#nanoTime()} counts
   * @throws HttpError 429 where too many wait, 503 where the time is over before the turn comes
   */
  Turn take(long deadline) {
    int now = inside.incrementAndGet();
    boolean mine = false;
    try {
      if (now > parallel + queue) {
        throw HttpError.tooMany(queue, 1 + queue / parallel);
      }
      mine = free.tryAcquire(Math.max(0, deadline - System.nanoTime()), TimeUnit.NANOSECONDS);
      if (!mine) {
        throw HttpError.timeout();
      }
      return new Turn();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw HttpError.stopping();
    } finally {
      if (!mine) {
        inside.decrementAndGet();
      }
    }
  }

  /** Requests that run. */
  int running() {
    return parallel - free.availablePermits();
  }

  /** Requests that wait. */
  int waiting() {
    return Math.max(0, inside.get() - running());
  }

  /** A turn, ended by closing it. */
  final class Turn implements AutoCloseable {
    @Override
    public void close() {
      free.release();
      inside.decrementAndGet();
    }
  }
}
