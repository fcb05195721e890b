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
import io.github.kvp4j.calibration.CalibrationSettings;
import io.github.kvp4j.calibration.Calibrator;
import io.github.kvp4j.calibration.ClusterCalibrator;
import io.github.kvp4j.calibration.PredictorSearch;
import io.github.kvp4j.calibration.RidgeCalibrator;
import io.github.kvp4j.calibration.SeparateCalibrator;
import io.github.kvp4j.calibration.SeparateClusterCalibrator;
import io.github.kvp4j.cluster.Cluster;
import io.github.kvp4j.corpus.TextCorpus;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.AuxiliaryKind;
import io.github.kvp4j.predictor.KvPredictor;
import io.github.kvp4j.predictor.MeasuredQuality;
import io.github.kvp4j.predictor.PredictorFile;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.training.TrainingItems;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** {@code kvp calibrate}: fits a predictor in closed form and measures it on held-out text. */
@Command(
    name = "calibrate",
    mixinStandardHelpOptions = true,
    description = "Fits a predictor for a model from text, without gradients, and measures it.",
    footer = {
      "",
      "Examples:",
      "  kvp calibrate --data texts.jsonl.gz --layers 22 --sources 22 --out faithful.safetensors",
      "  kvp calibrate --data texts.jsonl.gz --layers 22 --sources 0,22 --mix 0.4,0.3,0.3 \\",
      "      --out retrieval.safetensors",
      "  kvp calibrate --data a.txt --data b.txt --layers 22 --linearise 12-19 --sources 22 \\",
      "      --out fast.safetensors",
      "  kvp calibrate --data texts.jsonl.gz --kind layer-pruned --keep 0.5 --out lp.safetensors",
      "  kvp calibrate --data texts.jsonl.gz --kind layer-pruned --auxiliary trained.safetensors \\",
      "      --out again.safetensors",
      "  kvp calibrate --data texts.jsonl.gz --kind sibling --auxiliary models/small \\",
      "      --out small.safetensors",
      "  kvp calibrate --data texts.jsonl.gz --search --budget 0.65 --out found.safetensors"
    })
final class CalibrateCommand implements Callable<Integer> {
  private static final int LONGEST = 512;

  /** A search fits its candidates on one text in so many. */
  private static final int SEARCH_SHARE = 6;

  /** Prompts of each kind that a search measures with. */
  private static final int SEARCH_ITEMS = 8;

  private static final int SEARCH_PROMPT = 447;

  @Mixin private ModelOption model = new ModelOption();

  @Option(
      names = "--data",
      required = true,
      paramLabel = "FILE",
      description = "Text: plain, or JSON Lines with a field 'text'; may be gzipped; repeatable.")
  private List<Path> data = List.of();

  @Option(
      names = "--kind",
      defaultValue = "prefix",
      paramLabel = "KIND",
      converter = KindConverter.class,
      description =
          "What reads the prompt: prefix, the model's own first layers (default); layer-pruned, the"
              + " model with layers left out; sibling, a smaller model with the same tokenizer.")
  private AuxiliaryKind kind = AuxiliaryKind.PREFIX;

  @Option(
      names = "--layers",
      paramLabel = "N",
      description = "For prefix: how many of the model's layers run for every prompt token.")
  private @Nullable Integer layers;

  @Option(
      names = "--keep",
      paramLabel = "SHARE|LIST",
      description =
          "For layer-pruned: which of the model's layers stay, 0.25, 0.5 or 0.75 of them by the"
              + " rule of the paper, or a list such as 0-7,9.")
  private @Nullable String keep;

  @Option(
      names = "--auxiliary",
      paramLabel = "DIR|FILE",
      description =
          "For sibling: the folder of the smaller model. For sibling, and for layer-pruned in place"
              + " of --keep: a predictor whose auxiliary was trained; new projections are fitted to"
              + " it.")
  private @Nullable Path auxiliary;

  @Option(
      names = "--layer-map",
      split = ",",
      paramLabel = "N",
      description =
          "For layer-pruned and sibling: for each of the model's layers the layer of the auxiliary,"
              + " counted from 0, that it is predicted from; must not descend (default: the"
              + " paper's).")
  private @Nullable List<Integer> layerMap;

  @Option(
      names = "--map-width",
      paramLabel = "N",
      defaultValue = "1",
      description =
          "For layer-pruned and sibling: how many adjacent layers of the auxiliary, the mapped one in"
              + " their middle, a layer is predicted from (default: 1, as in the paper).")
  private int mapWidth;

