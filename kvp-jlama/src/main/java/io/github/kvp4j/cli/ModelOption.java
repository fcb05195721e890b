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
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.jlama.importer.ModelStore;
import io.github.kvp4j.kernel.OneDnnKernels;
import io.github.kvp4j.kernel.ScalarKernels;
import io.github.kvp4j.prefill.PrefillEngine;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The option that names a model, shared by the commands that load one. */
final class ModelOption {
  @Option(
      names = "--model",
      paramLabel = "MODEL",
      description =
          "A model folder, or a name as owner/name; without it SmolLM2-135M-Instruct, fetched once."
              + " The variable KVP_MODEL names another default.")
  private @Nullable String model;

  @Option(
      names = "--kernels",
      paramLabel = "NAME",
      description =
          "What prefill computes with: auto (default, the fastest that prove right here), onednn,"
              + " vector or scalar.")
  private @Nullable String kernels;

  /** The model's folder, fetched if need be. */
  Path directory() {
    try (ProgressDisplay progress = new ProgressDisplay()) {
      return ModelStore.ofUser().resolve(model, progress);
    }
  }

  /** The kernels that the user named. */
  @Nullable String kernels() {
    return kernels;
  }

  /** Whether the user named none. */
  boolean isDefault() {
    return model == null;
  }

  /** What the user named, or the default's name. */
  String name() {
    return model == null ? ModelStore.DEFAULT_MODEL : model;
  }

  /**
   * The name that clients of a server know it by: owner/name, or the folder's own, never a path.
   */
  String servedName() {
    Path folder = directory();
    String folderName = String.valueOf(folder.getFileName());
    return folderName.equals(name().replace('/', '_')) ? name() : folderName;
  }

  /** The options that name the model again, on another command line. */
  List<String> folderWords() {
    return model == null ? List.of() : List.of("--model", model);
  }

  /** The same with those that name the kernels. */
  List<String> words() {
    List<String> words = new ArrayList<>(folderWords());
    if (kernels != null) {
      words.addAll(List.of("--kernels", kernels));
    }
    return words;
  }

  /** Starts loading it. */
  KvpModel.Builder builder() {
    return KvpModel.builder(directory()).kernels(kernels);
  }

  /** Starts loading it, with kernels of the caller's choice where the user names none. */
  KvpModel.Builder builder(String otherwise) {
    return KvpModel.builder(directory()).kernels(kernels == null ? otherwise : kernels);
  }

  /** What names the kernels of a loaded model, for another machine to take the same. */
  static String kernelWord(KvpModel loaded) {
    return switch (engine(loaded).kernels()) {
      case OneDnnKernels o -> "onednn";
      case ScalarKernels s -> "scalar";
      default -> "vector";
    };
  }

  /** The engine of a model that can be predicted. */
  static PrefillEngine engine(KvpModel loaded) {
    return loaded
        .engine()
        .orElseThrow(() ->
            new KvpException(
                KvpException.Kind.UNSUPPORTED,
                "Models of type "
                    + loaded.jlama().getModelType()
                    + " can't be predicted; LLAMA, MISTRAL and QWEN2 can."));
  }
}
