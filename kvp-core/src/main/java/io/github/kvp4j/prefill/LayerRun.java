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
package io.github.kvp4j.prefill;

import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.LinearMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What {@link PrefillEngine#runLayers} runs: some layers, for some positions, over a cache.
 *
 * @param from first layer
 * @param to one past the last layer
 * @param rows how many of {@code positions} and of the residual stream's rows are used
 * @param positions {@code [rows]} ascending prompt positions
 * @param outputs how many of the last rows are wanted after layer {@code to - 1}; for the others
 *     that layer only writes its keys and values
 * @param cache read up to each row's position, written at the rows' positions
 * @param linearised layers whose feed-forward network is replaced, by layer
 * @param exactRows {@code [rows]} rows that keep the real feed-forward network in linearised
 *     layers; null = none
 * @param mass counts the attention of these rows, or null
 * @param cancellation asked before each layer
 */
public record LayerRun(
    int from,
    int to,
    int rows,
    int[] positions,
    int outputs,
    KvCache cache,
    Map<Integer, LinearMap> linearised,
    boolean @Nullable [] exactRows,
    @Nullable AttentionMass mass,
    Cancellation cancellation) {

  /** A plain run of layers {@code [from, to)}: no layer replaced, all rows wanted. */
  public static LayerRun plain(
      int from, int to, int[] positions, KvCache cache, Cancellation cancellation) {
    return new LayerRun(
        from,
        to,
        positions.length,
        positions,
        positions.length,
        cache,
        Map.of(),
        null,
        null,
        cancellation);
  }

  /** The same with only the last {@code count} rows wanted after the last layer. */
  public LayerRun withOutputs(int count) {
    return new LayerRun(
        from, to, rows, positions, count, cache, linearised, exactRows, mass, cancellation);
  }
}
