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

import io.github.kvp4j.jlama.KvpMode;
import io.github.kvp4j.jlama.Quality;
import io.github.kvp4j.jlama.RefineSettings;
import io.github.kvp4j.predictor.Anchors;
import java.nio.file.Path;
import java.util.Map;
import java.util.Stack;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.IParameterPreprocessor;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;

/** What is added to Jlama's own commands: without the first option they run as they are. */
final class KvPredict {
  @ArgGroup(exclusive = false, heading = "%nKV prediction:%n")
  Section section = new Section();

  /** The options. */
  static final class Section {
    @Option(
        names = "--kv-predict",
        arity = "0..1",
        paramLabel = "MODE",
        fallbackValue = "auto",
        preprocessor = AttachedOnly.class,
        converter = ModeConverter.class,
        description =
            "Let KVP4J read the prompt: auto (also where no mode follows), exact, predict, refine, off."
                + " The model may then be left away. A model that is not in the model cache is"
                + " looked for in KVP4J's own, and fetched.")
    @Nullable KvpMode mode;

    @Option(
        names = "--quality",
        defaultValue = "FAITHFUL",
        description = "Which predictor: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    Quality quality = Quality.FAITHFUL;

    @Option(
        names = "--min-agreement",
        defaultValue = "0.5",
        paramLabel = "SHARE",
        description =
            "auto reads exactly where the predictor was measured to agree with the exact model on"
                + " less of the tokens (default: ${DEFAULT-VALUE}).")
    double minAgreement;

    @Option(names = "--predictor", paramLabel = "FILE", description = "A predictor of your own.")
    @Nullable Path predictor;

    @Option(
        names = "--anchors",
        paramLabel = "S/T/T",
        defaultValue = "4/64/0",
        converter = AnchorsConverter.class,
        description = "Exact tokens of prediction: sink/tail/top (default: ${DEFAULT-VALUE}).")
    Anchors anchors = Anchors.DEFAULT;

    @Option(
        names = "--refine-chunk",
        paramLabel = "TOKENS",
        defaultValue = "128",
        converter = RefineConverter.class,
        description = RefineConverter.DESCRIPTION)
    RefineSettings refine = RefineSettings.DEFAULT;

    @Option(names = "--stats", description = "Show time to first token, tokens and mode.")
    boolean stats;
  }

  /** Takes a value only where it is attached, so that a prompt after the option stays a prompt. */
  static final class AttachedOnly implements IParameterPreprocessor {
    @Override
    public boolean preprocess(
        @SuppressWarnings("JdkObsolete") Stack<String> args,
        CommandSpec command,
        ArgSpec option,
        Map<String, Object> info) {
      Object separator = info.get("separator");
      if (separator == null || separator.toString().isBlank()) {
        args.push("auto");
      }
      return false;
    }
  }
}
