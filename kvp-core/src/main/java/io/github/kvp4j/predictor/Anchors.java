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
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Exact anchors: prompt tokens that go through the predicted layers exactly, over the mixed cache.
 *
 * @param sink how many of the first tokens (attention sinks)
 * @param tail how many of the last tokens: the question and the chat template; at least 1, since
 *     the last token is always run by the base
 * @param top how many more: those that the tail attends to most
 * @param look where the tail's attention is looked at
 * @param window the top tokens are taken in runs of so many; 1 = one by one
 */
public record Anchors(int sink, int tail, int top, Look look, int window) {
  /** Where the tail's attention is looked at, to choose the top tokens by. */
  public enum Look {
    /** In the auxiliary's layers, while it reads the prompt. */
    LOWER,
    /**
     * In the predicted layers, over the predicted keys: the tail runs once to look, and again when
     * what it looked at is exact.
     */
    UPPER
  }

  /** What is used where nothing is said. */
  public static final Anchors DEFAULT = new Anchors(4, 64, 0);

  private static final Pattern TEXT =
      Pattern.compile("(\\d{1,7})/(\\d{1,7})/(\\d{1,7})(?:@(lower|upper)(?::(\\d{1,7}))?)?");

  /** Top tokens one by one, looked for below. */
  public Anchors(int sink, int tail, int top) {
    this(sink, tail, top, Look.LOWER, 1);
  }

  /** Checks the bounds. */
  public Anchors {
    if (sink < 0 || tail < 1 || top < 0 || window < 1) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The anchors are "
              + sink
              + "/"
              + tail
              + "/"
              + top
              + " in windows of "
              + window
              + "; sink and top must be at least 0, tail and window at least 1.");
    }
  }

  /**
   * Reads {@code sink/tail/top}, {@code sink/tail/top@look} or {@code sink/tail/top@look:window},
   * e.g. {@code 4/64/0} or {@code 4/24/48@upper:4}.
   */
  public static Anchors parse(String text) {
    Matcher m = TEXT.matcher(text);
    if (!m.matches()) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The anchors are '"
              + text
              + "'; write sink/tail/top, for example 4/64/0 or 4/24/48@upper.");
    }
    return new Anchors(
        Integer.parseInt(m.group(1)),
        Integer.parseInt(m.group(2)),
        Integer.parseInt(m.group(3)),
        "upper".equals(m.group(4)) ? Look.UPPER : Look.LOWER,
        m.group(5) == null ? 1 : Integer.parseInt(m.group(5)));
  }

  @Override
  public String toString() {
    return sink
        + "/"
        + tail
        + "/"
        + top
        + (look == Look.LOWER && window == 1 ? "" : "@" + look.name().toLowerCase(Locale.ROOT))
        + (window == 1 ? "" : ":" + window);
  }
}
