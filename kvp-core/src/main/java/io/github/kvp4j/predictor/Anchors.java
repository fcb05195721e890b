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
package io.github.kvp4j.predictor;

import io.github.kvp4j.KvpException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Exact anchors: prompt tokens that go through the predicted layers exactly, over the mixed cache.
 *
 * @param sink how many of the first tokens (attention sinks)
 * @param tail how many of the last tokens: the question and the chat template; at least 1, since
 *     the last token is always run by the base
 * @param top how many more: those that the tail attends to most
 */
public record Anchors(int sink, int tail, int top) {
  /** What is used where nothing is said. */
  public static final Anchors DEFAULT = new Anchors(4, 64, 0);

  private static final Pattern TEXT = Pattern.compile("(\\d{1,7})/(\\d{1,7})/(\\d{1,7})");

  /** Checks the bounds. */
  public Anchors {
    if (sink < 0 || tail < 1 || top < 0) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The anchors are "
              + sink
              + "/"
              + tail
              + "/"
              + top
              + "; sink and top must be at least 0 and tail at least 1.");
    }
  }

  /** Reads {@code sink/tail/top}, e.g. {@code 4/64/0}. */
  public static Anchors parse(String text) {
    Matcher m = TEXT.matcher(text);
    if (!m.matches()) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The anchors are '" + text + "'; write sink/tail/top, for example 4/64/0.");
    }
    return new Anchors(
        Integer.parseInt(m.group(1)), Integer.parseInt(m.group(2)), Integer.parseInt(m.group(3)));
  }

  @Override
  public String toString() {
    return sink + "/" + tail + "/" + top;
  }
}
