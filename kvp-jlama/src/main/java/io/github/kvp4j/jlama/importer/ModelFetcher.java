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

import java.io.IOException;
import java.nio.file.Path;

/** A place that models come from. */
@FunctionalInterface
interface ModelFetcher {
  /**
   * Makes the folder of a model, whole or not at all.
   *
   * @param model its name
   * @param folder where it goes; not there yet
   * @throws io.github.kvp4j.KvpException MODEL_UNAVAILABLE where it can't be had from here; its
   *     message is a clause, without a full stop, that can stand in a sentence
   */
  void fetch(ModelName model, Path folder, ImportProgress progress) throws IOException;
}
