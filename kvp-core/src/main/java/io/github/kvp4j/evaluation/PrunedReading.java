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

import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.prefill.AttentionMass;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.Lane;
import io.github.kvp4j.prefill.LayerRun;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.prefill.PrefillScratch;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * A prompt that loses tokens on its way through the layers, and what is answered from what is left.
 *
 * <p>Layers that hold the same tokens make a stage. In each, the tokens left stand in the cache one
 * after the other, each turned by RoPE as where it stood in the prompt; what follows the prompt
 * attends in each stage to the tokens that are left there, and none is brought back.
 */
final class PrunedReading implements EvaluationRow.Reading {
  /** Layers {@code [from, to)}, which hold so many prompt tokens. */
  private record Stage(int from, int to, int rows, PrefillEngine engine) {}

  private final PrefillEngine base;
  private final ModelShape shape;
  private final KvCache cache;
  private final Cancellation cancellation;
  private final int[] following; // positions of what follows the prompt
  private final List<Stage> stages = new ArrayList<>();
  private final PrefillScratch decodeScratch;
  private int[] kept; // (row), prompt positions, ascending
  private float[] x; // (row, hidden), the stream entering the next layer
  private int layer; // the next
  private int taken; // tokens after the prompt
  private float[] logits = {}; // (vocabulary)

  /** Begins with all of a prompt's tokens, before the first layer. */
  PrunedReading(PrefillEngine base, int[] prompt, int room, Cancellation cancellation) {
    this.base = base;
    this.shape = base.weights().shape();
    this.cancellation = cancellation;
    this.cache = new KvCache(shape, prompt.length + room);
    base.checkPrompt(prompt, 0, cache);
    int end = Math.min(prompt.length + room, base.weights().rope().positions());
    this.following = PrefillEngine.range(prompt.length, end);
    this.kept = PrefillEngine.range(0, prompt.length);
    this.x = new float[Math.multiplyExact(prompt.length, shape.hidden())];
    base.embed(prompt, 0, prompt.length, x);
    this.decodeScratch = new PrefillScratch(shape, 1);
  }

  /** Prompt tokens that are left. */
  int rows() {
    return kept.length;
  }

  /** Lets only some of the rows that are left go on; ascending, the last among them. */
  void keep(int[] rows) {
    int hidden = shape.hidden();
    float[] left = new float[rows.length * hidden];
    for (int i = 0; i < rows.length; i++) {
      System.arraycopy(x, rows[i] * hidden, left, i * hidden, hidden);
    }
    kept = IntStream.of(rows).map(row -> kept[row]).toArray();
    x = left;
  }

  /**
   * Runs what is left through the layers up to one; with the last layer the prompt is read.
   *
   * @return what the last token attends to in layer {@code to - 1}, {@code (row)}, summed over the
   *     heads; nothing of the model's last layer
   */
  float[] runTo(int to) {
    int rows = kept.length;
    ModelWeights weights = base.weights();
    PrefillEngine engine =
        new PrefillEngine(
            weights.withRope(
                weights
                    .rope()
                    .at(IntStream.concat(IntStream.of(kept), IntStream.of(following)).toArray())),
            base.kernels());
    int[] positions = PrefillEngine.range(0, rows);
    PrefillScratch scratch = new PrefillScratch(shape, Math.min(PrefillEngine.CHUNK, rows));
    AttentionMass mass = new AttentionMass(rows, rows - 1);
    stages.add(new Stage(layer, to, rows, engine));
    for (; layer < to; layer++) {
      boolean end = layer == shape.layers() - 1;
      engine.runLayer(
          new LayerRun(
              layer,
              layer + 1,
              rows,
              positions,
              end ? 1 : rows,
              cache,
              Map.of(),
              null,
              layer == to - 1 && !end ? mass : null,
              cancellation),
          x,
          scratch);
    }
    if (layer == shape.layers()) {
      x = Arrays.copyOfRange(x, x.length - shape.hidden(), x.length);
      logits = base.logits(x);
    }
    return mass.mass();
  }

  /**
   * The rows to keep: the last, and of the others those that received most.
   *
   * @param received {@code (row)}
   * @param count how many, at least 1
   */
  static int[] top(float[] received, int count) {
    int last = received.length - 1;
    return IntStream.concat(
            IntStream.range(0, last)
                .boxed()
                .sorted((a, b) -> Float.compare(received[b], received[a]))
                .limit(count - 1L)
                .mapToInt(Integer::intValue),
            IntStream.of(last))
        .sorted()
        .toArray();
  }

  @Override
  public float[] logits() {
    return logits;
  }

  @Override
  public Optional<Lane> lane() {
    int[] rows = new int[shape.layers()];
    for (Stage stage : stages) {
      Arrays.fill(rows, stage.from, stage.to, stage.rows);
    }
    return Optional.of(new Lane(base, cache, following[0], rows, Lane.BeforeToken.NOTHING));
  }

  @Override
  public float[] follow(int[] tokens) {
    int hidden = shape.hidden();
    int m = tokens.length;
    float[] streams = Arrays.copyOf(x, m * hidden); // (row, hidden)
    if (m > 1) {
      float[] further = new float[(m - 1) * hidden]; // (row, hidden)
      base.embed(tokens, 0, m - 1, further);
      PrefillScratch scratch = new PrefillScratch(shape, m - 1);
      for (Stage stage : stages) {
        int first = stage.rows + taken;
        stage.engine.runLayers(
            LayerRun.plain(
                stage.from,
                stage.to,
                PrefillEngine.range(first, first + m - 1),
                cache,
                cancellation),
            further,
            scratch);
      }
      System.arraycopy(further, 0, streams, hidden, further.length);
      taken += m - 1;
    }
    float[] out = new float[m * shape.vocabulary()];
    base.logits(m, streams, out);
    return out;
  }

  @Override
  public float[] next(int token) {
    base.embed(new int[] {token}, 0, 1, x);
    for (Stage stage : stages) {
      int[] row = {stage.rows + taken};
      stage.engine.runLayers(
          LayerRun.plain(stage.from, stage.to, row, cache, cancellation), x, decodeScratch);
    }
    taken++;
    logits = base.logits(x);
    return logits;
  }
}
