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
package io.github.kvp4j.evaluation;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.kvp4j.KvpException;
import java.io.BufferedOutputStream;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;
import org.jspecify.annotations.Nullable;

/**
 * The folder of a run: {@code run.json} (its settings), {@code items.jsonl} (what came of each
 * item, appended as it comes) and {@code results.json} (the table). A run that was killed goes on
 * from what is in it, and one that is done from its table and {@code items.jsonl.gz}, which is what
 * is kept of it.
 */
public final class RunFolder implements AutoCloseable {
  private static final JsonMapper JSON = JsonMapper.builder().build();

  /** The setting that says how many items are asked at most. */
  public static final String LIMIT = "limit";

  /** The setting that names the rows. */
  public static final String ROWS = "rows";

  /** The setting that says which rows are asked fewer items. */
  public static final String FEWER = "fewer";

  /** The setting that has a checksum of each predictor. */
  public static final String PREDICTORS = "predictors";

  /** The setting that has the task's own settings. */
  public static final String OPTIONS = "options";

  /** The setting that says on which machines it was asked: a list. */
  public static final String MACHINES = "machines";

  /** Settings in which a run and one that goes on with it may differ. */
  private static final Set<String> FREE = Set.of(LIMIT, ROWS, FEWER, MACHINES);

  private static final String RUN = "run.json";
  private static final String ITEMS = "items.jsonl";
  private static final String PACKED = ITEMS + ".gz";

  /** The file of the table. */
  public static final String RESULTS = "results.json";

  private final Path folder;
  private final Map<String, Object> settings;
  private final Map<String, ItemResult> done = new LinkedHashMap<>();
  private final BufferedWriter items;

  /** The run's machines with this one, until it has asked something; null where it is named. */
  private @Nullable JsonNode machines;

