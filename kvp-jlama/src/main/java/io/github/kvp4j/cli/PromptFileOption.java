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
package io.github.kvp4j.cli;

import io.github.kvp4j.KvpException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The option that names a text to measure on, shared by {@code demo} and {@code bench}. */
final class PromptFileOption {
  @Option(
      names = "--prompt",
      paramLabel = "FILE",
      description = "A text file to read; without it one that comes along.")
  private @Nullable Path file;

  /** The text, which is not blank. */
  String text() {
    try {
      String text = file == null ? own() : Files.readString(file);
      if (text.isBlank()) {
        throw new KvpException(
            KvpException.Kind.BAD_ARGUMENT,
            "The prompt file '" + file + "' is empty; it needs some words.");
      }
      return text;
    } catch (IOException e) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "The prompt file '" + file + "' can't be read: " + KvpException.reason(e) + ".",
          e);
    }
  }

  private static String own() throws IOException {
    try (InputStream in = PromptFileOption.class.getResourceAsStream("demo-prompt.txt")) {
      if (in == null) {
        throw new IllegalStateException("the demo's prompt is part of this program");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }
}
