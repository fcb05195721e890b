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

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.github.kvp4j.KvpException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/** What several tests here need. */
final class Tests {
  private Tests() {}

  /**
   * Calls something that must fail with a {@code KvpException} of a kind, whose message is one
   * sentence on one line.
   *
   * @return the message
   */
  static String failure(KvpException.Kind kind, ThrowingCallable call) {
    Throwable thrown = catchThrowable(call);
    assertThat(thrown).isInstanceOf(KvpException.class);
    assertThat(((KvpException) thrown).kind()).as(thrown.getMessage()).isEqualTo(kind);
    String message = String.valueOf(thrown.getMessage());
    assertThat(message).isNotBlank().doesNotContain("\n").endsWith(".");
    return message;
  }

  /** All that is in a folder, hidden files too. */
  static List<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(ImportFiles::fileName).sorted().toList();
    }
  }
}
