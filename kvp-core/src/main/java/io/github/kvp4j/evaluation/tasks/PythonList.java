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
package io.github.kvp4j.evaluation.tasks;

import java.util.ArrayList;
import java.util.List;

/** Reads a list of strings as Python writes it: {@code ['a', "it's", '\u00e9']}. */
final class PythonList {
  private final String text;
  private int at;

  private PythonList(String text) {
    this.text = text;
  }

  /**
   * Reads one.
   *
   * @throws IllegalArgumentException with the reason where it is none
   */
  static List<String> parse(String text) {
    return new PythonList(text.strip()).list();
  }

  private List<String> list() {
    List<String> out = new ArrayList<>();
    expect('[');
    while (true) {
      skipSpace();
      if (peek() == ']') {
        break;
      }
      out.add(string());
      skipSpace();
      if (peek() != ']') {
        expect(',');
      }
    }
    at++;
    if (at < text.length()) {
      throw wrong("nothing");
    }
    return out;
  }

  private String string() {
    char quote = peek();
    if (quote != '\'' && quote != '"') {
      throw wrong("a quoted string");
    }
    at++;
    StringBuilder out = new StringBuilder();
    while (peek() != quote) {
      char c = text.charAt(at++);
      if (c == '\\') {
        escape(out);
      } else {
        out.append(c);
      }
    }
    at++;
    return out.toString();
  }

  private void escape(StringBuilder out) {
    char c = peek();
    at++;
    switch (c) {
      case '\\', '\'', '"' -> out.append(c);
      case 'n' -> out.append('\n');
      case 't' -> out.append('\t');
      case 'r' -> out.append('\r');
      case 'a' -> out.append('\u0007');
      case 'b' -> out.append('\b');
      case 'f' -> out.append('\f');
      case 'v' -> out.append('\u000b');
      case 'x' -> out.appendCodePoint(hex(2));
      case 'u' -> out.appendCodePoint(hex(4));
      case 'U' -> out.appendCodePoint(hex(8));
      default -> out.append('\\').append(c); // as Python leaves it
    }
  }

  private int hex(int digits) {
    try {
      int value = Integer.parseUnsignedInt(text, at, at + digits, 16);
      if (Character.isValidCodePoint(value)) {
        at += digits;
        return value;
      }
    } catch (NumberFormatException | IndexOutOfBoundsException e) {
      // said below
    }
    throw wrong(digits + " hexadecimal digits");
  }

  private void skipSpace() {
    while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
      at++;
    }
  }

  private void expect(char c) {
    if (peek() != c) {
      throw wrong("'" + c + "'");
    }
    at++;
  }

  private char peek() {
    if (at >= text.length()) {
      throw new IllegalArgumentException("the list of answers does not end");
    }
    return text.charAt(at);
  }

  private IllegalArgumentException wrong(String expected) {
    return new IllegalArgumentException(
        "the list of answers has something else than " + expected + " at character " + (at + 1));
  }
}
