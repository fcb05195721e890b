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

import io.github.kvp4j.cluster.Cluster;
import io.github.kvp4j.evaluation.RunFolder;
import io.github.kvp4j.jlama.KvpModel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/** The groups of a run of {@code kvp eval}, asked on the machines of a cluster. */
final class EvalOnCluster {
  private EvalOnCluster() {}

  /** The session of a command line on a machine, kept as long as its process. */
  private static final class OnMachine {
    private static final Map<List<String>, EvalSession> OPEN = new HashMap<>();

    /** Measures a group of items, and gives them as lines of JSON; one group at a time. */
    static synchronized List<String> measure(List<String> words, int from) {
      EvalSession session = OPEN.get(words);
      if (session == null) {
        EvalCommand command = new EvalCommand();
        new CommandLine(command).parseArgs(words.toArray(new String[0]));
        session = new EvalSession(command.options());
        session.warmUp(0);
        OPEN.put(List.copyOf(words), session);
      }
      List<String> lines = new ArrayList<>();
      session.measure(from, item -> Set.of(), () -> {}).forEach(r -> lines.add(RunFolder.line(r)));
      return lines;
    }
  }

  /** A group of items, by the number of its first. */
  private record GroupWork(ArrayList<String> words)
      implements Cluster.Work<Integer, ArrayList<String>> {
    @Override
    public ArrayList<String> of(Integer from) {
      return new ArrayList<>(OnMachine.measure(words, from));
    }
  }

  /**
   * Has groups asked.
   *
   * @param master of the cluster
   * @param groups the numbers of their first items
   * @param words the command line, for another machine
   * @param done takes a group's results, as lines of JSON
   */
  static void run(
      String master, List<Integer> groups, List<String> words, Consumer<List<String>> done) {
    try (Cluster cluster = Cluster.open(master)) {
      cluster.each(groups, new GroupWork(new ArrayList<>(words)), done::accept);
    }
  }

  /** A command line for another machine: the same model and kernels, files by whole paths. */
  static List<String> words(CommandSpec spec, KvpModel loaded) {
    List<String> words = new ArrayList<>();
    words.addAll(List.of("--model", loaded.directory().toAbsolutePath().toString()));
    // those that were chosen here: a machine's own choice may round otherwise
    words.addAll(List.of("--kernels", ModelOption.kernelWord(loaded)));
    for (OptionSpec option : spec.options()) {
      boolean ours =
          List.of("--model", "--kernels", "--spark", "--out", "--resume", "--json", "--verbose")
              .contains(option.longestName());
      if (ours || option.originalStringValues().isEmpty()) {
        continue;
      }
      for (String value : option.originalStringValues()) {
        words.add(option.longestName());
        if (option.arity().max() > 0) {
          boolean file = option.auxiliaryTypes()[0] == Path.class && Files.exists(Path.of(value));
          words.add(file ? Path.of(value).toAbsolutePath().toString() : value);
        }
      }
    }
    return words;
  }
}
