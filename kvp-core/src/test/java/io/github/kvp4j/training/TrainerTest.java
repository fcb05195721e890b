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

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.evaluation.Continuation;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.KvPredictor;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Training steps, and training that is interrupted. */
class TrainerTest {
  @TempDir private Path folder;

  @BeforeAll
  static void assumeTorch() {
    TrainingCases.assumeTorch();
  }

  static TrainingSettings settings(Set<Learned> learned, int steps, LossWeights loss) {
    return new TrainingSettings(
        learned, loss, new Anchors(2, 3, 0), steps, 2, 1e-2, 1, 0, 0.1, 0.5, 42, "random");
  }

  static Continuation random(SplittableRandom random) {
    int vocabulary = TrainingCases.SHAPE.vocabulary();
    return new Continuation(
        random.ints(random.nextInt(8, 30), 0, vocabulary).toArray(),
        random.ints(random.nextInt(1, 6), 0, vocabulary).toArray());
  }

  static Trainer trainer(int steps) {
    return new Trainer(
        TrainingCases.BASE,
        TrainingCases.prefix(),
        settings(
            Set.of(Learned.PROJECTIONS, Learned.LINEARISED),
            steps,
            new LossWeights(LossWeights.Target.TEXT, 1, 0, 0.3)),
        TrainerTest::random);
  }

  // --- against the reference

  @ParameterizedTest
  @CsvSource({"prefix,TEXT", "prefix,EXACT", "layer-pruned,TEXT", "layer-pruned,EXACT"})
  void stepsAreThoseOfTheReference(String kind, LossWeights.Target target) throws IOException {
    JsonNode golden;
    try (InputStream in =
        Objects.requireNonNull(getClass().getResourceAsStream("/golden/training-steps.json"))) {
      golden = new ObjectMapper().readTree(in);
    }
    List<Continuation> items = new ArrayList<>();
    for (JsonNode batch : golden.get("items")) {
      for (JsonNode item : batch) {
        items.add(new Continuation(ints(item.get(0)), ints(item.get(1))));
      }
    }
    boolean prefix = kind.equals("prefix");
    KvPredictor start = prefix ? TrainingCases.prefix() : TrainingCases.layerPruned();
    Set<Learned> learned =
        Set.of(Learned.PROJECTIONS, prefix ? Learned.LINEARISED : Learned.AUXILIARY);
    Function<SplittableRandom, Continuation> inOrder = r -> items.removeFirst();
    try (Trainer trainer =
        new Trainer(
            TrainingCases.BASE,
            start,
            settings(learned, 3, new LossWeights(target, 1, 0.7, 0.3)),
            inOrder)) {
      for (JsonNode step : golden.get("runs").get(kind + " " + target)) {
        StepReport report = trainer.next();
        String at = "step " + report.step() + " ";
        near(at + "total", report.loss().total(), step.get("total").asDouble());
        near(at + "base", report.loss().base(), step.get("base").asDouble());
        near(at + "auxiliary", report.loss().auxiliary(), step.get("auxiliary").asDouble());
        near(at + "consistency", report.loss().consistency(), step.get("consistency").asDouble());
        near(at + "norm", report.gradientNorm(), step.get("norm").asDouble());
        assertThat(trainer.learned().all()).hasSize(step.get("gradients").size());
        for (Parameter p : trainer.learned().all()) {
          summary(at + "gradient of " + p.name, p.gradient, step.get("gradients").get(p.name));
          summary(at + p.name, p.values, step.get("parameters").get(p.name));
        }
      }
    }
  }

  private static int[] ints(JsonNode node) {
    int[] out = new int[node.size()];
    Arrays.setAll(out, i -> node.get(i).asInt());
    return out;
  }

  private static void near(String what, double actual, double expected) {
    assertThat(actual).as(what).isCloseTo(expected, within(5e-4 * Math.abs(expected) + 1e-5));
  }