  private RunFolder(
      Path folder, boolean resume, Map<String, Object> settings, Map<String, String> usual)
      throws IOException {
    this.folder = folder;
    this.settings = new LinkedHashMap<>(settings);
    Files.createDirectories(folder);
    Path lines = folder.resolve(ITEMS);
    if (holdsRun(folder)) {
      if (!resume) {
        throw new KvpException(
            KvpException.Kind.BAD_ARGUMENT,
            "The folder '"
                + folder
                + "' holds a run already; go on with it by --resume, or name another folder.");
      }
      JsonNode before = settings(folder);
      compare(folder, before, settings, usual);
      Object here = settings.get(MACHINES);
      if (here != null && before.has(MACHINES)) {
        machines = all(before.get(MACHINES), here);
        this.settings.put(MACHINES, before.get(MACHINES));
      }
      if (Files.exists(lines)) {
        readDone(lines);
      } else if (Files.exists(folder.resolve(PACKED))) {
        unpack(lines);
      }
    }
    write(folder.resolve(RUN), this.settings);
    this.items =
        Files.newBufferedWriter(
            lines, StandardCharsets.UTF_8, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
  }

  /**
   * Opens a run's folder, made if need be.
   *
   * @param resume whether a run that is there may be gone on with
   * @param settings all that the results depend on; those of a run gone on with must be the same,
   *     but for those that only say how much is asked: {@value #LIMIT}, since the items of a
   *     smaller one are the first of a greater one's, {@value #ROWS} and {@value #FEWER}, since
   *     what a row answers does not depend on the others, {@value #MACHINES}, and predictors that
   *     the run had not
   * @param usual the task's own settings where nothing is said: those that a run of an earlier
   *     version, whose task had fewer, went by
   * @throws KvpException BAD_ARGUMENT where a run is there that may not, or that was another
   */
  public static RunFolder open(
      Path folder, boolean resume, Map<String, Object> settings, Map<String, String> usual) {
    try {
      return new RunFolder(folder, resume, settings, usual);
    } catch (IOException e) {
      throw inaccessible(folder, e);
    }
  }

  private static KvpException inaccessible(Path folder, IOException e) {
    return new KvpException(
        KvpException.Kind.FILE_ACCESS,
        "The folder '" + folder + "' can't be used: " + KvpException.reason(e) + ".",
        e);
  }

  /** Whether a folder holds a run, done or not, or what {@link #pack} left of one. */
  public static boolean holdsRun(Path folder) {
    return Files.exists(folder.resolve(RUN))
        || (Files.exists(folder.resolve(RESULTS)) && Files.exists(folder.resolve(PACKED)));
  }

  /** Whether a folder holds answers item by item, packed or not. */
  public static boolean hasItems(Path folder) {
    return Files.exists(folder.resolve(ITEMS)) || Files.exists(folder.resolve(PACKED));
  }

  /** What a run says of itself: in its own file, or in its results where they are all there is. */
  private static JsonNode settings(Path folder) throws IOException {
    Path run = folder.resolve(RUN);
    Path results = folder.resolve(RESULTS);
    JsonNode done = Files.exists(results) ? json(results) : JSON.createObjectNode();
    JsonNode settings = Files.exists(run) ? json(run) : done.path("settings");
    if (settings instanceof ObjectNode known && !known.has(MACHINES) && done.has("machine")) {
      known.putArray(MACHINES).add(done.get("machine")); // of an earlier version
    }
    return settings;
  }

  private static JsonNode json(Path file) throws IOException {
    try {
      return JSON.readTree(file.toFile());
    } catch (JsonProcessingException e) {
      throw DataFile.malformed(file, e.getLocation().getLineNr(), "it is no JSON", e);
    }
  }

  /** What is in a list, and of another what is not in it. */
  private static JsonNode all(JsonNode list, Object other) throws IOException {
    Set<JsonNode> all = new LinkedHashSet<>();
    list.forEach(all::add);
    // read back, so that a number is of the type that a file's has
    JSON.readTree(JSON.writeValueAsString(other)).forEach(all::add);
    return JSON.createArrayNode().addAll(all);
  }

  private static void compare(
      Path folder, JsonNode before, Map<String, Object> settings, Map<String, String> usual)
      throws IOException {
    JsonNode now = JSON.readTree(JSON.writeValueAsString(settings));
    for (Iterator<String> names = now.fieldNames(); names.hasNext(); ) {
      String name = names.next();
      // a run of an earlier version may say less of itself
      if (!FREE.contains(name)
          && before.has(name)
          && !agree(name, before.get(name), now.get(name), usual)) {
        throw new KvpException(
            KvpException.Kind.BAD_ARGUMENT,
            "The run in '"
                + folder
                + "' had "
                + name
                + " "
                + before.get(name)
                + ", this one has "
                + now.get(name)
                + "; go on with the same settings, or name another folder.");
      }
    }
  }

  /** Whether settings are the same; of predictors, those that both runs have. */
  private static boolean agree(
      String name, JsonNode before, JsonNode now, Map<String, String> usual) {
    return switch (name) {
      case PREDICTORS ->
          before.properties().stream()
              .allMatch(e -> !now.has(e.getKey()) || now.get(e.getKey()).equals(e.getValue()));
      case OPTIONS -> {
        ObjectNode whole = JSON.valueToTree(usual);
        before.properties().forEach(e -> whole.set(e.getKey(), e.getValue()));
        yield whole.equals(now);
      }
      default -> before.equals(now);
    };
  }

  /** Reads what was done; a last line that a kill cut off is cut away. */
  private void readDone(Path file) throws IOException {
    byte[] bytes = Files.readAllBytes(file);
    int end = wholeLines(bytes);
    results(file, bytes, end).forEach(result -> done.put(result.item(), result));
    if (end < bytes.length) {
      Files.write(file, java.util.Arrays.copyOf(bytes, end));
    }
  }

  /** Of what was packed, all that is done, as a file that can be gone on with. */
  private void unpack(Path file) throws IOException {
    List<ItemResult> packed = results(folder);
    writeWhole(
        file,
        out -> {
          for (ItemResult result : packed) {
            out.write((line(result) + "\n").getBytes(StandardCharsets.UTF_8));
          }
        });
    packed.forEach(result -> done.put(result.item(), result));
  }

  /**
   * Writes what is to be kept of a run that is done: its table, and every answer once, packed. The
   * run can be gone on with from these.
   *
   * @param to a folder, made if need be; the run's own will do
   * @throws KvpException FILE_ACCESS where the folder is no run's or a file can't be written,
   *     MALFORMED_FILE
   */
  public static void pack(Path folder, Path to) {
    List<ItemResult> items = results(folder);
    try {
      byte[] table = Files.readAllBytes(folder.resolve(RESULTS));
      Files.createDirectories(to);
      writeWhole(
          to.resolve(PACKED),
          out -> {
            try (OutputStream packed = new GZIPOutputStream(out)) {
              for (ItemResult result : items) {
                packed.write((line(result) + "\n").getBytes(StandardCharsets.UTF_8));
              }
            }
          });
      writeWhole(to.resolve(RESULTS), out -> out.write(table));
    } catch (IOException e) {
      throw inaccessible(to, e);
    }
  }

  /** What is written to a file. */
  private interface Content {
    void write(OutputStream out) throws IOException;
  }

  /** Writes a file that is whole or is not there, whenever the program is ended. */
  private static void writeWhole(Path file, Content content) throws IOException {
    Path part = file.resolveSibling(file.getFileName() + ".part");
    try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(part))) {
      content.write(out);
    }
    Files.move(part, file, StandardCopyOption.REPLACE_EXISTING);
  }

  /**
   * What came of each item of a run, done or not; {@code items.jsonl.gz}, as results are kept, is
   * read where there is no {@code items.jsonl}.
   *
   * @throws KvpException FILE_ACCESS where the folder is no run's, MALFORMED_FILE
   */
  public static List<ItemResult> results(Path folder) {
    Path plain = folder.resolve(ITEMS);
    Path packed = folder.resolve(PACKED);
    boolean unpack = !Files.exists(plain) && Files.exists(packed);
    Path file = unpack ? packed : plain;
    try (InputStream in = Files.newInputStream(file);
        InputStream text = unpack ? new GZIPInputStream(in) : in) {
      byte[] bytes = text.readAllBytes();
      return results(file, bytes, wholeLines(bytes));
    } catch (NoSuchFileException e) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "The folder '" + folder + "' holds no " + ITEMS + "; name that of a run of kvp eval.",
          e);
    } catch (IOException e) {
      throw inaccessible(folder, e);
    }
  }

  private static int wholeLines(byte[] bytes) {
    int end = bytes.length;
    while (end > 0 && bytes[end - 1] != '\n') {
      end--;
    }
    return end;
  }

  private static List<ItemResult> results(Path file, byte[] bytes, int end) {
    Map<String, ItemResult> out = new LinkedHashMap<>();
    int number = 0;
    for (String line : new String(bytes, 0, end, StandardCharsets.UTF_8).lines().toList()) {
      number++;
      try {
        ItemResult result = JSON.readValue(line, ItemResult.class);
        out.put(result.item(), result); // a later line of an item has more rows
      } catch (JsonProcessingException e) {
        throw DataFile.malformed(file, number, "it is no item's result", e);
      }
    }
    return List.copyOf(out.values());
  }

  /** A result as the line that is its record. */
  public static String line(ItemResult result) {
    try {
      return JSON.writeValueAsString(result);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }

  /** The result of a line. */
  public static ItemResult result(String line) {
    try {
      return JSON.readValue(line, ItemResult.class);
    } catch (JsonProcessingException e) {
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE, "A line is no item's result: " + line + ".", e);
    }
  }

  /** What the run says of itself, what it was begun with included. */
  public Map<String, Object> settings() {
    return java.util.Collections.unmodifiableMap(settings);
  }

  /** What is done already, by item. */
  public Map<String, ItemResult> done() {
    return java.util.Collections.unmodifiableMap(done);
  }

  /** Appends what came of an item; it is in the file when this returns. */
  public void add(ItemResult result) {
    try {
      nameMachine();
      items.write(line(result));
      items.write('\n');
      items.flush();
    } catch (IOException e) {
      throw inaccessible(folder, e);
    }
    done.put(result.item(), result);
  }

  /** Names the machine that this is among those that the run was asked on, once. */
  private void nameMachine() throws IOException {
    if (machines != null) {
      settings.put(MACHINES, machines);
      machines = null;
      write(folder.resolve(RUN), settings);
    }
  }

  /** Writes the table, with whatever else is to be known of it. */
  public static void finish(Path folder, Object results) {
    try {
      write(folder.resolve(RESULTS), results);
    } catch (IOException e) {
      throw inaccessible(folder, e);
    }
  }

  private static void write(Path file, Object value) throws IOException {
    Files.writeString(
        file,
        JSON.writer().with(SerializationFeature.INDENT_OUTPUT).writeValueAsString(value) + "\n");
  }

  /** The results of some items, in their order. */
  public List<ItemResult> of(List<EvaluationItem> all) {
    return all.stream()
        .map(item -> java.util.Objects.requireNonNull(done.get(item.id()), item.id()))
        .toList();
  }

  @Override
  public void close() {
    try {
      items.close();
    } catch (IOException e) {
      throw inaccessible(folder, e);
    }
  }
}
