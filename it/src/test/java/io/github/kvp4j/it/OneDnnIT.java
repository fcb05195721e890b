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
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.kvp4j.jlama.GenerateRequest;
import io.github.kvp4j.jlama.GenerateResult;
import io.github.kvp4j.jlama.KvpMode;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.io.IOException;
import java.io.InputStream;
import java.util.Locale;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/**
 * The real model with oneDNN's bfloat16 products: what it rounds must stay small. Runs where the
 * build has oneDNN's library, whether or not the processor makes it fast.
 */
@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
class OneDnnIT {
  /**
   * On logits whose range is about 40; rounding of sources to 8 bits in 210 products one by one.
   */
  private static final double TOLERANCE = 0.5;

  private static KvpModel model;

  @BeforeAll
  static void load() {
    model = KvpModel.builder(RealModel.directory()).kernels("onednn").build();
  }

  @AfterAll
  static void close() {
    if (model != null) {
      model.close();
    }
  }

  @Test
  void logitsAreNearTheIndependentReference() throws IOException {
    Assumptions.assumeFalse(
        RealModel.isFromHub(),
        "left out: the model came from a hub, so its weights are not those of the golden file");
    PrefillEngine engine = model.engine().orElseThrow();
    assertThat(engine.kernels().name()).startsWith("onednn");
    try (InputStream in =
        OneDnnIT.class.getResourceAsStream("/golden/smollm2-first-token-logits.json")) {
      JsonNode golden = new ObjectMapper().readTree(in);
      double worst = 0;
      for (JsonNode prompt : golden.get("prompts")) {
        int[] tokens =
            IntStream.range(0, prompt.get("tokens").size())
                .map(i -> prompt.get("tokens").get(i).asInt())
                .toArray();
        KvCache cache = new KvCache(engine.weights().shape(), tokens.length);
        float[] logits = engine.logits(engine.prefill(tokens, 0, cache, Cancellation.NEVER));
        for (JsonNode top : prompt.get("top")) {
          double expected = top.get(1).asDouble();
          double found = logits[top.get(0).asInt()];
          worst = Math.max(worst, Math.abs(found - expected));
          assertThat(found).isCloseTo(expected, within(TOLERANCE));
        }
      }
      System.out.printf(
          Locale.ROOT, "oneDNN, bfloat16: the worst of the top logits is off by %.3f%n", worst);
    }
  }

  @Test
  void readsAndPredictsAPrompt() {
    String prompt =
        model.chatPrompt(
            "The engineer of the bridge at Tarn was Ida Brandt. ".repeat(12)
                + "Who was the engineer of the bridge at Tarn?");
    for (KvpMode mode : new KvpMode[] {KvpMode.EXACT, KvpMode.PREDICT}) {
      GenerateResult result =
          model.generate(GenerateRequest.builder(prompt).mode(mode).maxNewTokens(24).build());
      assertThat(result.text()).as(mode.name()).contains("Ida Brandt");
    }
  }
}
