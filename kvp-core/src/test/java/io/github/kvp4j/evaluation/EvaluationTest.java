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

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.TinyModels;
import io.github.kvp4j.kernel.VectorKernels;
import io.github.kvp4j.kernel.Workers;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.model.WeightType;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.KvPredictor;
import io.github.kvp4j.predictor.LayerMap;
import io.github.kvp4j.predictor.PredictedPrefill;
import io.github.kvp4j.predictor.PredictorCases;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.sampling.Sampler;
import java.io.IOException;
import java.lang.ref.WeakReference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** All rows are asked the same; what comes of it is the same each time, and after a kill. */
class EvaluationTest {
  private static final ModelWeights WEIGHTS =
      TinyModels.random(TinyModels.shape(4, 24, 4, 2, 6), false, true, 31);
  private static final PrefillEngine BASE =
      new PrefillEngine(WEIGHTS, new VectorKernels(Workers.shared()));
  private static final int VOCABULARY = WEIGHTS.shape().vocabulary();
  private static final int[] PROMPT = TinyModels.tokens(60, VOCABULARY, 5);

  /** A letter for each token. */
  private static final TokenText TEXT =
      new TokenText() {
        @Override
        public int[] encode(String prompt) {
          return prompt.chars().map(c -> c % VOCABULARY).toArray();
        }

        @Override
        public String decode(int[] tokens) {
          return IntStream.of(tokens)
              .mapToObj(t -> Character.toString('a' + t % 26))
              .collect(Collectors.joining(" "));
        }

        @Override
        public boolean isEnd(int token) {
          return false;
        }
      };

  @TempDir Path folder;

  private static List<EvaluationRow> rows() {
    KvPredictor predictor = PredictorCases.wildPrefix(WEIGHTS.shape(), 2, List.of(0, 2), Set.of());
    PredictedPrefill prediction = new PredictedPrefill(BASE, predictor);
    Anchors anchors = new Anchors(2, 4, 0);
    ExactRow exact = new ExactRow(BASE);
    PredictedRow predicted = new PredictedRow("p", BASE, prediction, anchors);
    return List.of(
        exact,
        predicted,
        new RefinedRow("p", BASE, prediction, anchors, 16),
        new CutRow(exact, predicted));
  }

  private static Evaluation evaluation(int maxNewTokens, Sampling sampling) {
    return new Evaluation(
        rows(), TEXT, new Evaluation.Decoding(maxNewTokens, List.of("zz"), sampling, 3), 200);
  }

  private static List<EvaluationItem> questions(int count) {
    return IntStream.range(0, count)
        .mapToObj(i ->
            EvaluationItem.question(
                "q" + i,
                "What is it that number " + 7 * i + " asks, and why is it asked at all, or not?",
                answers ->
                    Map.of(
                        "length",
                        (double) answers.greedy().length(),
                        "drawn",
                        (double) String.join("", answers.sampled()).hashCode())))
        .toList();
  }

  /** Without the times, which differ from run to run. */
  private static List<String> table(List<ItemResult> results) {
    return ResultRow.table("t", results, 1).stream()
        .map(r ->
            r.row() + r.metric() + r.value() + r.low() + r.high() + r.items() + r.relativeFlops())
        .toList();
  }

  @Test
  void aTextGivesTheSameLogitsWholeAndTokenByToken() {
    int[] following = TinyModels.tokens(7, VOCABULARY, 9);
    for (EvaluationRow row : manyRows()) {
      float[] whole = row.read(PROMPT, 7, Cancellation.NEVER).follow(following);
      float[] single = row.read(PROMPT, 7, Cancellation.NEVER).oneByOne(following);
      assertThat(whole).hasSize(7 * VOCABULARY);
      assertThat(TinyModels.maxDifference(whole, single)).as(row.name()).isLessThan(1e-4);
    }
  }

