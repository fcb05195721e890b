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
package io.github.kvp4j;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.charset.MalformedInputException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import org.jspecify.annotations.Nullable;

/**
 * The one exception that a user, a file or a setting can cause.
 *
 * <p>Its message is one sentence that names the field or file, the value found, and the limit or
 * the remedy; {@link #kind()} lets a caller tell the cases apart without reading it.
 */
public final class KvpException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** What went wrong, coarse enough to act on. */
  public enum Kind {
    /** An option or argument has a value that is not allowed. */
    BAD_ARGUMENT,
    /** A file or folder is not there or can't be read or written. */
    FILE_ACCESS,
    /** A file's content breaks its format: truncated, out of bounds, wrong checksum, not finite. */
    MALFORMED_FILE,
    /** A model's architecture, tensor type or feature is not supported. */
    UNSUPPORTED,
    /** A predictor was made for another model, shape, tokenizer or layer map. */
    PREDICTOR_MISMATCH,
    /** The prompt is empty or does not fit the context. */
    PROMPT,
    /** The memory that the request needs is not there. */
    OUT_OF_MEMORY,
    /** A model can't be fetched: no network, no package registry, or a wrong checksum. */
    MODEL_UNAVAILABLE,
    /** The request was cancelled. */
    CANCELLED,
    /** The model or engine was closed. */
    CLOSED
  }

  private final Kind kind;

  public KvpException(Kind kind, String message) {
    this(kind, message, null);
  }

  public KvpException(Kind kind, String message, @Nullable Throwable cause) {
    super(message, cause);
    this.kind = kind;
  }

  /** Why reading or writing a file failed, in words that fit into a sentence. */
  public static String reason(IOException e) {
    if (e instanceof NoSuchFileException || e instanceof FileNotFoundException) {
      return "there is no such file";
    }
    if (e instanceof AccessDeniedException) {
      return "access is denied";
    }
    if (e instanceof MalformedInputException) {
      return "it is no UTF-8 text";
    }
    if (e instanceof FileSystemException f && f.getReason() != null) {
      return f.getReason();
    }
    String message = e.getMessage();
    return message == null ? "an input or output error" : message;
  }

  /** Which kind of failure this is. */
  public Kind kind() {
    return kind;
  }
}
