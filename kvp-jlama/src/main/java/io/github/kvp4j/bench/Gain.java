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
package io.github.kvp4j.bench;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Where the speed comes from: what the engine gives and what prediction gives on top, apart. Each
 * is how many times as fast the second is as the first; null where one of them was not measured.
 *
 * @param kernels {@code vector} or {@code onednn}
 * @param engine Jlama to exact
 * @param predict exact to predict
 * @param predictFast exact to predict-fast
 */
record Gain(
    @JsonProperty("prompt_tokens") int promptTokens,
    @JsonProperty("batch") int batch,
    @JsonProperty("kernels") String kernels,
    @JsonProperty("engine") @Nullable Double engine,
    @JsonProperty("prediction") @Nullable Double predict,
    @JsonProperty("prediction_fast") @Nullable Double predictFast) {
  /** All that can be told from a table. */
  static List<Gain> of(List<BenchRow> table) {
    List<Gain> out = new ArrayList<>();
    for (String kernels : List.of("vector", "onednn")) {
      String suffix = kernels.equals("vector") ? "" : "-onednn";
      for (BenchRow exact : table) {
        if (exact.row().equals("exact" + suffix)) {
          Double jlama = exact.ratioToJlama();
          out.add(
              new Gain(
                  exact.promptTokens(),
                  exact.batch(),
                  kernels,
                  jlama == null ? null : (Double) (1 / jlama),
                  times(table, exact, "predict" + suffix),
                  times(table, exact, "predict-fast" + suffix)));
        }
      }
    }
    return out;
  }

  private static @Nullable Double times(List<BenchRow> table, BenchRow exact, String row) {
    Optional<BenchRow> other =
        table.stream().filter(r -> r.row().equals(row) && r.isBeside(exact)).findFirst();
    return other.isPresent() ? (Double) (exact.ttft() / other.get().ttft()) : null;
  }
}