  @Test
  void refinementComesNearerToTheExactAnswer() {
    List<EvaluationRow> rows = rows();
    int[] following = TinyModels.tokens(12, VOCABULARY, 9);
    float[] exact = rows.get(0).read(PROMPT, 12, Cancellation.NEVER).follow(following);
    float[] predicted = rows.get(1).read(PROMPT, 12, Cancellation.NEVER).follow(following);
    float[] refined = rows.get(2).read(PROMPT, 12, Cancellation.NEVER).follow(following);
    // the first token is the prediction's; what follows is predicted less and less
    assertThat(difference(refined, predicted, 0)).isLessThan(1e-4);
    assertThat(difference(predicted, exact, 0)).isGreaterThan(1e-2);
    assertThat(difference(refined, predicted, 11)).isGreaterThan(1e-2);
    assertThat(difference(refined, exact, 11)).isLessThan(difference(predicted, exact, 11));
  }

  private static double difference(float[] a, float[] b, int row) {
    return TinyModels.maxDifference(
        Arrays.copyOfRange(a, row * VOCABULARY, (row + 1) * VOCABULARY),
        Arrays.copyOfRange(b, row * VOCABULARY, (row + 1) * VOCABULARY));
  }

  @Test
  void aCutPromptCostsNoMoreThanWhatItIsComparedWith() {
    List<EvaluationRow> rows = rows();
    for (int n : new int[] {1, 2, 10, 60, 500}) {
      double cut = rows.get(3).flops(n);
      if (n >= 60) {
        assertThat(cut).isLessThanOrEqualTo(rows.get(1).flops(n));
        assertThat(cut).isGreaterThan(0.9 * rows.get(1).flops(n));
      }
      assertThat(cut).isLessThanOrEqualTo(rows.get(0).flops(n));
    }
  }

  @Test
  void answersAreComparedWithTheExactOnes() {
    List<ItemResult> results = new ArrayList<>();
    List<String> done = new ArrayList<>();
    Evaluation evaluation = evaluation(6, Sampling.NONE);
    assertThat(evaluation.check(questions(4))).isBetween(60.0, 80.0);
    for (EvaluationItem item : questions(4)) {
      results.add(evaluation.measure(item, () -> done.add(item.id())));
    }
    assertThat(done).hasSize(16);
    for (ItemResult result : results) {
      ItemResult.Row exact = result.rows().getFirst();
      assertThat(exact.metrics())
          .containsEntry("fidelity", 1.0)
          .containsEntry("agreement", 1.0)
          .containsEntry("first_token", 1.0)
          .containsEntry("length", 11.0);
      assertThat(exact.relativeFlops()).isEqualTo(1);
      assertThat(exact.ttftMillis()).isPositive();
      // a wild predictor does not answer as the base does
      ItemResult.Row predicted = result.rows().get(1);
      String[] a = exact.answer().split(" ", -1);
      String[] b = predicted.answer().split(" ", -1);
      int same = 0;
      while (same < a.length && a[same].equals(b[same])) {
        same++;
      }
      assertThat(predicted.metrics().get("agreement")).isLessThanOrEqualTo(same / 6.0);
      assertThat(predicted.relativeFlops()).isLessThan(1);
    }
    assertThat(results.stream().mapToDouble(r -> r.rows().get(1).metrics().get("agreement")).sum())
        .isLessThan(4);
  }

  @Test
  void continuationsHavePerplexityAndDivergence() {
    Evaluation evaluation = evaluation(0, Sampling.NONE);
    EvaluationItem item =
        EvaluationItem.continuation("c", PROMPT, TinyModels.tokens(9, VOCABULARY, 2));
    List<ResultRow> table = ResultRow.table("text", List.of(evaluation.measure(item, () -> {})), 1);
    assertThat(table)
        .extracting(ResultRow::metric)
        .startsWith("perplexity", "kl", "agreement", "first_token");
    float[] logits = rows().getFirst().read(PROMPT, 9, Cancellation.NEVER).follow(item.following());
    double loss = 0;
    for (int i = 0; i < 9; i++) {
      double all = 0;
      for (int t = 0; t < VOCABULARY; t++) {
        all += Math.exp(logits[i * VOCABULARY + t]);
      }
      loss += Math.log(all) - logits[i * VOCABULARY + item.following()[i]];
    }
    assertThat(table.get(0).value()).isCloseTo(Math.exp(loss / 9), within(1e-4));
    assertThat(table.get(1).value()).isZero();
    assertThat(table.get(5).row()).startsWith("predict p");
    assertThat(table.get(5).metric()).isEqualTo("kl");
    assertThat(table.get(5).value()).isPositive();
  }

