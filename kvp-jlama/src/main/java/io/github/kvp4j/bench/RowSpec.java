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
package io.github.kvp4j.bench;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.KvpMode;
import io.github.kvp4j.jlama.Quality;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What is asked for as a row of the table.
 *
 * @param name as the user writes it, such as {@code exact-onednn}
 * @param engine what reads the prompt
 * @param mode how {@link Engine#KVP} reads it
 * @param quality which predictor {@link KvpMode#PREDICT} takes
 * @param jvmOptions what its JVM is started with besides
 * @param kernels how the name of the kernels in use must begin; empty where any will do
 * @param gguf the file that llama.cpp reads
 */
public record RowSpec(
    String name,
    Engine engine,
    KvpMode mode,
    Quality quality,
    List<String> jvmOptions,
    String kernels,
    @Nullable Path gguf) {
  /** What reads a prompt. */
  public enum Engine {
    /** This project, Jlama's own prefill included. */
    KVP,
    /** llama.cpp inside the JVM, as {@code de.kherud:llama} packs it. */
    LLAMA_CPP,
    /** A native llama.cpp's {@code llama-bench}. */
    LLAMA_BENCH
  }

  /** The row that the others are compared with. */
  public static final String JLAMA = "jlama";

  /** llama.cpp in the JVM. */
  public static final String LLAMA_CPP = "llama.cpp";

  /** llama.cpp beside the JVM. */
  public static final String LLAMA_CPP_NATIVE = "llama.cpp-native";

  /** All names of rows. */
  public static final List<String> NAMES =
      List.of(
          JLAMA,
          "jlama-native",
          "exact",
          "exact-onednn",
          "predict",
          "predict-onednn",
          "predict-balanced",
          "predict-balanced-onednn",
          "predict-fast",
          "predict-fast-onednn",
          LLAMA_CPP,
          LLAMA_CPP_NATIVE);

  /** Copies the list. */
  public RowSpec {
    jvmOptions = List.copyOf(jvmOptions);
  }

  /**
   * The rows of a name: one, or for llama.cpp one for each file.
   *
   * @param ggufs what llama.cpp reads
   * @throws KvpException BAD_ARGUMENT where there is no such row, or it needs a file
   */
  public static List<RowSpec> named(String name, List<Path> ggufs) {
    return switch (name) {
      case JLAMA -> List.of(kvp(name, KvpMode.OFF, Quality.FAITHFUL, List.of(), ""));
      case "jlama-native" ->
          List.of(
              kvp(
                  name,
                  KvpMode.OFF,
                  Quality.FAITHFUL,
                  List.of("-Djlama.force_panama_tensor_operations=false"),
                  "Native"));
      case "exact", "exact-onednn" -> List.of(kvp(name, KvpMode.EXACT, Quality.FAITHFUL));
      case "predict", "predict-onednn" -> List.of(kvp(name, KvpMode.PREDICT, Quality.FAITHFUL));
      case "predict-balanced", "predict-balanced-onednn" ->
          List.of(kvp(name, KvpMode.PREDICT, Quality.BALANCED));
      case "predict-fast", "predict-fast-onednn" ->
          List.of(kvp(name, KvpMode.PREDICT, Quality.FAST));
      case LLAMA_CPP -> llama(name, Engine.LLAMA_CPP, ggufs);
      case LLAMA_CPP_NATIVE -> llama(name, Engine.LLAMA_BENCH, ggufs);
      default ->
          throw new KvpException(
              KvpException.Kind.BAD_ARGUMENT,
              "There is no row '" + name + "'; --rows takes " + String.join(", ", NAMES) + ".");
    };
  }

  private static RowSpec kvp(String name, KvpMode mode, Quality quality) {
    String kernels = name.endsWith("-onednn") ? "onednn" : "vector";
    return kvp(name, mode, quality, List.of("-Dkvp.kernels=" + kernels), kernels);
  }

  private static RowSpec kvp(
      String name, KvpMode mode, Quality quality, List<String> jvmOptions, String kernels) {
    return new RowSpec(name, Engine.KVP, mode, quality, jvmOptions, kernels, null);
  }

  private static List<RowSpec> llama(String name, Engine engine, List<Path> ggufs) {
    if (ggufs.isEmpty()) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The row '" + name + "' needs a model file; name one with --gguf.");
    }
    List<RowSpec> out = new ArrayList<>();
    for (Path gguf : ggufs) {
      String file = String.valueOf(gguf.getFileName()).replaceFirst("(?i)\\.gguf$", "");
      out.add(
          new RowSpec(
              ggufs.size() == 1 ? name : name + ":" + file,
              engine,
              KvpMode.OFF,
              Quality.FAITHFUL,
              List.of(),
              "",
              gguf));
    }
    return out;
  }
}
