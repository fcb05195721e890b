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
import io.github.kvp4j.jlama.RefineSettings;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads {@code tokens} or {@code tokens/milliseconds}. */
final class RefineConverter implements ITypeConverter<RefineSettings> {
  /** What the option that it is for says. */
  static final String DESCRIPTION =
      "Prompt tokens that the mode refine makes exact between two tokens of the answer; with /MS as"
          + " many chunks as fit into so many milliseconds (default: ${DEFAULT-VALUE}).";

  @Override
  public RefineSettings convert(String text) {
    try {
      return RefineSettings.parse(text);
    } catch (KvpException e) {
      throw new TypeConversionException(String.valueOf(e.getMessage()));
    }
  }
}
