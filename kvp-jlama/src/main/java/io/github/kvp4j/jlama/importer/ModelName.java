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

import java.util.regex.Pattern;

/**
 * The name of a model on the hub, {@code owner/name}, which is also that of its folder.
 *
 * <p>Only what can do no harm as a folder's name on any system is a name: no path, no drive, no
 * device, no hidden folder.
 *
 * @param owner who made it
 * @param name what it is
 */
record ModelName(String owner, String name) {
  private static final Pattern PART = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,95}");
  private static final Pattern DEVICE =
      Pattern.compile("(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\\..*)?");

  /**
   * Reads a name.
   *
   * @throws io.github.kvp4j.KvpException BAD_ARGUMENT where it is none
   */
  static ModelName parse(String text) {
    int slash = text.indexOf('/');
    if (slash >= 0 && isPart(text.substring(0, slash)) && isPart(text.substring(slash + 1))) {
      return new ModelName(text.substring(0, slash), text.substring(slash + 1));
    }
    throw Messages.badArgument(
        Messages.quote(text) + " is no model; it must be a model folder or a name like owner/name");
  }

  private static boolean isPart(String part) {
    return PART.matcher(part).matches()
        && !part.contains("..")
        && !part.endsWith(".")
        && !DEVICE.matcher(part).matches();
  }

  /** The folder's name, as Jlama has it. */
  String folder() {
    return owner + "_" + name;
  }

  @Override
  public String toString() {
    return owner + "/" + name;
  }
}
