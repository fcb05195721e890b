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
package io.github.kvp4j.spark;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.kvp4j.calibration.CalibrationProgress;
import io.github.kvp4j.calibration.CalibrationSettings;
import io.github.kvp4j.calibration.ClusterCalibrator;
import io.github.kvp4j.calibration.RidgeCalibrator;
import io.github.kvp4j.cli.CliRun;
import io.github.kvp4j.cluster.Cluster;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.jlama.TinyModelDirectory;
import io.github.kvp4j.jlama.TinyTexts;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.KvPredictor;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code --spark} from end to end, on a cluster of two workers with a process each, of which one is
 * killed in the middle of the work.
 */
class SparkClusterTest {
  private static final String MASTER = "local-cluster[2,1,1024]";

  @TempDir static Path folder;

  private static String model = "";
  private static String texts = "";

  @BeforeAll
  static void make() throws IOException {
    Files.createDirectories(
        Path.of(Objects.requireNonNull(System.getenv("SPARK_HOME"))).resolve("jars"));
    model =
        TinyModelDirectory.of(TinyModelDirectory.Kind.LLAMA_GROUPED_TIED)
            .context(1024)
            .write(folder.resolve("tiny"))
            .toString();
    texts = TinyTexts.plain(folder.resolve("texts.txt"), 9_000).toString();
  }

  private static CliRun run(String command, String... words) {
    List<String> line = new ArrayList<>(List.of(command, "--model", model, "--kernels", "vector"));
    line.addAll(Arrays.asList(words));
    CliRun run = CliRun.of(line.toArray(new String[0]));
    assertThat(run.exit()).as(run.err()).isZero();
    return run;
  }

  /** Ends one of the two processes once the work is under way. */
  private static final class Killer extends Thread {
    private final BooleanSupplier underWay;
    volatile boolean killed;
    volatile boolean end;

    Killer(BooleanSupplier underWay) {
      this.underWay = underWay;
      start();
    }

