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
package io.github.kvp4j.calibration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.TinyModels;
import io.github.kvp4j.evaluation.Continuation;
import io.github.kvp4j.kernel.VectorKernels;
import io.github.kvp4j.kernel.Workers;
import io.github.kvp4j.model.LayerWeights;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.PrefillCost;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The search knows what costs, and finds the layer that can be linear. */
class PredictorSearchTest {
  private static final ModelShape SHAPE = TinyModels.shape(5, 32, 4, 2, 8);
  private static final Anchors ANCHORS = new Anchors(2, 4, 0);

  /** The network of one layer gives nothing, which is as linear as can be. */
  private static PrefillEngine base(int nothing) {
    ModelWeights w = TinyModels.random(SHAPE, false, false, 5);
    List<LayerWeights> layers = new ArrayList<>(w.layers());
    LayerWeights l = layers.get(nothing);
    layers.set(
        nothing,
        new LayerWeights(
            l.attentionNorm(),
            l.query(),
            l.key(),
            l.value(),
            l.output(),
            l.queryBias(),
            l.keyBias(),
            l.valueBias(),
            l.feedForwardNorm(),
            l.gate(),
            l.up(),
            Weight.of(
                new float[l.down().rows() * l.down().columns()],
                l.down().rows(),
                l.down().columns())));
    return new PrefillEngine(
        new ModelWeights(SHAPE, w.rope(), w.embedding(), layers, w.finalNorm(), w.head()),
        new VectorKernels(Workers.shared()));
  }

  private static List<Continuation> items(int seed) {
    return IntStream.range(0, 4)
        .mapToObj(i ->
            new Continuation(
                TinyModels.tokens(40, SHAPE.vocabulary(), seed + i),
                TinyModels.tokens(8, SHAPE.vocabulary(), seed + 50 + i)))
        .toList();
  }

  private static List<PredictorSearch.Candidate> search(
      PrefillEngine base, double budget, List<Integer> prefixes) {
    List<int[]> texts =
        IntStream.range(0, 24)
            .mapToObj(i -> TinyModels.tokens(60, SHAPE.vocabulary(), 900 + i))
            .toList();
    return new PredictorSearch(
            base,
            new PredictorSearch.Settings(budget, 40, ANCHORS, prefixes, 2),
            texts,
            items(1),
            items(100),
            CalibrationProgress.SILENT,
            Cancellation.NEVER)
        .run();
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2})
  void theLayerThatIsLinearIsMadeLinearFirst(int nothing) {
    PrefillEngine base = base(nothing);
    // for so short a prompt N = 4 costs a little more than exact prefill: one layer has to be
    // linear
    List<PredictorSearch.Candidate> found = search(base, 1, List.of(2, 4));
    assertThat(found).hasSize(2).allMatch(c -> c.cost() <= 1);
    assertThat(found)
        .isSortedAccordingTo(Comparator.comparingDouble(PredictorSearch.Candidate::kl));
    assertThat(found)
        .filteredOn(c -> c.settings().layers() == 4)
        .singleElement()
        .satisfies(c -> assertThat(c.settings().linearised()).containsExactly(nothing));
    assertThat(found)
        .filteredOn(c -> c.settings().layers() == 2)
        .singleElement()
        .satisfies(c -> assertThat(c.settings().linearised()).isEmpty());
    // nothing was lost below N = 4 by it
    assertThat(found.getFirst().settings().layers()).isEqualTo(4);
    assertThat(found.getFirst().copy().prompts()).isEqualTo(4);
  }

  @Test
  void theCostIsThatOfThePredictor() {
    for (PredictorSearch.Candidate c : search(base(1), 0.8, List.of(1, 2, 3, 4))) {
      assertThat(c.cost())
          .isEqualTo(PrefillCost.relative(SHAPE, c.predictor(), ANCHORS, 40))
          .isLessThanOrEqualTo(0.8);
    }
  }

  @Test
  void whatCannotBeIsSaid() {
    PrefillEngine base = base(1);
    assertThatThrownBy(() -> search(base, 0.05, List.of(3, 4)))
        .isInstanceOf(KvpException.class)
        .hasMessage(
            "No predictor that reads the first [3, 4] layers costs at most 0.05 of exact prefill;"
                + " raise the budget.");
    assertThatThrownBy(() -> search(base, 0, List.of(3)))
        .hasMessageContaining("The budget is 0.0; it must be above 0");
    assertThatThrownBy(() -> search(base, 0.5, List.of(7)))
        .hasMessageContaining("The number of prefix layers is 7");
  }
}
