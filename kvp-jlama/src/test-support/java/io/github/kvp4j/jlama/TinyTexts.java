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
package io.github.kvp4j.jlama;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Made-up texts for tiny models to be fitted, trained and asked on. */
public final class TinyTexts {
  private TinyTexts() {}

  /** Plain text of so many words. */
  public static Path plain(Path file, int words) throws IOException {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < words; i++) {
      text.append(word(i)).append(i % 11 == 0 ? ".\n" : " ");
    }
    return Files.writeString(file, text);
  }

  /** JSON Lines, a short text of so many words each. */
  public static Path lines(Path file, int texts, int words) throws IOException {
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < texts * words; i++) {
      lines.append(i % words == 0 ? "{\"text\":\"" : " ").append(word(i));
      lines.append(i % words == words - 1 ? "\"}\n" : "");
    }
    return Files.writeString(file, lines);
  }

  private static String word(int number) {
    return "word" + number * 7 % 97;
  }
}