  @Option(
      names = "--sources",
      paramLabel = "LIST",
      converter = LayerList.Converter.class,
      description = "Layers whose incoming stream is read, each at most N (default: N).")
  private @Nullable LayerList sources;

  @Option(
      names = "--linearise",
      paramLabel = "LIST",
      converter = LayerList.Converter.class,
      description = "Layers below N whose feed-forward network becomes linear (default: none).")
  private @Nullable LayerList linearise;

  @Option(
      names = "--search",
      description =
          "For prefix: look for the N and the linear layers that harm the output least within the"
              + " budget, then fit them.")
  private boolean search;

  @Option(
      names = "--budget",
      defaultValue = "0.65",
      paramLabel = "SHARE",
      description =
          "For the search: the most operations of prefill, as a share of the exact one's, for a"
              + " prompt of 447 tokens (default: ${DEFAULT-VALUE}).")
  private double budget;

  @Option(
      names = "--try",
      paramLabel = "LIST",
      converter = LayerList.Converter.class,
      description =
          "For the search: the N to try (default: every second one of the upper three quarters).")
  private @Nullable LayerList tried;

  @Option(
      names = "--tokens",
      defaultValue = "205000",
      description = "Tokens to fit on (default: ${DEFAULT-VALUE}).")
  private long tokens;

  @Option(
      names = "--mix",
      converter = MixConverter.class,
      paramLabel = "T,C,Q",
      description =
          "Fit on shares of running text, spans copied after it, and questions after a passage, as"
              + " training does (default: running text alone).")
  private TrainingItems.@Nullable Mix mix;

  @Option(
      names = "--prompts",
      defaultValue = "32",
      description = "Held-out prompts to measure on (default: ${DEFAULT-VALUE}).")
  private int prompts;

  @Option(
      names = "--sink",
      defaultValue = "4",
      description = "First positions left out of the fit (default: ${DEFAULT-VALUE}).")
  private int sink;

  @Option(
      names = "--spark",
      paramLabel = "MASTER",
      description =
          "Have the machines of an Apache Spark sum up the texts' equations, for a prefix predictor;"
              + " the model must be there by the same path, kvp-spark in KVP_CLASSPATH.")
  private @Nullable String spark;

