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

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.HexFormat;
import java.util.concurrent.ThreadLocalRandom;

/**
 * A folder that is made under another name beside its place, and moved there when it is whole.
 *
 * <p>Closed before it was published, it is removed with all in it.
 */
final class StagedFolder implements AutoCloseable {
  private static final String SUFFIX = ".importing-";
  private static final String REPLACED = ".replaced-";

  private final Path target;
  private final Path path;
  private boolean published;

  private StagedFolder(Path target, Path path) {
    this.target = target;
    this.path = path;
  }

  /** Makes an empty folder beside {@code target}, and its parents where they are missing. */
  static StagedFolder beside(Path target) throws IOException {
    Path parent = parent(target);
    Files.createDirectories(parent);
    Path path = parent.resolve(hidden(target, SUFFIX) + random());
    Files.createDirectory(path);
    return new StagedFolder(target, path);
  }

  private static Path parent(Path target) {
    Path parent = target.getParent();
    if (parent == null) {
      throw Messages.badArgument("The root of a file system can't be a model folder");
    }
    return parent;
  }

  private static String hidden(Path target, String suffix) {
    return "." + ImportFiles.fileName(target) + suffix;
  }

  private static String random() {
    return HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextLong());
  }

  /**
   * Removes what a killed process left of imports into {@code target}. Only where no other process
   * can be at it.
   */
  static void removeLeftovers(Path target) throws IOException {
    Path parent = parent(target);
    if (!Files.isDirectory(parent)) {
      return;
    }
    String staged = hidden(target, SUFFIX);
    String replaced = hidden(target, REPLACED);
    try (DirectoryStream<Path> siblings = Files.newDirectoryStream(parent)) {
      for (Path sibling : siblings) {
        String name = ImportFiles.fileName(sibling);
        if (name.startsWith(staged) || name.startsWith(replaced)) {
          ImportFiles.deleteTree(sibling);
        }
      }
    }
  }

  Path path() {
    return path;
  }

  /**
   * Moves the folder to its place.
   *
   * @param replace whether a folder with files in it is replaced; an empty one always is
   */
  void publish(boolean replace) throws IOException {
    ImportFiles.forceFolder(path);
    Path old = null;
    if (!replace) {
      Files.deleteIfExists(target);
    } else if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
      old = parent(target).resolve(hidden(target, REPLACED) + random());
      Files.move(target, old, StandardCopyOption.ATOMIC_MOVE);
    }
    try {
      Files.move(path, target, StandardCopyOption.ATOMIC_MOVE);
      published = true;
    } finally {
      if (!published && old != null) {
        Files.move(old, target, StandardCopyOption.ATOMIC_MOVE);
      }
    }
    ImportFiles.forceFolder(parent(target));
    if (old != null) {
      ImportFiles.deleteTree(old);
    }
  }

  @Override
  public void close() {
    if (!published) {
      ImportFiles.deleteTree(path);
    }
  }
}
