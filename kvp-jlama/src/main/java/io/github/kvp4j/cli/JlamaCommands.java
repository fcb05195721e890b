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

import com.github.tjake.jlama.cli.JlamaCli;
import com.github.tjake.jlama.cli.commands.ChatCommand;
import com.github.tjake.jlama.cli.commands.CompleteCommand;
import com.github.tjake.jlama.cli.commands.DownloadCommand;
import com.github.tjake.jlama.cli.commands.ListCommand;
import com.github.tjake.jlama.cli.commands.QuantizeCommand;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.GenerateRequest;
import io.github.kvp4j.jlama.GenerateResult;
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.jlama.importer.ModelStore;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParseResult;

/**
 * Jlama's own commands, the real objects of its command line, in this program. Without {@code
 * --kv-predict} its code runs unchanged; with it the other options are read from the parsed command
 * and KVP4J does the work.
 *
 * <p>Jlama's {@code complete} takes its prompt in the option {@code --prompt}, which this program's
 * own {@code complete} does not have: that option tells which of the two is meant.
 */
final class JlamaCommands {
  /** What Jlama's {@code complete} is called inside. */
  private static final String COMPLETE = "complete-with-jlama";

  /** Options that say how Jlama is to compute, which KVP4J's engine decides for itself. */
  private static final List<String> JLAMA_ONLY =
      List.of(
          "--work-directory", "--working-dtype", "--working-qtype", "--threads", "--quantize-to");

  private JlamaCommands() {}

  /** Adds the commands, which sets Jlama's own logging up: it goes to the output. */
  static void addTo(CommandLine line) {
    add(line, "chat", new ChatCommand(), true);
    add(line, COMPLETE, new CompleteCommand(), true).usageMessage().hidden(true);
    add(line, "list", new ListCommand(), false);
    add(line, "download", new DownloadCommand(), false);
    add(line, "quantize", new QuantizeCommand(), false);
  }

  private static CommandSpec add(CommandLine line, String name, Object command, boolean predicts) {
    CommandLine sub = new CommandLine(command);
    if (predicts) {
      sub.getCommandSpec().addMixin("kvPredict", CommandSpec.forAnnotatedObject(new KvPredict()));
    }
    line.addSubcommand(name, sub);
    // its name in messages and help is the one that is typed
    sub.getCommandSpec().name(name.equals(COMPLETE) ? "complete" : name);
    return sub.getCommandSpec();
  }

  /** A command line as it was typed, with Jlama's {@code complete} where that is meant. */
  static String[] resolve(String[] args) {
    List<String> line = Arrays.asList(args);
    int end = line.contains("--") ? line.indexOf("--") : line.size();
    int command = line.indexOf("complete");
    boolean isJlama =
        command >= 0
            && command < end
            && line.subList(command, end).stream()
                .anyMatch(a -> a.equals("--prompt") || a.startsWith("--prompt="));
    if (!isJlama || line.subList(0, command).stream().anyMatch(a -> !a.startsWith("-"))) {
      return args;
    }
    String[] out = args.clone();
    out[command] = COMPLETE;
    return out;
  }

  /**
   * With {@code --kv-predict} the model may be left away: the command line with the default one, or
   * null where that is not what is missing.
   */
  static String @Nullable [] withModel(CommandLine.ParameterException e, String[] args) {
    boolean predicts =
        Arrays.stream(args)
            .anyMatch(a -> a.equals("--kv-predict") || a.startsWith("--kv-predict="));
    boolean noModel =
        e instanceof CommandLine.MissingParameterException missing
            && missing.getMissing().size() == 1
            && missing.getMissing().getFirst().isPositional();
    if (!predicts || !noModel) {
      return null;
    }
    String[] out = Arrays.copyOf(args, args.length + 1);
    out[args.length] = ModelStore.DEFAULT_MODEL;
    return out;
  }

