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

import io.github.kvp4j.corpus.TextCorpus;
import io.github.kvp4j.evaluation.Continuation;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;

/**
 * Prompts that a predictor is measured on, as long as the passages and the model allow. They are
 * chosen before anything is fitted or trained, so that nobody learns afterwards that there are
 * none.
 *
 * @param text running text
 * @param copy copied spans
 */
record HeldOut(Items text, Items copy) {
  /** Tokens that follow a prompt. */
  private static final int FOLLOWING = 64;

  /**
   * Tokens of prompts, what they should be first. Still shorter ones would be made of anchors for
   * the most part.
   */
  private static final List<Integer> TEXT = List.of(447, 320, 224, 160);

  private static final List<Integer> COPY = List.of(Continuation.COPY_LENGTH, 224, 160);

  /** Nothing to measure on. */
  static final HeldOut NONE =
      new HeldOut(
          new Items("text", TEXT.getFirst(), 0, List.of()),
          new Items("copy", COPY.getFirst(), 0, List.of()));

  /**
   * Prompts of one kind.
   *
   * @param task what they are called in a predictor's file
   * @param due tokens that their passages should have
   * @param length those that they have, 0 where there is none
   */
  record Items(String task, int due, int length, List<Continuation> prompts) {}

  /** Chooses from the first passages of a corpus. */
  static HeldOut of(
      KvpModel loaded, PrefillEngine engine, TextCorpus corpus, int prompts, long seed) {
    int room = engine.weights().shape().contextLength() - FOLLOWING;
    int[] blank = loaded.tokenizer().encode("\n\n");
    return new HeldOut(
        longest(
            "text",
            TEXT,
            room,
            n -> Continuation.text(corpus, loaded::encodePrompt, 0, prompts, n, FOLLOWING)),
        longest(
            "copy",
            COPY,
            room - blank.length,
            n ->
                Continuation.copy(
                    corpus, loaded::encodePrompt, blank, 0, prompts, seed, n, FOLLOWING)));
  }

  private static Items longest(
      String task, List<Integer> lengths, int room, IntFunction<List<Continuation>> made) {
    for (int length : lengths) {
      List<Continuation> prompts = length <= room ? made.apply(length) : List.of();
      if (!prompts.isEmpty()) {
        return new Items(task, lengths.getFirst(), length, prompts);
      }
    }
    return new Items(task, lengths.getFirst(), 0, List.of());
  }

  /** Both kinds. */
  List<Items> kinds() {
    return List.of(text, copy);
  }

  /** Whether there is nothing to measure on. */
  boolean isEmpty() {
    return text.prompts.isEmpty() && copy.prompts.isEmpty();
  }

  /** Says on the error stream what is measured otherwise than it should be, or not at all. */
  void warn() {
    for (Items items : kinds()) {
      if (items.length < items.due) {
        System.err.println(
            "The held-out passages or the model's context are too short for prompts of "
                + items.due
                + " tokens; "
                + items.task
                + " is "
                + (items.length == 0
                    ? "not measured, and the file gets no figures of it."
                    : "measured on prompts of " + items.length + "."));
      }
    }
  }

  /** Notes in what a predictor's file says of its making what figures are not of full prompts. */
  void note(Map<String, String> how) {
    for (Items items : kinds()) {
      String key = "measured." + items.task;
      how.remove(key); // of a predictor that training began with
      if (items.length > 0 && items.length < items.due) {
        how.put(key, "prompts of " + items.length + " tokens");
      }
    }
  }
}
