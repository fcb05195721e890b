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

import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.kvp4j.KvpException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The option that has what was measured written to a file, shared by the commands that measure. */
final class JsonOption {
  @Option(names = "--json", paramLabel = "FILE", description = "Write what is shown as JSON too.")
  private @Nullable Path file;

  /** Looks now for what would fail only after a long run. */
  void check() {
    requireFolder(file);
  }

  /** Refuses a file to be written whose folder is not there. */
  static void requireFolder(@Nullable Path file) {
    Path parent = file == null ? null : file.toAbsolutePath().getParent();
    if (parent != null && !Files.isDirectory(parent)) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS, "The folder of '" + file + "' does not exist.");
    }
  }

  /** Writes a value, if the user wants that. */
  void write(Object value) {
    if (file == null) {
      return;
    }
    JsonMapper mapper = JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();
    try {
      Files.writeString(file, mapper.writeValueAsString(value) + "\n");
    } catch (IOException e) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "The file '" + file + "' can't be written: " + KvpException.reason(e) + ".",
          e);
    }
  }
}
