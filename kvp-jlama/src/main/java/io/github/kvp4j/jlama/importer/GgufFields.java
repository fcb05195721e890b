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
import org.jspecify.annotations.Nullable;

/** The metadata of a GGUF file by name and type, each value with its limits. */
final class GgufFields {
  private final GgufFile file;

  GgufFields(GgufFile file) {
    this.file = file;
  }

  boolean has(String key) {
    return file.metadata().containsKey(key);
  }

  /** A whole number that must be there. */
  int whole(String key, int least, int most) {
    return toInt(key, required(key), least, most);
  }

  /** A whole number, or {@code otherwise} where the file has none. */
  int whole(String key, int least, int most, int otherwise) {
    GgufValue value = file.metadata().get(key);
    return value == null ? otherwise : toInt(key, value, least, most);
  }

  /** A positive, finite number that must be there. */
  GgufValue.Real positive(String key) {
    return toPositive(key, required(key));
  }

  /** A positive, finite number, or {@code otherwise} where the file has none. */
  GgufValue.Real positive(String key, double otherwise) {
    GgufValue value = file.metadata().get(key);
    return value == null ? new GgufValue.Real(otherwise, false) : toPositive(key, value);
  }

  /** A bool, or {@code otherwise} where the file has none. */
  boolean flag(String key, boolean otherwise) {
    return switch (file.metadata().get(key)) {
      case null -> otherwise;
      case GgufValue.Flag(boolean flag) -> flag;
      case GgufValue other -> throw malformed(key, other, "a bool");
    };
  }

  /** A string that must be there. */
  String text(String key) {
    String text = textOrNull(key);
    if (text == null) {
      throw missing(key);
    }
    return text;
  }

  /** A string, or null where the file has none. */
  @Nullable String textOrNull(String key) {
    return switch (file.metadata().get(key)) {
      case null -> null;
      case GgufValue.Text(String text) -> text;
      case GgufValue other -> throw malformed(key, other, "a string");
    };
  }

  /** An array that must be there. */
  GgufValue.Array array(String key, GgufValueType type) {
    GgufValue.Array array = arrayOrNull(key, type);
    if (array == null) {
      throw missing(key);
    }
    return array;
  }

  /** An array, or null where the file has none. */
  GgufValue.@Nullable Array arrayOrNull(String key, GgufValueType type) {
    return switch (file.metadata().get(key)) {
      case null -> null;
      case GgufValue.Array array when array.type() == type -> array;
      case GgufValue other -> throw malformed(key, other, "an array of " + type);
    };
  }

  private GgufValue required(String key) {
    GgufValue value = file.metadata().get(key);
    if (value == null) {
      throw missing(key);
    }
    return value;
  }

  private KvpException missing(String key) {
    return Messages.malformed(file.name(), "it has no " + key);
  }

  private KvpException malformed(String key, GgufValue found, String wanted) {
    return Messages.malformed(file.name(), key + " is " + found + "; it must be " + wanted);
  }

  private int toInt(String key, GgufValue value, int least, int most) {
    if (value instanceof GgufValue.Array) {
      throw Messages.unsupported(
          file.name(), key + " is " + value + ", one for each layer; all layers must be alike");
    }
    if (value instanceof GgufValue.Whole(long number) && number >= least && number <= most) {
      return (int) number;
    }
    throw malformed(key, value, "a whole number from " + least + " to " + most);
  }

  private GgufValue.Real toPositive(String key, GgufValue value) {
    if (value instanceof GgufValue.Real real && real.value() > 0 && Double.isFinite(real.value())) {
      return real;
    }
    throw malformed(key, value, "a positive number");
  }
}
