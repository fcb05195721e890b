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
package io.github.kvp4j.bench;

import io.github.kvp4j.KvpException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToIntFunction;

/**
 * Prompts of running text that have exactly as many tokens as asked for: words of a text, from
 * another one on for each prompt, and from the start again where the text ends.
 */
public final class BenchPrompts {
  /** How far from where it is looked for, in characters, a cut may lie. */
  private static final int REACH = 64;

  /** Words between the starts of two prompts: a prime, so that starts repeat late. */
  private static final int STEP = 37;

  private final List<String> words;
  private final ToIntFunction<String> tokens;

  /**
   * Prompts from a text.
   *
   * @param tokens how many tokens a prompt has
   */
  public BenchPrompts(String text, ToIntFunction<String> tokens) {
    this.words = List.of(text.strip().split("\\s+", -1));
    this.tokens = tokens;
  }

  /**
   * A prompt.
   *
   * @param length its tokens, at least 2
   * @param number prompts of other numbers begin elsewhere
   */
  String prompt(int length, int number) {
    int next = Math.floorMod(number * STEP, words.size());
    StringBuilder text = new StringBuilder();
    // no word has less than one token
    for (int i = 0; i < length; i++) {
      text.append(text.isEmpty() ? "" : " ").append(words.get(next));
      next = (next + 1) % words.size();
    }
    int low = 0;
    int high = text.length();
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (tokens.applyAsInt(text.substring(0, middle)) < length) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    // a longer text may have fewer tokens where a word is completed, so it is looked for around here
    for (int away = 0; away <= REACH; away++) {
      for (int cut : new int[] {low - away, low + away}) {
        if (cut > 0 && cut <= text.length()) {
          String prompt = text.substring(0, cut);
          if (tokens.applyAsInt(prompt) == length) {
            return prompt;
          }
        }
      }
    }
    throw new KvpException(
        KvpException.Kind.PROMPT,
        "No prompt of exactly "
            + length
            + " tokens can be made of the text; give another with --prompt.");
  }

  /** A batch of prompts that no other run has. */
  List<String> batch(int length, int size, int run) {
    List<String> prompts = new ArrayList<>();
    for (int i = 0; i < size; i++) {
      prompts.add(prompt(length, run * size + i));
    }
    return prompts;
  }
}
