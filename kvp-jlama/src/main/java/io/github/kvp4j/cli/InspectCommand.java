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

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.bench.Origin;
import io.github.kvp4j.corpus.TextCorpus;
import io.github.kvp4j.evaluation.AgreementCourse;
import io.github.kvp4j.evaluation.CacheErrors;
import io.github.kvp4j.evaluation.CacheQuality;
import io.github.kvp4j.evaluation.Continuation;
import io.github.kvp4j.evaluation.EvaluationRow;
import io.github.kvp4j.evaluation.ExactRow;
import io.github.kvp4j.evaluation.PredictedRow;
import io.github.kvp4j.evaluation.RefinedRow;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.predictor.PredictedPrefill;
import io.github.kvp4j.predictor.PredictorFile;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.report.RunResults;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code kvp inspect}: what prediction does to the cache, layer by layer. */
@Command(
    name = "inspect",
    mixinStandardHelpOptions = true,
    description = {
      "Measures on running text how far predicted keys (before RoPE) and values are from exact ones,"
          + " by layer and position, and how the agreement with the exact cache goes on token by"
          + " token, with refinement and without.",
      "Writes cache-error.csv, cache-error-density.csv and refinement.csv, from which report draws."
    },
    footer = {
      "",
      "Examples:",
      "  kvp inspect --data texts.jsonl.gz --out study",
      "  kvp inspect --data texts.jsonl.gz --predictor my.safetensors --anchors 4/24/0 --prompts 64"
          + " --out study"
    })
final class InspectCommand implements Callable<Integer> {
  /** Into how many stretches the prompts are cut. */
  private static final int STRETCHES = 32;

  @Mixin private ModelOption model = new ModelOption();

  @Mixin private AnchorsOption anchors = new AnchorsOption();

  @Option(
      names = "--data",
      required = true,
      paramLabel = "FILE",
      description = "Text: plain, or JSON Lines with a field 'text'; repeatable.")
  private List<Path> data = List.of();

  @Option(
      names = "--predictor",
      paramLabel = "FILE",
      description =
          "A predictor, or the name of one of the model's, such as fast; repeatable (default: those"
              + " of the model).")
  private List<Path> predictors = List.of();

  @Option(
      names = "--prompts",
      defaultValue = "32",
      description = "Prompts to measure on (default: ${DEFAULT-VALUE}).")
  private int prompts;

  @Option(
      names = "--length",
      paramLabel = "TOKENS",
      defaultValue = "447",
      description = "Tokens of each prompt (default: ${DEFAULT-VALUE}).")
  private int length;

  @Option(
      names = "--following",
      paramLabel = "TOKENS",
      defaultValue = "64",
      description = "Tokens of text that follow each prompt (default: ${DEFAULT-VALUE}).")
  private int following;

  @Option(
      names = "--refine-chunk",
      paramLabel = "TOKENS",
      defaultValue = "32",
      description =
          "Prompt tokens that refinement makes exact between two tokens (default:"
              + " ${DEFAULT-VALUE}).")
  private int refineChunk;

  @Option(
      names = "--seed",
      defaultValue = "42",
      description = "Of the choice of texts (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Option(
      names = "--out",
      required = true,
      paramLabel = "DIR",
      description = "Where to write, made if need be.")
  private @Nullable Path out;

  @Override
  public Integer call() {
    if (prompts < 1 || length < 2 || following < 1 || refineChunk < 1) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "--prompts is "
              + prompts
              + ", --length "
              + length
              + ", --following "
              + following
              + ", --refine-chunk "
              + refineChunk
              + "; --length must be at least 2, each other at least 1.");
    }
    Path folder = java.util.Objects.requireNonNull(out);
    TextCorpus corpus = TextCorpus.read(data, seed);
    ReportCommand.makeFolder(folder);
    try (KvpModel loaded = model.builder().warmUp(false).build()) {
      PrefillEngine engine = ModelOption.engine(loaded);
      if (length + following > loaded.usablePositions()) {
        throw new KvpException(
            KvpException.Kind.BAD_ARGUMENT,
            "--length is "
                + length
                + " and --following "
                + following
                + "; together the model takes at most "
                + loaded.usablePositions()
                + ".");
      }
      List<Continuation> items =
          Continuation.text(corpus, loaded::encodePrompt, 0, prompts, length, following);
      if (items.isEmpty()) {
        throw new KvpException(
            KvpException.Kind.BAD_ARGUMENT,
            "The data holds no text of "
                + (length + following)
                + " tokens; give longer ones, or a smaller --length.");
      }
      measure(engine, predictions(loaded, engine), items, folder);
      writeAbout(folder.resolve(RunResults.INSPECTION), loaded, items.size());
    }
    return 0;
  }

  private Map<String, PredictedPrefill> predictions(KvpModel loaded, PrefillEngine engine) {
    Map<String, PredictorFile> files = NamedPredictors.of(loaded, predictors);
    if (files.isEmpty()) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The model has no predictor; name one with --predictor, or make one by kvp calibrate.");
    }
    Map<String, PredictedPrefill> out = new LinkedHashMap<>();
    files.forEach((name, file) -> out.put(name, new PredictedPrefill(engine, file.predictor())));
    return out;
  }

  private void measure(
      PrefillEngine engine,
      Map<String, PredictedPrefill> predictions,
      List<Continuation> items,
      Path folder) {
    List<String> names = new ArrayList<>();
    List<CacheQuality.Prefill> ways = new ArrayList<>();
    List<EvaluationRow> rows = new ArrayList<>();
    predictions.forEach((name, prediction) -> {
      PredictedRow row = new PredictedRow(name, engine, prediction, anchors.value());
      names.add(row.name());
      ways.add((p, c) -> prediction.prefill(p, 0, anchors.value(), c, Cancellation.NEVER));
      rows.add(row);
      rows.add(new RefinedRow(name, engine, prediction, anchors.value(), refineChunk));
    });
    CacheErrors errors = new CacheErrors(engine, names, length, STRETCHES);
    AgreementCourse course = new AgreementCourse(new ExactRow(engine), rows, following);
    try (ProgressDisplay progress = new ProgressDisplay()) {
      progress.start("inspect", items.size());
      for (Continuation item : items) {
        errors.add(item.prompt(), ways);
        course.add(item);
        progress.advance(1);
      }
    }
    write(folder.resolve(RunResults.L1), errors.l1());
    write(folder.resolve(RunResults.DENSITY), errors.density());
    write(folder.resolve(RunResults.COURSE), course.csv());
  }

  /** What the tables are of, as the report says it. */
  private void writeAbout(Path file, KvpModel loaded, int measured) {
    Map<String, Object> about = new LinkedHashMap<>();
    about.put("prompts", measured);
    about.put("length", length);
    about.put("following", following);
    about.put("refine_chunk", refineChunk);
    about.put("anchors", anchors.value().toString());
    about.put("model", FileName.of(loaded.directory()));
    about.putAll(Origin.current());
    about.put("seed", seed);
    try {
      JsonMapper mapper = JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();
      write(file, List.of(mapper.writeValueAsString(about)));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }

  private static void write(Path file, List<String> lines) {
    try {
      Files.write(file, lines);
    } catch (IOException e) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "The file '" + file + "' can't be written: " + KvpException.reason(e) + ".",
          e);
    }
    System.out.println(file);
  }
}
