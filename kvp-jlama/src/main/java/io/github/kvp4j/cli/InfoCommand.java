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
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.kvp4j.jlama.importer.ModelStore;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code kvp info}: what is found here, what is slow, and how to mend it. */
@Command(
    name = "info",
    mixinStandardHelpOptions = true,
    description =
        "Shows the JVM and its flags, the kernels found and the ones chosen, cores, memory, models"
            + " and predictors, and says what is slow and how to mend it.",
    footer = {"", "Examples:", "  kvp info", "  kvp info --json"})
final class InfoCommand implements Callable<Integer> {
  @Option(names = "--json", description = "Print it as JSON.")
  private boolean json;

  @Override
  public Integer call() throws JsonProcessingException {
    Machine machine = Machine.look(ModelStore.ofUser());
    if (json) {
      ObjectMapper mapper = JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();
      ObjectNode root = mapper.valueToTree(machine);
      root.set("advice", mapper.valueToTree(machine.advice()));
      System.out.println(mapper.writeValueAsString(root));
    } else {
      print(machine);
    }
    return 0;
  }

  private static void print(Machine m) {
    line("Java", m.java());
    line("flags", String.join(" ", m.flags()));
    line("cores", String.format(Locale.ROOT, "%d, load %.1f", m.cores(), m.load()));
    line(
        "memory",
        "heap at most "
            + Machine.size(m.heapBytes())
            + "; "
            + Machine.size(m.freeBytes())
            + " of "
            + Machine.size(m.totalBytes())
            + " free");
    line("kernels", m.kernels());
    m.kernelsFound().forEach((kind, what) -> line("  " + kind, what));
    line(
        "Jlama",
        m.jlamaNative() ? "native kernels found, checked when a model loads" : "Vector API");
    line("models", m.store());
    for (Machine.Model model : m.models()) {
      line(
          "",
          model.folder()
              + " ("
              + model.type()
              + ", "
              + Machine.size(model.bytes())
              + (model.predictors().isEmpty()
                  ? ")"
                  : "; " + String.join(", ", model.predictors()) + ")"));
    }
    m.bundled()
        .forEach((quality, model) ->
            line(
                "predictor",
                quality.toLowerCase(Locale.ROOT) + ", bundled, for models of shape " + model));
    List<String> advice = m.advice();
    System.out.println();
    System.out.println(advice.isEmpty() ? "Nothing to mend." : "To mend:");
    for (String sentence : advice) {
      System.out.println("- " + sentence);
    }
  }

  private static void line(String name, String value) {
    System.out.printf("%-10s %s%n", name, value);
  }
}
