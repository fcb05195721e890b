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
package io.github.kvp4j.it;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.kvp4j.evaluation.CacheQuality;
import io.github.kvp4j.evaluation.Continuation;
import io.github.kvp4j.jlama.GenerateRequest;
import io.github.kvp4j.jlama.GenerateResult;
import io.github.kvp4j.jlama.KvpMode;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.jlama.Predictors;
import io.github.kvp4j.jlama.Quality;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.PredictedPrefill;
import io.github.kvp4j.predictor.PredictorFile;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The predictors that come along: found by themselves, and as good as their file says. */
class BundledPredictorsIT {
  private static final String TEXT =
      """
      The bridge at the lower ford was begun in the spring and finished before the first frost. \
      Forty masons worked on it, and most of them slept in the barns of the mill. The stone came \
      down the river on rafts, since the road was too soft for carts until June. In August one of \
      the arches fell, because its wooden frame had been taken away too early, and two weeks were \
      lost. The mayor wrote in his book that the new bridge cost more than the town hall, but that \
      nobody would ever have to wait for the ferry again. On the day it was opened a brass band \
      played on the middle arch, and the oldest woman of the town was carried across first. She \
      said that she had never trusted the ferry, and that she would not come back the same way \
      unless somebody carried her again. For many years a small toll was paid by carts, but never \
      by people on foot, and the money was used to paint the railings green every third summer. \
      When the railway came, the bridge became quiet, and boys used to fish from it in the evening. \
      """;

  /** The qualities that come along: one that should be there and is not, fails. */
  static List<Quality> bundled() {
    List<Quality> found =
        Arrays.stream(Quality.values()).filter(q -> Predictors.bundled(q).isPresent()).toList();
    assertThat(found).containsExactly(Quality.values());
    return found;
  }

  @ParameterizedTest
  @MethodSource("bundled")
  void measuredQualityHolds(Quality quality) {
    KvpModel model = RealModel.model();
    PredictorFile file = model.predictor(quality).orElseThrow();
    PrefillEngine engine = model.engine().orElseThrow();
    int[] tokens = model.encodePrompt(TEXT);
    assertThat(tokens.length).isGreaterThan(220);
    int[] blank = model.tokenizer().encode("\n\n");
    int[] prompt = Arrays.copyOf(tokens, 200 + blank.length);
    System.arraycopy(blank, 0, prompt, 200, blank.length);
    Continuation copy = new Continuation(prompt, Arrays.copyOfRange(tokens, 20, 84));
    PredictedPrefill prefill = new PredictedPrefill(engine, file.predictor());
    CacheQuality q =
        CacheQuality.measure(
                engine,
                List.of((t, c) -> prefill.prefill(t, 0, Anchors.DEFAULT, c, Cancellation.NEVER)),
                List.of(copy),
                i -> {})
            .getFirst();
    double promised =
        file.quality().stream()
            .filter(m -> m.task().equals("copy") && m.anchors().equals("4/64/0"))
            .mapToDouble(m -> m.agreement())
            .findFirst()
            .orElseThrow();
    // one prompt stands for the mean of many: far below the promise, something is broken
    assertThat(q.agreement()).isGreaterThan(promised - 0.15);
    assertThat(q.kl()).isLessThan(1.5);
  }

  @Test
  void autoPredictsLongPromptsAndReadsShortOnesExactly() {
    KvpModel model = RealModel.model();
    GenerateResult longPrompt =
        model.generate(GenerateRequest.builder(TEXT + TEXT + TEXT).maxNewTokens(2).build());
    assertThat(longPrompt.mode()).isEqualTo(KvpMode.PREDICT);
    assertThat(longPrompt.predictedTokens() + longPrompt.exactTokens())
        .isEqualTo(longPrompt.promptTokens());
    assertThat(longPrompt.exactTokens()).isEqualTo(68);
    GenerateResult shortPrompt =
        model.generate(GenerateRequest.builder("Hello there").maxNewTokens(2).build());
    assertThat(shortPrompt.mode()).isEqualTo(KvpMode.EXACT);
    assertThat(shortPrompt.modeReason()).contains("break-even");
  }

  @Test
  void bundledFilesStayWithinSixteenMegabytes() throws Exception {
    long bytes = 0;
    for (Quality quality : bundled()) {
      String name = quality.name().toLowerCase(Locale.ROOT);
      try (var in =
          KvpModel.class.getResourceAsStream(
              "/io/github/kvp4j/predictors/smollm2-135m-instruct-" + name + ".safetensors")) {
        bytes += in == null ? Long.MAX_VALUE / 2 : in.readAllBytes().length;
      }
    }
    assertThat(bytes).isLessThanOrEqualTo(16L << 20);
  }
}
