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

/** What a row of the table measures, started and idle until its turn. */
interface Contestant extends AutoCloseable {
  /** The row's name. */
  String row();

  /** What computes, such as {@code vector-512}. */
  String kernels();

  /** Memory once loaded, in MB; null where the system does not tell. */
  @Nullable Double loadedMegabytes();

  /**
   * Reads prompts, all of them {@code length} tokens long, and answers.
   *
   * @throws io.github.kvp4j.KvpException that names the row
   */
  Sample measure(List<String> prompts, int length, int maxTokens);

  /** Ends it, by force if need be. */
  @Override
  void close();
}
