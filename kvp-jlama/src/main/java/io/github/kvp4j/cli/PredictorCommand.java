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
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.jlama.Siblings;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.KvPredictor;
import io.github.kvp4j.predictor.LayerMap;
import io.github.kvp4j.predictor.MeasuredQuality;
import io.github.kvp4j.predictor.PredictorFile;
import io.github.kvp4j.predictor.PrefillCost;
import io.github.kvp4j.prefill.PrefillEngine;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code kvp predictor}: what a predictor file is. */
@Command(
    name = "predictor",
    mixinStandardHelpOptions = true,
    description = "Shows what a predictor file is, for which model, and what was measured.",
    footer = {
      "",
      "Examples:",
      "  kvp predictor info my.safetensors",
      "  kvp predictor verify my.safetensors --data texts.jsonl.gz --prompts 8 --json quality.json"
    })
final class PredictorCommand implements Runnable {
  @Command(
      name = "info",
      mixinStandardHelpOptions = true,
      description = "Checks a predictor file and shows what is in it.")
  int info(@Parameters(paramLabel = "FILE", description = "The file.") Path file) {
    PredictorFile p;
    try (Siblings siblings = new Siblings()) {
      p = PredictorFile.read(file, siblings);
    }
    System.out.println("kind         " + p.predictor().auxiliary().kind());
    switch (p.predictor().auxiliary()) {
      case Auxiliary.Prefix prefix -> {
        System.out.println("layers       " + prefix.layers());
        System.out.println("sources      " + prefix.sources());
        System.out.println("linearised   " + prefix.linearised().keySet());
      }
      case Auxiliary.LayerPruned pruned -> {
        System.out.println("kept         " + pruned.kept());
        printReading(pruned, "base's");
      }
      case Auxiliary.Sibling sibling -> {
        Auxiliary.Sibling.Origin origin = sibling.origin();
        System.out.println("sibling      " + (origin == null ? "" : origin.directory()));
        printReading(sibling, "its own");
      }
    }
    System.out.printf(Locale.ROOT, "parameters   %,d%n", p.predictor().parameters());
    System.out.println("base         " + p.base().shape());
    System.out.println("tokenizer    " + p.base().tokenizer());
    System.out.println("weights      " + p.base().weights());
    p.calibration().forEach((k, v) -> System.out.printf("%-12s %s%n", k, v));
    p.base().sizes().ifPresent(shape -> printCost(shape, p.predictor()));
    PredictorMeasurement.print(p.quality());
    return 0;
  }

  private static void printReading(Auxiliary.Separate auxiliary, String untrained) {
    System.out.println("weights      " + (auxiliary.trained().isEmpty() ? untrained : "trained"));
    System.out.println("layer map    " + shown(auxiliary.map()));
  }

  /** What a prompt takes, by its length, with the anchors that are used where nothing is said. */
  private static void printCost(ModelShape base, KvPredictor predictor) {
    predictor.checkFits(base);
    for (int tokens : List.of(128, 512, 2048)) {
      double exact = PrefillCost.exact(base, tokens);
      double predicted = PrefillCost.predicted(base, predictor, Anchors.DEFAULT, tokens);
      System.out.printf(
          Locale.ROOT,
          "%-12s %d tokens, anchors %s: %.1f of %.1f GFLOP, %.3f%n",
          "cost",
          tokens,
          Anchors.DEFAULT,
          predicted / 1e9,
          exact / 1e9,
          predicted / exact);
    }
  }

  @Command(
      name = "verify",
      mixinStandardHelpOptions = true,
      description =
          "Checks a predictor file against its model and measures it anew on text of your own.")
  int verify(
      @Parameters(paramLabel = "FILE", description = "The file.") Path file,
      @Mixin ModelOption model,
      @Option(
              names = "--data",
              required = true,
              paramLabel = "FILE",
              description = "Text: plain, or JSON Lines with a field 'text'; repeatable.")
          List<Path> data,
      @Option(
              names = "--prompts",
              defaultValue = "32",
              description = "Prompts to measure on (default: ${DEFAULT-VALUE}).")
          int prompts,
      @Option(
              names = "--seed",
              defaultValue = "42",
              description = "Of the choice of texts (default: ${DEFAULT-VALUE}).")
          long seed,
      @Option(
              names = "--update",
              description = "Write the figures into the file, in place of those in it.")
          boolean update,
      @Mixin JsonOption json) {
    json.check();
    TextCorpus corpus = TextCorpus.read(data, seed);
    try (KvpModel loaded = model.builder().withoutPredictor().warmUp(false).build();
        ProgressDisplay progress = new ProgressDisplay()) {
      PrefillEngine engine = ModelOption.engine(loaded);
      PredictorFile p = loaded.readPredictor(file);
      HeldOut held = HeldOut.of(loaded, engine, corpus, prompts, seed);
      if (held.isEmpty()) {
        throw new KvpException(
            KvpException.Kind.BAD_ARGUMENT,
            "The data has "
                + corpus.size()
                + " passages, too few or too short to measure on; give more text.");
      }
      held.warn();
      List<MeasuredQuality> quality =
          PredictorMeasurement.measure(engine, p.predictor(), held, progress);
      progress.end();
      PredictorMeasurement.print(quality);
      if (update) {
        Map<String, String> how = new TreeMap<>(p.calibration());
        held.note(how);
        PredictorFile.replaceQuality(file, quality, how);
      }
      json.write(Map.of("file", file.toString(), "quality", quality));
    }
    return 0;
  }

  @picocli.CommandLine.Spec private picocli.CommandLine.Model.@Nullable CommandSpec spec;

  @Override
  public void run() {
    if (spec != null) {
      spec.commandLine().usage(spec.commandLine().getOut());
    }
  }

  private static String shown(LayerMap map) {
    return map.sources() + (map.width() == 1 ? "" : ", " + map.width() + " layers read together");
  }
}
