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

import io.github.kvp4j.KvpException;
import io.github.kvp4j.evaluation.Continuation;
import io.github.kvp4j.format.Safetensors;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.predictor.KvPredictor;
import io.github.kvp4j.prefill.PrefillEngine;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.function.Function;

/**
 * Trains a predictor by gradients, from one that was calibrated; the base stays as it is.
 *
 * <p>Which items a step sees follows from the seed and its number alone, so that training which was
 * saved and resumed goes on as if it had not been interrupted. Not safe for several threads.
 */
public final class Trainer implements AutoCloseable {
  private static final String FORMAT = "kvp4j-training";
  private static final String VERSION = "1";

  private final TrainingSettings settings;
  private final Function<SplittableRandom, Continuation> items;
  private final Parameters parameters;
  private final TrainingGraph graph;
  private final AdamW optimiser;
  private final String origin; // checksum of what training began with
  private int step;

  /**
   * Prepares training.
   *
   * @param base the base
   * @param start where training begins
   * @param items an item for a generator of random numbers
   * @throws KvpException {@code UNSUPPORTED} where DJL's PyTorch engine is not there, {@code
   *     PREDICTOR_MISMATCH} where the predictor is for another base
   */
  public Trainer(
      PrefillEngine base,
      KvPredictor start,
      TrainingSettings settings,
      Function<SplittableRandom, Continuation> items) {
    start.checkFits(base.weights().shape());
    this.settings = settings;
    this.items = items;
    this.parameters = new Parameters(start, base.weights(), settings.learned());
    try {
      this.graph =
          new TrainingGraph(base, start, parameters, settings.anchors(), settings.loss(), false);
    } catch (LinkageError e) {
      throw noEngine(e);
    }
    this.optimiser = new AdamW(settings.weightDecay(), settings.clip());
    this.origin = Safetensors.checksum(tensors(false));
  }

  static KvpException noEngine(Throwable e) {
    return new KvpException(
        KvpException.Kind.UNSUPPORTED,
        "Training needs DJL's PyTorch engine (ai.djl.pytorch:pytorch-engine, pytorch-jni and"
            + " pytorch-native-cpu), which is not on the class path or can't be loaded ("
            + e
            + ").",
        e);
  }

  /** Updates made so far. */
  public int step() {
    return step;
  }

  /** What is learned, by name: for tests. */
  Parameters learned() {
    return parameters;
  }

  /** Numbers that are learned. */
  public long parameters() {
    return parameters.count();
  }

  /** The predictor as it is now, its matrices in BF16. */
  public KvPredictor predictor() {
    return parameters.predictor();
  }

  /** The mean loss over some items, nothing learned of them. */
  public LossTerms validate(List<Continuation> held) {
    return graph.loss(held);
  }

  /**
   * Makes one update.
   *
   * @throws KvpException {@code BAD_ARGUMENT} where the loss, the gradients or what they make of
   *     the predictor are not finite: no step can follow
   */
  public StepReport next() {
    List<Continuation> batch = new ArrayList<>();
    int tokens = 0;
    for (int i = 0; i < settings.batch(); i++) {
      Continuation item = items.apply(random(settings.seed(), (long) step * settings.batch() + i));
      batch.add(item);
      tokens += item.prompt().length + item.following().length;
    }
    LossTerms loss = graph.gradients(batch);
    double rate = settings.rate(step);
    double norm = AdamW.norm(parameters.all());
    if (!Double.isFinite(norm) || !Double.isFinite(loss.total())) {
      throw diverged("The gradients of step " + (step + 1) + " are not finite, with " + loss);
    }
    optimiser.update(parameters.all(), step, rate, norm);
    for (Parameter p : parameters.all()) {
      if (!p.isFinite()) {
        throw diverged("The numbers '" + p.name + "' are not finite after step " + (step + 1));
      }
    }
    step++;
    return new StepReport(step, rate, loss, norm, tokens);
  }

