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

import io.github.kvp4j.jlama.KvpMode;
import java.util.Locale;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads a mode, {@code refine} standing for {@link KvpMode#PREDICT_AND_REFINE}. */
final class ModeConverter implements ITypeConverter<KvpMode> {
  @Override
  public KvpMode convert(String text) {
    return switch (text.toLowerCase(Locale.ROOT)) {
      case "auto" -> KvpMode.AUTO;
      case "exact" -> KvpMode.EXACT;
      case "predict" -> KvpMode.PREDICT;
      case "refine", "predict_and_refine" -> KvpMode.PREDICT_AND_REFINE;
      case "off" -> KvpMode.OFF;
      default ->
          throw new TypeConversionException(
              "'" + text + "' is no mode; give auto, exact, predict, refine or off.");
    };
  }
}