  private static void summary(String what, float[] actual, JsonNode expected) {
    double sum = 0;
    double squares = 0;
    for (float v : actual) {
      sum += v;
      squares += (double) v * v;
    }
    double size = Math.sqrt(expected.get("squares").asDouble() / actual.length);
    assertThat(Math.sqrt(squares / actual.length))
        .as("%s, size", what)
        .isCloseTo(size, within(2e-3 * size));
    assertThat(sum / actual.length)
        .as("%s, mean", what)
        .isCloseTo(expected.get("sum").asDouble() / actual.length, within(2e-3 * size));
    for (int i = 0; i < expected.get("first").size(); i++) {
      assertThat((double) actual[i])
          .as("%s, number %d", what, i)
          .isCloseTo(expected.get("first").get(i).asDouble(), within(5e-3 * size));
    }
  }

  // --- what training does

  @Test
  void theLossFallsAndThePredictorIsWhatWasLearned() {
    KvPredictor start = TrainingCases.layerPruned();
    TrainingSettings settings =
        new TrainingSettings(
            Set.of(Learned.PROJECTIONS, Learned.AUXILIARY),
            new LossWeights(LossWeights.Target.EXACT, 1, 0.1, 0.5),
            new Anchors(2, 3, 0),
            40,
            2,
            1e-2,
            0.1,
            5,
            0.01,
            1,
            7,
            "random");
    List<Continuation> held = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      held.add(random(new SplittableRandom(1000 + i)));
    }
    try (Trainer trainer = new Trainer(TrainingCases.BASE, start, settings, TrainerTest::random)) {
      LossTerms before = trainer.validate(held);
      for (int i = 0; i < 40; i++) {
        trainer.next();
      }
      LossTerms after = trainer.validate(held);
      assertThat(after.total()).isLessThan(0.9 * before.total());
      KvPredictor trained = trainer.predictor();
      trained.checkFits(TrainingCases.SHAPE);
      assertThat(((Auxiliary.LayerPruned) trained.auxiliary()).trained()).hasSize(2);
      // what is handed out measures the same as what was trained, up to BF16
      try (Trainer again =
          new Trainer(TrainingCases.BASE, trained, settings, TrainerTest::random)) {
        assertThat(again.validate(held).total())
            .isCloseTo(after.total(), within(0.02 * after.total()));
      }
    }
  }

  /** The advice is what resuming allows: it keeps the learning rate. */
  @Test
  void trainingThatDivergesIsRefused() {
    TrainingSettings settings =
        new TrainingSettings(
            Set.of(Learned.PROJECTIONS),
            new LossWeights(LossWeights.Target.TEXT, 1, 0, 0.3),
            new Anchors(2, 3, 0),
            8,
            2,
            1e300,
            1,
            0,
            0,
            1,
            42,
            "random");
    try (Trainer trainer =
        new Trainer(TrainingCases.BASE, TrainingCases.prefix(), settings, TrainerTest::random)) {
      refused(KvpException.Kind.BAD_ARGUMENT, "begin anew with a lower", trainer::next);
      assertThat(trainer.step()).isZero();
    }
  }

  @Test
  void theRateRisesAndFalls() {
    TrainingSettings s =
        new TrainingSettings(
            Set.of(Learned.PROJECTIONS),
            new LossWeights(LossWeights.Target.TEXT, 1, 0, 0),
            Anchors.DEFAULT,
            100,
            1,
            1e-3,
            0.1,
            10,
            0,
            1,
            1,
            "random");
    assertThat(s.rate(0)).isCloseTo(1e-4, within(1e-12));
    assertThat(s.rate(9)).isCloseTo(1e-3, within(1e-12));
    assertThat(s.rate(10)).isCloseTo(1e-3, within(1e-12));
    assertThat(s.rate(55)).isCloseTo(5.5e-4, within(1e-12));
    assertThat(s.rate(99)).isBetween(1e-4, 1.01e-4);
  }

  // --- interruptions

  @Test
  void resumedTrainingGoesOnAsIfNothingHadHappened() {
    Path file = folder.resolve("checkpoint");
    List<StepReport> whole = new ArrayList<>();
    try (Trainer trainer = trainer(8)) {
      for (int i = 0; i < 8; i++) {
        if (i == 3) {
          trainer.save(file);
        }
        whole.add(trainer.next());
      }
    }
    try (Trainer trainer = trainer(8)) {
      trainer.resume(file);
      assertThat(trainer.step()).isEqualTo(3);
      for (int i = 3; i < 8; i++) {
        assertThat(trainer.next()).isEqualTo(whole.get(i));
      }
    }
  }

  @Test
  void checkpointsOfOtherTrainingOrDamagedOnesAreRefused() throws IOException {
    Path file = folder.resolve("checkpoint");
    try (Trainer trainer = trainer(8)) {
      trainer.save(file);
    }
    try (Trainer other = trainer(9)) {
      refused(KvpException.Kind.BAD_ARGUMENT, "settings", () -> other.resume(file));
    }
    byte[] good = Files.readAllBytes(file);
    try (Trainer trainer = trainer(8)) {
      SplittableRandom random = new SplittableRandom(1);
      for (int i = 0; i < 100; i++) {
        byte[] bytes = good.clone();
        bytes[bytes.length - 1 - random.nextInt(bytes.length / 2)] ^= 1;
        Files.write(file, bytes);
        refused(KvpException.Kind.MALFORMED_FILE, "sha256", () -> trainer.resume(file));
      }
      Files.write(file, Arrays.copyOf(good, good.length / 2));
      refused(KvpException.Kind.MALFORMED_FILE, "checkpoint", () -> trainer.resume(file));
      Files.write(file, good);
      trainer.resume(file);
    }
  }

  private static void refused(KvpException.Kind kind, String message, Runnable call) {
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(call::run)
        .withMessageContaining(message)
        .satisfies(e -> assertThat(e.kind()).isEqualTo(kind));
  }

  /** Saves after every step until it is killed. */
  static final class EndlessTraining {
    private EndlessTraining() {}

    public static void main(String[] args) {
      Path file = Path.of(args[0]);
      try (Trainer trainer = trainer(1_000_000)) {
        if (Files.exists(file)) {
          trainer.resume(file);
        }
        while (true) {
          trainer.next();
          trainer.save(file);
        }
      }
    }
  }

  /** Killed at any moment, a checkpoint is whole, and training goes on from it. */
  @Test
  void killedTrainingLeavesACheckpointThatResumes() throws Exception {
    Path file = folder.resolve("checkpoint");
    SplittableRandom random = new SplittableRandom(20260102);
    int before = 0;
    for (int round = 0; round < 5; round++) {
      Process process =
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "--add-modules",
                  "jdk.incubator.vector",
                  "-XX:TieredStopAtLevel=1",
                  "-cp",
                  System.getProperty("java.class.path"),
                  EndlessTraining.class.getName(),
                  file.toString())
              .redirectErrorStream(true)
              .redirectOutput(folder.resolve("out" + round).toFile())
              .start();
      try {
        long first = Files.exists(file) ? Files.getLastModifiedTime(file).toMillis() : 0;
        long limit = System.nanoTime() + TimeUnit.SECONDS.toNanos(120);
        while (process.isAlive()
            && System.nanoTime() < limit
            && (!Files.exists(file) || Files.getLastModifiedTime(file).toMillis() == first)) {
          Thread.sleep(5);
        }
        Thread.sleep(random.nextInt(300));
        assertThat(process.isAlive())
            .as("%s", Files.readString(folder.resolve("out" + round)))
            .isTrue();
      } finally {
        process.destroyForcibly().waitFor();
      }
      try (Trainer trainer = trainer(1_000_000)) {
        trainer.resume(file);
        assertThat(trainer.step()).isGreaterThan(before);
        before = trainer.step();
        assertThat(trainer.next().loss().total()).isFinite();
      }
    }
  }
}
