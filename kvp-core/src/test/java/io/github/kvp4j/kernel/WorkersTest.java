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

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class WorkersTest {
  /** Every number once, whatever the sizes, from many callers at once, with pauses and without. */
  @Test
  void everyNumberIsRunOnce() throws Exception {
    for (int threads : new int[] {1, 2, 3, 8}) {
      Workers workers = new Workers(threads);
      try (ExecutorService callers = Executors.newVirtualThreadPerTaskExecutor()) {
        List<Future<?>> running = new ArrayList<>();
        for (int c = 0; c < 4; c++) {
          int caller = c;
          running.add(
              callers.submit(() -> {
                for (int round = 0; round < 2_000; round++) {
                  int count = (round * 7 + caller) % 23;
                  AtomicIntegerArray seen = new AtomicIntegerArray(Math.max(1, count));
                  workers.forEach(count, seen::incrementAndGet);
                  for (int i = 0; i < count; i++) {
                    assertThat(seen.get(i)).isOne();
                  }
                  if (round % 100 == 0) {
                    LockSupport.parkNanos(1_000_000); // long enough for the others to sleep
                  }
                }
              }));
        }
        for (Future<?> f : running) {
          f.get();
        }
      }
    }
  }

  /** As many threads as there are work on one call, also when they were asleep. */
  @RepeatedTest(20)
  void allThreadsTakePart() throws Exception {
    Workers workers = new Workers(3);
    for (int round = 0; round < 3; round++) {
      CountDownLatch all = new CountDownLatch(3);
      workers.forEach(
          3,
          i -> {
            all.countDown();
            await(all); // ends only if three threads are in here at once
          });
      Thread.sleep(round); // 0: still awake, then asleep
    }
  }

  /** A call whose numbers are all taken, but not done, keeps no helper from another call. */
  @RepeatedTest(20)
  void aCallIsHelpedBehindOneThatIsHandedOut() throws Exception {
    Workers workers = new Workers(3);
    CountDownLatch isHandedOut = new CountDownLatch(2);
    CountDownLatch otherIsDone = new CountDownLatch(1);
    Thread first =
        Thread.ofPlatform()
            .start(() -> {
              Thread caller = Thread.currentThread();
              workers.forEach(
                  3,
                  i -> {
                    if (Thread.currentThread() == caller) {
                      await(otherIsDone);
                    } else {
                      isHandedOut.countDown();
                    }
                  });
            });
    await(isHandedOut);
    CountDownLatch both = new CountDownLatch(2);
    workers.forEach(
        2,
        i -> {
          both.countDown();
          await(both);
        });
    otherIsDone.countDown();
    first.join();
  }

  private static void await(CountDownLatch latch) {
    try {
      assertThat(latch.await(20, TimeUnit.SECONDS)).isTrue();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  /** What a helper writes is seen by the caller after the call, without any care of its own. */
  @Test
  void whatHelpersWriteIsSeen() {
    Workers workers = new Workers(4);
    int[] numbers = new int[64];
    for (int round = 1; round < 20_000; round++) {
      int value = round;
      workers.forEach(numbers.length, i -> numbers[i] = value);
      for (int n : numbers) {
        assertThat(n).isEqualTo(value);
      }
    }
  }

  /** A failure ends the work, reaches the caller as it was thrown, and leaves the pool usable. */
  @Test
  void aFailureReachesTheCaller() {
    Workers workers = new Workers(2);
    for (int round = 0; round < 200; round++) {
      int failing = round % 8;
      AtomicInteger ran = new AtomicInteger();
      assertThatThrownBy(() ->
              workers.forEach(
                  1_000_000,
                  i -> {
                    ran.incrementAndGet();
                    if (i == failing) {
                      throw new IllegalStateException("number " + i);
                    }
                  }))
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("number " + failing);
      assertThat(ran.get()).isLessThan(1_000_000);
    }
    assertThatThrownBy(() ->
            workers.forEach(
                2,
                i -> {
                  throw new StackOverflowError();
                }))
        .isInstanceOf(StackOverflowError.class);
    AtomicInteger sum = new AtomicInteger();
    workers.forEach(10, sum::addAndGet);
    assertThat(sum).hasValue(45);
  }

  /** A call inside a call, more of them than there are threads, comes to an end. */
  @Test
  void callsMayBeNested() {
    Workers workers = new Workers(2);
    AtomicInteger ran = new AtomicInteger();
    IntConsumer innermost = i -> ran.incrementAndGet();
    IntConsumer inner = i -> workers.forEach(8, innermost);
    workers.forEach(8, i -> workers.forEach(8, inner));
    assertThat(ran).hasValue(512);
  }

  /** A caller that is interrupted waits for its helpers all the same and stays interrupted. */
  @Test
  void anInterruptIsKept() throws Exception {
    Workers workers = new Workers(2);
    Set<Thread> inside = ConcurrentHashMap.newKeySet();
    AtomicInteger ended = new AtomicInteger();
    Thread caller = Thread.currentThread();
    CountDownLatch both = new CountDownLatch(2);
    workers.forEach(
        2,
        i -> {
          inside.add(Thread.currentThread());
          both.countDown();
          boolean isHelper = Thread.currentThread() != caller;
          long until = System.nanoTime() + (isHelper ? 20_000_000 : 0);
          while (both.getCount() > 0 || System.nanoTime() < until) {
            Thread.onSpinWait();
          }
          if (!isHelper) {
            caller.interrupt();
          }
          ended.incrementAndGet();
        });
    assertThat(Thread.interrupted()).isTrue();
    assertThat(inside).hasSize(2);
    assertThat(ended).hasValue(2);
  }

  /** Idle threads take no processor. */
  @Test
  void idleThreadsSleep() throws Exception {
    Workers workers = new Workers(2);
    Set<Thread> helpers = ConcurrentHashMap.newKeySet();
    CountDownLatch both = new CountDownLatch(2);
    workers.forEach(
        2,
        i -> {
          helpers.add(Thread.currentThread());
          both.countDown();
          while (both.getCount() > 0) {
            Thread.onSpinWait();
          }
        });
    helpers.remove(Thread.currentThread());
    Thread helper = helpers.iterator().next();
    assertThat(helper.isDaemon()).isTrue();
    assertThat(helper.getName()).startsWith("kvp-worker-");
    for (int i = 0; helper.getState() != Thread.State.TIMED_WAITING && i < 2_000; i++) {
      Thread.sleep(10);
    }
    assertThat(helper.getState()).isEqualTo(Thread.State.TIMED_WAITING);
  }
}
