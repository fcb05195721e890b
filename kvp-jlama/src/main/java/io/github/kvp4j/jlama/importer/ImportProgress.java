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
package io.github.kvp4j.jlama.importer;

/**
 * Told how far an import or a download is.
 *
 * <p>Called on the importing thread. An exception thrown here stops the import, and nothing of it
 * stays behind.
 */
public interface ImportProgress {

  /** Ignores everything. */
  ImportProgress NONE =
      new ImportProgress() {
        @Override
        public void begin(String task, long total) {}

        @Override
        public void advance(long amount) {}

        @Override
        public void end() {}
      };

  /**
   * A task starts.
   *
   * @param task what is done, in a few words
   * @param total bytes to do; -1 where that is not known
   */
  void begin(String task, long total);

  /**
   * The task went on.
   *
   * @param amount bytes done since the last call
   */
  void advance(long amount);

  /** The task is done. */
  void end();
}
