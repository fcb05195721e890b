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
package io.github.kvp4j.bench;

import com.github.tjake.jlama.model.AbstractModel;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** Where figures come from: the machine, the versions and the commit. */
public final class Origin {
  /** This project's name and version. */
  public static final String VERSION = "KVP4J 0.1.0-SNAPSHOT";

  private Origin() {}

  /** By the names under which a file of results says so. */
  public static Map<String, Object> current() {
    Map<String, Object> versions = new LinkedHashMap<>();
    versions.put("kvp4j", VERSION);
    versions.put(
        "jlama",
        Objects.requireNonNullElse(
            AbstractModel.class.getPackage().getImplementationVersion(), "0.8.4"));
    versions.put("java", Runtime.version().toString());
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("machine", Machine.current());
    out.put("versions", versions);
    out.put("commit", commit());
    return out;
  }

  /** The commit that this program was built from, where it runs from its own checkout. */
  private static String commit() {
    try {
      Path here =
          Path.of(Origin.class.getProtectionDomain().getCodeSource().getLocation().toURI())
              .toRealPath();
      Process git =
          new ProcessBuilder("git", "rev-parse", "--show-toplevel", "HEAD")
              .directory(Objects.requireNonNull(here.getParent()).toFile())
              .redirectError(ProcessBuilder.Redirect.DISCARD)
              .start();
      return commit(
          here,
          new String(git.getInputStream().readAllBytes(), StandardCharsets.UTF_8).lines().toList());
    } catch (IOException | URISyntaxException e) {
      return "unknown"; // no git here
    }
  }

  /**
   * The commit, unless the program merely lies in a checkout of something else.
   *
   * @param here where the program's classes are
   * @param said by git: the checkout's folder and its commit
   */
  static String commit(Path here, List<String> said) {
    boolean own =
        said.size() == 2
            && said.get(1).matches("[0-9a-f]{40}")
            && here.startsWith(Path.of(said.get(0), "kvp-jlama", "target"));
    return own ? said.get(1) : "unknown";
  }
}
