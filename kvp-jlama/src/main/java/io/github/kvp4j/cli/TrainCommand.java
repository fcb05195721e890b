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
package io.github.kvp4j.cli;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.corpus.TextCorpus;
import io.github.kvp4j.evaluation.Continuation;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.jlama.Quality;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.KvPredictor;
import io.github.kvp4j.predictor.MeasuredQuality;
import io.github.kvp4j.predictor.PredictorFile;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.training.Learned;
import io.github.kvp4j.training.LossTerms;
import io.github.kvp4j.training.LossWeights;
import io.github.kvp4j.training.StepReport;
import io.github.kvp4j.training.Trainer;
import io.github.kvp4j.training.TrainingItems;
import io.github.kvp4j.training.TrainingSettings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code kvp train}: trains a calibrated predictor by gradients. */
@Command(
    name = "train",
    mixinStandardHelpOptions = true,
    description = {
      "Trains a calibrated predictor by gradients, and measures it on held-out text.",
      "Beside OUT it writes OUT.checkpoint, OUT.csv and a plot of the loss. Ctrl-C saves; --resume"
          + " with the same options goes on."
    },
    footer = {
      "",
      "Examples:",
      "  kvp train --data texts.jsonl.gz --predictor fast.safetensors --out better.safetensors",
      "  kvp train --data texts.jsonl.gz --predictor lp.safetensors --learn projections,auxiliary \\",
      "      --target text --auxiliary-weight 1 --out trained.safetensors",
      "  kvp train --data texts.jsonl.gz --minutes 30 --out better.safetensors --resume"
    })
final class TrainCommand implements Callable<Integer> {
  /** Items that the held-out loss is a mean of. */
  private static final int HELD_OUT = 12;

  /**
   * What the exact base is computed with: oneDNN beside PyTorch gave numbers that are not finite.
   */
  private static final String KERNELS = "vector";

  @Mixin private ModelOption model = new ModelOption();

  @Option(
      names = "--data",
      required = true,
      paramLabel = "FILE",
      description = "Text: plain, or JSON Lines with a field 'text'; may be gzipped; repeatable.")
  private List<Path> data = List.of();

  @Option(
      names = "--predictor",
      paramLabel = "FILE",
      description = "The calibrated predictor to begin with (default: the bundled one).")
  private @Nullable Path predictor;

  @Option(
      names = "--quality",
      defaultValue = "FAST",
      description =
          "Which bundled predictor: ${COMPLETION-CANDIDATES} (default:" + " ${DEFAULT-VALUE}).")
  private Quality quality = Quality.FAST;

  @Option(
      names = "--learn",
      split = ",",
      paramLabel = "WHAT",
      description =
          "What changes: ${COMPLETION-CANDIDATES}, several with commas between (default:"
              + " projections, and linearised where the predictor has such layers).")
  private @Nullable List<Learned> learn;

  @Option(
      names = "--target",
      defaultValue = "EXACT",
      description =
          "What the base on the predicted cache is held against: EXACT, its distribution on the"
              + " exact cache, or TEXT, the text itself (default: ${DEFAULT-VALUE}).")
  private LossWeights.Target target = LossWeights.Target.EXACT;

  @Option(
      names = "--base-weight",
      defaultValue = "1",
      description = "Weight of that term (default: ${DEFAULT-VALUE}).")
  private double baseWeight;

  @Option(
      names = "--auxiliary-weight",
      defaultValue = "1",
      description =
          "Weight of the auxiliary's own cross entropy, where it learns (default:"
              + " ${DEFAULT-VALUE}).")
  private double auxiliaryWeight;

  @Option(
      names = "--consistency",
      defaultValue = "0.1",
      description =
          "Weight of the distance of predicted keys and values from the exact ones, a mean over"
              + " layers (default: ${DEFAULT-VALUE}).")
  private double consistency;

