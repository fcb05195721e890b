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
package io.github.kvp4j.tools;

import io.github.kvp4j.jlama.ToolCall;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;

/**
 * Takes the calls out of an answer as it comes.
 *
 * <p>A call is JSON between {@code <tool_call>} and {@code </tool_call>}, the latter of which may
 * be missing at the end; what else stands between the tags behind the JSON is dropped. Or the whole
 * answer is the JSON of one call or of an array of calls, all of tools that were offered. What is
 * not such JSON is text, tags included. White space between calls, and between calls and the begin
 * or the end, is left out.
 */
public final class ToolCallParser {
  static final String OPEN = "<tool_call>";
  static final String CLOSE = "</tool_call>";

  private final Set<String> offered;
  private final Consumer<String> onText;
  private final Consumer<ToolCall> onCall;
  private final StringBuilder held = new StringBuilder();
  private final StringBuilder gap = new StringBuilder();
  private final StringBuilder text = new StringBuilder();
  private final List<ToolCall> calls = new ArrayList<>();
  private boolean inCall;

  /**
   * For one answer.
   *
   * @param offered the names of the tools that may be called
   * @param onText is told of text as it comes, whole characters and never none
   * @param onCall is told of each call that is complete
   */
  public ToolCallParser(Set<String> offered, Consumer<String> onText, Consumer<ToolCall> onCall) {
    this.offered = offered;
    this.onText = onText;
    this.onCall = onCall;
  }

  /** The text of the answer so far; all of it after {@link #finish}. */
  public String text() {
    return text.toString();
  }

  /** The calls of the answer so far; all of them after {@link #finish}. */
  public List<ToolCall> calls() {
    return calls;
  }

  /** Takes the next part of the answer. */
  public void accept(String part) {
    held.append(part);
    if (!mayBeJson()) {
      drain(false);
    }
  }

  /** Says that the answer has ended. */
  public void finish() {
    if (!mayBeJson() || !wholeAnswerIsCalls()) {
      drain(true);
    }
    if (calls.isEmpty() && !gap.isEmpty()) {
      handOut(gap.toString());
    }
  }

  /** Whether all that came so far could be the begin of a JSON value. */
  private boolean mayBeJson() {
    if (inCall || !text.isEmpty() || !calls.isEmpty()) {
      return false;
    }
    String begin = held.toString().stripLeading();
    return !begin.isEmpty() && (begin.charAt(0) == '{' || begin.charAt(0) == '[');
  }

  private boolean wholeAnswerIsCalls() {
    List<ToolCall> read = ToolJson.readCalls(held.toString(), true);
    if (read == null || !read.stream().allMatch(call -> offered.contains(call.name()))) {
      return false;
    }
    read.forEach(this::call);
    return true;
  }

  private void drain(boolean end) {
    while (!held.isEmpty()) {
      int tag = held.indexOf(inCall ? CLOSE : OPEN);
      if (inCall) {
        if (tag < 0 && !end) {
          return;
        }
        int until = tag < 0 ? held.length() : tag;
        int next = tag < 0 ? until : tag + CLOSE.length();
        callOrText(held.substring(0, until), held.substring(until, next));
        held.delete(0, next);
        inCall = false;
      } else {
        int until = tag >= 0 ? tag : end ? held.length() : held.length() - beginOfTag();
        plain(held.substring(0, until));
        held.delete(0, tag < 0 ? until : tag + OPEN.length());
        if (tag < 0) {
          return;
        }
        inCall = true;
      }
    }
    if (inCall && end) {
      plain(OPEN);
      inCall = false;
    }
  }

  private void callOrText(String body, String close) {
    List<ToolCall> read = ToolJson.readCalls(body, false);
    if (read == null) {
      plain(OPEN + body + close);
    } else {
      read.forEach(this::call);
    }
  }

  private void call(ToolCall call) {
    calls.add(call);
    onCall.accept(call);
  }

  /** Hands out text; white space at its end waits for what follows. */
  private void plain(String part) {
    if (part.isBlank()) {
      gap.append(part);
      return;
    }
    String body = part.stripTrailing();
    boolean first = text.isEmpty() && !calls.isEmpty();
    handOut(first ? body.stripLeading() : gap + body);
    gap.setLength(0);
    gap.append(part, body.length(), part.length());
  }

  private void handOut(String part) {
    text.append(part);
    onText.accept(part);
  }

  /** The length of the longest end of what is held that begins a tag. */
  private int beginOfTag() {
    for (int n = Math.min(OPEN.length() - 1, held.length()); n > 0; n--) {
      if (OPEN.startsWith(held.substring(held.length() - n))) {
        return n;
      }
    }
    return 0;
  }
}
