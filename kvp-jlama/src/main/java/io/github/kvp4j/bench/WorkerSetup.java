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

import io.github.kvp4j.jlama.KvpMode;
import io.github.kvp4j.jlama.Quality;

/**
 * The first message to a worker: what it is to be.
 *
 * @param engine {@link RowSpec.Engine#KVP} or {@link RowSpec.Engine#LLAMA_CPP}
 * @param model the model's folder, or the GGUF file
 * @param anchors sink/tail/top
 * @param threads to work with
 * @param context positions that are needed
 */
record WorkerSetup(
    RowSpec.Engine engine,
    String model,
    KvpMode mode,
    Quality quality,
    String anchors,
    int threads,
    int context) {}
