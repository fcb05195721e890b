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

import io.github.kvp4j.KvpException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileLockInterruptionException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** The exceptions of the importer: each one sentence, on one line, however odd the file. */
final class Messages {
  private static final int SHOWN = 80;

  private Messages() {}

  /** A file breaks its format. */
  static KvpException malformed(String file, String what) {
    return new KvpException(KvpException.Kind.MALFORMED_FILE, file + ": " + what + ".");
  }

  /** A file is sound, but needs what Jlama or the importer has not. */
  static KvpException unsupported(String file, String what) {
    return new KvpException(KvpException.Kind.UNSUPPORTED, file + ": " + what + ".");
  }

  /** An argument is not allowed. */
  static KvpException badArgument(String what) {
    return new KvpException(KvpException.Kind.BAD_ARGUMENT, what + ".");
  }

  /** The thread was interrupted; its flag is set again. */
  static KvpException cancelled(String what) {
    Thread.currentThread().interrupt();
    return new KvpException(KvpException.Kind.CANCELLED, what + " was interrupted.");
  }

  /** A file could not be read or written. */
  static KvpException io(String action, Path file, IOException e) {
    if (e instanceof ClosedByInterruptException
        || e instanceof FileLockInterruptionException
        || e instanceof InterruptedIOException) {
      Thread.currentThread().interrupt();
      return new KvpException(
          KvpException.Kind.CANCELLED, "Can't " + action + " " + name(file) + ": interrupted.", e);
    }
    return new KvpException(
        KvpException.Kind.FILE_ACCESS,
        "Can't " + action + " " + name(file) + ": " + reason(e) + ".",
        e);
  }

  /** Why an exception was thrown, in a few words on one line. */
  static String reason(Throwable e) {
    if (e instanceof NoSuchFileException) {
      return "it is not there";
    }
    if (e instanceof AccessDeniedException) {
      return "access is denied";
    }
    String message = e instanceof FileSystemException f ? f.getReason() : e.getMessage();
    if (message == null || message.isBlank()) {
      message = e.getClass().getSimpleName();
    }
    return clean(message, 200);
  }

  /** A string from a file, as it can be shown: quoted, without control characters, cut. */
  static String quote(String text) {
    return '"' + clean(text, SHOWN) + '"';
  }

  /** A string from a file without control characters, cut. */
  static String plain(String text) {
    return clean(text, SHOWN);
  }

  /** The last part of a path, as it can be shown. */
  static String name(Path path) {
    Path name = path.getFileName();
    return clean(name == null ? path.toString() : name.toString(), SHOWN);
  }

  private static String clean(String text, int limit) {
    StringBuilder clean = new StringBuilder();
    text.strip()
        .codePoints()
        .limit(limit + 1L)
        .map(c -> Character.isISOControl(c) || Character.getType(c) == Character.FORMAT ? '?' : c)
        .forEach(clean::appendCodePoint);
    if (clean.codePointCount(0, clean.length()) > limit) {
      clean.setLength(clean.offsetByCodePoints(0, limit));
      clean.append('…');
    }
    while (!clean.isEmpty() && clean.charAt(clean.length() - 1) == '.') {
      clean.setLength(clean.length() - 1);
    }
    return clean.toString();
  }
}
