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

import io.github.kvp4j.model.ModelShape;

/** Working memory of one run at a time, reused from layer to layer and chunk to chunk. */
public final class PrefillScratch {
  private final int rows;
  final float[] normed; // (row, hidden)
  final float[] query; // (row, max(heads, kvHeads) * headSize)
  final float[] attended; // (row, heads * headSize)
  final float[] gate; // (row, feedForward)
  final float[] up; // (row, feedForward)

  /**
   * Allocates for a number of rows.
   *
   * @param shape the model's sizes
   * @param rows the most rows of one run, at most {@link PrefillEngine#CHUNK}
   */
  public PrefillScratch(ModelShape shape, int rows) {
    this.rows = rows;
    this.normed = new float[Math.multiplyExact(rows, shape.hidden())];
    this.query = new float[Math.multiplyExact(rows, shape.attentionLength())];
    this.attended = new float[Math.multiplyExact(rows, shape.attentionLength())];
    this.gate = new float[Math.multiplyExact(rows, shape.feedForward())];
    this.up = new float[Math.multiplyExact(rows, shape.feedForward())];
  }

  /** The most rows of one run. */
  public int rows() {
    return rows;
  }

  /** Bytes that a scratch for {@code rows} rows takes. */
  public static long bytes(ModelShape shape, int rows) {
    return 4L * rows * (shape.hidden() + 2L * shape.attentionLength() + 2L * shape.feedForward());
  }
}
