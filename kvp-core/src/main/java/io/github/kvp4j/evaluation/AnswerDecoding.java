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

import io.github.kvp4j.kernel.Workers;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.Lane;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.prefill.StackedDecoding;
import io.github.kvp4j.sampling.Sampler;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Makes answers of readings: of many at once where they have a {@link Lane}, else one after the
 * other. Readings are gathered until they hold as much memory as is allowed.
 */
final class AnswerDecoding implements AutoCloseable {
  /**
   * Keys and values of the lanes that are decoded together, in bytes, about: the more lanes, the
   * fewer steps in which most of them have ended and the weights are read for the few left.
   */
  private static final long MOST_BYTES = Runtime.getRuntime().maxMemory() / 3;

  /** Lanes of one step: their logits are a lane times the vocabulary. */
  private static final int MOST_LANES = 256;

  private final TokenText text;
  private final Evaluation.Decoding decoding;
  private final boolean together;
  private final List<Decoded> waiting = new ArrayList<>();
  private final List<EvaluationRow.Reading> open = new ArrayList<>();
  private long bytes;

  /** An answer, complete after {@link #finish}. */
  final class Decoded {
    private final Sampler sampler;
    private @Nullable Lane lane; // let go of at the end: an answer is kept longer than its cache
    private final List<Integer> tokens = new ArrayList<>();
    private String answer = "";
    private double millisPerToken;
    private boolean done;

    private Decoded(Sampler sampler, @Nullable Lane lane) {
      this.sampler = sampler;
      this.lane = lane;
    }

    private Lane lane() {
      return java.util.Objects.requireNonNull(lane);
    }

    /** The answer, cut at a stop. */
    String text() {
      return answer;
    }

    /** Its tokens, with the one that ended it. */
    List<Integer> tokens() {
      return tokens;
    }

    /** Mean time of a token but the first; 0 where it was not measured. */
    double millisPerToken() {
      return millisPerToken;
    }

    /** Takes the next token from its logits; it is done if that ends the answer. */
    private void take(float[] logits, int from, int vocabulary) {
      int token =
          sampler.pick(
              from == 0 && logits.length == vocabulary
                  ? logits
                  : java.util.Arrays.copyOfRange(logits, from, from + vocabulary));
      tokens.add(token);
      if (text.isEnd(token)) {
        done = true;
      } else {
        String all = text.decode(tokens.stream().mapToInt(Integer::intValue).toArray());
        answer = Evaluation.cut(all, decoding.stops());
        done = answer.length() < all.length() || tokens.size() == decoding.maxNewTokens();
      }
      if (done) {
        lane = null;
      }
    }

    private int last() {
      return tokens.getLast();
    }
  }

  /**
   * For the answers of some items.
   *
   * @param together whether lanes are decoded together; else all answers are made one after the
   *     other and their tokens timed
   */
  AnswerDecoding(TokenText text, Evaluation.Decoding decoding, boolean together) {
    this.text = text;
    this.decoding = decoding;
    this.together = together;
  }

  /**
   * Has answers made of what was read, now or later; the reading is closed then.
   *
   * @param samplers one an answer
   * @param again reads the same once more, for readings that serve one answer alone
   * @return the answers, in the samplers' order
   */
  List<Decoded> add(
      EvaluationRow.Reading reading,
      List<Sampler> samplers,
      Supplier<EvaluationRow.Reading> again) {
    float[] first = reading.logits();
    Lane lane = together ? reading.lane().orElse(null) : null;
    List<Decoded> answers = new ArrayList<>();
    if (lane == null) {
      for (Sampler sampler : samplers) {
        Decoded answer = new Decoded(sampler, null);
        answers.add(answer);
        alone(answer, answers.size() == 1 ? reading : again.get());
      }
      return answers;
    }
    open.add(reading);
    for (Sampler sampler : samplers) {
      Decoded answer = new Decoded(sampler, answers.isEmpty() ? lane : lane.fork());
      answer.take(first, 0, first.length);
      answers.add(answer);
      if (!answer.done) {
        waiting.add(answer);
        bytes += lane.cache().bytes();
      }
    }
    if (bytes >= MOST_BYTES) {
      finish();
    }
    return answers;
  }

  private static void alone(Decoded answer, EvaluationRow.Reading from) {
    try (EvaluationRow.Reading reading = from) {
      answer.take(reading.logits(), 0, reading.logits().length);
      long first = System.nanoTime();
      while (!answer.done) {
        float[] logits = reading.next(answer.last());
        answer.take(logits, 0, logits.length);
      }
      int further = answer.tokens.size() - 1;
      answer.millisPerToken = further == 0 ? 0 : (System.nanoTime() - first) / 1e6 / further;
    }
  }

  /** Makes the answers that are still to be made. */
  void finish() {
    IdentityHashMap<PrefillEngine, List<Decoded>> byEngine = new IdentityHashMap<>();
    List<PrefillEngine> engines = new ArrayList<>();
    for (Decoded answer : waiting) {
      PrefillEngine engine = answer.lane().engine();
      byEngine
          .computeIfAbsent(
              engine,
              e -> {
                engines.add(e);
                return new ArrayList<>();
              })
          .add(answer);
    }
    engines.forEach(engine -> decode(engine, byEngine.getOrDefault(engine, List.of())));
    waiting.clear();
    bytes = 0;
    close();
  }

  /** Steps until all are done; who is done makes room for who has not begun. */
  private static void decode(PrefillEngine engine, List<Decoded> all) {
    int vocabulary = engine.weights().shape().vocabulary();
    int most = Math.min(MOST_LANES, all.size());
    StackedDecoding decoder = new StackedDecoding(engine, most);
    float[] logits = new float[StackedDecoding.logits(engine, most)];
    List<Decoded> left = all;
    while (!left.isEmpty()) {
      List<Decoded> now = left.subList(0, Math.min(most, left.size()));
      decoder.next(
          now.stream().map(Decoded::lane).toList(),
          now.stream().mapToInt(Decoded::last).toArray(),
          logits,
          Cancellation.NEVER);
      Workers.shared()
          .forEach(now.size(), i -> now.get(i).take(logits, i * vocabulary, vocabulary));
      left = left.stream().filter(answer -> !answer.done).toList();
    }
  }

  @Override
  public void close() {
    open.forEach(EvaluationRow.Reading::close);
    open.clear();
  }
}
