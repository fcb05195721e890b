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

import io.github.kvp4j.KvpException;
import org.jspecify.annotations.Nullable;

/**
 * What a worker answers: that it is ready, a measurement, or why it failed.
 *
 * @param kernels once ready: what computes
 * @param loadedMegabytes once ready: memory in use, or null where the system does not tell
 * @param sample after a task
 * @param error one sentence, or null
 * @param kind of the error
 */
record WorkerReply(
    @Nullable String kernels,
    @Nullable Double loadedMegabytes,
    @Nullable Sample sample,
    @Nullable String error,
    KvpException.@Nullable Kind kind) {
  static WorkerReply ready(String kernels, @Nullable Double loadedMegabytes) {
    return new WorkerReply(kernels, loadedMegabytes, null, null, null);
  }

  static WorkerReply of(Sample sample) {
    return new WorkerReply(null, null, sample, null, null);
  }

  static WorkerReply failure(KvpException.Kind kind, String error) {
    return new WorkerReply(null, null, null, error, kind);
  }
}
