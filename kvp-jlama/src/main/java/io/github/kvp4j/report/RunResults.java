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
package io.github.kvp4j.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.evaluation.AgreementCourse;
import io.github.kvp4j.evaluation.CacheErrors;
import io.github.kvp4j.evaluation.Csv;
import io.github.kvp4j.evaluation.ResultRow;
import io.github.kvp4j.evaluation.RunFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * The raw results in a folder and in the folders in it, as {@code kvp eval}, {@code kvp bench
 * --json} and {@code kvp inspect} wrote them.
 *
 * @param rows of every {@code results.json}, by task
 * @param about what else each {@code results.json} says (machine, versions, commit, seed), by task
 * @param bench of every other JSON file with times by prompt length
 * @param l1 {@link CacheErrors#l1}
 * @param density {@link CacheErrors#density}
 * @param course {@link AgreementCourse#csv}
 * @param files all that this was read from
 * @param answers folders that have the answers item by item, by task
 */
public record RunResults(
    Map<String, List<ResultRow>> rows,
    Map<String, Map<String, JsonNode>> about,
    List<Time> bench,
    List<Cell> l1,
    List<Cell> density,
    List<Course> course,
    List<Path> files,
    Map<String, Set<Path>> answers) {
  /** Where {@code kvp inspect} writes {@link CacheErrors#l1}. */
  public static final String L1 = "cache-error.csv";

  /** Where it writes {@link CacheErrors#density}. */
  public static final String DENSITY = "cache-error-density.csv";

  /** Where it writes what those are of. */
  public static final String INSPECTION = "inspect.json";

  /** Where it writes {@link AgreementCourse#csv}. */
  public static final String COURSE = "refinement.csv";

  /** Under this, among what there is to know, is that of the times. */
  static final String TIMES = "Times by length";

  /** And this is that of the tables of {@code kvp inspect}. */
  static final String ERRORS = "Errors of the cache, and its refinement";

  private static final List<String> FIGURES =
      List.of("rows", "gains", "curve", "curves", "attention_share");

  /** The settings that say what is asked; rows of runs in which one differs are not compared. */
  private static final List<String> ASKED =
      List.of(
          "data",
          "data_checksum",
          "seed",
          "shots",
          "max_tokens",
          "samples",
          "temperature",
          "options",
          "model");

  /**
   * A time to first token.
   *
   * @param millisPerToken of decoding; 0 where nothing was decoded
   */
  public record Time(
      String row, int promptTokens, int batch, double ttftMillis, double millisPerToken) {}

  /**
   * A number of a layer.
   *
   * @param part {@code K} or {@code V}
   * @param at a position, or an error
   */
  public record Cell(String row, String part, int layer, double at, double value) {}

  /** A row's agreement at one token of the answer, from 1. */
  public record Course(String row, int token, double agreement) {}

  /**
   * Reads what is there.
   *
   * @throws KvpException FILE_ACCESS where the folder can't be read, MALFORMED_FILE with file and
   *     line where a file is not what it should be
   */
  public static RunResults read(Path folder) {
    RunResults out =
        new RunResults(
            new LinkedHashMap<>(),
            new LinkedHashMap<>(),
            new ArrayList<>(),
            new ArrayList<>(),
            new ArrayList<>(),
            new ArrayList<>(),
            new ArrayList<>(),
            new LinkedHashMap<>());
    try (Stream<Path> files = Files.walk(folder, 2)) {
      for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
        if (out.add(file)) {
          out.files.add(file);
        }
      }
    } catch (IOException e) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "The folder '" + folder + "' can't be read: " + KvpException.reason(e) + ".",
          e);
    }
    return out;
  }

  /** The metric of a task that says most of its rows: KL or F1 where there are, else the first. */
  static String headline(List<ResultRow> rows) {
    return Stream.of("kl", "f1")
        .filter(metric -> rows.stream().anyMatch(r -> r.metric().equals(metric)))
        .findFirst()
        .orElse(rows.getFirst().metric());
  }

  /** Adds what a file says; whether it says anything. */
  private boolean add(Path file) throws IOException {
    String name = String.valueOf(file.getFileName());
    switch (name) {
      case RunFolder.RESULTS -> addResults(file);
      case INSPECTION -> about.put(ERRORS, others(json(file)));
      case L1 -> lines(file, CacheErrors.L1_HEADER, c -> l1.add(cell(c)));
      case DENSITY -> lines(file, CacheErrors.DENSITY_HEADER, c -> density.add(cell(c)));
      case COURSE ->
          lines(
              file,
              AgreementCourse.HEADER,
              c ->
                  course.add(
                      new Course(
                          c.get(0), Integer.parseInt(c.get(1)), Double.parseDouble(c.get(2)))));
      default -> {
        return name.endsWith(".json") && addBench(file);
      }
    }
    return true;
  }

  private static Cell cell(List<String> c) {
    return new Cell(
        c.get(0),
        c.get(1),
        Integer.parseInt(c.get(2)),
        Double.parseDouble(c.get(3)),
        Double.parseDouble(c.get(4)));
  }

  private interface Line {
    void add(List<String> cells);
  }

  private static void lines(Path file, String header, Line line) throws IOException {
    List<String> lines = Files.readAllLines(file);
    if (lines.isEmpty() || !lines.getFirst().equals(header)) {
      throw malformed(file, 1, "it is not '" + header + "'", null);
    }
    for (int i = 1; i < lines.size(); i++) {
      try {
        line.add(Csv.cells(lines.get(i)));
      } catch (IndexOutOfBoundsException | NumberFormatException e) {
        throw malformed(file, i + 1, "its cells are not those of '" + header + "'", e);
      }
    }
  }

  private static JsonNode json(Path file) throws IOException {
    try {
      return new JsonMapper().readTree(file.toFile());
    } catch (JsonProcessingException e) {
      int line = e.getLocation() == null ? 1 : e.getLocation().getLineNr();
      throw malformed(file, line, "it is no JSON", e);
    }
  }

  private static KvpException malformed(
      Path file, int line, String what, @org.jspecify.annotations.Nullable Exception cause) {
    return new KvpException(
        KvpException.Kind.MALFORMED_FILE,
        "The file '" + file + "' is damaged in line " + line + ": " + what + ".",
        cause);
  }

  /** Where two runs asked the same row of the same items, the one with more of them stands. */
  private static void addRow(List<ResultRow> rows, ResultRow row) {
    for (int i = 0; i < rows.size(); i++) {
      ResultRow other = rows.get(i);
      if (other.row().equals(row.row()) && other.metric().equals(row.metric())) {
        if (other.items() < row.items()) {
          rows.set(i, row);
        }
        return;
      }
    }
    rows.add(row);
  }

  /** All but the figures themselves. */
  private static Map<String, JsonNode> others(JsonNode root) {
    Map<String, JsonNode> out = new LinkedHashMap<>();
    root.properties().forEach(e -> out.put(e.getKey(), e.getValue()));
    FIGURES.forEach(out::remove);
    return out;
  }

  private void addResults(Path file) throws IOException {
    JsonNode root = json(file);
    Map<String, JsonNode> others = others(root);
    Path run = Objects.requireNonNull(file.toAbsolutePath().getParent());
    String folder = String.valueOf(run.getFileName());
    boolean answered = RunFolder.hasItems(run);
    double firstTtft = root.path("rows").path(0).path("ttft_ms").asDouble();
    for (JsonNode row : root.path("rows")) {
      String task = title(row.path("task").asText(), folder, root.path("settings"));
      double ttft = row.path("ttft_ms").asDouble();
      ResultRow read =
          new ResultRow(
              row.path("row").asText(),
              task,
              row.path("metric").asText(),
              row.path("value").asDouble(),
              row.path("low").asDouble(),
              row.path("high").asDouble(),
              row.path("items").asInt(),
              row.path("relative_flops").asDouble(),
              ttft,
              row.path("relative_ttft").asDouble(firstTtft > 0 ? ttft / firstTtft : 0),
              row.path("ms_per_token").asDouble());
      if (read.row().isEmpty() || task.isEmpty() || read.metric().isEmpty()) {
        throw malformed(file, 1, "a row has no row, task or metric", null);
      }
      addRow(rows.computeIfAbsent(task, t -> new ArrayList<>()), read);
      about.putIfAbsent(task, others);
      if (answered) {
        answers.computeIfAbsent(task, t -> new LinkedHashSet<>()).add(run);
      }
    }
  }

  /** The task, with the folder where another run of it asked something else. */
  private String title(String task, String folder, JsonNode settings) {
    JsonNode other = about.getOrDefault(task, Map.of()).get("settings");
    if (other == null) {
      return task;
    }
    boolean same =
        ASKED.stream()
            .allMatch(name ->
                !other.has(name)
                    || !settings.has(name)
                    || other.get(name).equals(settings.get(name)));
    return same ? task : task + " (" + folder + ")";
  }

  private boolean addBench(Path file) throws IOException {
    JsonNode root = json(file);
    int before = bench.size();
    for (JsonNode row : root.path("rows")) {
      if (row.has("prompt_tokens") && row.has("ttft_ms")) {
        about.putIfAbsent(TIMES, others(root));
        bench.add(
            new Time(
                row.path("row").asText(),
                row.path("prompt_tokens").asInt(),
                row.path("batch").asInt(1),
                row.path("ttft_ms").asDouble(),
                row.path("ms_per_token").asDouble(0)));
      }
    }
    return bench.size() > before;
  }

  /**
   * Writes what is to be kept of the results, from which every figure can be made and every run
   * gone on with: tables as they are, and each run's answers item by item, packed.
   *
   * @param folder that was read
   * @param to where to, made if need be
   * @return what was written
   * @throws KvpException FILE_ACCESS, MALFORMED_FILE
   */
  public List<Path> pack(Path folder, Path to) {
    List<Path> written = new ArrayList<>();
    for (Path file : files) {
      Path copy = to.resolve(folder.relativize(file));
      Path own = Objects.requireNonNull(file.toAbsolutePath().getParent());
      Path ownCopy = Objects.requireNonNull(copy.toAbsolutePath().getParent());
      if (file.endsWith(RunFolder.RESULTS) && RunFolder.hasItems(own)) {
        RunFolder.pack(own, ownCopy);
      } else {
        copy(file, copy);
      }
      written.add(copy);
    }
    return written;
  }

  private static void copy(Path file, Path to) {
    try {
      Files.createDirectories(Objects.requireNonNull(to.toAbsolutePath().getParent()));
      if (!Files.exists(to) || !Files.isSameFile(file, to)) {
        Files.copy(file, to, StandardCopyOption.REPLACE_EXISTING);
      }
    } catch (IOException e) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "The file '" + to + "' can't be written: " + KvpException.reason(e) + ".",
          e);
    }
  }

  /** Times of a batch by row and prompt length. */
  Map<String, Map<Integer, Time>> byLength(int batch) {
    Map<String, Map<Integer, Time>> out = new LinkedHashMap<>();
    for (Time time : bench) {
      if (time.batch() == batch) {
        out.computeIfAbsent(time.row(), r -> new TreeMap<>()).put(time.promptTokens(), time);
      }
    }
    return out;
  }
}
