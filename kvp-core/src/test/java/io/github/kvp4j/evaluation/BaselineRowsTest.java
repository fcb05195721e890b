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

import io.github.kvp4j.CountingKernels;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.TinyModels;
import io.github.kvp4j.kernel.ScalarKernels;
import io.github.kvp4j.kernel.VectorKernels;
import io.github.kvp4j.kernel.Workers;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.model.WeightType;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.LayerMap;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The baselines read what they say, at the cost they say. */
class BaselineRowsTest {
  private static final ModelWeights WEIGHTS =
      TinyModels.random(TinyModels.shape(10, 32, 4, 2, 8), false, false, 1);
  private static final ModelShape SHAPE = WEIGHTS.shape();
  private static final PrefillEngine BASE = new PrefillEngine(WEIGHTS, new ScalarKernels());
  private static final int[] PROMPT = TinyModels.tokens(40, SHAPE.vocabulary(), 2);
  private static final int[] FOLLOWING = TinyModels.tokens(4, SHAPE.vocabulary(), 3);

  private static Auxiliary.LayerPruned layerPruned() {
    List<Integer> kept = Auxiliary.LayerPruned.keep(0.5, SHAPE.layers());
    return new Auxiliary.LayerPruned(kept, List.of(), LayerMap.ofKept(kept, SHAPE.layers()));
  }

  static Stream<Arguments> rows() {
    return Stream.<Function<PrefillEngine, EvaluationRow>>of(
            ExactRow::new,
            base -> new RandomPruningRow(base, 0.5, 1),
            base -> new StaticPruningRow(base, 1, 0.4),
            base -> new StaticPruningRow(base, 3, 0.4),
            base -> new LazyPruningRow(base, 0.7),
            base -> new LazyPruningRow(base, List.of(1, 9), 0.6),
            base -> ModelRow.auxiliary("lp", base, layerPruned()),
            base -> ModelRow.quantised(base, WeightType.Q4))
        .map(row -> Arguments.argumentSet(row.apply(BASE).name(), row));
  }

  @ParameterizedTest
  @MethodSource("rows")
  void theCostIsThatOfTheKernels(Function<PrefillEngine, EvaluationRow> made) {
    CountingKernels counting = new CountingKernels(new VectorKernels(Workers.shared()));
    EvaluationRow row = made.apply(new PrefillEngine(WEIGHTS, counting));
    double before = 0;
    for (int n : new int[] {1, 2, 33, 600}) {
      row.read(TinyModels.tokens(n, SHAPE.vocabulary(), n), 1, Cancellation.NEVER).close();
      assertThat(row.flops(n)).as("%d tokens", n).isCloseTo(counting.flops() - before, within(1.0));
      before = counting.flops();
    }
  }

  static Stream<EvaluationRow> rowsThatKeepAll() {
    return Stream.of(
        new RandomPruningRow(BASE, 1, 1),
        new StaticPruningRow(BASE, 1, 1),
        new LazyPruningRow(BASE, 1));
  }

  @ParameterizedTest
  @MethodSource("rowsThatKeepAll")
  void nothingDroppedIsTheExactRow(EvaluationRow row) {
    assertThat(TinyModels.maxDifference(follow(row), follow(new ExactRow(BASE)))).isLessThan(1e-4);
  }

  private static float[] follow(EvaluationRow row) {
    try (EvaluationRow.Reading reading = row.read(PROMPT, FOLLOWING.length, Cancellation.NEVER)) {
      return reading.follow(FOLLOWING);
    }
  }

