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
package io.github.kvp4j.calibration;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.kvp4j.TinyModels;
import io.github.kvp4j.cluster.Cluster;
import io.github.kvp4j.kernel.VectorKernels;
import io.github.kvp4j.kernel.Workers;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.KvPredictor;
import io.github.kvp4j.predictor.LayerMap;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What is fitted in parts, sent about as bytes and added up in any order, is what is fitted whole.
 */
class ClusterCalibratorTest {
  private static final ModelWeights WEIGHTS =
      TinyModels.random(TinyModels.shape(4, 24, 4, 2, 6), false, true, 31);

  /** A machine's own. */
  private record TinyBase() implements ClusterCalibrator.Base {
    @Override
    public PrefillEngine engine() {
      return new PrefillEngine(WEIGHTS, new VectorKernels(Workers.shared()));
    }
  }

  /** Sends all that a cluster sends, and does one part twice, as after a machine's death. */
  static final class SendingCluster implements Cluster {
    int parts;

    @Override
    public <A extends Serializable, T extends Serializable> void each(
        List<A> all, Work<A, T> work, Consumer<T> done) {
      for (A part : all) {
        parts++;
        sent(work).of(sent(part)); // lost
        done.accept(sent(sent(work).of(sent(part))));
      }
    }

    @Override
    public <A extends Serializable, T extends Serializable> T sum(
        List<A> all, Work<A, T> work, Sum<T> sum) {
      Deque<T> results = new ArrayDeque<>();
      each(all, work, results::addFirst);
      while (results.size() > 1) {
        results.addLast(sent(sum).of(sent(results.removeFirst()), sent(results.removeFirst())));
      }
      return results.getFirst();
    }

    @Override
    public int width() {
      return 3;
    }

    @Override
    public void close() {}

    @SuppressWarnings({"unchecked", "BanSerializableRead"})
    private static <T> T sent(T value) {
      try {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
          out.writeObject(value);
        }
        try (ObjectInputStream in =
            new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
          return (T) in.readObject();
        }
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      } catch (ClassNotFoundException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  @Test
  void partsComeToTheWhole() {
    List<int[]> texts = new ArrayList<>();
    for (int i = 0; i < 43; i++) {
      texts.add(TinyModels.tokens(i == 7 ? 3 : 40 + i, WEIGHTS.shape().vocabulary(), i));
    }
    CalibrationSettings settings =
        new CalibrationSettings(
            3, List.of(0, 3), new TreeSet<>(List.of(1, 2)), 2, CalibrationSettings.LAMBDAS);
    RidgeCalibrator whole =
        new RidgeCalibrator(
            new TinyBase().engine(),
            settings,
            texts,
            CalibrationProgress.SILENT,
            Cancellation.NEVER);
    KvPredictor expected = whole.fit();
    SendingCluster cluster = new SendingCluster();
    ClusterCalibrator spread =
        new ClusterCalibrator(cluster, new TinyBase(), settings, texts, CalibrationProgress.SILENT);
    KvPredictor fitted = spread.fit();
    assertThat(cluster.parts).isEqualTo(3 * 6);
    assertThat(spread.tokens()).isEqualTo(whole.tokens());
    assertThat(spread.chosenLambdas()).isEqualTo(whole.chosenLambdas());
    List<LinearMap> a = maps(expected);
    List<LinearMap> b = maps(fitted);
    assertThat(b).hasSameSizeAs(a).hasSize(4);
    for (int i = 0; i < a.size(); i++) {
      assertThat(relative(a.get(i), b.get(i))).as("map %d", i).isLessThan(1e-5);
    }
  }

  /** A machine's own models. */
  private record TinyModelsOfMachine(boolean pruned) implements SeparateClusterCalibrator.Models {
    @Override
    public PrefillEngine base() {
      return new TinyBase().engine();
    }

    @Override
    public Auxiliary.Separate auxiliary() {
      LayerMap map = new LayerMap(List.of(0, 0, 1, 1)).wide(2);
      return pruned
          ? new Auxiliary.LayerPruned(List.of(0, 2), List.of(), map)
          : new Auxiliary.Sibling(WEIGHTS, map);
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void partsComeToTheWholeForAnAuxiliaryThatReadsForItself(boolean pruned) {
    List<int[]> texts = new ArrayList<>();
    for (int i = 0; i < 43; i++) {
      texts.add(TinyModels.tokens(i == 7 ? 3 : 40 + i, WEIGHTS.shape().vocabulary(), i));
    }
    TinyModelsOfMachine models = new TinyModelsOfMachine(pruned);
    SeparateCalibrator whole =
        new SeparateCalibrator(
            models.base(),
            models.auxiliary(),
            2,
            CalibrationSettings.LAMBDAS,
            texts,
            CalibrationProgress.SILENT,
            Cancellation.NEVER);
    List<LinearMap> a = maps(whole.fit());
    SendingCluster cluster = new SendingCluster();
    SeparateClusterCalibrator spread =
        new SeparateClusterCalibrator(
            cluster, models, 2, CalibrationSettings.LAMBDAS, texts, CalibrationProgress.SILENT);
    List<LinearMap> b = maps(spread.fit());
    assertThat(cluster.parts).isEqualTo(6);
    assertThat(spread.tokens()).isEqualTo(whole.tokens());
    assertThat(spread.chosenLambdas()).isEqualTo(whole.chosenLambdas()).hasSize(8);
    assertThat(b).hasSameSizeAs(a).hasSize(8);
    for (int i = 0; i < a.size(); i++) {
      assertThat(relative(a.get(i), b.get(i))).as("map %d", i).isLessThan(1e-5);
    }
  }

  private static List<LinearMap> maps(KvPredictor predictor) {
    List<LinearMap> out = new ArrayList<>();
    if (predictor.auxiliary() instanceof Auxiliary.Prefix prefix) {
      out.addAll(prefix.linearised().values());
    }
    predictor
        .projections()
        .forEach(p -> {
          out.add(p.key());
          out.add(p.value());
        });
    return out;
  }

  /** The largest difference over the largest number. */
  static double relative(LinearMap a, LinearMap b) {
    float[] x = new float[a.weight().columns()];
    float[] y = new float[x.length];
    double most = 0;
    double difference = 0;
    for (int row = 0; row < a.weight().rows(); row++) {
      a.weight().row(row, x, 0);
      b.weight().row(row, y, 0);
      most =
          Math.max(
              most, IntStream.range(0, x.length).mapToDouble(i -> Math.abs(x[i])).max().orElse(0));
      difference = Math.max(difference, TinyModels.maxDifference(x, y));
    }
    return difference / most;
  }
}
