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
package io.github.kvp4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * The fields of a JSON object, read with their types and bounds; null is as good as absent. A field
 * that nobody has asked for is refused in the end, so that no wish is silently dropped.
 */
final class Fields {
  private static final int SHOWN = 60;

  private final JsonNode object;
  private final String path;
  private final Set<String> known = new HashSet<>();

  /**
   * The fields of an object.
   *
   * @param path what stands before a field's name in messages, empty for the request itself
   * @throws HttpError 400 where it is no object
   */
  Fields(JsonNode object, String path) {
    if (!object.isObject()) {
      throw path.isEmpty()
          ? new HttpError(400, "invalid_json", "The request's body must be a JSON object.")
          : HttpError.field(path, "'" + path + "' must be an object.");
    }
    this.object = object;
    this.path = path;
  }

  /** A field's value as it is. */
  Optional<JsonNode> get(String name) {
    known.add(name);
    JsonNode value = object.get(name);
    return value == null || value.isNull() ? Optional.empty() : Optional.of(value);
  }

  Optional<String> text(String name) {
    return get(name)
        .map(v -> {
          if (!v.isTextual()) {
            throw wrong(name, "a string");
          }
          return v.textValue();
        });
  }

  /** An object, which has to be there. */
  Fields object(String name) {
    return new Fields(get(name).orElseThrow(() -> wrong(name, "given, as an object")), full(name));
  }

  /** A list of objects, empty where it is absent. */
  List<Fields> list(String name, int most) {
    JsonNode list = get(name).orElse(JsonNodeFactory.instance.arrayNode());
    if (!list.isArray() || list.size() > most) {
      throw wrong(name, "a list of up to " + most + " objects");
    }
    return IntStream.range(0, list.size())
        .mapToObj(i -> new Fields(list.get(i), full(name) + "[" + i + "]"))
        .toList();
  }

  boolean bool(String name) {
    return bool(name, false);
  }

  boolean bool(String name, boolean otherwise) {
    return get(name)
        .map(v -> {
          if (!v.isBoolean()) {
            throw wrong(name, "true or false");
          }
          return v.booleanValue();
        })
        .orElse(otherwise);
  }

  OptionalLong integer(String name, long min, long max) {
    Optional<JsonNode> v = get(name);
    if (v.isEmpty()) {
      return OptionalLong.empty();
    }
    if (!v.get().isIntegralNumber() || !v.get().canConvertToLong()) {
      throw wrong(name, "an integer from " + min + " to " + max);
    }
    long value = v.get().longValue();
    if (value < min || value > max) {
      throw HttpError.field(
          full(name),
          "'" + full(name) + "' is " + value + "; it must be " + min + " to " + max + ".");
    }
    return OptionalLong.of(value);
  }

  OptionalDouble number(String name, double min, double max) {
    Optional<JsonNode> v = get(name);
    if (v.isEmpty()) {
      return OptionalDouble.empty();
    }
    double value = v.get().isNumber() ? v.get().doubleValue() : Double.NaN;
    if (!(value >= min && value <= max)) {
      throw wrong(name, "a number from " + plain(min) + " to " + plain(max));
    }
    return OptionalDouble.of(value);
  }

  /** A text that names one of an enumeration's constants, in lower case. */
  <E extends Enum<E>> Optional<E> oneOf(String name, Class<E> type) {
    return text(name)
        .map(text ->
            Arrays.stream(type.getEnumConstants())
                .filter(c -> c.name().toLowerCase(Locale.ROOT).equals(text))
                .findFirst()
                .orElseThrow(() ->
                    wrong(
                        name,
                        "one of "
                            + Arrays.stream(type.getEnumConstants())
                                .map(c -> "'" + c.name().toLowerCase(Locale.ROOT) + "'")
                                .collect(Collectors.joining(", ")))));
  }

  /** Fields that change nothing here, whatever they say. */
  void ignore(List<String> names) {
    known.addAll(names);
  }

  /** A field that may only have one of some values, which ask for nothing. */
  void onlyNeutral(String name, JsonNode... neutral) {
    Optional<JsonNode> v = get(name);
    if (v.isPresent()
        && Arrays.stream(neutral)
            .noneMatch(n ->
                n.equals(v.get())
                    || (n.isNumber()
                        && v.get().isNumber()
                        && n.doubleValue() == v.get().doubleValue()))) {
      throw HttpError.unsupported(full(name));
    }
  }

  /** Refuses what was not asked for by now. */
  void noOthers() {
    for (String name : (Iterable<String>) object::fieldNames) {
      if (!known.contains(name)) {
        String shown = shown(full(name));
        throw HttpError.field(shown, "The parameter '" + shown + "' is not known here.");
      }
    }
  }

  HttpError wrong(String name, String limit) {
    return HttpError.field(full(name), "'" + full(name) + "' must be " + limit + ".");
  }

  private String full(String name) {
    return path.isEmpty() ? name : path + "." + name;
  }

  private static String plain(double value) {
    return value == Math.rint(value) ? String.valueOf((long) value) : String.valueOf(value);
  }

  /** A client's own text, cut and without control characters. */
  static String shown(String text) {
    String clean = text.replaceAll("[^\\x21-\\x7e]", "?");
    return clean.length() <= SHOWN ? clean : clean.substring(0, SHOWN) + "...";
  }
}
