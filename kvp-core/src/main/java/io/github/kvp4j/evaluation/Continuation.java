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
package io.github.kvp4j.evaluation;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.corpus.TextCorpus;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Function;

/**
 * A prompt and what is fed after it, to compare next-token distributions on.
 *
 * @param prompt {@code [tokens]}, begin-of-sequence included
 * @param following {@code [tokens]} fed one after the other
 */
public record Continuation(int[] prompt, int[] following) {
  /** Tokens of text that copied spans are taken from where nothing else is said. */
  public static final int COPY_LENGTH = 320;

  /** Tokens at either end of the text that no copied span begins or ends in. */
  private static final int MARGIN = 16;

  /** Running text: prompts of {@code length} tokens and the {@code following} that follow. */
  public static List<Continuation> text(
      TextCorpus corpus,
      Function<String, int[]> encode,
      int from,
      int count,
      int length,
      int following) {
    int all = length + following;
    return corpus.take(encode, from, count, all, all).stream()
        .map(t -> new Continuation(Arrays.copyOf(t, length), Arrays.copyOfRange(t, length, all)))
        .toList();
  }

  /**
   * Copied spans: {@code length} tokens of text, a blank line, then {@code copied} tokens out of
   * the text again. What is to be copied lies far back, so that a cache which has lost detail shows
   * it.
   *
   * @param separator the tokens of a blank line, no begin-of-sequence
   * @throws KvpException BAD_ARGUMENT where the text is too short to have such a span far back
   */
  public static List<Continuation> copy(
      TextCorpus corpus,
      Function<String, int[]> encode,
      int[] separator,
      int from,
      int count,
      long seed,
      int length,
      int copied) {
    long places = (long) length - copied - 2 * MARGIN;
    if (places < 1) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "Prompts of "
              + length
              + " tokens are too short to copy "
              + copied
              + " tokens from; at least "
              + (copied + 2L * MARGIN + 1)
              + " are needed.");
    }
    Random random = new Random(seed);
    List<Continuation> out = new ArrayList<>();
    for (int[] t : corpus.take(encode, from, count, length, length)) {
      int start = MARGIN + random.nextInt((int) places);
      int[] prompt = Arrays.copyOf(t, t.length + separator.length);
      System.arraycopy(separator, 0, prompt, t.length, separator.length);
      out.add(new Continuation(prompt, Arrays.copyOfRange(t, start, start + copied)));
    }
    return out;
  }
}