  @Option(
      names = "--seed",
      defaultValue = "42",
      description = "Of the choice of texts (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Mixin private PredictorDtypeOption dtype = new PredictorDtypeOption();

  @Option(
      names = "--out",
      required = true,
      paramLabel = "FILE",
      description = "The predictor file to write.")
  private @Nullable Path out;

  @Override
  public Integer call() {
    if (tokens < 1_000 || prompts < 1) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "--tokens is "
              + tokens
              + " and --prompts "
              + prompts
              + "; at least 1000 tokens and 1 prompt are needed.");
    }
    if (search
        && (kind != AuxiliaryKind.PREFIX
            || layers != null
            || sources != null
            || linearise != null)) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "--search finds --layers, --sources and --linearise of a prefix predictor itself; leave"
              + " them and --kind out.");
    }
    switch (kind) {
      case PREFIX -> needed("--layers", search ? Integer.valueOf(0) : layers);
      case LAYER_PRUNED -> {
        needed("--keep or --auxiliary", keep == null ? auxiliary : keep);
        if (keep != null && auxiliary != null) {
          throw new KvpException(
              KvpException.Kind.BAD_ARGUMENT,
              "--keep is "
                  + keep
                  + " and --auxiliary "
                  + auxiliary
                  + ", which has layers of its own; give one of the two.");
        }
      }
      case SIBLING -> needed("--auxiliary", auxiliary);
    }
    TextCorpus corpus = TextCorpus.read(data, seed);
    try (KvpModel loaded = model.builder().withoutPredictor().warmUp(false).build()) {
      PrefillEngine engine = ModelOption.engine(loaded);
      // measured on passages that the fit never sees
      TextCorpus heldOut = corpus.heldOut();
      List<int[]> fit =
          texts(
              loaded, corpus.fitted(), Math.min(LONGEST, engine.weights().shape().contextLength()));
      if (fit.isEmpty()) {
        throw new KvpException(
            KvpException.Kind.BAD_ARGUMENT,
            "The data has " + corpus.size() + " passages, too few to fit on; give more text.");
      }
      HeldOut measured = HeldOut.of(loaded, engine, heldOut, prompts, seed);
      measured.warn();
      try (ProgressDisplay progress = new ProgressDisplay()) {
        if (search) {
          CalibrationSettings found = found(loaded, engine, fit, heldOut, progress);
          layers = found.layers();
          linearise = new LayerList(found.linearised());
        }
        long start = System.nanoTime();
        Calibrator calibrator;
        KvPredictor result;
        try (Cluster cluster = spark == null ? null : Cluster.open(spark)) {
          calibrator = calibrator(loaded, engine, fit, progress, cluster);
          result = calibrator.fit();
        }
        KvPredictor predictor = dtype.of(result);
        progress.end();
        System.out.printf(
            Locale.ROOT,
            "Fitted %,d numbers on %,d tokens in %.0f s; lambda %s%n",
            predictor.parameters(),
            calibrator.tokens(),
            (System.nanoTime() - start) / 1e9,
            calibrator.chosenLambdas());
        List<MeasuredQuality> quality =
            PredictorMeasurement.measure(engine, predictor, measured, progress);
        progress.end();
        Map<String, String> how = new TreeMap<>();
        how.put("data", String.join(",", data.stream().map(FileName::of).toList()));
        how.put("tokens", Long.toString(calibrator.tokens()));
        how.put("seed", Long.toString(seed));
        how.put("sink", Integer.toString(sink));
        if (mix != null) {
          how.put("mix", mix.text() + "," + mix.copy() + "," + mix.question());
        }
        measured.note(how);
        how.put("lambda", calibrator.chosenLambdas().toString());
        new PredictorFile(predictor, loaded.fingerprint().orElseThrow(), how, quality)
            .write(java.util.Objects.requireNonNull(out));
        PredictorMeasurement.print(quality);
        System.out.println("Wrote " + out + (quality.isEmpty() ? ", not measured" : ""));
      }
    }
    return 0;
  }

  private List<int[]> texts(KvpModel loaded, TextCorpus corpus, int longest) {
    if (mix == null || corpus.size() == 0) {
      return corpus.takeTokens(loaded::encodePrompt, 0, tokens, 64, longest);
    }
    return new TrainingItems(
            corpus,
            new TrainingItems.Encoding(loaded::encodePrompt, loaded.tokenizer()::encode),
            mix,
            64,
            longest - TrainingItems.FOLLOWING)
        .texts(new SplittableRandom(seed), tokens);
  }

  /** Looks for the best setting within the budget and shows all that were measured. */
  private CalibrationSettings found(
      KvpModel loaded,
      PrefillEngine engine,
      List<int[]> fit,
      TextCorpus heldOut,
      ProgressDisplay progress) {
    int count = engine.weights().shape().layers();
    List<Integer> prefixes =
        tried != null
            ? List.copyOf(tried.layers())
            : IntStream.iterate(Math.max(1, count / 4), n -> n < count, n -> n + 2)
                .boxed()
                .toList();
    int part = Math.max(1, fit.size() / SEARCH_SHARE);
    HeldOut measured = HeldOut.of(loaded, engine, heldOut, SEARCH_ITEMS, seed);
    List<PredictorSearch.Candidate> candidates =
        new PredictorSearch(
                engine,
                new PredictorSearch.Settings(
                    budget, SEARCH_PROMPT, new Anchors(4, 24, 0), prefixes, sink),
                fit.subList(0, part),
                measured.text().prompts(),
                measured.copy().prompts(),
                progress,
                Cancellation.NEVER)
            .run();
    progress.end();
    System.out.printf(
        "%-4s %-28s %6s %9s %9s %11s%n", "N", "linear", "cost", "text KL", "copy KL", "copy agree");
    for (PredictorSearch.Candidate c : candidates) {
      System.out.printf(
          Locale.ROOT,
          "%-4d %-28s %6.3f %9.4f %9.4f %11.3f%n",
          c.settings().layers(),
          LayerList.text(c.settings().linearised()),
          c.cost(),
          c.text().kl(),
          c.copy().kl(),
          c.copy().agreement());
    }
    CalibrationSettings best = candidates.getFirst().settings();
    System.out.printf(
        "Found by %d prompts: --layers %d%s%n",
        2 * SEARCH_ITEMS,
        best.layers(),
        best.linearised().isEmpty() ? "" : " --linearise " + LayerList.text(best.linearised()));
    return best;
  }

  private Calibrator calibrator(
      KvpModel loaded,
      PrefillEngine engine,
      List<int[]> fit,
      ProgressDisplay progress,
      @Nullable Cluster cluster) {
    if (kind == AuxiliaryKind.PREFIX) {
      int n = needed("--layers", layers);
      CalibrationSettings settings =
          new CalibrationSettings(
              n,
              sources == null ? List.of(n) : List.copyOf(sources.layers()),
              linearise == null ? new TreeSet<>() : linearise.layers(),
              sink,
              CalibrationSettings.LAMBDAS);
      return cluster == null
          ? new RidgeCalibrator(engine, settings, fit, progress, Cancellation.NEVER)
          : new ClusterCalibrator(cluster, clusterBase(loaded), settings, fit, progress);
    }
    SeparateAuxiliary words =
        new SeparateAuxiliary(
            kind,
            keep == null ? List.of() : kept(keep, engine.weights().shape().layers()),
            auxiliary == null ? "" : auxiliary.toAbsolutePath().toString(),
            layerMap == null ? List.of() : layerMap,
            mapWidth);
    return cluster == null
        ? new SeparateCalibrator(
            engine,
            words.of(loaded),
            sink,
            CalibrationSettings.LAMBDAS,
            fit,
            progress,
            Cancellation.NEVER)
        : new SeparateClusterCalibrator(
            cluster,
            new ClusterModels(clusterBase(loaded), words),
            sink,
            CalibrationSettings.LAMBDAS,
            fit,
            progress);
  }

  /** With the kernels that are chosen here, so that every machine computes what this one would. */
  private static ClusterBase clusterBase(KvpModel loaded) {
    return new ClusterBase(
        loaded.directory().toAbsolutePath().toString(), ModelOption.kernelWord(loaded));
  }

  /** Reads {@code 0.5} or {@code 0-7,9}. */
  private static List<Integer> kept(String text, int layers) {
    if (text.matches("0?\\.\\d+")) {
      return Auxiliary.LayerPruned.keep(Double.parseDouble(text), layers);
    }
    List<Integer> kept;
    try {
      kept = List.copyOf(new LayerList.Converter().convert(text).layers());
    } catch (TypeConversionException e) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "--keep is '" + text + "'; write 0.25, 0.5, 0.75 or a list of layers such as 0-7,9.",
          e);
    }
    if (!kept.isEmpty() && kept.getLast() >= layers) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "--keep is " + text + ", but the model's last layer is " + (layers - 1) + ".");
    }
    return kept;
  }

  private <T> T needed(String option, @Nullable T value) {
    if (value == null) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "A predictor of kind " + kind + " needs the option " + option + ".");
    }
    return value;
  }

  /** Reads {@code layer-pruned} as {@link AuxiliaryKind#LAYER_PRUNED}. */
  static final class KindConverter implements ITypeConverter<AuxiliaryKind> {
    @Override
    public AuxiliaryKind convert(String text) {
      for (AuxiliaryKind kind : AuxiliaryKind.values()) {
        if (kind.name().equalsIgnoreCase(text.replace('-', '_'))) {
          return kind;
        }
      }
      throw new TypeConversionException(
          "'" + text + "' is no kind of predictor; write prefix, layer-pruned or sibling");
    }
  }

  /** The base on a machine of a cluster, loaded once in a process. */
  private record ClusterBase(String directory, String kernels) implements ClusterCalibrator.Base {
    private static final Map<ClusterBase, KvpModel> LOADED = new ConcurrentHashMap<>();

    KvpModel model() {
      return LOADED.computeIfAbsent(
          this,
          b ->
              KvpModel.builder(Path.of(b.directory))
                  .kernels(b.kernels)
                  .withoutPredictor()
                  .warmUp(false)
                  .build());
    }

    @Override
    public PrefillEngine engine() {
      return ModelOption.engine(model());
    }
  }

  /** The two models of a fit on a machine of a cluster. */
  private record ClusterModels(ClusterBase home, SeparateAuxiliary words)
      implements SeparateClusterCalibrator.Models {
    private static final Map<ClusterModels, Auxiliary.Separate> OPENED = new ConcurrentHashMap<>();

    @Override
    public PrefillEngine base() {
      return home.engine();
    }

    @Override
    public Auxiliary.Separate auxiliary() {
      return OPENED.computeIfAbsent(this, m -> m.words.of(m.home.model()));
    }
  }
}
