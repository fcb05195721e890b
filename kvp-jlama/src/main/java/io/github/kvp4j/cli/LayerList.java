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

import java.util.SortedSet;
import java.util.StringJoiner;
import java.util.TreeSet;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Layers as they are written on a command line: {@code 3,5,12-21}. */
record LayerList(SortedSet<Integer> layers) {
  /** The text for some layers: {@code 3,5,12-21}; {@code -} for none. */
  static String text(SortedSet<Integer> layers) {
    StringJoiner out = new StringJoiner(",").setEmptyValue("-");
    for (int from : layers) {
      if (!layers.contains(from - 1)) {
        int to = from;
        while (layers.contains(to + 1)) {
          to++;
        }
        out.add(to == from ? "" + from : from + (to == from + 1 ? "," : "-") + to);
      }
    }
    return out.toString();
  }

  /** Reads the text. */
  static final class Converter implements ITypeConverter<LayerList> {
    @Override
    public LayerList convert(String text) {
      TreeSet<Integer> layers = new TreeSet<>();
      if (text.isBlank()) {
        return new LayerList(layers);
      }
      for (String part : text.split(",", -1)) {
        if (!part.strip().matches("\\d{1,4}(-\\d{1,4})?")) {
          throw new TypeConversionException(
              "'" + text + "' is no list of layers; write for example 3,5,12-21");
        }
        String range = part.strip();
        int dash = range.indexOf('-');
        int from = Integer.parseInt(dash < 0 ? range : range.substring(0, dash));
        int to = dash < 0 ? from : Integer.parseInt(range.substring(dash + 1));
        if (to < from) {
          throw new TypeConversionException("'" + part + "' runs backwards; write the lower first");
        }
        for (int layer = from; layer <= to; layer++) {
          layers.add(layer);
        }
      }
      return new LayerList(layers);
    }
  }
}
