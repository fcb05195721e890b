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

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.management.OperatingSystemMXBean;
import io.github.kvp4j.jlama.Predictors;
import io.github.kvp4j.jlama.Quality;
import io.github.kvp4j.jlama.importer.ModelStore;
import io.github.kvp4j.kernel.KernelSelector;
import io.github.kvp4j.kernel.Workers;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;

/**
 * What this program finds on a machine: all that decides how fast it is.
 *
 * @param java the JVM's name, version and home
 * @param flags what the JVM was started with
 * @param vectorModule whether {@code jdk.incubator.vector} is there
 * @param nativeAccess whether native libraries may be called
 * @param socketsExported whether {@code java.base/sun.nio.ch} is exported, which Jlama needs
 * @param kernels the kernels that are chosen, and why
 * @param kernelsFound each kind of kernels, by name, and what came of asking for it
 * @param jlamaNative whether Jlama's native kernels for this platform are on the class path
 * @param cores processors that the JVM may use
 * @param load how many processes want to run, or a negative number where that is unknown
 * @param heapBytes the most memory that the JVM's heap takes
 * @param freeBytes memory that is free now
 * @param totalBytes the machine's or container's memory
 * @param store the folder that models are kept in
 * @param models what lies there
 * @param bundled the predictors that come along, by quality
 */
record Machine(
    String java,
    List<String> flags,
    boolean vectorModule,
    boolean nativeAccess,
    boolean socketsExported,
    String kernels,
    Map<String, String> kernelsFound,
    boolean jlamaNative,
    int cores,
    double load,
    long heapBytes,
    long freeBytes,
    long totalBytes,
    String store,
    List<Model> models,
    Map<String, String> bundled) {
  /**
   * A model in the store.
   *
   * @param folder the folder's name
   * @param type the architecture, as its configuration has it
   * @param bytes of all its files
   * @param predictors the names of predictor files beside it
   */
  record Model(String folder, String type, long bytes, List<String> predictors) {}

  /** Memory below which the default model and a prompt of its whole context do not fit. */
  private static final long LITTLE_HEAP = 1L << 30;

  /** Looks at this machine. */
  static Machine look(ModelStore store) {
    Module here = Machine.class.getModule();
    OperatingSystemMXBean os = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    Map<String, String> found = new LinkedHashMap<>();
    for (String kind : List.of("onednn", "vector", "scalar")) {
      String line = KernelSelector.describe(Workers.shared(), kind);
      found.put(kind, line.replace(", because they were asked for", ""));
    }
    return new Machine(
        System.getProperty("java.vm.name")
            + " "
            + Runtime.version()
            + " in "
            + System.getProperty("java.home"),
        ManagementFactory.getRuntimeMXBean().getInputArguments(),
        ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent(),
        here.isNativeAccessEnabled(),
        Object.class.getModule().isExported("sun.nio.ch", here),
        KernelSelector.describe(Workers.shared(), null),
        found,
        isThere("com.github.tjake.jlama.tensor.operations.NativeSimdTensorOperations"),
        Runtime.getRuntime().availableProcessors(),
        os.getSystemLoadAverage(),
        Runtime.getRuntime().maxMemory(),
        os.getFreeMemorySize(),
        os.getTotalMemorySize(),
        store.cache().toString(),
        store.list().stream().map(Machine::model).toList(),
        bundledPredictors());
  }

  /** What is slow or missing, and how to mend it; each one sentence. */
  List<String> advice() {
    List<String> out = new ArrayList<>();
    if (!vectorModule) {
      out.add(
          "The Vector API is missing, prompts are read many times slower: start Java with"
              + " --add-modules jdk.incubator.vector.");
    }
    if (!nativeAccess) {
      out.add(
          "Native libraries may not be called freely: start Java with"
              + " --enable-native-access=ALL-UNNAMED.");
    }
    if (!socketsExported) {
      out.add(
          "Jlama can't load models: start Java with --add-exports"
              + " java.base/sun.nio.ch=ALL-UNNAMED.");
    }
    String oneDnn = kernelsFound.getOrDefault("onednn", "");
    if (vectorModule && oneDnn.contains("not on the class path")) {
      out.add(
          "oneDNN is missing, which reads prompts faster on processors with bfloat16"
              + " products: put org.bytedeco:dnnl with its natives on the class path.");
    }
    if (!jlamaNative) {
      out.add(
          "Jlama's native kernels are missing, its decoding uses the Vector API: put"
              + " com.github.tjake:jlama-native for this platform on the class path, if there is"
              + " one.");
    }
    if (cores < 2) {
      out.add("There is one processor for this JVM: give it more, as prefill uses all there are.");
    }
    if (load > cores) {
      out.add(
          String.format(
              Locale.ROOT,
              "Other work keeps the processors busy (load %.1f on %d): what is measured now is too"
                  + " slow, so stop it first.",
              load,
              cores));
    }
    if (heapBytes < LITTLE_HEAP) {
      out.add(
          "The heap of "
              + size(heapBytes)
              + " is small for long prompts: start Java with a larger one, such as -Xmx4g.");
    }
    if (models.isEmpty()) {
      out.add("There is no model in the store: 'kvp demo' fetches one.");
    }
    return out;
  }

  /** Bytes in words. */
  static String size(long bytes) {
    return bytes < 1L << 30
        ? String.format(Locale.ROOT, "%.0f MB", bytes / (double) (1 << 20))
        : String.format(Locale.ROOT, "%.1f GB", bytes / (double) (1 << 30));
  }

  private static boolean isThere(String className) {
    try {
      Class.forName(className, false, Machine.class.getClassLoader());
      return true;
    } catch (ClassNotFoundException e) {
      return false;
    }
  }

  private static Map<String, String> bundledPredictors() {
    Map<String, String> out = new LinkedHashMap<>();
    for (Quality quality : Quality.values()) {
      Predictors.bundled(quality).ifPresent(p -> out.put(quality.name(), p.base().shape()));
    }
    return out;
  }

  private static Model model(Path folder) {
    long bytes = 0;
    List<String> predictors = new ArrayList<>();
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.sorted().toList()) {
        bytes += Files.isRegularFile(file) ? Files.size(file) : 0;
        String name = String.valueOf(file.getFileName());
        if (name.matches("predictor-.*\\.safetensors")) {
          predictors.add(name);
        }
      }
    } catch (IOException e) {
      // a model that can't be listed is shown as empty; loading it says why
      bytes = 0;
    }
    return new Model(String.valueOf(folder.getFileName()), type(folder), bytes, predictors);
  }

  private static String type(Path folder) {
    try {
      JsonNode config = new ObjectMapper().readTree(folder.resolve("config.json").toFile());
      return config.path("model_type").asText("unknown");
    } catch (IOException e) {
      return "unreadable";
    }
  }
}