  @Option(
      names = "--mix",
      defaultValue = "0.4,0.3,0.3",
      converter = MixConverter.class,
      paramLabel = "T,C,Q",
      description =
          "Shares of running text, copied spans, and questions after a passage (default:"
              + " ${DEFAULT-VALUE}).")
  private TrainingItems.Mix mix = new TrainingItems.Mix(0.4, 0.3, 0.3);

  @Option(
      names = "--anchors",
      defaultValue = "4/24/0",
      converter = AnchorsConverter.class,
      paramLabel = "SINK/TAIL/0",
      description = "Tokens that stay exact while training (default: ${DEFAULT-VALUE}).")
  private Anchors anchors = new Anchors(4, 24, 0);

  @Option(
      names = "--length",
      defaultValue = "384",
      description = "Most tokens of a training prompt (default: ${DEFAULT-VALUE}).")
  private int length;

  @Option(
      names = "--steps",
      defaultValue = "400",
      description = "Updates in all (default: ${DEFAULT-VALUE}).")
  private int steps;

  @Option(
      names = "--batch",
      defaultValue = "4",
      description = "Items whose gradients make an update (default: ${DEFAULT-VALUE}).")
  private int batch;

  @Option(
      names = "--rate",
      defaultValue = "5e-4",
      description = "The highest learning rate (default: ${DEFAULT-VALUE}).")
  private double rate;

  @Option(
      names = "--final-rate",
      defaultValue = "0.1",
      description = "Share of it that the cosine ends at (default: ${DEFAULT-VALUE}).")
  private double finalRate;

  @Option(
      names = "--warm-up",
      defaultValue = "20",
      description = "Updates over which it rises (default: ${DEFAULT-VALUE}).")
  private int warmUp;

  @Option(
      names = "--weight-decay",
      defaultValue = "0",
      description =
          "Of matrices, decoupled; the paper's, for training from nothing, is 0.1"
              + " (default: ${DEFAULT-VALUE}).")
  private double weightDecay;

  @Option(
      names = "--clip",
      defaultValue = "1",
      description = "The largest norm of the gradients (default: ${DEFAULT-VALUE}).")
  private double clip;

  @Option(
      names = "--seed",
      defaultValue = "42",
      description = "Of the choice of texts (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Option(
      names = "--every",
      defaultValue = "25",
      description =
          "Updates between two checkpoints, each with the loss on held-out items (default:"
              + " ${DEFAULT-VALUE}).")
  private int every;

  @Option(
      names = "--minutes",
      paramLabel = "N",
      description =
          "Saves and stops after this long, as Ctrl-C does; 0 with --resume writes the predictor of"
              + " OUT.checkpoint as it is.")
  private @Nullable Double minutes;

  @Option(
      names = "--prompts",
      defaultValue = "32",
      description = "Held-out prompts to measure on (default: ${DEFAULT-VALUE}).")
  private int prompts;

  @Mixin private PredictorDtypeOption dtype = new PredictorDtypeOption();

  @Option(
      names = "--resume",
      description = "Go on from OUT.checkpoint, if it is there, with the same options.")
  private boolean resume;

  @Option(
      names = "--out",
      required = true,
      paramLabel = "FILE",
      description = "The predictor file to write.")
  private @Nullable Path out;