  @Test
  void anItemMayHaveBothAnAnswerAndWhatIsFed() {
    EvaluationItem question = questions(1).getFirst();
    EvaluationItem both =
        EvaluationItem.question(
            question.id(),
            ((EvaluationItem.Text) question.prompt()).text(),
            TinyModels.tokens(5, VOCABULARY, 2),
            question.scorer());
    Evaluation evaluation = evaluation(6, Sampling.NONE);
    List<ItemResult.Row> alone = evaluation.measure(question, () -> {}).rows();
    List<ItemResult.Row> rows = evaluation.measure(both, () -> {}).rows();
    for (int i = 0; i < rows.size(); i++) {
      assertThat(rows.get(i).metrics()).containsAllEntriesOf(alone.get(i).metrics());
      assertThat(rows.get(i).metrics()).containsKeys("kl", "log_loss");
    }
    // what is fed is measured as if it were all that is asked
    Evaluation silent = evaluation(0, Sampling.NONE);
    ItemResult fed = silent.measure(both, () -> {});
    assertThat(fed.rows().get(1).metrics().get("kl"))
        .isEqualTo(rows.get(1).metrics().get("kl"))
        .isPositive();
    assertThat(fed.rows()).allMatch(row -> row.answer().isEmpty());
    assertThatThrownBy(() -> silent.check(List.of(question)))
        .isInstanceOf(KvpException.class)
        .hasMessageContaining("nothing would be measured");
  }

  @Test
  void aSeedDecidesWhatIsDrawn() {
    EvaluationItem item = questions(1).getFirst();
    Sampling sampling = new Sampling(3, 1, 1);
    Evaluation evaluation = evaluation(6, sampling);
    double drawn = drawn(evaluation.measure(item, () -> {}));
    assertThat(drawn(evaluation.measure(item, () -> {}))).isEqualTo(drawn);
    Evaluation other =
        new Evaluation(rows(), TEXT, new Evaluation.Decoding(6, List.of(), sampling, 4), 200);
    assertThat(drawn(other.measure(item, () -> {}))).isNotEqualTo(drawn);
  }

  @Test
  void aRowThatDoesNotDrawGivesTheGreedyAnswerAlone() {
    Evaluation evaluation =
        new Evaluation(
            manyRows(), TEXT, new Evaluation.Decoding(6, List.of(), new Sampling(3, 1, 1), 3), 200);
    ItemResult result = evaluation.measure(questions(1).getFirst(), () -> {});
    ItemResult.Row exact = result.rows().getFirst();
    ItemResult.Row silent = result.rows().getLast();
    assertThat(silent.row()).isEqualTo("of one's own");
    assertThat(silent.answer()).isEqualTo(exact.answer());
    assertThat(silent.metrics()).containsEntry("drawn", (double) "".hashCode());
    assertThat(exact.metrics().get("drawn")).isNotEqualTo((double) "".hashCode());
  }

  /** All kinds of rows, on a model whose answers differ from row to row. */
  private static List<EvaluationRow> manyRows() {
    List<Integer> kept = Auxiliary.LayerPruned.keep(0.5, WEIGHTS.shape().layers());
    List<EvaluationRow> rows = new ArrayList<>(rows());
    rows.add(new RandomPruningRow(BASE, 0.5, 1));
    rows.add(new LazyPruningRow(BASE, List.of(1, 3), 0.6));
    rows.add(
        ModelRow.auxiliary(
            "lp",
            BASE,
            new Auxiliary.LayerPruned(
                kept, List.of(), LayerMap.ofKept(kept, WEIGHTS.shape().layers()))));
    rows.add(ModelRow.quantised(BASE, WeightType.Q4));
    rows.add(
        new EvaluationRow() { // one that can't be stacked
          @Override
          public String name() {
            return "of one's own";
          }

          @Override
          public Reading read(int[] prompt, int room, Cancellation cancellation) {
            Reading exact = new ExactRow(BASE).read(prompt, room, cancellation);
            return new Reading() {
              @Override
              public float[] logits() {
                return exact.logits();
              }

              @Override
              public float[] next(int token) {
                return exact.next(token);
              }
            };
          }

          @Override
          public double flops(int promptTokens) {
            return 1;
          }

          @Override
          public boolean draws() {
            return false;
          }
        });
    return rows;
  }

