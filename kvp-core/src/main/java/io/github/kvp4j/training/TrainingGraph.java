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
package io.github.kvp4j.training;

import ai.djl.engine.Engine;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.NDScope;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.core.Linear;
import ai.djl.training.GradientCollector;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.evaluation.Continuation;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.model.RopeTable;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.KvPredictor;
import io.github.kvp4j.predictor.LinearProjection;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The loss of an item, and its gradients, by PyTorch: the same reading as {@link
 * io.github.kvp4j.predictor.PredictedPrefill}, the answer's tokens after it included.
 *
 * <p>What comes before all that learns in a PREFIX auxiliary is computed by the prefill engine, the
 * rest here.
 *
 * <p>The rows of a text are of two kinds: exact ones (sink, tail, and all that follows the prompt)
 * go through the whole base, the others through the auxiliary. They are kept in the order exact
 * rows first; attention, which goes by positions, does not mind. Not safe for several threads.
 */
final class TrainingGraph implements AutoCloseable {
  private static final float HIDDEN_FROM = -1e30f;

  private final PrefillEngine base;
  private final ModelShape shape;
  private final KvPredictor predictor;
  private final Anchors anchors;
  private final LossWeights weights;
  private final Parameters parameters;
  private final int firstLayer; // of the base that PyTorch runs
  private final DataType type;
  private final NDManager manager;
  private final Map<String, NDArray> frozen = new HashMap<>();
  private Map<String, NDArray> learned = Map.of(); // while a step runs

  /**
   * Copies the base and the predictor to PyTorch.
   *
   * @param parameters what of the predictor is learned
   * @param wide whether it computes in 64 bits instead of 32
   * @throws KvpException {@code UNSUPPORTED} where DJL's PyTorch engine is not there
   */
  TrainingGraph(
      PrefillEngine base,
      KvPredictor predictor,
      Parameters parameters,
      Anchors anchors,
      LossWeights weights,
      boolean wide) {
    this.base = base;
    this.shape = base.weights().shape();
    this.predictor = predictor;
    this.parameters = parameters;
    this.anchors = anchors;
    this.weights = weights;
    this.firstLayer = firstLayer(predictor, parameters);
    this.type = wide ? DataType.FLOAT64 : DataType.FLOAT32;
    this.manager = newManager();
    ModelWeights own = base.weights();
    copyLayers("base.", own, firstLayer);
    put("norm", own.finalNorm());
    put("head", own.head().toArray(), own.head().rows(), own.head().columns());
    for (LinearProjection p : predictor.projections()) {
      put("layers." + p.layer() + ".key", p.key());
      put("layers." + p.layer() + ".value", p.value());
    }
    switch (predictor.auxiliary()) {
      case Auxiliary.Prefix prefix ->
          prefix.linearised().forEach((layer, map) -> put("linearised." + layer, map));
      case Auxiliary.LayerPruned pruned when pruned.trained().isEmpty() -> {
        for (int i = 0; i < pruned.kept().size(); i++) {
          String from = "base." + pruned.kept().get(i) + ".";
          String to = "auxiliary." + i + ".";
          Map.copyOf(frozen)
              .forEach((name, array) -> {
                if (name.startsWith(from)) {
                  frozen.put(to + name.substring(from.length()), array);
                }
              });
        }
      }
      case Auxiliary.Separate separate -> copyLayers("auxiliary.", separate.weights(own), 0);
    }
  }

  /** The first layer of a PREFIX auxiliary that learns, or the first one that is predicted. */
  private static int firstLayer(KvPredictor predictor, Parameters parameters) {
    if (!(predictor.auxiliary() instanceof Auxiliary.Prefix prefix)) {
      return 0;
    }
    return prefix.linearised().keySet().stream()
        .filter(layer -> parameters.get("linearised." + layer + ".weight") != null)
        .min(Integer::compare)
        .orElse(prefix.layers());
  }