  @Override
  public Integer call() {
    if (every < 1 || prompts < 1) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "--every is " + every + " and --prompts " + prompts + "; both must be at least 1.");
    }
    if (predictor != null && same(predictor, Objects.requireNonNull(out))) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "--out is "
              + out
              + ", the file of --predictor, from which --resume has to begin again; write to another"
              + " file.");
    }
    LossWeights loss = new LossWeights(target, baseWeight, auxiliaryWeight, consistency);
    TextCorpus corpus = TextCorpus.read(data, seed);
    try (KvpModel loaded = model.builder(KERNELS).withoutPredictor().warmUp(false).build()) {
      PrefillEngine engine = ModelOption.engine(loaded);
      PredictorFile start = start(loaded);
      checkLength(engine, start.predictor());
      TrainingSettings settings =
          new TrainingSettings(
              learned(start.predictor()),
              loss,
              anchors,
              steps,
              batch,
              rate,
              finalRate,
              warmUp,
              weightDecay,
              clip,
              seed,
              String.join(
                  " ",
                  data.stream().map(FileName::of).toList().toString(),
                  mix.toString(),
                  Integer.toString(length),
                  corpus.checksum()));
      try (Trainer trainer =
          new Trainer(engine, start.predictor(), settings, items(loaded, corpus.fitted())::next)) {
        return train(loaded, engine, start, trainer, corpus.heldOut());
      }
    }
  }

  private void checkLength(PrefillEngine engine, KvPredictor start) {
    int context = engine.weights().shape().contextLength();
    if (start.auxiliary() instanceof Auxiliary.Sibling sibling) {
      context = Math.min(context, sibling.model().shape().contextLength());
    }
    if (length > context - TrainingItems.FOLLOWING) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "--length is "
              + length
              + ", but the model's context of "
              + context
              + " has room for prompts of "
              + (context - TrainingItems.FOLLOWING)
              + " tokens and the "
              + TrainingItems.FOLLOWING
              + " that follow; give at most that.");
    }
  }

  private static boolean same(Path a, Path b) {
    try {
      return Files.isSameFile(a, b);
    } catch (IOException e) {
      return false; // one of them is not there
    }
  }

  private PredictorFile start(KvpModel loaded) {
    if (predictor != null) {
      return loaded.readPredictor(predictor);
    }
    return loaded
        .findPredictor(quality)
        .orElseThrow(() ->
            new KvpException(
                KvpException.Kind.BAD_ARGUMENT,
                "No predictor comes with this program for the model '"
                    + model.name()
                    + "'; calibrate one and name it with --predictor."));
  }

  private EnumSet<Learned> learned(KvPredictor start) {
    if (learn != null) {
      EnumSet<Learned> out = EnumSet.noneOf(Learned.class);
      out.addAll(learn);
      return out;
    }
    return start.auxiliary() instanceof Auxiliary.Prefix prefix && !prefix.linearised().isEmpty()
        ? EnumSet.of(Learned.PROJECTIONS, Learned.LINEARISED)
        : EnumSet.of(Learned.PROJECTIONS);
  }

  private TrainingItems items(KvpModel loaded, TextCorpus corpus) {
    int least = anchors.sink() + anchors.tail() + 32;
    return new TrainingItems(
        corpus,
        new TrainingItems.Encoding(loaded::encodePrompt, loaded.tokenizer()::encode),
        mix,
        least,
        length);
  }

  private int train(
      KvpModel loaded,
      PrefillEngine engine,
      PredictorFile start,
      Trainer trainer,
      TextCorpus heldOut) {
    Path target = Objects.requireNonNull(out);
    Path checkpoint = target.resolveSibling(target.getFileName() + ".checkpoint");
    if (resume && Files.exists(checkpoint)) {
      trainer.resume(checkpoint);
    }
    TrainingLog log = new TrainingLog(target, trainer.step());
    List<Continuation> held = new ArrayList<>();
    TrainingItems heldItems = items(loaded, heldOut);
    for (int i = 0; i < HELD_OUT; i++) {
      held.add(heldItems.next(new SplittableRandom(seed + i)));
    }
    HeldOut measuredOn = HeldOut.of(loaded, engine, heldOut, prompts, seed);
    measuredOn.warn();
    System.out.printf(
        Locale.ROOT,
        "%,d numbers learn; step %d of %d; held-out loss %s%n",
        trainer.parameters(),
        trainer.step(),
        steps,
        text(trainer.validate(held)));
    try (ProgressDisplay progress = new ProgressDisplay()) {
      try (ExitRequest exit = new ExitRequest()) {
        loop(trainer, held, log, checkpoint, progress, exit);
        if (trainer.step() < steps) {
          write(start, trainer, dtype.of(trainer.predictor()), HeldOut.NONE, List.of(), target);
          log.draw();
          System.out.println(
              "Wrote "
                  + target
                  + ", not measured, after step "
                  + trainer.step()
                  + " of "
                  + steps
                  + "; go on with --resume");
          return 0;
        }
      }
      log.draw();
      KvPredictor trained = dtype.of(trainer.predictor());
      List<MeasuredQuality> measured =
          PredictorMeasurement.measure(engine, trained, measuredOn, progress);
      progress.end();
      write(start, trainer, trained, measuredOn, measured, target);
      PredictorMeasurement.print(measured);
      System.out.println("Wrote " + target + (measured.isEmpty() ? ", not measured" : ""));
    }
    return 0;
  }

  private void write(
      PredictorFile start,
      Trainer trainer,
      KvPredictor trained,
      HeldOut measuredOn,
      List<MeasuredQuality> measured,
      Path file) {
    Map<String, String> how = new TreeMap<>(start.calibration());
    measuredOn.note(how);
    how.put("training.steps", Integer.toString(trainer.step()));
    how.put("training.batch", Integer.toString(batch));
    how.put("training.rate", Double.toString(rate));
    how.put(
        "training.loss",
        String.format(
            Locale.ROOT, "%s %s, %s, %s", target, baseWeight, auxiliaryWeight, consistency));
    how.put("training.mix", mix.toString());
    how.put("training.anchors", anchors.toString());
    how.put("training.seed", Long.toString(seed));
    new PredictorFile(trained, start.base(), how, measured).write(file);
  }

  /** Trains until all steps are made, or it is to stop. */
  private void loop(
      Trainer trainer,
      List<Continuation> held,
      TrainingLog log,
      Path checkpoint,
      ProgressDisplay progress,
      ExitRequest exit) {
    int first = trainer.step();
    long begin = System.nanoTime();
    progress.start("train", steps - first);
    while (trainer.step() < steps && !exit.asked() && !timeIsUp(begin)) {
      long from = System.nanoTime();
      StepReport report = trainer.next();
      double seconds = (System.nanoTime() - from) / 1e9;
      boolean mark = report.step() % every == 0 || report.step() == steps;
      log.add(report, seconds, mark ? validated(trainer, held) : null);
      if (mark) {
        save(trainer, log, checkpoint);
      }
      double each = (System.nanoTime() - begin) / 6e10 / (report.step() - first);
      progress.note(
          String.format(
              Locale.ROOT,
              "loss %s, %.0f tokens/s, %.0f min left",
              text(report.loss()),
              report.tokens() / seconds,
              each * (steps - report.step())));
      progress.advance(1);
    }
    progress.end();
    save(trainer, log, checkpoint);
  }

  /** The log first: what it has beyond a checkpoint is made again, what it lacks never is. */
  private static void save(Trainer trainer, TrainingLog log, Path checkpoint) {
    log.write();
    trainer.save(checkpoint);
  }

  /** The loss on held-out items; a predictor that gives none is not saved over a good one. */
  private static LossTerms validated(Trainer trainer, List<Continuation> held) {
    LossTerms loss = trainer.validate(held);
    if (!Double.isFinite(loss.total())) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The held-out loss after step "
              + trainer.step()
              + " is "
              + loss.total()
              + "; begin anew with a lower learning rate, --rate.");
    }
    return loss;
  }

  private boolean timeIsUp(long begin) {
    return minutes != null && (System.nanoTime() - begin) / 6e10 >= minutes;
  }

  private static String text(LossTerms loss) {
    return String.format(
        Locale.ROOT,
        "%.4f (base %.4f, auxiliary %.4f, consistency %.4f)",
        loss.total(),
        loss.base(),
        loss.auxiliary(),
        loss.consistency());
  }
}
