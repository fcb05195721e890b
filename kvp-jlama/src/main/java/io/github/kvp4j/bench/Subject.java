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

import java.util.List;
import org.jspecify.annotations.Nullable;

/** What is measured, inside the worker's JVM. */
interface Subject extends AutoCloseable {
  /** What computes. */
  String kernels();

  /**
   * Reads prompts and answers.
   *
   * @param length tokens of each prompt, the begin-of-sequence token counted
   * @param maxTokens of each answer
   */
  Times measure(List<String> prompts, int length, int maxTokens);

  @Override
  void close();

  /**
   * What it took.
   *
   * @param ttftMillis until the first token of the last prompt
   * @param millisPerToken of a further token of every prompt; null where none was decoded
   */
  record Times(double ttftMillis, @Nullable Double millisPerToken) {}
}
