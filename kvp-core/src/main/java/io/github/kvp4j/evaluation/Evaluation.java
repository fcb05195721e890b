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
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.sampling.Sampler;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Asks every row the same items. The first row is the one that the others are compared with, so it
 * is the exact one.
 *
 * <p>Metrics beside the task's own: of answers, {@code fidelity} (token F1 to the first row's
 * answer), {@code first_token} (the same first token) and {@code agreement} (the share of the
 * answer's tokens before the two answers part); of continuations, {@code log_loss} (nats a token,
 * shown as {@code perplexity}), {@code kl}, {@code agreement} of the most likely token and {@code
 * first_token}.
 *
 * <p>For one thread.
 */
public final class Evaluation {
  /** Negative log-likelihood a token; its mean is shown as {@link #PERPLEXITY}. */
  static final String LOG_LOSS = "log_loss";

  /** The exponential of the mean of {@link #LOG_LOSS}. */
  static final String PERPLEXITY = "perplexity";

  /**
   * How answers are made.
   *
   * @param maxNewTokens of an answer, 0 = none is made
   * @param stops an answer ends before the first of these
   * @param sampling what is drawn beside the greedy answer
   * @param seed of what is drawn; an item is drawn alike for all rows
   */
  public record Decoding(int maxNewTokens, List<String> stops, Sampling sampling, long seed) {
    /** Copies the list. */
    public Decoding {
      stops = List.copyOf(stops);
    }
  }

  private final List<EvaluationRow> rows;
  private final TokenText text;
  private final Decoding decoding;
  private final int contextLength;