  /** With the tokens dropped at the end of the first layer, no later layer may see them. */
  @Test
  void whatIsDroppedIsNotSeenAnyMore() {
    LazyPruningRow row = new LazyPruningRow(BASE, List.of(1), 0.1);
    int[] kept;
    {
      PrunedReading looking = new PrunedReading(BASE, PROMPT, 1, Cancellation.NEVER);
      kept = PrunedReading.top(looking.runTo(1), 4);
    }
    assertThat(kept).hasSize(4).endsWith(39);
    // what a kept token takes along from layer 0 depends on the others; what follows it does not
    PrunedReading byHand = new PrunedReading(BASE, PROMPT, FOLLOWING.length, Cancellation.NEVER);
    byHand.runTo(1);
    byHand.keep(kept);
    byHand.runTo(SHAPE.layers());
    assertThat(TinyModels.maxDifference(byHand.follow(FOLLOWING), follow(row))).isZero();
    assertThat(TinyModels.maxDifference(follow(row), follow(new ExactRow(BASE))))
        .isGreaterThan(0.01);
  }

  /**
   * RoPE sees distances alone: a prompt without its first tokens, each at its own position, is
   * answered as one that begins later.
   */
  @Test
  void tokensStayWhereTheyWere() {
    PrunedReading pruned = new PrunedReading(BASE, PROMPT, FOLLOWING.length, Cancellation.NEVER);
    pruned.keep(PrefillEngine.range(15, PROMPT.length));
    pruned.runTo(SHAPE.layers());
    int[] tail = java.util.Arrays.copyOfRange(PROMPT, 15, PROMPT.length);
    try (EvaluationRow.Reading shifted =
        new ExactRow(BASE).read(tail, FOLLOWING.length, Cancellation.NEVER)) {
      assertThat(TinyModels.maxDifference(pruned.follow(FOLLOWING), shifted.follow(FOLLOWING)))
          .isLessThan(1e-3);
    }
    PrunedReading holed = new PrunedReading(BASE, PROMPT, FOLLOWING.length, Cancellation.NEVER);
    int[] rows = tokensWithoutTheMiddle();
    holed.keep(rows);
    holed.runTo(SHAPE.layers());
    int[] closed = java.util.Arrays.stream(rows).map(r -> PROMPT[r]).toArray();
    try (EvaluationRow.Reading closedUp =
        new ExactRow(BASE).read(closed, FOLLOWING.length, Cancellation.NEVER)) {
      assertThat(TinyModels.maxDifference(holed.follow(FOLLOWING), closedUp.follow(FOLLOWING)))
          .isGreaterThan(0.01);
    }
  }

  private static int[] tokensWithoutTheMiddle() {
    return java.util.stream.IntStream.range(0, PROMPT.length)
        .filter(i -> i < 5 || i > 30)
        .toArray();
  }

  @Test
  void randomPruningKeepsTheEndsAndRepeatsItself() {
    RandomPruningRow row = new RandomPruningRow(BASE, 0.3, 7);
    assertThat(TinyModels.maxDifference(follow(row), follow(row))).isZero();
    assertThat(TinyModels.maxDifference(follow(row), follow(new RandomPruningRow(BASE, 0.3, 8))))
        .isGreaterThan(0.001);
    assertThat(PrunedReading.top(new float[] {9, 1, 3, 2, 0}, 3)).containsExactly(0, 2, 4);
  }

  @Test
  void anAuxiliaryAloneIsTheBaseWithoutTheLayers() {
    ModelRow row = ModelRow.auxiliary("half", BASE, layerPruned());
    assertThat(row.name()).isEqualTo("auxiliary alone half");
    assertThat(row.weights().layers()).hasSize(5).startsWith(WEIGHTS.layers().getFirst());
    assertThat(row.flops(300) / new ExactRow(BASE).flops(300)).isBetween(0.4, 0.6);
    ModelWeights small = TinyModels.random(TinyModels.shape(3, 24, 3, 3, 4), true, false, 3);
    Auxiliary.Sibling sibling = new Auxiliary.Sibling(small, LayerMap.paper(3, SHAPE.layers()));
    assertThat(
            TinyModels.maxDifference(
                follow(ModelRow.auxiliary("small", BASE, sibling)),
                follow(new ExactRow(new PrefillEngine(small, new ScalarKernels())))))
        .isZero();
  }

