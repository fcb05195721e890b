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
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Asks every row the same items. The first row is the one that the others are compared with, so it
 * is the exact one.
 *
 * <p>Metrics beside the task's own: of answers, {@code fidelity} (token F1 to the first row's
 * answer), {@code first_token} (the same first token) and {@code agreement} (the share of the
 * answer's tokens before the two answers part); of continuations, {@code log_loss} (nats a token,
 * shown as {@code perplexity}), {@code kl}, {@code agreement} of the most likely token and {@code
 * first_token}. Where an item has both, {@code agreement} and {@code first_token} are the answer's.
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

  private static final double GOLDEN_SECTION = (Math.sqrt(5) - 1) / 2;

  /** Enough to go through every kernel many times; the slowest row takes a second for them. */
  private static final int WARM_UP_TOKENS = 128;

  private final List<EvaluationRow> rows;
  private final TokenText text;
  private final Decoding decoding;
  private final int contextLength;
  private final Map<String, Double> shares;

  /**
   * An evaluation.
   *
   * @param rows at least one, the exact one first
   * @param contextLength the most positions of prompt and answer together
   */
  public Evaluation(
      List<EvaluationRow> rows, TokenText text, Decoding decoding, int contextLength) {
    this(rows, text, decoding, contextLength, Map.of());
  }

  /**
   * An evaluation of which some rows are asked a part.
   *
   * @param shares of the items that a row is asked, by the row's name, above 0 and at most 1; all
   *     where nothing is said, and the first row is always asked all
   */
  public Evaluation(
      List<EvaluationRow> rows,
      TokenText text,
      Decoding decoding,
      int contextLength,
      Map<String, Double> shares) {
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
    this.shares = new LinkedHashMap<>(shares);
    this.shares.remove(rows.getFirst().name());
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
      if (decoding.maxNewTokens == 0 && item.following().length == 0) {
        throw new KvpException(
            KvpException.Kind.BAD_ARGUMENT,
            "No answer is made (at most 0 tokens) and nothing is fed after the item '"
                + item.id()
                + "', so nothing would be measured; allow tokens (--max-tokens) or, if the task"
                + " can, feed the reference (--set feed=answer).");
      }
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

  /**
   * Reads the beginning of an item's prompt with every row, so that the first times count no
   * compiling.
   */
  public void warmUp(EvaluationItem item) {
    int[] whole = item.prompt().tokens(text::encode);
    int[] prompt = Arrays.copyOf(whole, Math.min(whole.length, WARM_UP_TOKENS));
    for (EvaluationRow row : rows) {
      row.read(prompt, room(item), Cancellation.NEVER).close();
    }
  }

  /** The names of the rows that are asked the item of a number, in their order. */
  public List<String> rowsOf(int number) {
    return rows.stream().filter(row -> asks(row, number)).map(EvaluationRow::name).toList();
  }

  /**
   * Whether a row is asked the item of a number: its share of them, spread evenly, the first item
   * among them. It is the same ones however many items there are, and those of a smaller share are
   * among those of a greater one, so that a run can be gone on with by more of either. The
   * multiples of the golden section follow no period: every fifth item may be the hardest, or the
   * last depth of a retrieval.
   */
  private boolean asks(EvaluationRow row, int number) {
    return number * GOLDEN_SECTION % 1 < shares.getOrDefault(row.name(), 1.0);
  }

  private int room(EvaluationItem item) {
    return Math.max(1, Math.max(decoding.maxNewTokens, item.following().length));
  }

  /**
   * Asks one item of every row, each answer decoded alone and so timed.
   *
   * @param rowDone called after each row
   */
  public ItemResult measure(EvaluationItem item, Runnable rowDone) {
    return measure(List.of(new Asked(item, 0, Set.of())), false, rowDone).getFirst();
  }

  /**
   * An item and where it stands.
   *
   * @param number from 0, by which rows that are asked fewer items know theirs
   * @param have names of rows that have answered it before; only the others are asked, and the
   *     first, against which they are held: its greedy answer alone, which is not scored again
   */
  public record Asked(EvaluationItem item, int number, Set<String> have) {
    /** Copies the set. */
    public Asked {
      have = Set.copyOf(have);
    }
  }

  /**
   * Asks some items of every row. Prompts are read, and timed, one after the other; the answers,
   * the drawn ones too, are then decoded together, each as it would be alone.
   *
   * @param together whether they are; else each answer is decoded alone, and the time of its tokens
   *     measured
   * @param rowDone called after each row of each item
   */
  public List<ItemResult> measure(List<Asked> items, boolean together, Runnable rowDone) {
    List<List<Unit>> units = new ArrayList<>(); // (item), one a row
    List<Unit> byRow = new ArrayList<>(); // a row's items one after the other: one engine's lanes
    for (Asked asked : items) {
      long start = System.nanoTime();
      int[] prompt = asked.item.prompt().tokens(text::encode);
      double encodeMillis = (System.nanoTime() - start) / 1e6;
      units.add(
          rows.stream()
              .filter(row -> asks(row, asked.number))
              .filter(row -> row.equals(rows.getFirst()) || !asked.have.contains(row.name()))
              .map(row -> new Unit(row, asked, prompt, encodeMillis))
              .toList());
    }
    for (EvaluationRow row : rows) {
      units.forEach(
          of -> of.stream().filter(u -> u.row.name().equals(row.name())).forEach(byRow::add));
    }
    try (AnswerDecoding answers = new AnswerDecoding(text, decoding, together)) {
      for (Unit unit : byRow) {
        unit.run(answers);
        rowDone.run();
      }
      answers.finish();
    }
    return units.stream().map(this::result).toList();
  }

  private ItemResult result(List<Unit> of) {
    Unit reference = of.getFirst();
    EvaluationItem item = reference.item;
    int length = reference.prompt.length;
    double exactFlops = reference.row.flops(length);
    List<ItemResult.Row> results = new ArrayList<>();
    for (Unit unit : of) {
      Map<String, Double> metrics = new LinkedHashMap<>();
      AnswerDecoding.Decoded greedy = unit.greedy();
      String answer = greedy == null ? "" : greedy.text();
      if (greedy != null && !unit.isKnown) {
        metrics.putAll(
            item.scorer()
                .apply(
                    new Answers(
                        answer,
                        unit.answers.subList(1, unit.answers.size()).stream()
                            .map(AnswerDecoding.Decoded::text)
                            .toList())));
      }
      if (greedy != null) {
        compareAnswers(greedy, java.util.Objects.requireNonNull(reference.greedy()), metrics);
      }
      if (item.following().length > 0) {
        compareContinuations(item, unit.following, reference.following, metrics);
      }
      results.add(
          new ItemResult.Row(
              unit.row.name(),
              unit.row.flops(length) / exactFlops,
              unit.ttftMillis,
              reference.ttftMillis,
              greedy == null ? 0 : greedy.millisPerToken(),
              answer,
              metrics));
    }
    return new ItemResult(item.id(), length, results);
  }

  /** A row that is asked an item. */
  private final class Unit {
    final EvaluationRow row;
    final EvaluationItem item;

    /**
     * Whether the row's result is there already, and its answer but what others are held against.
     */
    final boolean isKnown;

    final int[] prompt;
    final double encodeMillis;
    float[] following = new float[0]; // (following, vocabulary) logits
    List<AnswerDecoding.Decoded> answers = List.of(); // the greedy one, then those drawn
    double ttftMillis;

    Unit(EvaluationRow row, Asked asked, int[] prompt, double encodeMillis) {
      this.row = row;
      this.item = asked.item;
      this.isKnown = asked.have.contains(row.name());
      this.prompt = prompt;
      this.encodeMillis = encodeMillis;
    }

    AnswerDecoding.@Nullable Decoded greedy() {
      return answers.isEmpty() ? null : answers.getFirst();
    }

    EvaluationRow.Reading read() {
      return row.read(prompt, room(item), Cancellation.NEVER);
    }

    void run(AnswerDecoding decoder) {
      long start = System.nanoTime();
      EvaluationRow.Reading reading = read();
      Sampler greedy = new Sampler(0, 0, 1, 0L);
      greedy.pick(reading.logits()); // the first token, at which the clock stops
      ttftMillis = (System.nanoTime() - start) / 1e6 + encodeMillis;
      boolean answered = decoding.maxNewTokens > 0;
      if (item.following().length > 0) {
        Optional<float[]> seen = answered ? reading.peek(item.following()) : Optional.empty();
        if (seen.isPresent()) {
          following = seen.get();
        } else {
          try (EvaluationRow.Reading spent = reading) {
            following = spent.follow(item.following());
          }
          reading = answered ? read() : reading;
        }
      }
      if (!answered) {
        return;
      }
      List<Sampler> samplers = new ArrayList<>();
      samplers.add(greedy);
      int drawn = row.draws() && !isKnown ? decoding.sampling.samples() : 0;
      for (int i = 0; i < drawn; i++) {
        long seed = 31 * (31 * decoding.seed + item.id().hashCode()) + i;
        samplers.add(
            new Sampler(decoding.sampling.temperature(), 0, decoding.sampling.topP(), seed));
      }
      answers = decoder.add(reading, samplers, this::read);
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
      AnswerDecoding.Decoded answer,
      AnswerDecoding.Decoded reference,
      Map<String, Double> metrics) {
    List<Integer> a = answer.tokens();
    List<Integer> b = reference.tokens();
    int same = 0;
    while (same < Math.min(a.size(), b.size()) && a.get(same).equals(b.get(same))) {
      same++;
    }
    metrics.put("fidelity", AnswerRules.SQUAD.fidelity(answer.text(), reference.text()));
    metrics.put("first_token", same > 0 ? 1.0 : 0.0);
    metrics.put("agreement", (double) same / Math.max(a.size(), b.size()));
  }

  private static void compareContinuations(
      EvaluationItem item, float[] following, float[] reference, Map<String, Double> metrics) {
    NextTokens compared = NextTokens.compare(item.following(), reference, following);
    double positions = compared.positions();
    metrics.put(LOG_LOSS, compared.logLoss() / positions);
    metrics.put("kl", compared.kl() / positions);
    metrics.putIfAbsent("agreement", compared.agree() / positions);
    metrics.putIfAbsent("first_token", compared.firstAgrees() ? 1.0 : 0.0);
  }
}