  /** The answers, greedy and drawn, and all scores: what is decoded together is as if alone. */
  @ParameterizedTest
  @ValueSource(ints = {1, 3, 5})
  void answersDecodedTogetherAreThoseDecodedAlone(int groups) {
    Evaluation evaluation =
        new Evaluation(
            manyRows(),
            TEXT,
            new Evaluation.Decoding(12, List.of("zz", "b c"), new Sampling(3, 1, 0.9f), 3),
            200);
    List<EvaluationItem> items = questions(5);
    List<String> alone = new ArrayList<>();
    for (EvaluationItem item : items) {
      alone.addAll(untimed(List.of(evaluation.measure(item, () -> {}))));
    }
    List<String> together = new ArrayList<>();
    int[] rowsDone = {0};
    for (int from = 0; from < items.size(); from += groups) {
      List<Evaluation.Asked> group =
          IntStream.range(from, Math.min(items.size(), from + groups))
              .mapToObj(i -> new Evaluation.Asked(items.get(i), i, Set.of()))
              .toList();
      List<ItemResult> results = evaluation.measure(group, true, () -> rowsDone[0]++);
      assertThat(results.getFirst().rows().getFirst().millisPerToken()).isZero();
      assertThat(results.getFirst().rows().getLast().millisPerToken()).isPositive();
      assertThat(results.getFirst().rows())
          .allSatisfy(r -> assertThat(r.ttftMillis()).isPositive());
      together.addAll(untimed(results));
    }
    assertThat(together).isEqualTo(alone);
    assertThat(rowsDone[0]).isEqualTo(5 * 9);
    assertThat(together.stream().map(r -> r.replaceAll(".*answer ", "")).distinct().count())
        .as("answers that differ")
        .isGreaterThan(10);
  }

  private static List<String> untimed(List<ItemResult> results) {
    return results.stream()
        .flatMap(i ->
            i.rows().stream()
                .map(r -> i.item() + " " + r.row() + " " + r.metrics() + " answer " + r.answer()))
        .toList();
  }

  /** Tasks have periods, such as the depths of a retrieval; a share has its part of each phase. */
  @ParameterizedTest
  @ValueSource(doubles = {0.5, 0.25, 0.2, 0.1, 0.05})
  void aShareFollowsNoPeriodOfTheItems(double share) {
    List<EvaluationRow> rows = rows();
    String some = rows.get(1).name();
    Set<Integer> smaller = Set.of();
    for (double s : new double[] {share / 2, share}) {
      Evaluation evaluation =
          new Evaluation(
              rows,
              TEXT,
              new Evaluation.Decoding(3, List.of(), Sampling.NONE, 3),
              200,
              Map.of(some, s));
      Set<Integer> asked =
          IntStream.range(0, 1200)
              .filter(i -> evaluation.rowsOf(i).contains(some))
              .boxed()
              .collect(Collectors.toSet());
      assertThat((double) asked.size()).isCloseTo(1200 * s, within(5.0));
      assertThat(asked).contains(0).containsAll(smaller);
      for (int period : new int[] {2, 3, 4, 5, 6, 8, 10}) {
        for (int phase = 0; phase < period; phase++) {
          int at = phase;
          assertThat((double) asked.stream().filter(i -> i % period == at).count())
              .as("every %d-th from %d", period, phase)
              .isCloseTo(1200 * s / period, within(6.0));
        }
      }
      smaller = asked;
    }
  }