  @Test
  void roundingKeepsTheLargestAndLosesLessWithMoreBits() {
    SplittableRandom random = new SplittableRandom(5);
    Weight w = Weight.of(TinyModels.floats(6 * 64, 2, random), 6, 64);
    double eight =
        TinyModels.maxDifference(w.toArray(), BlockRounding.of(w, WeightType.Q8).toArray());
    double four =
        TinyModels.maxDifference(w.toArray(), BlockRounding.of(w, WeightType.Q4).toArray());
    assertThat(eight).isPositive().isLessThan(2.0 / 127 * 0.51);
    assertThat(four).isGreaterThan(eight).isLessThan(2.0 / 8 * 1.01);
    Weight none = Weight.of(new float[32], 1, 32);
    assertThat(
            TinyModels.maxDifference(
                BlockRounding.of(none, WeightType.Q4).toArray(), new float[32]))
        .isZero();
    assertThat(
            TinyModels.maxDifference(
                BlockRounding.of(none, WeightType.Q8).toArray(), new float[32]))
        .isZero();
    float[] big = new float[32];
    big[3] = -5;
    big[20] = 4;
    assertThat(BlockRounding.of(Weight.of(big, 1, 32), WeightType.Q4).get(0, 3)).isEqualTo(-5);
  }

  @Test
  void aRoundedBaseIsAnsweredFromRoundedWeights() {
    double eight =
        TinyModels.maxDifference(exact(), follow(ModelRow.quantised(BASE, WeightType.Q8)));
    double four =
        TinyModels.maxDifference(exact(), follow(ModelRow.quantised(BASE, WeightType.Q4)));
    assertThat(eight).isPositive();
    assertThat(four).isGreaterThan(eight);
    ModelWeights tied = TinyModels.random(TinyModels.shape(1, 32, 4, 2, 8), true, false, 1);
    assertThat(BlockRounding.of(tied, WeightType.Q4).head()).isSameAs(tied.head());
    assertThat(BlockRounding.of(WEIGHTS, WeightType.Q4).head().type()).isEqualTo(WeightType.Q4);
  }

  private static float[] exact() {
    return follow(new ExactRow(BASE));
  }

  @Test
  void sharesAndLayersOutOfBoundsAreNamed() {
    assertThatThrownBy(() -> new RandomPruningRow(BASE, 0, 1))
        .isInstanceOf(KvpException.class)
        .hasMessage("The share of tokens to keep is 0.0; it must be above 0 and at most 1.");
    assertThatThrownBy(() -> new LazyPruningRow(BASE, List.of(10), 0.5))
        .hasMessage("The layer to prune before is 10; it must be 1 to 9.");
    assertThatThrownBy(() -> new StaticPruningRow(BASE, 0, 0.5))
        .hasMessage("The number of layers that look is 0; it must be 1 to 9.");
    assertThatThrownBy(() -> BlockRounding.of(WEIGHTS, WeightType.BF16))
        .hasMessage("The type to round to is BF16; it must be Q8 or Q4.");
  }

  /** The rates are those at which the paper reports LazyLLM, on its base of 28 layers. */
  @Test
  void thePapersRatesSaveWhatThePaperSays() {
    ModelShape openElm = new ModelShape(28, 2048, 16, 4, 128, 5632, 32000, 2048, 1e-5f);
    List<Double> saved =
        LazyPruningRow.paperRates().stream().map(rate -> saving(openElm, rate)).toList();
    assertThat(saved.get(0)).isCloseTo(1.21, within(0.03));
    assertThat(saved.get(1)).isCloseTo(1.60, within(0.05));
  }

  private static double saving(ModelShape shape, double rate) {
    int n = 100;
    List<Integer> rows = new java.util.ArrayList<>();
    int left = n;
    for (int layer = 0; layer < shape.layers(); layer++) {
      left = layer == 8 || layer == 14 || layer == 20 ? PruningShares.count(rate, left) : left;
      rows.add(left);
    }
    return io.github.kvp4j.predictor.PrefillCost.exact(shape, n)
        / io.github.kvp4j.predictor.PrefillCost.pruned(shape, rows, java.util.Set.of(7, 13, 19));
  }
}