    @Override
    public void run() {
      try {
        while (!end && !underWay.getAsBoolean()) {
          Thread.sleep(20);
        }
        List<ProcessHandle> executors =
            ProcessHandle.current()
                .descendants()
                .filter(p -> p.info().command().orElse("").endsWith("java"))
                .toList();
        if (!end && executors.size() == 2) {
          killed = executors.getFirst().destroyForcibly();
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }

    void finish() throws InterruptedException {
      end = true;
      join();
      assertThat(killed).as("one of two workers was killed").isTrue();
    }
  }

  /** The answers and all that is computed from them, without times. */
  private static List<String> answers(Path out) throws IOException {
    List<String> all = new ArrayList<>();
    try (Stream<String> lines = Files.lines(out.resolve("items.jsonl"))) {
      for (String line : lines.sorted().toList()) {
        JsonNode item = new ObjectMapper().readTree(line);
        for (JsonNode row : item.path("rows")) {
          all.add(
              item.path("item").asText()
                  + row.path("row")
                  + row.path("answer")
                  + row.path("metrics")
                  + row.path("relativeFlops"));
        }
      }
    }
    return all;
  }

  private static Path layerPruned(String... more) {
    Path file = folder.resolve("layer-pruned" + more.length + ".safetensors");
    String[] words = {
      "--kind",
      "layer-pruned",
      "--keep",
      "0.5",
      "--data",
      texts,
      "--tokens",
      "6000",
      "--prompts",
      "1"
    };
    run("calibrate", with(with(words, more), "--out", file.toString()));
    return file;
  }

  @Test
  void answersAreThoseOfOneMachineThoughAWorkerDies() throws Exception {
    String[] words = {
      "--modes",
      "exact,off,predict,refine,cut,auxiliary,random,static,lazyllm",
      "--predictor",
      layerPruned().toString(),
      "--anchors",
      "4/16/0",
      "--set",
      "lengths=64,128",
      "--limit",
      "48",
      "--together",
      "4",
      "--max-tokens",
      "40"
    };
    Path one = folder.resolve("one");
    run("eval", with(words, "--out", one.toString()));
    Path spread = folder.resolve("spread");
    Path lines = spread.resolve("items.jsonl");
    Killer killer = new Killer(() -> lines.toFile().length() > 0);
    run("eval", with(words, "--out", spread.toString(), "--spark", MASTER));
    killer.finish();
    assertThat(answers(spread)).isEqualTo(answers(one)).hasSize(48 * 12);
  }

  private static String[] with(String[] words, String... more) {
    return Stream.concat(Stream.of(words), Stream.of(more)).toArray(String[]::new);
  }

  /** The base of a machine's own. */
  private record Base(String directory) implements ClusterCalibrator.Base {
    private static final Map<String, KvpModel> LOADED = new ConcurrentHashMap<>();

    @Override
    public PrefillEngine engine() {
      return LOADED
          .computeIfAbsent(
              directory,
              d ->
                  KvpModel.builder(Path.of(d))
                      .kernels("vector")
                      .withoutPredictor()
                      .warmUp(false)
                      .build())
          .engine()
          .orElseThrow();
    }
  }

  @Test
  void aFitIsThatOfOneMachineThoughAWorkerDies() throws Exception {
    Base base = new Base(model);
    int vocabulary = base.engine().weights().shape().vocabulary();
    List<int[]> tokens = new ArrayList<>();
    for (int i = 0; i < 1_000; i++) {
      tokens.add(new Random(i).ints(200, 0, vocabulary).toArray());
    }
    CalibrationSettings settings =
        new CalibrationSettings(
            2, List.of(0, 2), new TreeSet<>(List.of(0, 1)), 4, CalibrationSettings.LAMBDAS);
    RidgeCalibrator whole =
        new RidgeCalibrator(
            base.engine(), settings, tokens, CalibrationProgress.SILENT, Cancellation.NEVER);
    List<LinearMap> a = maps(whole.fit());
    AtomicBoolean firstRoundDone = new AtomicBoolean();
    Killer killer = new Killer(firstRoundDone::get);
    CalibrationProgress progress =
        new CalibrationProgress() {
          @Override
          public void start(String stage, long total) {}

          @Override
          public void advance(long done) {
            firstRoundDone.set(true);
          }
        };
    ClusterCalibrator spread;
    List<LinearMap> b;
    try (Cluster cluster = Cluster.open(MASTER)) {
      spread = new ClusterCalibrator(cluster, base, settings, tokens, progress);
      b = maps(spread.fit());
    }
    killer.finish();
    assertThat(spread.chosenLambdas()).isEqualTo(whole.chosenLambdas());
    assertThat(b).hasSameSizeAs(a).hasSize(4);
    for (int i = 0; i < a.size(); i++) {
      assertThat(relative(a.get(i), b.get(i))).as("map %d", i).isLessThan(1e-5);
    }
  }

  @Test
  void calibrateWritesWhatItWritesWithoutACluster() {
    String[] words = {
      "--data", texts, "--layers", "2", "--tokens", "6000", "--prompts", "1", "--out"
    };
    Path one = folder.resolve("one.safetensors");
    run("calibrate", with(words, one.toString()));
    Path spread = folder.resolve("spread.safetensors");
    run("calibrate", with(words, spread.toString(), "--spark", "local[2]"));
    List<LinearMap> a = maps(one);
    List<LinearMap> b = maps(spread);
    assertThat(b).hasSameSizeAs(a).hasSize(2);
    for (int i = 0; i < a.size(); i++) {
      // both are rounded to bfloat16, where the last bit may differ
      assertThat(relative(a.get(i), b.get(i))).as("map %d", i).isLessThan(1 / 128.0);
    }
  }

  @Test
  void calibrateWritesAnAuxiliaryThatReadsForItselfToo() {
    List<LinearMap> a = maps(layerPruned());
    List<LinearMap> b = maps(layerPruned("--spark", "local[2]"));
    assertThat(b).hasSameSizeAs(a).hasSizeGreaterThan(2);
    for (int i = 0; i < a.size(); i++) {
      assertThat(relative(a.get(i), b.get(i))).as("map %d", i).isLessThan(1 / 128.0);
    }
  }

  /** Machines are started in folders of their own. */
  @Test
  void aClassPathIsFoundFromAnyFolder() {
    Path here = Path.of("/home/kvp");
    assertThat(SparkCluster.absolute("kvp.jar:lib/*:/opt/spark/*", here))
        .isEqualTo("/home/kvp/kvp.jar:/home/kvp/lib/*:/opt/spark/*");
  }

  private static List<LinearMap> maps(Path file) {
    try (KvpModel loaded =
        KvpModel.builder(Path.of(model)).withoutPredictor().warmUp(false).build()) {
      return maps(loaded.readPredictor(file).predictor());
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
  private static double relative(LinearMap a, LinearMap b) {
    float[] x = new float[a.weight().columns()];
    float[] y = new float[x.length];
    double most = 0;
    double difference = 0;
    for (int row = 0; row < a.weight().rows(); row++) {
      a.weight().row(row, x, 0);
      b.weight().row(row, y, 0);
      for (int i = 0; i < x.length; i++) {
        most = Math.max(most, Math.abs(x[i]));
        difference = Math.max(difference, Math.abs(x[i] - y[i]));
      }
    }
    return difference / most;
  }
}