  /** What is asked later comes to what would have been asked at once. */
  @Test
  void rowsThatHaveAnsweredAreNotAskedAgain() {
    List<EvaluationRow> rows = rows();
    Evaluation evaluation =
        new Evaluation(
            rows,
            TEXT,
            new Evaluation.Decoding(6, List.of(), new Sampling(3, 1, 1), 3),
            200,
            Map.of());
    EvaluationItem question = questions(1).getFirst();
    List<Integer> drawn = new ArrayList<>(); // answers drawn for each row that is scored
    EvaluationItem item =
        EvaluationItem.question(
            question.id(),
            "What is it that is asked, and why is it asked at all, or not?",
            answers -> {
              drawn.add(answers.sampled().size());
              return question.scorer().apply(answers);
            });
    ItemResult whole = evaluation.measure(item, () -> {});
    assertThat(drawn).containsExactly(3, 3, 3, 3);
    drawn.clear();
    List<String> names = rows.stream().map(EvaluationRow::name).toList();
    ItemResult later =
        evaluation
            .measure(
                List.of(new Evaluation.Asked(item, 0, Set.of(names.get(0), names.get(2)))),
                true,
                () -> {})
            .getFirst();
    assertThat(later.rows())
        .extracting(ItemResult.Row::row)
        .containsExactly(names.get(0), names.get(1), names.get(3));
    assertThat(drawn).as("the first row is not drawn from again").containsExactly(3, 3);
    assertThat(later.rows().getFirst().answer()).isEqualTo(whole.rows().getFirst().answer());
    ItemResult before =
        new ItemResult(
            item.id(), whole.promptTokens(), List.of(whole.rows().get(0), whole.rows().get(2)));
    assertThat(untimed(List.of(before.with(later, names)))).isEqualTo(untimed(List.of(whole)));
  }

  @Test
  void aSlowRowMayBeAskedFewerItems() {
    List<EvaluationRow> rows = rows();
    Evaluation evaluation =
        new Evaluation(
            rows,
            TEXT,
            new Evaluation.Decoding(3, List.of(), Sampling.NONE, 3),
            200,
            Map.of(rows.get(1).name(), 0.5, rows.get(0).name(), 0.1));
    List<ItemResult> results =
        evaluation.measure(
            IntStream.range(0, 4)
                .mapToObj(i -> new Evaluation.Asked(questions(4).get(i), i, Set.of()))
                .toList(),
            true,
            () -> {});
    List<ResultRow> table = ResultRow.table("t", results, 1);
    assertThat(table)
        .filteredOn(r -> r.metric().equals("length"))
        .extracting(ResultRow::items)
        .containsExactly(4, 2, 4, 4);
    Evaluation tenths =
        new Evaluation(
            rows,
            TEXT,
            new Evaluation.Decoding(3, List.of(), Sampling.NONE, 3),
            200,
            Map.of(rows.get(1).name(), 0.1));
    assertThat(tenths.rowsOf(0)).hasSize(4);
    assertThat(tenths.rowsOf(1)).hasSize(3).doesNotContain(rows.get(1).name());
    assertThat(IntStream.range(0, 1000).map(i -> tenths.rowsOf(i).size()).sum())
        .isEqualTo(3 * 1000 + 100);
    // every second one of the first four
    for (int i = 0; i < 4; i++) {
      assertThat(results.get(i).rows().stream().anyMatch(r -> r.row().equals(rows.get(1).name())))
          .as("item " + i)
          .isEqualTo(i % 2 == 0);
    }
  }

  /** An answer is kept to the end of its items, its keys and values only as long as it is made. */
  @Test
  void anAnswerThatIsDoneHoldsNoCache() throws InterruptedException {
    List<WeakReference<KvCache>> caches = new ArrayList<>();
    int[] prompt = TEXT.encode("What is it that is asked?");
    List<Sampler> samplers = List.of(new Sampler(0, 0, 1, 0L), new Sampler(1, 0, 1, 1L));
    try (AnswerDecoding decoding =
        new AnswerDecoding(TEXT, new Evaluation.Decoding(3, List.of(), Sampling.NONE, 3), true)) {
      List<AnswerDecoding.Decoded> answers = new ArrayList<>();
      for (EvaluationRow row : rows()) {
        EvaluationRow.Reading reading = row.read(prompt, 3, Cancellation.NEVER);
        caches.add(new WeakReference<>(reading.lane().orElseThrow().cache()));
        answers.addAll(decoding.add(reading, samplers, () -> reading));
      }
      assertThat(caches).noneMatch(c -> c.refersTo(null));
      decoding.finish();
      assertThat(answers).allMatch(a -> a.tokens().size() == 3);
      for (int i = 0; i < 50 && caches.stream().anyMatch(c -> !c.refersTo(null)); i++) {
        System.gc();
        Thread.sleep(20);
      }
      assertThat(caches).allMatch(c -> c.refersTo(null));
      assertThat(answers).hasSize(8);
    }
  }