  /**
   * An evaluation.
   *
   * @param rows at least one, the exact one first
   * @param contextLength the most positions of prompt and answer together
   */
  public Evaluation(
      List<EvaluationRow> rows, TokenText text, Decoding decoding, int contextLength) {
    if (rows.stream().map(EvaluationRow::name).distinct().count() != rows.size()) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "Two rows have the same name among "
              + rows.stream().map(EvaluationRow::name).toList()
              + "; name each predictor and setting once.");
    }
    this.rows = List.copyOf(rows);
    this.text = text;
    this.decoding = decoding;
    this.contextLength = contextLength;
  }

  /**
   * Refuses items that have the same id or do not fit the context, before any work is done.
   *
   * @return the mean number of prompt tokens
   */
  public double check(List<EvaluationItem> items) {
    if (items.stream().map(EvaluationItem::id).distinct().count() != items.size()) {
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE, "Two items of the task have the same id.");
    }
    long sum = 0;
    for (EvaluationItem item : items) {
      int length = item.prompt().tokens(text::encode).length;
      if (length + room(item) > contextLength) {
        throw new KvpException(
            KvpException.Kind.PROMPT,
            "The item '"
                + item.id()
                + "' has "
                + length
                + " tokens and room for "
                + room(item)
                + " more is needed; the model's limit is "
                + contextLength
                + ".");
      }
      sum += length;
    }
    return (double) sum / items.size();
  }

  /** Reads an item's prompt with every row, so that the first times count no compiling. */
  public void warmUp(EvaluationItem item) {
    for (EvaluationRow row : rows) {
      read(row, item).close();
    }
  }

  private int room(EvaluationItem item) {
    return Math.max(1, Math.max(decoding.maxNewTokens, item.following().length));
  }

  /**
   * Asks one item of every row.
   *
   * @param rowDone called after each row
   */
  public ItemResult measure(EvaluationItem item, Runnable rowDone) {
    List<ItemResult.Row> results = new ArrayList<>();
    Outcome reference = null;
    int length = item.prompt().tokens(text::encode).length;
    double exactFlops = rows.getFirst().flops(length);
    for (EvaluationRow row : rows) {
      Outcome outcome = outcome(row, item);
      reference = reference == null ? outcome : reference;
      Map<String, Double> metrics = new LinkedHashMap<>();
      if (decoding.maxNewTokens > 0) {
        metrics.putAll(item.scorer().apply(outcome.answers));
        compareAnswers(outcome, reference, metrics);
      }
      if (item.following().length > 0) {
        compareContinuations(item, outcome, reference, metrics);
      }
      results.add(
          new ItemResult.Row(
              row.name(),
              row.flops(length) / exactFlops,
              outcome.ttftMillis,
              outcome.millisPerToken,
              outcome.answers.greedy(),
              metrics));
      rowDone.run();
    }
    return new ItemResult(item.id(), length, results);
  }

  /**
   * What a row did with an item.
   *
   * @param tokens of the greedy answer, with the token that ended it
   * @param following {@code (following, vocabulary)} logits; empty where nothing follows
   */
  private record Outcome(
      Answers answers,
      List<Integer> tokens,
      float[] following,
      double ttftMillis,
      double millisPerToken) {}

  private Outcome outcome(EvaluationRow row, EvaluationItem item) {
    float[] following = new float[0];
    double ttft = 0;
    if (item.following().length > 0) {
      long start = System.nanoTime();
      try (EvaluationRow.Reading reading = read(row, item)) {
        ttft = (System.nanoTime() - start) / 1e6;
        following = reading.follow(item.following());
      }
    }
    if (decoding.maxNewTokens == 0) {
      return new Outcome(new Answers("", List.of()), List.of(), following, ttft, 0);
    }
    Generated greedy = generate(row, item, new Sampler(0, 0, 1, 0L));
    List<String> sampled = new ArrayList<>();
    for (int i = 0; i < decoding.sampling.samples(); i++) {
      long seed = 31 * (31 * decoding.seed + item.id().hashCode()) + i;
      Sampler sampler =
          new Sampler(decoding.sampling.temperature(), 0, decoding.sampling.topP(), seed);
      sampled.add(generate(row, item, sampler).text);
    }
    return new Outcome(
        new Answers(greedy.text, sampled),
        greedy.tokens,
        following,
        greedy.ttftMillis,
        greedy.millisPerToken);
  }

  private EvaluationRow.Reading read(EvaluationRow row, EvaluationItem item) {
    return row.read(item.prompt().tokens(text::encode), room(item), Cancellation.NEVER);
  }

  private record Generated(
      String text, List<Integer> tokens, double ttftMillis, double millisPerToken) {}

  private Generated generate(EvaluationRow row, EvaluationItem item, Sampler sampler) {
    long start = System.nanoTime();
    try (EvaluationRow.Reading reading = read(row, item)) {
      List<Integer> tokens = new ArrayList<>();
      int token = sampler.pick(reading.logits());
      long first = System.nanoTime();
      String answer = "";
      while (true) {
        tokens.add(token);
        if (text.isEnd(token)) {
          break;
        }
        String all = text.decode(tokens.stream().mapToInt(Integer::intValue).toArray());
        answer = cut(all, decoding.stops);
        if (answer.length() < all.length() || tokens.size() == decoding.maxNewTokens) {
          break;
        }
        token = sampler.pick(reading.next(token));
      }
      int further = tokens.size() - 1;
      return new Generated(
          answer,
          tokens,
          (first - start) / 1e6,
          further == 0 ? 0 : (System.nanoTime() - first) / 1e6 / further);
    }
  }

  /** The part of a text before the first of some stops. */
  static String cut(String text, List<String> stops) {
    int end = text.length();
    for (String stop : stops) {
      int at = text.indexOf(stop);
      end = at < 0 ? end : Math.min(end, at);
    }
    return text.substring(0, end);
  }

  private static void compareAnswers(
      Outcome outcome, Outcome reference, Map<String, Double> metrics) {
    List<Integer> a = outcome.tokens;
    List<Integer> b = reference.tokens;
    int same = 0;
    while (same < Math.min(a.size(), b.size()) && a.get(same).equals(b.get(same))) {
      same++;
    }
    metrics.put(
        "fidelity",
        AnswerRules.SQUAD.fidelity(outcome.answers.greedy(), reference.answers.greedy()));
    metrics.put("first_token", same > 0 ? 1.0 : 0.0);
    metrics.put("agreement", (double) same / Math.max(a.size(), b.size()));
  }

  private static void compareContinuations(
      EvaluationItem item, Outcome outcome, Outcome reference, Map<String, Double> metrics) {
    NextTokens compared =
        NextTokens.compare(item.following(), reference.following, outcome.following);
    double positions = compared.positions();
    metrics.put(LOG_LOSS, compared.logLoss() / positions);
    metrics.put("kl", compared.kl() / positions);
    metrics.put("agreement", compared.agree() / positions);
    metrics.put("first_token", compared.firstAgrees() ? 1.0 : 0.0);
  }
}
