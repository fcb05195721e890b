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
import io.github.kvp4j.training.TrainingItems;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads {@code 0.4,0.3,0.3}: shares of running text, copied spans and questions. */
final class MixConverter implements ITypeConverter<TrainingItems.Mix> {
  @Override
  public TrainingItems.Mix convert(String text) {
    String[] parts = text.split(",", -1);
    try {
      if (parts.length == 3) {
        return new TrainingItems.Mix(
            Double.parseDouble(parts[0]),
            Double.parseDouble(parts[1]),
            Double.parseDouble(parts[2]));
      }
    } catch (NumberFormatException | KvpException e) {
      // said below
    }
    throw new TypeConversionException(
        "'" + text + "' is no mix; write three shares such as 0.4,0.3,0.3");
  }
}
