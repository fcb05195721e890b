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
package io.github.kvp4j.kernel;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Finds oneDNN: the library that the property {@code kvp.onednn.library} names, or else the one in
 * the Maven artifact {@code org.bytedeco:dnnl}, if that is there. The artifact's classes are used
 * through reflection and only to unpack the library, so that KVP4J neither needs nor pins it.
 */
final class OneDnnLoader {
  private static final String PROPERTY = "kvp.onednn.library";

  /** By library. What a library makes is never given back, so all models share what there is. */
  private static final Map<String, OneDnn> LOADED = new ConcurrentHashMap<>();

  private OneDnnLoader() {}

  /**
   * Loads the library, once for the process.
   *
   * @throws UnsupportedOperationException with the reason, if there is none that can be used
   */
  static OneDnn load() {
    String named = System.getProperty(PROPERTY);
    try {
      return LOADED.computeIfAbsent(
          named == null ? unpacked() : named, library -> new OneDnn(open(library)));
    } catch (LinkageError | IllegalArgumentException e) {
      throw new UnsupportedOperationException("its library does not load: " + e.getMessage(), e);
    }
  }

  @SuppressWarnings("restricted")
  private static SymbolLookup open(String library) {
    Path path = Path.of(library);
    return path.isAbsolute()
        ? SymbolLookup.libraryLookup(path, Arena.global())
        : SymbolLookup.libraryLookup(library, Arena.global());
  }

  /** Lets the artifact unpack and load its library, and tells where that lies. */
  private static String unpacked() {
    try {
      Class<?> api = find("org.bytedeco.dnnl.global.dnnl");
      Class<?> loader = find("org.bytedeco.javacpp.Loader");
      if (api == null || loader == null) {
        throw new UnsupportedOperationException(
            "org.bytedeco:dnnl is not on the class path, and the property "
                + PROPERTY
                + " names no library");
      }
      Object binding = loader.getMethod("load", Class.class).invoke(null, api);
      Path folder = binding == null ? null : Path.of(binding.toString()).getParent();
      if (folder == null) {
        throw new UnsupportedOperationException("org.bytedeco:dnnl did not unpack its library");
      }
      return library(folder);
    } catch (ReflectiveOperationException | IOException e) {
      Throwable cause = e.getCause() == null ? e : e.getCause();
      throw new UnsupportedOperationException(
          "org.bytedeco:dnnl does not load (are the natives of dnnl, javacpp and opencl for this"
              + " platform on the class path?): "
              + cause,
          e);
    }
  }

  private static String library(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      List<String> found =
          files
              .filter(f -> {
                String name = String.valueOf(f.getFileName());
                return name.startsWith("libdnnl.") || name.equals("dnnl.dll");
              })
              .map(f -> f.toAbsolutePath().toString())
              .sorted()
              .toList();
      if (found.isEmpty()) {
        throw new UnsupportedOperationException("org.bytedeco:dnnl unpacked no library");
      }
      return found.getLast();
    }
  }

  private static @Nullable Class<?> find(String name) {
    ClassLoader context = Thread.currentThread().getContextClassLoader();
    for (ClassLoader loader : new ClassLoader[] {OneDnnLoader.class.getClassLoader(), context}) {
      try {
        return Class.forName(name, true, loader);
      } catch (ClassNotFoundException ignored) {
        // not there, or not for this loader: ask the next
      }
    }
    return null;
  }
}
