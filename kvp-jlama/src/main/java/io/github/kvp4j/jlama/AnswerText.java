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
package io.github.kvp4j.jlama;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.function.Consumer;

/**
 * Puts the bytes of tokens together to text: hands out whole characters only, and holds back what
 * may become a stop string until it is known not to.
 */
final class AnswerText {
  private final List<String> stops;
  private final Consumer<String> listener;
  private final CharsetDecoder decoder =
      StandardCharsets.UTF_8
          .newDecoder()
          .onMalformedInput(CodingErrorAction.REPLACE)
          .onUnmappableCharacter(CodingErrorAction.REPLACE);
  private final StringBuilder text = new StringBuilder();
  private byte[] pending = new byte[0];
  private int handedOut;
  private boolean stopped;

  AnswerText(List<String> stops, Consumer<String> listener) {
    this.stops = stops;
    this.listener = listener;
  }

  /**
   * Adds a token's bytes.
   *
   * @return whether a stop string has ended the answer
   */
  boolean add(byte[] bytes) {
    decode(bytes, false);
    return handOut(false);
  }

  /** Hands out what was held back and returns the whole answer. */
  String finish() {
    if (!stopped) {
      decode(new byte[0], true);
      handOut(true);
    }
    return text.toString();
  }

  private void decode(byte[] bytes, boolean end) {
    byte[] all = new byte[pending.length + bytes.length];
    System.arraycopy(pending, 0, all, 0, pending.length);
    System.arraycopy(bytes, 0, all, pending.length, bytes.length);
    ByteBuffer in = ByteBuffer.wrap(all);
    CharBuffer out = CharBuffer.allocate(all.length + 2);
    decoder.reset();
    decoder.decode(in, out, end);
    if (end) {
      decoder.flush(out);
    }
    text.append(out.flip());
    pending = new byte[in.remaining()];
    in.get(pending);
  }

  private boolean handOut(boolean end) {
    int stop = -1;
    for (String s : stops) {
      int at = text.indexOf(s, Math.max(0, handedOut - s.length()));
      if (at >= 0 && (stop < 0 || at < stop)) {
        stop = at;
      }
    }
    if (stop >= 0) {
      text.setLength(stop);
      stopped = true;
    }
    int until = stopped || end ? text.length() : text.length() - heldBack();
    if (until > 0 && until < text.length() && Character.isHighSurrogate(text.charAt(until - 1))) {
      until--;
    }
    if (until > handedOut) {
      String part = text.substring(handedOut, until);
      handedOut = until;
      listener.accept(part);
    }
    return stopped;
  }

  /** The length of the longest end of the text that begins a stop string. */
  private int heldBack() {
    int longest = 0;
    for (String s : stops) {
      for (int n = Math.min(s.length() - 1, text.length()); n > longest; n--) {
        if (text.substring(text.length() - n).equals(s.substring(0, n))) {
          longest = n;
          break;
        }
      }
    }
    return longest;
  }
}