  /** Runs what was parsed: KVP4J's engine with {@code --kv-predict}, else the command as it is. */
  static int execute(ParseResult parsed) {
    ParseResult last = parsed;
    while (last.hasSubcommand()) {
      last = last.subcommand();
    }
    CommandSpec spec = last.commandSpec();
    if (!(spec.userObject() instanceof JlamaCli)) {
      Logging.restore();
      return new CommandLine.RunLast().execute(parsed);
    }
    CommandSpec mixin = spec.mixins().get("kvPredict");
    KvPredict.Section options = mixin == null ? null : ((KvPredict) mixin.userObject()).section;
    if (options == null || last.isUsageHelpRequested() || last.isVersionHelpRequested()) {
      return new CommandLine.RunLast().execute(parsed);
    }
    if (options.mode == null) {
      for (String option :
          List.of("--quality", "--predictor", "--anchors", "--refine-chunk", "--stats")) {
        if (last.hasMatchedOption(option)) {
          throw new CommandLine.ParameterException(
              spec.commandLine(), "The option " + option + " needs --kv-predict.");
        }
      }
      return new CommandLine.RunLast().execute(parsed);
    }
    for (String option : JLAMA_ONLY) {
      if (last.hasMatchedOption(option)) {
        throw new CommandLine.ParameterException(
            spec.commandLine(),
            "The option " + option + " is Jlama's own; leave it out with --kv-predict.");
      }
    }
    try {
      predict(spec, options);
      return 0;
    } catch (RuntimeException e) {
      throw new CommandLine.ExecutionException(
          spec.commandLine(), Objects.requireNonNullElse(e.getMessage(), ""), e);
    }
  }

  private static void predict(CommandSpec spec, KvPredict.Section options) {
    Logging.restore();
    String name = spec.positionalParameters().getFirst().getValue();
    try (KvpModel model =
        KvpModel.builder(folder(spec, name))
            .predictor(options.predictor)
            .minAgreement(options.minAgreement)
            .warmUp(false)
            .build()) {
      if (spec.userObject() instanceof ChatCommand) {
        String system = value(spec, "--system-prompt", String.class);
        KvpChat.run(
            model, name, system, prompt -> request(spec, options, model, prompt), options.stats);
      } else {
        String prompt = Objects.requireNonNull(value(spec, "--prompt", String.class));
        GenerateResult result =
            model.generate(
                request(spec, options, model, prompt).build(),
                part -> {
                  System.out.print(part);
                  System.out.flush();
                });
        System.out.println();
        if (options.stats) {
          System.err.println(io.github.kvp4j.cli.CompleteCommand.stats(result));
        }
      }
    }
  }

  /**
   * The settings of Jlama's options; its {@code --tokens} bounds prompt and answer together, less
   * the last token.
   */
  private static GenerateRequest.Builder request(
      CommandSpec spec, KvPredict.Section options, KvpModel model, String prompt) {
    Integer tokens = value(spec, "--tokens", Integer.class);
    Float temperature = value(spec, "--temperature", Float.class);
    Float topP = value(spec, "--top-p", Float.class);
    int all = tokens == null ? model.usablePositions() : tokens;
    return GenerateRequest.builder(prompt)
        .mode(options.mode)
        .quality(options.quality)
        .anchors(options.anchors)
        .refine(options.refine)
        .temperature(temperature == null ? 0 : temperature)
        .topP(topP == null ? 1 : topP)
        .maxNewTokens(
            Math.clamp(1L + all - model.encodePrompt(prompt).length, 1, Integer.MAX_VALUE));
  }

  private static Path folder(CommandSpec spec, String name) {
    File cache = value(spec, "--model-cache", File.class);
    if (cache != null && name.matches("[^/\\\\]+/[^/\\\\]+") && !name.contains("..")) {
      Path folder = cache.toPath().resolve(name.replace('/', '_'));
      if (Files.isDirectory(folder)) {
        return folder;
      }
    }
    boolean isDefault = name.equals(ModelStore.DEFAULT_MODEL);
    try (ProgressDisplay progress = new ProgressDisplay()) {
      return ModelStore.ofUser().resolve(isDefault ? null : name, progress);
    }
  }

  private static <T> @Nullable T value(CommandSpec spec, String option, Class<T> type) {
    OptionSpec found = spec.findOption(option);
    if (found == null) {
      throw new KvpException(
          KvpException.Kind.UNSUPPORTED, "This version of Jlama's commands has no " + option + ".");
    }
    Object value = found.getValue();
    return value == null ? null : type.cast(value);
  }
}
