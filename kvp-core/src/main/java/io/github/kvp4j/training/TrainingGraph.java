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

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDScope;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.evaluation.Continuation;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.KvPredictor;
import io.github.kvp4j.predictor.LinearProjection;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.ArrayList;
import java.util.Arrays;
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
  private final PrefillEngine base;
  private final ModelShape shape;
  private final KvPredictor predictor;
  private final Anchors anchors;
  private final LossWeights weights;
  private final Parameters parameters;
  private final int firstLayer; // of the base that PyTorch runs
  private final TorchArrays arrays;
  private final TorchLayers torch;

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
    this.arrays = new TorchArrays(parameters, wide);
    this.torch = new TorchLayers(arrays);
    ModelWeights own = base.weights();
    arrays.copyLayers("base.", own, firstLayer);
    arrays.put("norm", own.finalNorm());
    arrays.put("head", own.head());
    for (LinearProjection p : predictor.projections()) {
      arrays.put("layers." + p.layer() + ".key", p.key());
      arrays.put("layers." + p.layer() + ".value", p.value());
    }
    switch (predictor.auxiliary()) {
      case Auxiliary.Prefix prefix ->
          prefix.linearised().forEach((layer, map) -> arrays.put("linearised." + layer, map));
      case Auxiliary.LayerPruned pruned when pruned.trained().isEmpty() -> {
        for (int i = 0; i < pruned.kept().size(); i++) {
          arrays.alias("base." + pruned.kept().get(i) + ".", "auxiliary." + i + ".");
        }
      }
      case Auxiliary.Separate separate -> {
        arrays.copyLayers("auxiliary.", separate.weights(own), 0);
        if (separate instanceof Auxiliary.Sibling sibling && auxiliaryLearns()) {
          ModelWeights model = sibling.model();
          arrays.put("auxiliary.norm", model.finalNorm());
          arrays.put("auxiliary.head", model.head());
        }
      }
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

  /** Whether an auxiliary of its own learns, and of its own cross entropy. */
  private boolean auxiliaryLearns() {
    return parameters.get("auxiliary.0.query") != null && weights.auxiliary() > 0;
  }

  @Override
  public void close() {
    arrays.close();
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
      arrays.learn(gradients);
      LossTerms sum = LossTerms.ZERO;
      if (gradients) {
        try (GradientCollector collector = arrays.manager().getEngine().newGradientCollector()) {
          for (Continuation item : items) {
            sum =
                sum.plus(
                    item(
                        item,
                        loss -> collector.backward(loss.mul(arrays.number(1.0 / items.size())))),
                    1.0 / items.size());
          }
        }
        arrays.takeGradients();
      } else {
        for (Continuation item : items) {
          sum = sum.plus(item(item, loss -> {}), 1.0 / items.size());
        }
      }
      return sum;
    } finally {
      arrays.forget();
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
            arrays
                .array(exact.logits(), item.following().length, shape.vocabulary())
                .logSoftmax(-1);
        baseTerm =
            logP.exp().mul(logP.sub(logQ)).sum().mul(arrays.number(1.0 / item.following().length));
      }
      NDArray total =
          baseTerm
              .mul(arrays.number(weights.base()))
              .add(outcome.consistency.mul(arrays.number(weights.consistency())));
      NDArray auxiliaryTerm = outcome.auxiliary;
      if (auxiliaryTerm != null) {
        total = total.add(auxiliaryTerm.mul(arrays.number(weights.auxiliary())));
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
    return logQ.gather(arrays.manager().create(index, new Shape(index.length, 1)), 1).mean().neg();
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

  /** Logits {@code (following, vocabulary)} of an item: for the test against the engine. */
  float[] logits(Continuation item) {
    try (NDScope scope = new NDScope()) {
      scope.suppressNotUsedWarning();
      arrays.learn(false);
      return forward(item, exact(item)).logits.toType(DataType.FLOAT32, true).toFloatArray();
    } finally {
      arrays.forget();
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
    TorchLayers.Turn turn = torch.turn(base.weights().rope(), order);
    NDArray mask = torch.mask(order); // (row, row)
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
            features.add(
                torch.rmsNorm(
                    torch.pick(stream(streams, source), shape.hidden(), predicted), null, shape));
          }
        }
        NDArray all =
            torch.pick(stream(streams, firstLayer), shape.hidden(), order); // (row, hidden)
        for (int layer = firstLayer; layer <= prefix.layers(); layer++) {
          if (prefix.sources().contains(layer)) {
            features.add(torch.rmsNorm(TorchLayers.rows(all, exactRows, length), null, shape));
          }
          if (layer < prefix.layers()) {
            String at = "base." + layer + ".";
            NDArray normed = torch.rmsNorm(all, arrays.get(at + "attention_norm"), shape);
            NDArray keys = TorchLayers.rotate(torch.linear(normed, at + "key"), turn, shape);
            NDArray values = torch.linear(normed, at + "value");
            all = all.add(torch.attention(at, normed, keys, values, turn, mask, shape));
            if (prefix.linearised().containsKey(layer)) {
              NDArray h = torch.rmsNorm(all, arrays.get(at + "feed_forward_norm"), shape);
              NDArray network = torch.feedForward(at, TorchLayers.rows(h, 0, exactRows));
              NDArray map =
                  torch.linear(TorchLayers.rows(h, exactRows, length), "linearised." + layer);
              all = all.add(network.concat(map, 0));
            } else {
              all =
                  all.add(
                      torch.feedForward(
                          at, torch.rmsNorm(all, arrays.get(at + "feed_forward_norm"), shape)));
            }
          }
        }
        x = TorchLayers.rows(all, 0, exactRows);
        predict = predictFrom(features);
      }
      case Auxiliary.Separate separate -> {
        x = embed(tokens, Arrays.copyOf(order, exactRows));
        List<NDArray> keys = new ArrayList<>(); // by auxiliary layer, before RoPE
        List<NDArray> values = new ArrayList<>();
        auxiliaryTerm =
            read(
                separate,
                Arrays.copyOf(item.prompt(), n - 1),
                auxiliaryLearns() ? item.prompt()[n - 1] : -1,
                keys,
                values);
        predict =
            (p, kv) -> {
              int first = separate.map().firstSource(p.layer(), keys.size());
              int end = first + separate.map().width();
              String at = "layers." + p.layer();
              kv[0] =
                  torch.linear(
                      TorchLayers.rows(TorchLayers.beside(keys.subList(first, end)), sink, tail),
                      at + ".key");
              kv[1] =
                  torch.linear(
                      TorchLayers.rows(TorchLayers.beside(values.subList(first, end)), sink, tail),
                      at + ".value");
            };
      }
    }

    NDArray consistency = null;
    NDArray exactMask = TorchLayers.rows(mask, 0, exactRows);
    TorchLayers.Turn own = turn.rows(0, exactRows);
    TorchLayers.Turn others = turn.rows(exactRows, length);
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
      NDArray normed = torch.rmsNorm(x, arrays.get(at + "attention_norm"), shape);
      NDArray keys =
          TorchLayers.rotate(torch.linear(normed, at + "key"), own, shape)
              .concat(TorchLayers.rotate(kv[0], others, shape), 0);
      NDArray values = torch.linear(normed, at + "value").concat(kv[1], 0);
      x = x.add(torch.attention(at, normed, keys, values, own, exactMask, shape));
      x =
          x.add(
              torch.feedForward(at, torch.rmsNorm(x, arrays.get(at + "feed_forward_norm"), shape)));
    }
    NDArray last =
        torch.rmsNorm(TorchLayers.rows(x, exactRows - m, exactRows), arrays.get("norm"), shape);
    return new Outcome(
        TorchLayers.linear(last, arrays.get("head"), null),
        auxiliaryTerm,
        Objects.requireNonNull(consistency)
            .mul(arrays.number(1.0 / predictor.projections().size())));
  }

  /** Projects the streams of a PREFIX auxiliary's sources, {@code (predicted row, hidden)} each. */
  private BiConsumer<LinearProjection, NDArray[]> predictFrom(List<NDArray> features) {
    NDArray stream = NDArrays.concat(new NDList(features), 1); // (predicted row, features)
    return (p, kv) -> {
      kv[0] = torch.linear(stream, "layers." + p.layer() + ".key");
      kv[1] = torch.linear(stream, "layers." + p.layer() + ".value");
    };
  }

  private static float[] stream(Map<Integer, float[]> streams, int layer) {
    return Objects.requireNonNull(streams.get(layer));
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
    TorchLayers.Turn turn = torch.turn(reader.rope(), order);
    NDArray mask = torch.mask(order);
    float[] embedded = new float[tokens.length * s.hidden()]; // (row, hidden)
    for (int i = 0; i < tokens.length; i++) {
      reader.embedding().row(tokens[i], embedded, i * s.hidden());
    }
    NDArray x = arrays.array(embedded, tokens.length, s.hidden());
    for (int layer = 0; layer < s.layers(); layer++) {
      String at = "auxiliary." + layer + ".";
      NDArray normed = torch.rmsNorm(x, arrays.get(at + "attention_norm"), s);
      NDArray key = torch.linear(normed, at + "key");
      NDArray value = torch.linear(normed, at + "value");
      keys.add(key);
      values.add(value);
      if (layer == s.layers() - 1 && next < 0) {
        return null;
      }
      x =
          x.add(
              torch.attention(at, normed, TorchLayers.rotate(key, turn, s), value, turn, mask, s));
      x = x.add(torch.feedForward(at, torch.rmsNorm(x, arrays.get(at + "feed_forward_norm"), s)));
    }
    int[] targets = IntStream.concat(IntStream.of(tokens).skip(1), IntStream.of(next)).toArray();
    String at = separate instanceof Auxiliary.Sibling ? "auxiliary." : ""; // or the base's own
    NDArray logits =
        TorchLayers.linear(
            torch.rmsNorm(x, arrays.get(at + "norm"), s), arrays.get(at + "head"), null);
    return crossEntropy(logits.logSoftmax(-1), targets);
  }

  private NDArray embed(int[] tokens, int[] order) {
    float[] x = new float[order.length * shape.hidden()]; // (row, hidden)
    for (int i = 0; i < order.length; i++) {
      base.weights().embedding().row(tokens[order[i]], x, i * shape.hidden());
    }
    return arrays.array(x, order.length, shape.hidden());
  }

  private NDArray exactRows(float[] rows, int from, int to) {
    int kv = shape.kvLength();
    return arrays.array(Arrays.copyOfRange(rows, from * kv, to * kv), to - from, kv);
  }
}
