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

import com.github.tjake.jlama.util.PhysicalCoreExecutor;
import io.github.kvp4j.kernel.Workers;
import java.util.concurrent.atomic.AtomicBoolean;

/** Lets Jlama work with as many threads as this project; else it takes half of the processors. */
final class JlamaThreads {
  private static final AtomicBoolean SET = new AtomicBoolean();

  private JlamaThreads() {}

  /** Sets them; Jlama takes a number but once in a JVM. */
  static void set() {
    if (SET.compareAndSet(false, true)) {
      PhysicalCoreExecutor.overrideThreadCount(Workers.shared().threads());
    }
  }
}
