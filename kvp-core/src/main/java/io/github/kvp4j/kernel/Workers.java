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
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * The threads that share a kernel's work. One pool serves the whole process, as the cores do; a
 * caller takes part in its own work, so a pool that others keep busy slows a request down but never
 * blocks it.
 *
 * <p>A layer of prefill hands work over some fifteen times, each time for a fraction of a
 * millisecond. To wake a thread costs as much again on some machines, so one that runs out of work
 * looks for more for {@link #LOOK_NANOS} before it sleeps.
 */
public final class Workers {
  /** How long a thread looks for work, and a caller waits awake for its last helper. */
  private static final long LOOK_NANOS = 200_000;

  /** A thread that sleeps for so long ends. */
  private static final long SLEEP_NANOS = 60_000_000_000L;

  private static final Map<Integer, Workers> POOLS = new ConcurrentHashMap<>();

  private final int threads;

  /** Jobs that have room for a helper. */
  private final ConcurrentLinkedQueue<Job> open = new ConcurrentLinkedQueue<>();

  private final ConcurrentLinkedDeque<Thread> sleeping = new ConcurrentLinkedDeque<>();

  /** Threads that are awake and have no job. */
  private final AtomicInteger looking = new AtomicInteger();

  /** Threads that live, callers not counted. */
  private final AtomicInteger living = new AtomicInteger();

  private final AtomicInteger number = new AtomicInteger();

  /**
   * A pool of daemon threads, which are started as they are needed.
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
   * numbers are handed out one by one, so tasks may differ in size. Where one fails no further ones
   * begin, and its exception is thrown.
   */
  public void forEach(int count, IntConsumer task) {
    if (threads == 1 || count < 2) {
      for (int i = 0; i < count; i++) {
        task.accept(i);
      }
      return;
    }
    Job job = new Job(task, count, Math.min(threads, count) - 1);
    open.add(job);
    try {
      wake(job.room);
      job.work();
    } finally {
      open.remove(job);
      job.close();
    }
    job.rethrow();
  }

  /** Sees to it that so many threads are awake and without a job, as far as there are so many. */
  private void wake(int helpers) {
    for (int missing = helpers - looking.get(); missing > 0; missing--) {
      Thread asleep = sleeping.pollFirst();
      if (asleep != null) {
        LockSupport.unpark(asleep);
      } else if (!start()) {
        return;
      }
    }
  }

  /** Starts a thread where there are fewer than may be. */
  private boolean start() {
    if (living.getAndUpdate(n -> Math.min(n + 1, threads - 1)) >= threads - 1) {
      return false;
    }
    Thread thread =
        Thread.ofPlatform()
            .name("kvp-worker-" + number.getAndIncrement())
            .daemon(true)
            .inheritInheritableThreadLocals(false)
            .unstarted(this::help);
    // the thread outlives whoever started it, and so must not hold on to an application's loader
    thread.setContextClassLoader(ClassLoader.getSystemClassLoader());
    try {
      thread.start();
      return true;
    } catch (OutOfMemoryError e) {
      // the system grants no further thread: the work is done by fewer
      living.decrementAndGet();
      return false;
    }
  }

  /** A thread's life: helps with jobs, looks for them for a while, sleeps, ends. */
  private void help() {
    for (Job job = look(); job != null; job = look()) {
      job.work();
      job.leave();
    }
  }

  /** Waits for a job and joins it; null = the thread ends. */
  private @Nullable Job look() {
    while (true) {
      looking.incrementAndGet();
      Job found = spin();
      looking.decrementAndGet();
      if (found != null) {
        return found;
      }
      Thread self = Thread.currentThread();
      long start = System.nanoTime();
      sleeping.addFirst(self);
      // looked at once more after the thread is to be found among those asleep: who hands work over
      // puts it up first and looks for threads then, so that one of the two sees the other
      if (first() == null) {
        LockSupport.parkNanos(this, SLEEP_NANOS);
      }
      boolean isCalled = !sleeping.remove(self);
      if (!isCalled && first() == null && System.nanoTime() - start >= SLEEP_NANOS) {
        living.decrementAndGet();
        return null;
      }
    }
  }

  /** The first job with something to do; those before it are taken off. */
  private @Nullable Job first() {
    for (Job job = open.peek(); job != null; job = open.peek()) {
      if (!job.isHandedOut()) {
        return job;
      }
      // its caller still works on what it took, and others must not wait behind it
      open.remove(job);
    }
    return null;
  }

  private @Nullable Job spin() {
    long start = System.nanoTime();
    while (true) {
      Job job = first();
      if (job != null && job.join()) {
        if (job.isFull()) {
          open.remove(job);
        }
        return job;
      }
      if (System.nanoTime() - start > LOOK_NANOS) {
        return null;
      }
      Thread.onSpinWait();
    }
  }

  /** One call of {@link #forEach}. */
  private static final class Job {
    /** Added to {@link #helpers} when nobody may join any more. */
    private static final int CLOSED = 1 << 16;

    private final IntConsumer task;
    private final int count;

    /** How many may help at most. */
    private final int room;

    private final Thread caller = Thread.currentThread();
    private final AtomicInteger next = new AtomicInteger();
    private final AtomicInteger joined = new AtomicInteger();
    private final AtomicInteger helpers = new AtomicInteger();
    private volatile @Nullable Throwable failure;

    Job(IntConsumer task, int count, int room) {
      this.task = task;
      this.count = count;
      this.room = room;
    }

    boolean isHandedOut() {
      return next.get() >= count;
    }

    /** Whether nobody else will be let in. */
    boolean isFull() {
      return joined.get() >= room;
    }

    /** Takes a helper in, unless there is nothing to do or no room. */
    boolean join() {
      if (isHandedOut() || joined.getAndUpdate(n -> Math.min(n + 1, room)) >= room) {
        return false;
      }
      if (helpers.incrementAndGet() > CLOSED) {
        leave();
        return false;
      }
      return true;
    }

    @SuppressWarnings("IllegalCatch") // whatever a task throws is the caller's
    void work() {
      try {
        for (int i = next.getAndIncrement(); i < count; i = next.getAndIncrement()) {
          task.accept(i);
        }
      } catch (Throwable e) {
        failure = e;
        next.set(count);
      }
    }

    void leave() {
      if (helpers.decrementAndGet() == CLOSED) {
        LockSupport.unpark(caller);
      }
    }

    /** Lets nobody in any more and waits for those who are. */
    void close() {
      if (helpers.addAndGet(CLOSED) == CLOSED) {
        return;
      }
      long start = System.nanoTime();
      boolean wasInterrupted = false;
      while (helpers.get() != CLOSED) {
        if (System.nanoTime() - start < LOOK_NANOS) {
          Thread.onSpinWait();
        } else {
          LockSupport.park(this);
          // a thread that is interrupted does not park: the caller is told afterwards
          wasInterrupted |= Thread.interrupted();
        }
      }
      if (wasInterrupted) {
        Thread.currentThread().interrupt();
      }
    }

    void rethrow() {
      Throwable thrown = failure;
      if (thrown instanceof RuntimeException e) {
        throw e;
      }
      if (thrown instanceof Error e) {
        throw e;
      }
      if (thrown != null) {
        throw new CompletionException(thrown);
      }
    }
  }
}
