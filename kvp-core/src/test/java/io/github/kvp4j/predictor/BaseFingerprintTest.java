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
package io.github.kvp4j.predictor;

import static io.github.kvp4j.predictor.PredictorFiles.BASE;
import static io.github.kvp4j.predictor.PredictorFiles.SHAPE;
import static io.github.kvp4j.predictor.PredictorFiles.VOCABULARY;
import static io.github.kvp4j.predictor.PredictorFiles.example;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.TinyModels;
import io.github.kvp4j.model.LayerWeights;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A predictor is of one base: every size, every token and every norm of it tell it from others. */
class BaseFingerprintTest {
  static Stream<BaseFingerprint> otherBases() {
    List<BaseFingerprint> all = new ArrayList<>();
    for (int field = 0; field < 7; field++) {
      for (int more : new int[] {-1, 1}) {
        all.add(new BaseFingerprint(shapeText(field, more), "t", "w"));
      }
    }
    all.add(new BaseFingerprint(shapeText(0, 0), "t2", "w"));
    all.add(new BaseFingerprint(shapeText(0, 0), "t", "w2"));
    return all.stream();
  }

  private static String shapeText(int field, int more) {
    String[] names = {
      "layers", "hidden", "heads", "kvHeads", "headSize", "feedForward", "vocabulary"
    };
    int[] values = {126, 16384, 128, 128, 128, 53248, 128256};
    values[field] += more;
    return String.join(
        ",", IntStream.range(0, 7).mapToObj(i -> names[i] + "=" + values[i]).toList());
  }

  @ParameterizedTest
  @MethodSource("otherBases")
  void anotherBaseIsRefusedWithBothFingerprints(BaseFingerprint other) {
    BaseFingerprint own = new BaseFingerprint(shapeText(0, 0), "t", "w");
    PredictorFile mine = new PredictorFile(example().predictor(), own, Map.of(), List.of());
    String before;
    String after;
    if (!other.shape().equals(own.shape())) {
      before = own.shape();
      after = other.shape();
    } else {
      boolean tokenizer = !other.tokenizer().equals(own.tokenizer());
      before = tokenizer ? "tokenizer fingerprint t," : "weights fingerprint w,";
      after = tokenizer ? "t2" : "w2";
    }
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(() -> mine.checkBase(other))
        .withMessageContaining(before)
        .withMessageContaining(after)
        .satisfies(e -> assertThat(e.kind()).isEqualTo(KvpException.Kind.PREDICTOR_MISMATCH));
    mine.checkBase(own);
  }

  /** Every size, every token, every norm is in the fingerprint. */
  @Test
  void fingerprintsDifferWhereModelsDo() {
    BaseFingerprint own = BaseFingerprint.of(BASE, VOCABULARY);
    ModelShape s = SHAPE;
    List<ModelShape> others =
        List.of(
            new ModelShape(4, 4, 2, 1, 2, 5, 7, 9, 1e-5f),
            new ModelShape(3, 5, 2, 1, 2, 5, 7, 9, 1e-5f),
            new ModelShape(3, 4, 3, 1, 2, 5, 7, 9, 1e-5f),
            new ModelShape(3, 4, 2, 2, 2, 5, 7, 9, 1e-5f),
            new ModelShape(3, 4, 2, 1, 4, 5, 7, 9, 1e-5f),
            new ModelShape(3, 4, 2, 1, 2, 6, 7, 9, 1e-5f),
            new ModelShape(3, 4, 2, 1, 2, 5, 8, 9, 1e-5f));
    for (ModelShape other : others) {
      ModelWeights weights = TinyModels.random(other, true, false, 1);
      assertThat(BaseFingerprint.of(weights, VOCABULARY).shape())
          .as("%s", other)
          .isNotEqualTo(own.shape());
    }
    Map<String, Long> swapped = new HashMap<>(VOCABULARY);
    swapped.put("a", 1L);
    swapped.put("b", 0L);
    Map<String, Long> renamed = new HashMap<>(VOCABULARY);
    renamed.remove("g");
    renamed.put("h", 6L);
    Map<String, Long> larger = new HashMap<>(VOCABULARY);
    larger.put("h", 7L);
    for (Map<String, Long> other : List.of(swapped, renamed, larger, Map.<String, Long>of())) {
      assertThat(BaseFingerprint.of(BASE, other).tokenizer()).isNotEqualTo(own.tokenizer());
    }
    for (int layer = 0; layer < s.layers(); layer++) {
      for (boolean attention : new boolean[] {true, false}) {
        assertThat(BaseFingerprint.of(withNorm(layer, attention, 1.02f), VOCABULARY).weights())
            .isNotEqualTo(own.weights());
      }
    }
    // another seed has other norms
    assertThat(BaseFingerprint.of(TinyModels.random(SHAPE, true, false, 2), VOCABULARY).weights())
        .isNotEqualTo(own.weights());
    // the order of a map's entries does not matter, nor do weights that are quantised
    assertThat(BaseFingerprint.of(BASE, new TreeMap<>(VOCABULARY).descendingMap())).isEqualTo(own);
    ModelWeights rounded =
        new ModelWeights(
            BASE.shape(),
            BASE.rope(),
            Bf16.matrix(BASE.embedding().toArray(), s.vocabulary(), s.hidden()),
            BASE.layers(),
            BASE.finalNorm(),
            BASE.head());
    assertThat(BaseFingerprint.of(rounded, VOCABULARY)).isEqualTo(own);
  }

  /** The base with one norm's first weight multiplied. */
  private static ModelWeights withNorm(int layer, boolean attention, float factor) {
    List<LayerWeights> layers = new ArrayList<>(BASE.layers());
    LayerWeights w = layers.get(layer);
    float[] norm = (attention ? w.attentionNorm() : w.feedForwardNorm()).clone();
    norm[0] *= factor;
    layers.set(
        layer,
        new LayerWeights(
            attention ? norm : w.attentionNorm(),
            w.query(),
            w.key(),
            w.value(),
            w.output(),
            w.queryBias(),
            w.keyBias(),
            w.valueBias(),
            attention ? w.feedForwardNorm() : norm,
            w.gate(),
            w.up(),
            w.down()));
    return new ModelWeights(
        BASE.shape(), BASE.rope(), BASE.embedding(), layers, BASE.finalNorm(), BASE.head());
  }

  @Test
  void theFingerprintTellsTheSizes() {
    ModelShape sizes = example().base().sizes().orElseThrow();
    assertThat(PrefillCost.exact(sizes, 300)).isEqualTo(PrefillCost.exact(SHAPE, 300));
    for (String text :
        List.of(
            "",
            "layers=2",
            example().base().shape().replace("layers=", "layers=x"),
            example().base().shape() + ",layers=3,more=1",
            example().base().shape().replaceFirst("layers=\\d+", "layers=0"))) {
      assertThat(new BaseFingerprint(text, "", "").sizes()).as(text).isEmpty();
    }
  }
}
