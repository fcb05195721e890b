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
package io.github.kvp4j.kernel;

import io.github.kvp4j.KvpException;
import java.util.Map;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ForkJoinWorkerThread;
import java.util.concurrent.RecursiveAction;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;

/**
 * The threads that share a kernel's work. One pool serves the whole process, as the cores do; a
 * caller takes part in its own work, so a pool that others keep busy slows a request down but never
 * blocks it.
 */
public final class Workers {
  private static final Map<Integer, Workers> POOLS = new ConcurrentHashMap<>();

  private final int threads;
  private final ForkJoinPool pool;

  /**
   * Starts a pool of daemon threads.
   *
   * @param threads threads that work at once, the caller counted; 1 runs everything in the caller
   */
  public Workers(int threads) {
    if (threads < 1 || threads > 1024) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The number of threads is " + threads + "; it must be between 1 and 1024.");
    }
    this.threads = threads;
    AtomicInteger number = new AtomicInteger();
    this.pool =
        new ForkJoinPool(
            Math.max(1, threads - 1),
            p -> {
              ForkJoinWorkerThread t = ForkJoinPool.defaultForkJoinWorkerThreadFactory.newThread(p);
              t.setName("kvp-worker-" + number.getAndIncrement());
              t.setDaemon(true);
              return t;
            },
            null,
            true);
  }

  /** The shared pool: one thread for each core, or as many as the property {@code kvp.threads}. */
  public static Workers shared() {
    return of(Integer.getInteger("kvp.threads", Runtime.getRuntime().availableProcessors()));
  }

  /**
   * The process's pool of a size, which all who ask for that size share.
   *
   * @param threads as for {@link #Workers}
   */
  public static Workers of(int threads) {
    return POOLS.computeIfAbsent(threads, Workers::new);
  }

  /** Threads that work at once. */
  public int threads() {
    return threads;
  }

  /**
   * Runs {@code task} for every number in {@code [0, count)} and returns when all have ended; the
   * numbers are handed out one by one, so tasks may differ in size.
   */
  public void forEach(int count, IntConsumer task) {
    if (threads == 1 || count < 2) {
      for (int i = 0; i < count; i++) {
        task.accept(i);
      }
      return;
    }
    AtomicInteger next = new AtomicInteger();
    Runnable body =
        () -> {
          for (int i = next.getAndIncrement(); i < count; i = next.getAndIncrement()) {
            task.accept(i);
          }
        };
    int helpers = Math.min(threads, count) - 1;
    Helper[] running = new Helper[helpers];
    for (int i = 0; i < helpers; i++) {
      running[i] = new Helper(body);
      pool.execute(running[i]);
    }
    Throwable failure = null;
    try {
      body.run();
    } catch (RuntimeException | Error e) {
      failure = e;
      next.set(count);
    }
    for (Helper helper : running) {
      // a helper that never got a thread has nothing left to do: take it back instead of waiting
      if (!helper.tryUnfork()) {
        helper.quietlyJoin();
      } else {
        continue;
      }
      if (failure == null) {
        failure = helper.getException();
      }
    }
    if (failure instanceof RuntimeException e) {
      throw e;
    }
    if (failure instanceof Error e) {
      throw e;
    }
    if (failure != null) {
      throw new CompletionException(failure);
    }
  }

  private static final class Helper extends RecursiveAction {
    private static final long serialVersionUID = 1L;
    private final transient Runnable body;

    Helper(Runnable body) {
      this.body = body;
    }

    @Override
    protected void compute() {
      body.run();
    }
  }
}