  /** A checkpoint does not help here: its training goes on with the same learning rate. */
  private static KvpException diverged(String what) {
    return new KvpException(
        KvpException.Kind.BAD_ARGUMENT, what + "; begin anew with a lower learning rate.");
  }

  /** The generator of the n-th item. */
  private static SplittableRandom random(long seed, long n) {
    return new SplittableRandom(new SplittableRandom(seed).nextLong() + n * 0x9E3779B97F4A7C15L);
  }

  // --- checkpoints

  private Map<String, Weight> tensors(boolean withMoments) {
    Map<String, Weight> out = new LinkedHashMap<>();
    for (Parameter p : parameters.all()) {
      out.put(p.name, Weight.of(p.values, p.rows, p.columns));
      if (withMoments) {
        out.put(p.name + ".mean", Weight.of(p.mean, p.rows, p.columns));
        out.put(p.name + ".variance", Weight.of(p.variance, p.rows, p.columns));
      }
    }
    return out;
  }

  /** Saves everything that resuming needs, atomically. */
  public void save(Path file) {
    Map<String, Weight> tensors = tensors(true);
    Map<String, String> meta = new LinkedHashMap<>();
    meta.put("format", FORMAT);
    meta.put("version", VERSION);
    meta.put("step", Integer.toString(step));
    meta.put("settings", settings.toString());
    meta.put("origin", origin);
    meta.put("sha256", Safetensors.checksum(tensors));
    new Safetensors(meta, tensors).write(file);
  }

  /**
   * Goes on from where a file was saved.
   *
   * @throws KvpException {@code FILE_ACCESS} or {@code MALFORMED_FILE}; {@code BAD_ARGUMENT} where
   *     the file is of training with other settings, other texts among them, or from another
   *     predictor
   */
  public void resume(Path file) {
    Safetensors st = Safetensors.read(file);
    expect(file, st, "format", FORMAT, KvpException.Kind.MALFORMED_FILE);
    expect(file, st, "version", VERSION, KvpException.Kind.MALFORMED_FILE);
    expect(
        file, st, "sha256", Safetensors.checksum(st.tensors()), KvpException.Kind.MALFORMED_FILE);
    expect(file, st, "settings", settings.toString(), KvpException.Kind.BAD_ARGUMENT);
    expect(file, st, "origin", origin, KvpException.Kind.BAD_ARGUMENT);
    String text = st.metadata().getOrDefault("step", "");
    if (!text.matches("\\d{1,9}") || !st.tensors().keySet().equals(tensors(true).keySet())) {
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE,
          "The checkpoint '" + file + "' lacks its step or a tensor, or has one too many.");
    }
    for (Parameter p : parameters.all()) {
      copy(file, st, p.name, p, p.values);
      copy(file, st, p.name + ".mean", p, p.mean);
      copy(file, st, p.name + ".variance", p, p.variance);
    }
    step = Integer.parseInt(text);
  }

  private static void copy(Path file, Safetensors st, String name, Parameter p, float[] into) {
    Weight w = Objects.requireNonNull(st.tensors().get(name));
    if (w.rows() != p.rows || w.columns() != p.columns) {
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE,
          "The checkpoint '" + file + "' has a tensor '" + name + "' of another size.");
    }
    float[] values = w.toArray();
    for (float v : values) {
      if (!Float.isFinite(v)) {
        throw new KvpException(
            KvpException.Kind.MALFORMED_FILE,
            "The checkpoint '" + file + "' has " + v + " in tensor '" + name + "'.");
      }
    }
    System.arraycopy(values, 0, into, 0, into.length);
  }

  private static void expect(
      Path file, Safetensors st, String field, String value, KvpException.Kind kind) {
    String found = st.metadata().get(field);
    if (!value.equals(found)) {
      throw new KvpException(
          kind,
          "The checkpoint '"
              + file
              + "' has the "
              + field
              + " '"
              + found
              + "', where '"
              + value
              + "' is due; resume with what training began with.");
    }
  }

  @Override
  public void close() {
    graph.close();
  }
}