  private static NDManager newManager() {
    // with the natives on the class path nothing is to be fetched, so nothing may be
    if (System.getProperty("ai.djl.offline") == null) {
      System.setProperty("ai.djl.offline", "true");
    }
    try {
      return Engine.getEngine("PyTorch").newBaseManager();
    } catch (EngineException e) {
      throw Trainer.noEngine(e);
    }
  }

  private void copyLayers(String prefix, ModelWeights w, int first) {
    for (int i = first; i < w.layers().size(); i++) {
      Parameters.arrays(
          prefix + i + ".",
          w.layers().get(i),
          (name, m) -> put(name, m.toArray(), m.rows(), m.columns()),
          this::put);
    }
  }

  private void put(String name, LinearMap map) {
    put(name + ".weight", map.weight().toArray(), map.weight().rows(), map.weight().columns());
    put(name + ".bias", map.bias());
  }

  private void put(String name, float[] values) {
    if (parameters.get(name) == null) {
      frozen.put(name, array(values, values.length));
    }
  }

  private void put(String name, float[] values, int rows, int columns) {
    if (parameters.get(name) == null) {
      frozen.put(name, array(values, rows, columns));
    }
  }

  private NDArray array(float[] values, long... dimensions) {
    NDArray array = manager.create(values, new Shape(dimensions));
    return type == DataType.FLOAT32 ? array : array.toType(type, true);
  }

  /**
   * A constant as an array of its own, which lives as long as the scope. What DJL makes of a plain
   * number lies in memory that the collector may free before the backward pass reads it.
   */
  private NDArray number(double value) {
    return type == DataType.FLOAT32 ? manager.create((float) value) : manager.create(value);
  }

  private NDArray get(String name) {
    NDArray array = optional(name);
    if (array == null) {
      throw new IllegalStateException("no array " + name);
    }
    return array;
  }

  private @Nullable NDArray optional(String name) {
    NDArray array = learned.get(name);
    return array == null ? frozen.get(name) : array;
  }

  @Override
  public void close() {
    manager.close();
  }

  // --- losses and gradients

  /** The mean loss of some items. */
  LossTerms loss(List<Continuation> items) {
    return run(items, false);
  }

  /** The mean loss of some items; its gradients go to the parameters. */
  LossTerms gradients(List<Continuation> items) {
    return run(items, true);
  }

  private LossTerms run(List<Continuation> items, boolean gradients) {
    try (NDScope scope = new NDScope()) {
      scope.suppressNotUsedWarning();
      Map<String, NDArray> leaves = new HashMap<>();
      for (Parameter p : parameters.all()) {
        NDArray leaf = p.matrix ? array(p.values, p.rows, p.columns) : array(p.values, p.columns);
        leaf.setRequiresGradient(gradients);
        leaves.put(p.name, leaf);
      }
      learned = leaves;
      LossTerms sum = LossTerms.ZERO;
      if (gradients) {
        try (GradientCollector collector = manager.getEngine().newGradientCollector()) {
          for (Continuation item : items) {
            sum =
                sum.plus(
                    item(item, loss -> collector.backward(loss.mul(number(1.0 / items.size())))),
                    1.0 / items.size());
          }
        }
        for (Parameter p : parameters.all()) {
          NDArray gradient = get(p.name).getGradient();
          p.gradient =
              (type == DataType.FLOAT32 ? gradient : gradient.toType(DataType.FLOAT32, false))
                  .toFloatArray();
        }
      } else {
        for (Continuation item : items) {
          sum = sum.plus(item(item, loss -> {}), 1.0 / items.size());
        }
      }
      return sum;
    } finally {
      learned = Map.of();
    }
  }

