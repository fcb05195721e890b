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
import io.github.kvp4j.bench.Origin;
import java.io.PrintWriter;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.function.IntSupplier;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;

/** The program {@code kvp}: exit code 0 is success, 2 a wrong command line, 1 any other failure. */
@Command(
    name = "kvp",
    mixinStandardHelpOptions = true,
    version = Origin.VERSION,
    description = "Answers prompts with a predicted KV cache: a faster first token for Jlama.",
    subcommands = {
      DemoCommand.class,
      BenchCommand.class,
      CompleteCommand.class,
      ServeCommand.class,
      ImportCommand.class,
      CalibrateCommand.class,
      TrainCommand.class,
      EvalCommand.class,
      InspectCommand.class,
      ReportCommand.class,
      StudyCommand.class,
      PredictorCommand.class,
      InfoCommand.class,
      AutoComplete.GenerateCompletion.class,
      CommandLine.HelpCommand.class
    },
    footer = {
      "",
      "Examples:",
      "  kvp demo                                   a real model, four ways to read a prompt",
      "  kvp complete \"Why is the sky blue?\"        one answer",
      "  kvp chat --kv-predict                      a conversation",
      "  kvp calibrate --data texts.jsonl.gz --layers 22 --sources 22 --out my.safetensors",
      "",
      "Completion for bash and zsh: source <(kvp generate-completion)",
      "Exit codes: 0 success, 1 failure, 2 wrong command line, 130 stopped with Ctrl-C."
    })
public final class KvpCli implements Runnable {
  @Option(
      names = "--verbose",
      scope = ScopeType.INHERIT,
      description = "Show the stack trace of a failure and what is logged.")
  private boolean verbose;

  @CommandLine.Spec private CommandLine.Model.@org.jspecify.annotations.Nullable CommandSpec spec;

  /** Runs a command line and ends the JVM with its exit code. */
  public static void main(String[] args) {
    OptionalInt relaunched = Relaunch.ifNeeded(args);
    if (relaunched.isPresent()) {
      System.exit(relaunched.getAsInt());
    }
    // a library must not bring a logback.xml of its own, so the program names its configuration
    if (System.getProperty("logback.configurationFile") == null) {
      System.setProperty("logback.configurationFile", Logging.CONFIGURATION);
    }
    for (String arg : args) {
      if (arg.equals("--verbose")) {
        System.setProperty("kvp.log", "DEBUG");
      }
    }
    System.exit(run(args));
  }

  /** Runs a command line and returns its exit code. */
  public static int run(String... args) {
    return withinMemory(() -> execute(JlamaCommands.resolve(args)));
  }

  /** Work that takes more memory than there is ends in a sentence, too. */
  static int withinMemory(IntSupplier work) {
    try {
      return work.getAsInt();
    } catch (OutOfMemoryError e) {
      System.err.printf(
          Locale.ROOT,
          "Java's memory, %d MB, is not enough for this (%s); give it more by"
              + " KVP_JAVA_OPTS=-Xmx8g, or ask for less at once.%n",
          Runtime.getRuntime().maxMemory() >> 20,
          oneLine(e.getMessage()));
      return 1;
    }
  }

  private static int execute(String... args) {
    KvpCli cli = new KvpCli();
    CommandLine line = new CommandLine(cli);
    JlamaCommands.addTo(line);
    line.setCaseInsensitiveEnumValuesAllowed(true);
    line.registerConverter(Path.class, KvpCli::path);
    line.setExecutionStrategy(JlamaCommands::execute);
    line.setExecutionExceptionHandler((e, at, parsed) -> cli.report(e, at.getErr()));
    line.setParameterExceptionHandler((e, typed) -> {
      String[] completed = JlamaCommands.withModel(e, typed);
      if (completed != null) {
        return execute(completed);
      }
      String command = e.getCommandLine().getCommandSpec().qualifiedName();
      String message = oneLine(e.getMessage()).replaceFirst("\\.$", "");
      e.getCommandLine().getErr().println(message + "; try '" + command + " --help'.");
      return 2;
    });
    return line.execute(args);
  }

  private static Path path(String text) {
    try {
      return Path.of(text);
    } catch (InvalidPathException e) {
      throw new CommandLine.TypeConversionException("'" + text + "' is no path");
    }
  }

  private int report(Exception e, PrintWriter err) {
    if (e instanceof KvpChat.InterruptedByUserException) {
      return 130;
    }
    if (verbose) {
      e.printStackTrace(err);
    }
    if (e instanceof KvpException known) {
      err.println(oneLine(known.getMessage()));
      return switch (known.kind()) {
        case BAD_ARGUMENT -> 2;
        default -> 1;
      };
    }
    err.println(
        "An unexpected failure: "
            + oneLine(e.toString())
            + " (add --verbose for more; please report it).");
    return 1;
  }

  private static String oneLine(@org.jspecify.annotations.Nullable String message) {
    return message == null ? "no message" : message.replaceAll("\\s*\\R\\s*", " ");
  }

  @Override
  public void run() {
    if (spec != null) {
      spec.commandLine().usage(spec.commandLine().getOut());
    }
  }
}
