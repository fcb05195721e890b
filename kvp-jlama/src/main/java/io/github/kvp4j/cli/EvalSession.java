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
import io.github.kvp4j.evaluation.Evaluation;
import io.github.kvp4j.evaluation.EvaluationItem;
import io.github.kvp4j.evaluation.EvaluationRow;
import io.github.kvp4j.evaluation.EvaluationTask;
import io.github.kvp4j.evaluation.ItemResult;
import io.github.kvp4j.evaluation.RunFolder;
import io.github.kvp4j.evaluation.TaskSettings;
import io.github.kvp4j.evaluation.TokenText;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.predictor.PredictorFile;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.zip.CRC32;
import java.util.zip.CheckedInputStream;

/** What the options of {@code kvp eval} come to: a loaded model, its rows and the items. */
final class EvalSession implements AutoCloseable {
  private final EvalOptions options;
  private final EvaluationTask task;
  private final Map<String, String> taskSettings;
  private final Evaluation.Decoding decoding;
  private final KvpModel loaded;
  private final Map<String, PredictorFile> files;
  private final EvalRows rows;
  private final List<EvaluationItem> items;
  private final Evaluation evaluation;

  /**
   * Loads the model and the items.
   *
   * @throws KvpException for options, files and items that do not fit
   */
  EvalSession(EvalOptions options) {
    this.options = options;
    this.task = options.task();
    this.taskSettings = options.settings(task);
    this.decoding = options.decoding(task);
    Map<String, Double> shares = options.fewerShares();
    this.loaded = options.model().builder().warmUp(false).build();
    try {
      this.files = NamedPredictors.of(loaded, options.predictors());
      this.rows =
          new EvalRows(loaded, options.modes(), files, options.anchors(), options.refineChunk());
    } catch (RuntimeException | Error e) {
      loaded.close();
      throw e;
    }
    try {
      this.items =
          task.items(
              new TaskSettings(
                  options.data(),
                  options.limit(),
                  options.seed(),
                  options.shots(task),
                  options.allowsCodeExecution(),
                  taskSettings,
                  loaded::encodePrompt));
      this.evaluation =
          new Evaluation(
              rows.all(), text(loaded), decoding, loaded.usablePositions(), rows.shares(shares));
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  KvpModel loaded() {
    return loaded;
  }

  List<EvaluationItem> items() {
    return items;
  }

  /**
   * Refuses items that do not fit, before any work is done.
   *
   * @return the mean number of prompt tokens
   */
  double check() {
    return evaluation.check(items);
  }

  /** Reads the prompt of the item of a number with every row, so that no time counts compiling. */
  void warmUp(int number) {
    evaluation.warmUp(items.get(number));
  }

  /** The numbers of the items with which groups that are asked together begin. */
  List<Integer> groups() {
    List<Integer> first = new ArrayList<>();
    for (int from = 0; from < items.size(); from += groupSize()) {
      first.add(from);
    }
    return first;
  }

  private int groupSize() {
    return Math.max(1, options.together());
  }

  /** The items that are asked together with the one of a number, and it. */
  List<EvaluationItem> group(int from) {
    return items.subList(from, Math.min(items.size(), from + groupSize()));
  }

  /** The names of the rows that the item of a number is asked of. */
  List<String> rowsOf(int number) {
    return evaluation.rowsOf(number);
  }

  /** The names of all rows, in their order. */
  List<String> rows() {
    return rows.all().stream().map(EvaluationRow::name).toList();
  }

  /**
   * Asks a group what is not known of it.
   *
   * @param have names of the rows that have answered an item, by its id
   * @param rowDone called after each row of each item
   */
  List<ItemResult> measure(int from, Function<String, Set<String>> have, Runnable rowDone) {
    List<Evaluation.Asked> asked = new ArrayList<>();
    int number = from;
    for (EvaluationItem item : group(from)) {
      Set<String> known = have.apply(item.id());
      if (!known.containsAll(rowsOf(number))) {
        asked.add(new Evaluation.Asked(item, number, known));
      }
      number++;
    }
    return evaluation.measure(asked, options.together() > 0, rowDone);
  }

  @Override
  public void close() {
    rows.close();
    loaded.close();
  }

  private static TokenText text(KvpModel loaded) {
    List<Integer> ends = loaded.jlama().getConfig().eosTokens;
    return new TokenText() {
      @Override
      public int[] encode(String prompt) {
        return loaded.encodePrompt(prompt);
      }

      @Override
      public String decode(int[] tokens) {
        return loaded.tokenizer().decode(tokens);
      }

      @Override
      public boolean isEnd(int token) {
        return ends.contains(token);
      }
    };
  }

  /** The task's own settings where nothing is said. */
  Map<String, String> usual() {
    return task.options();
  }

  /** The task's name, with those of its settings that are not as usual. */
  String title() {
    List<String> unusual =
        taskSettings.entrySet().stream()
            .filter(e -> !e.getValue().equals(usual().get(e.getKey())))
            .map(e -> e.getKey() + " " + e.getValue())
            .toList();
    return unusual.isEmpty() ? task.name() : task.name() + ", " + String.join(", ", unusual);
  }

  /** All that the results depend on, so that a run is gone on with by the same alone. */
  Map<String, Object> settings() {
    Path data = options.data();
    Map<String, Object> settings = new LinkedHashMap<>();
    settings.put("task", task.name());
    settings.put("data", data == null ? "" : FileName.of(data));
    settings.put("data_checksum", data == null ? "" : checksum(data));
    settings.put(RunFolder.LIMIT, options.limit());
    settings.put("seed", options.seed());
    settings.put("shots", options.shots(task));
    settings.put("max_tokens", decoding.maxNewTokens());
    settings.put("samples", decoding.sampling().samples());
    settings.put("temperature", decoding.sampling().temperature());
    settings.put(RunFolder.OPTIONS, taskSettings);
    settings.put(RunFolder.FEWER, new TreeMap<>(options.fewerShares()));
    settings.put("together", options.together());
    settings.put(RunFolder.ROWS, rows());
    Map<String, String> checksums = new TreeMap<>();
    files.forEach((name, file) -> checksums.put(name, NamedPredictors.checksum(file)));
    settings.put(RunFolder.PREDICTORS, checksums);
    settings.put("model", FileName.of(loaded.directory()));
    loaded
        .fingerprint()
        .ifPresent(mark -> {
          settings.put("model_weights", mark.weights());
          settings.put("model_tokenizer", mark.tokenizer());
        });
    // with the width of their vectors, on which the order of a sum depends
    settings.put("kernels", ModelOption.engine(loaded).kernels().name());
    settings.put(RunFolder.MACHINES, List.of(io.github.kvp4j.bench.Machine.current()));
    return settings;
  }

  /** Of what is in a file, whatever it is called and wherever it lies. */
  private static String checksum(Path file) {
    CRC32 crc = new CRC32();
    try (InputStream in = new CheckedInputStream(Files.newInputStream(file), crc)) {
      in.transferTo(OutputStream.nullOutputStream());
    } catch (IOException e) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "The data file '" + file + "' can't be read: " + KvpException.reason(e) + ".",
          e);
    }
    return HexFormat.of().toHexDigits((int) crc.getValue());
  }
}