  /** Scalars of one item. */
  private LossTerms item(Continuation item, Consumer<NDArray> backward) {
    ExactPrefill exact = exact(item);
    try (NDScope scope = new NDScope()) {
      scope.suppressNotUsedWarning();
      Outcome outcome = forward(item, exact);
      NDArray logQ = outcome.logits.logSoftmax(-1);
      NDArray baseTerm;
      if (weights.target() == LossWeights.Target.TEXT) {
        baseTerm = crossEntropy(logQ, item.following());
      } else {
        NDArray logP =
            array(exact.logits(), item.following().length, shape.vocabulary()).logSoftmax(-1);
        baseTerm = logP.exp().mul(logP.sub(logQ)).sum().mul(number(1.0 / item.following().length));
      }
      NDArray total =
          baseTerm
              .mul(number(weights.base()))
              .add(outcome.consistency.mul(number(weights.consistency())));
      NDArray auxiliaryTerm = outcome.auxiliary;
      if (auxiliaryTerm != null) {
        total = total.add(auxiliaryTerm.mul(number(weights.auxiliary())));
      }
      backward.accept(total);
      return new LossTerms(
          scalar(total),
          scalar(baseTerm),
          auxiliaryTerm == null ? 0 : scalar(auxiliaryTerm),
          scalar(outcome.consistency));
    }
  }

  private static double scalar(NDArray value) {
    return value.toType(DataType.FLOAT64, true).getDouble();
  }

  private NDArray crossEntropy(NDArray logQ, int[] tokens) {
    long[] index = IntStream.of(tokens).asLongStream().toArray();
    return logQ.gather(manager.create(index, new Shape(index.length, 1)), 1).mean().neg();
  }

  // --- the reading

  /**
   * What a reading gives.
   *
   * @param logits {@code (following, vocabulary)}
   * @param auxiliary cross entropy of the auxiliary, or null where it does not learn
   * @param consistency the third term
   */
  private record Outcome(NDArray logits, @Nullable NDArray auxiliary, NDArray consistency) {}

  /** Sines and cosines {@code (row, 1, halfHead)} of some rows. */
  private record Turn(NDArray cos, NDArray sin) {
    Turn rows(long from, long to) {
      NDIndex index = new NDIndex("{}:{}", from, to);
      return new Turn(cos.get(index), sin.get(index));
    }
  }

  /** Logits {@code (following, vocabulary)} of an item: for the test against the engine. */
  float[] logits(Continuation item) {
    try (NDScope scope = new NDScope()) {
      scope.suppressNotUsedWarning();
      Map<String, NDArray> leaves = new HashMap<>();
      for (Parameter p : parameters.all()) {
        leaves.put(
            p.name, p.matrix ? array(p.values, p.rows, p.columns) : array(p.values, p.columns));
      }
      learned = leaves;
      return forward(item, exact(item)).logits.toType(DataType.FLOAT32, true).toFloatArray();
    } finally {
      learned = Map.of();
    }
  }

  private ExactPrefill exact(Continuation item) {
    return ExactPrefill.of(
        base,
        item,
        predictor.auxiliary() instanceof Auxiliary.Prefix prefix
            ? ExactPrefill.kept(prefix, firstLayer)
            : Set.of());
  }