  private static double drawn(ItemResult result) {
    return result.rows().getFirst().metrics().getOrDefault("drawn", 0.0);
  }

  @Test
  void anAnswerEndsBeforeTheFirstStop() {
    assertThat(Evaluation.cut("one. two\nthree", List.of("\n", "."))).isEqualTo("one");
    assertThat(Evaluation.cut("one", List.of("\n"))).isEqualTo("one");
    assertThat(Evaluation.cut("\none", List.of("\n"))).isEmpty();
  }

  @Test
  void aPromptBeyondTheContextIsRefusedBeforeAnyWork() {
    Evaluation small =
        new Evaluation(rows(), TEXT, new Evaluation.Decoding(6, List.of(), Sampling.NONE, 3), 70);
    assertThatThrownBy(() -> small.check(questions(2)))
        .isInstanceOf(KvpException.class)
        .hasMessageContaining("'q0'")
        .hasMessageContaining("limit is 70");
  }

  @Test
  void aKilledAndResumedRunGivesTheSameTable() throws IOException {
    List<EvaluationItem> items = questions(5);
    Map<String, Object> settings = Map.of("task", "t", "seed", 5);
    Evaluation evaluation = evaluation(4, new Sampling(2, 1, 1));
    List<String> whole = table(items.stream().map(i -> evaluation.measure(i, () -> {})).toList());
    assertThat(table(items.stream().map(i -> evaluation.measure(i, () -> {})).toList()))
        .isEqualTo(whole);

    Path out = folder.resolve("run");
    try (RunFolder run = RunFolder.open(out, false, settings, Map.of())) {
      items.subList(0, 3).forEach(i -> run.add(evaluation.measure(i, () -> {})));
    }
    // killed in the middle of a line
    Path lines = out.resolve("items.jsonl");
    Files.writeString(lines, "{\"item\":\"q3\",\"rows\":[{\"ro", StandardOpenOption.APPEND);
    assertThatThrownBy(() -> RunFolder.open(out, false, settings, Map.of()))
        .hasMessageContaining("--resume");
    assertThatThrownBy(() -> RunFolder.open(out, true, Map.of("task", "t", "seed", 6), Map.of()))
        .hasMessageContaining("had seed 5, this one has 6");
    try (RunFolder run = RunFolder.open(out, true, settings, Map.of())) {
      assertThat(run.done().keySet()).containsExactly("q0", "q1", "q2");
      items.subList(3, 5).forEach(i -> run.add(evaluation.measure(i, () -> {})));
      assertThat(table(run.of(items))).isEqualTo(whole);
    }
    try (RunFolder run = RunFolder.open(out, true, settings, Map.of())) {
      assertThat(table(run.of(items))).isEqualTo(whole);
    }
    Files.writeString(lines, "no result\n" + Files.readString(lines));
    assertThatThrownBy(() -> RunFolder.open(out, true, settings, Map.of()))
        .hasMessageContaining("items.jsonl' is malformed in line 1");
  }

  @Test
  void theIntervalHoldsTheMeanAndNarrowsWithMoreItems() {
    double[] few = IntStream.range(0, 20).mapToDouble(i -> i % 2).toArray();
    double[] many = IntStream.range(0, 2000).mapToDouble(i -> i % 2).toArray();
    Bootstrap wide = Bootstrap.of(few, x -> x, 1);
    Bootstrap narrow = Bootstrap.of(many, x -> x, 1);
    assertThat(wide.value()).isEqualTo(0.5);
    // 1.96 times the standard error, 0.5 / sqrt(n)
    assertThat(wide.high() - wide.low()).isCloseTo(2 * 1.96 * 0.5 / Math.sqrt(20), within(0.1));
    assertThat(narrow.high() - narrow.low())
        .isCloseTo(2 * 1.96 * 0.5 / Math.sqrt(2000), within(0.01));
    assertThat(Bootstrap.of(few, Math::exp, 1).low()).isEqualTo(Math.exp(wide.low()));
  }
}