  private Outcome forward(Continuation item, ExactPrefill reference) {
    KvCache exact = reference.cache();
    int n = item.prompt().length;
    int m = item.following().length;
    int length = n + m - 1; // nothing is read of the last token
    int sink = Math.min(n, anchors.sink());
    int tail = Math.max(sink, n - anchors.tail());
    if (tail == sink) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "A training prompt has "
              + n
              + " tokens, all of them within the anchors "
              + anchors
              + "; use longer prompts.");
    }
    int[] tokens =
        IntStream.concat(IntStream.of(item.prompt()), IntStream.of(item.following()))
            .limit(length)
            .toArray();
    int[] order =
        IntStream.concat(
                IntStream.concat(IntStream.range(0, sink), IntStream.range(tail, length)),
                IntStream.range(sink, tail))
            .toArray();
    int exactRows = length - (tail - sink);
    Turn turn = turn(base.weights().rope(), order);
    NDArray mask = mask(order); // (row, row)
    NDArray x; // (exact row, hidden)
    BiConsumer<LinearProjection, NDArray[]> predict;
    NDArray auxiliaryTerm = null;
    switch (predictor.auxiliary()) {
      case Auxiliary.Prefix prefix -> {
        List<NDArray> features = new ArrayList<>();
        boolean[] exactly = new boolean[length];
        Arrays.fill(exactly, 0, sink, true);
        Arrays.fill(exactly, tail, length, true);
        Map<Integer, float[]> streams =
            reference.auxiliary(base, item, prefix, firstLayer, exactly);
        int[] predicted = Arrays.copyOfRange(order, exactRows, length);
        for (int source : prefix.sources()) {
          if (source < firstLayer) {
            features.add(rmsNorm(pick(stream(streams, source), predicted), null, shape));
          }
        }
        NDArray all = pick(stream(streams, firstLayer), order); // (row, hidden)
        for (int layer = firstLayer; layer <= prefix.layers(); layer++) {
          if (prefix.sources().contains(layer)) {
            features.add(rmsNorm(rows(all, exactRows, length), null, shape));
          }
          if (layer < prefix.layers()) {
            String at = "base." + layer + ".";
            NDArray normed = rmsNorm(all, get(at + "attention_norm"), shape);
            NDArray keys = rotate(linear(normed, at + "key"), turn, shape);
            NDArray values = linear(normed, at + "value");
            all = all.add(attention(at, normed, keys, values, turn, mask, shape));
            if (prefix.linearised().containsKey(layer)) {
              NDArray h = rmsNorm(all, get(at + "feed_forward_norm"), shape);
              NDArray network = feedForward(at, rows(h, 0, exactRows));
              NDArray map = linear(rows(h, exactRows, length), "linearised." + layer);
              all = all.add(network.concat(map, 0));
            } else {
              all = all.add(feedForward(at, rmsNorm(all, get(at + "feed_forward_norm"), shape)));
            }
          }
        }
        x = rows(all, 0, exactRows);
        predict = predictFrom(features);
      }
      case Auxiliary.Separate separate -> {
        x = embed(tokens, Arrays.copyOf(order, exactRows));
        List<NDArray> keys = new ArrayList<>(); // by auxiliary layer, before RoPE
        List<NDArray> values = new ArrayList<>();
        boolean learns = parameters.get("auxiliary.0.query") != null && weights.auxiliary() > 0;
        auxiliaryTerm =
            read(
                separate,
                Arrays.copyOf(item.prompt(), n - 1),
                learns ? item.prompt()[n - 1] : -1,
                keys,
                values);
        predict =
            (p, kv) -> {
              int first = separate.map().firstSource(p.layer(), keys.size());
              int end = first + separate.map().width();
              String at = "layers." + p.layer();
              kv[0] = linear(rows(beside(keys.subList(first, end)), sink, tail), at + ".key");
              kv[1] = linear(rows(beside(values.subList(first, end)), sink, tail), at + ".value");
            };
      }
    }

    NDArray consistency = null;
    NDArray exactMask = rows(mask, 0, exactRows);
    Turn own = turn.rows(0, exactRows);
    Turn others = turn.rows(exactRows, length);
    for (LinearProjection p : predictor.projections()) {
      int layer = p.layer();
      NDArray[] kv = new NDArray[2];
      predict.accept(p, kv);
      NDArray error =
          kv[0]
              .sub(exactRows(exact.keys(layer), sink, tail))
              .abs()
              .mean()
              .add(kv[1].sub(exactRows(exact.values(layer), sink, tail)).abs().mean());
      consistency = consistency == null ? error : consistency.add(error);
      String at = "base." + layer + ".";
      NDArray normed = rmsNorm(x, get(at + "attention_norm"), shape);
      NDArray keys =
          rotate(linear(normed, at + "key"), own, shape).concat(rotate(kv[0], others, shape), 0);
      NDArray values = linear(normed, at + "value").concat(kv[1], 0);
      x = x.add(attention(at, normed, keys, values, own, exactMask, shape));
      x = x.add(feedForward(at, rmsNorm(x, get(at + "feed_forward_norm"), shape)));
    }
    NDArray last = rmsNorm(rows(x, exactRows - m, exactRows), get("norm"), shape);
    return new Outcome(
        linear(last, get("head"), null),
        auxiliaryTerm,
        Objects.requireNonNull(consistency).mul(number(1.0 / predictor.projections().size())));
  }

  /** Projects the streams of a PREFIX auxiliary's sources, {@code (predicted row, hidden)} each. */
  private BiConsumer<LinearProjection, NDArray[]> predictFrom(List<NDArray> features) {
    NDArray stream = NDArrays.concat(new NDList(features), 1); // (predicted row, features)
    return (p, kv) -> {
      kv[0] = linear(stream, "layers." + p.layer() + ".key");
      kv[1] = linear(stream, "layers." + p.layer() + ".value");
    };
  }

  /** Columns of several arrays of as many rows side by side. */
  private static NDArray beside(List<NDArray> arrays) {
    return arrays.size() == 1 ? arrays.getFirst() : NDArrays.concat(new NDList(arrays), 1);
  }

  private static float[] stream(Map<Integer, float[]> streams, int layer) {
    return Objects.requireNonNull(streams.get(layer));
  }

  /** Some rows of a stream {@code (position, hidden)}. */
  private NDArray pick(float[] stream, int[] positions) {
    int hidden = shape.hidden();
    float[] rows = new float[positions.length * hidden]; // (row, hidden)
    for (int i = 0; i < positions.length; i++) {
      System.arraycopy(stream, positions[i] * hidden, rows, i * hidden, hidden);
    }
    return array(rows, positions.length, hidden);
  }

  /**
   * The auxiliary reads a prompt: keys before RoPE and values of each of its layers.
   *
   * @param next the token after, for the auxiliary's cross entropy; -1 = that is not wanted
   * @return that cross entropy
   */
  private @Nullable NDArray read(
      Auxiliary.Separate separate,
      int[] tokens,
      int next,
      List<NDArray> keys,
      List<NDArray> values) {
    ModelWeights reader = separate.weights(base.weights());
    ModelShape s = reader.shape();
    int[] order = PrefillEngine.range(0, tokens.length);
    Turn turn = turn(reader.rope(), order);
    NDArray mask = mask(order);
    float[] embedded = new float[tokens.length * s.hidden()]; // (row, hidden)
    for (int i = 0; i < tokens.length; i++) {
      reader.embedding().row(tokens[i], embedded, i * s.hidden());
    }
    NDArray x = array(embedded, tokens.length, s.hidden());
    for (int layer = 0; layer < s.layers(); layer++) {
      String at = "auxiliary." + layer + ".";
      NDArray normed = rmsNorm(x, get(at + "attention_norm"), s);
      NDArray key = linear(normed, at + "key");
      NDArray value = linear(normed, at + "value");
      keys.add(key);
      values.add(value);
      if (layer == s.layers() - 1 && next < 0) {
        return null;
      }
      x = x.add(attention(at, normed, rotate(key, turn, s), value, turn, mask, s));
      x = x.add(feedForward(at, rmsNorm(x, get(at + "feed_forward_norm"), s)));
    }
    int[] targets = IntStream.concat(IntStream.of(tokens).skip(1), IntStream.of(next)).toArray();
    NDArray logits = linear(rmsNorm(x, get("norm"), s), get("head"), null);
    return crossEntropy(logits.logSoftmax(-1), targets);
  }

  // --- the operations of a layer

  private NDArray embed(int[] tokens, int[] order) {
    float[] x = new float[order.length * shape.hidden()]; // (row, hidden)
    for (int i = 0; i < order.length; i++) {
      base.weights().embedding().row(tokens[order[i]], x, i * shape.hidden());
    }
    return array(x, order.length, shape.hidden());
  }

  private NDArray exactRows(float[] rows, int from, int to) {
    int kv = shape.kvLength();
    return array(Arrays.copyOfRange(rows, from * kv, to * kv), to - from, kv);
  }

  private Turn turn(RopeTable rope, int[] positions) {
    int half = rope.halfHead();
    float[] cos = new float[positions.length * half]; // (row, halfHead)
    float[] sin = new float[positions.length * half];
    for (int i = 0; i < positions.length; i++) {
      System.arraycopy(rope.cos(), positions[i] * half, cos, i * half, half);
      System.arraycopy(rope.sin(), positions[i] * half, sin, i * half, half);
    }
    return new Turn(array(cos, positions.length, 1, half), array(sin, positions.length, 1, half));
  }

  /** {@code (query row, key row)}: 0 where the key is not after the query, else all but -∞. */
  private NDArray mask(int[] positions) {
    int n = positions.length;
    float[] mask = new float[n * n];
    for (int q = 0; q < n; q++) {
      for (int k = 0; k < n; k++) {
        mask[q * n + k] = positions[k] <= positions[q] ? 0 : HIDDEN_FROM;
      }
    }
    return array(mask, n, n);
  }

  private static NDArray rows(NDArray x, long from, long to) {
    return x.get(new NDIndex("{}:{}", from, to));
  }

  private NDArray rmsNorm(NDArray x, @Nullable NDArray weight, ModelShape s) {
    NDArray root = x.square().mean(new int[] {-1}, true).add(number(s.normEpsilon())).sqrt();
    NDArray normed = x.div(root);
    return weight == null ? normed : normed.mul(weight);
  }

  /** A map by name, be it a matrix with or without bias, or a {@link LinearMap}. */
  private NDArray linear(NDArray x, String name) {
    NDArray plain = optional(name);
    return plain == null
        ? linear(x, get(name + ".weight"), get(name + ".bias"))
        : linear(x, plain, optional(name + ".bias"));
  }

  private static NDArray linear(NDArray x, NDArray weight, @Nullable NDArray bias) {
    return (bias == null ? Linear.linear(x, weight) : Linear.linear(x, weight, bias))
        .singletonOrThrow();
  }

  /** RoPE over {@code (row, heads * headSize)}. */
  private static NDArray rotate(NDArray x, Turn turn, ModelShape s) {
    long rows = x.getShape().get(0);
    long width = x.getShape().get(1);
    long half = s.headSize() / 2;
    NDArray split = x.reshape(rows, width / s.headSize(), s.headSize());
    NDArray a = split.get(new NDIndex(":, :, :{}", half));
    NDArray b = split.get(new NDIndex(":, :, {}:", half));
    return a.mul(turn.cos)
        .sub(b.mul(turn.sin))
        .concat(a.mul(turn.sin).add(b.mul(turn.cos)), 2)
        .reshape(rows, width);
  }

  /**
   * Attention with its output map.
   *
   * @param normed {@code (row, hidden)}: who asks
   * @param keys {@code (key row, kvLength)} after RoPE
   * @param values {@code (key row, kvLength)}
   * @param mask {@code (row, key row)}
   */
  private NDArray attention(
      String at,
      NDArray normed,
      NDArray keys,
      NDArray values,
      Turn turn,
      NDArray mask,
      ModelShape s) {
    long rows = normed.getShape().get(0);
    long all = keys.getShape().get(0);
    int group = s.heads() / s.kvHeads();
    int size = s.headSize();
    NDArray query =
        rotate(linear(normed, at + "query"), turn, s)
            .mul(number(s.attentionScale()))
            .reshape(rows, s.kvHeads(), group, size)
            .transpose(1, 2, 0, 3); // (kv head, group, row, size)
    NDArray k = keys.reshape(all, s.kvHeads(), 1, size).transpose(1, 2, 3, 0);
    NDArray v = values.reshape(all, s.kvHeads(), 1, size).transpose(1, 2, 0, 3);
    NDArray attended =
        query.matMul(k).add(mask).softmax(-1).matMul(v); // (kv head, group, row, size)
    NDArray merged = attended.transpose(2, 0, 1, 3).reshape(rows, s.attentionLength());
    return linear(merged, get(at + "output"), null);
  }

  private NDArray feedForward(String at, NDArray normed) {
    NDArray gate = linear(normed, get(at + "gate"), null);
    NDArray silu = gate.mul(Activation.sigmoid(gate));
    return linear(silu.mul(linear(normed, get(at + "up"), null)), get(at + "down"), null);
  }
}
