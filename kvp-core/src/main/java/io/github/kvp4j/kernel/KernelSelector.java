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
package io.github.kvp4j.kernel;

import io.github.kvp4j.KvpException;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Chooses the kernels: those named, or the fastest that prove right on this machine. What is
 * optional and missing never stops the choice; the next best is taken and the log says why.
 */
public final class KernelSelector {
  /**
   * The property that names the kernels: {@code auto}, {@code vector}, {@code onednn}, {@code
   * scalar}.
   */
  public static final String PROPERTY = "kvp.kernels";

  private static final Logger LOG = LoggerFactory.getLogger(KernelSelector.class);

  private static final String VECTOR_MODULE = "jdk.incubator.vector";

  /** What {@link KernelTrial} says of a library, once for the process. */
  private static final Map<OneDnn, String> WRONG = new ConcurrentHashMap<>();

  private static final Map<OneDnn, String> INFERIOR = new ConcurrentHashMap<>();

  private KernelSelector() {}

  /**
   * The kernels to use.
   *
   * @param preference {@code auto}, {@code vector}, {@code onednn} or {@code scalar}; null for what
   *     the property {@code kvp.kernels} says, or {@code auto}
   * @throws KvpException if the preference is none of these
   */
  public static Kernels choose(Workers workers, @Nullable String preference) {
    Choice choice = select(workers, preference);
    if (choice.isSecondBest) {
      LOG.warn("Kernels: {}, because {}.", choice.kernels.name(), choice.reason);
    } else {
      LOG.info("Kernels: {}, because {}.", choice.kernels.name(), choice.reason);
    }
    return choice.kernels;
  }

  /** One line on what {@link #choose} takes here, and why. */
  public static String describe(Workers workers, @Nullable String preference) {
    Choice choice = select(workers, preference);
    return choice.kernels.name()
        + " on "
        + workers.threads()
        + (workers.threads() == 1 ? " thread, because " : " threads, because ")
        + choice.reason;
  }

  /**
   * A choice.
   *
   * @param reason ends the sentence "chosen because …"
   * @param isSecondBest whether something that was asked for, or that every machine should have, is
   *     missing
   */
  private record Choice(Kernels kernels, String reason, boolean isSecondBest) {}

  private static Choice select(Workers workers, @Nullable String preference) {
    String wanted = preference == null ? System.getProperty(PROPERTY, "auto") : preference;
    return switch (wanted.toLowerCase(Locale.ROOT).strip()) {
      case "scalar" -> new Choice(new ScalarKernels(), "they were asked for", false);
      case "vector" -> vector(workers, "they were asked for", false);
      case "onednn" -> oneDnn(workers, true);
      case "auto" -> oneDnn(workers, false);
      default ->
          throw new KvpException(
              KvpException.Kind.BAD_ARGUMENT,
              "There are no kernels named '"
                  + wanted
                  + "'; "
                  + PROPERTY
                  + " may be auto, vector, onednn or scalar.");
    };
  }

  private static Choice vector(Workers workers, String reason, boolean isSecondBest) {
    if (ModuleLayer.boot().findModule(VECTOR_MODULE).isEmpty()) {
      return new Choice(
          new ScalarKernels(),
          "the JVM was started without --add-modules "
              + VECTOR_MODULE
              + " (these kernels are far slower than those that this flag allows)",
          true);
    }
    try {
      return new Choice(new VectorKernels(workers), reason, isSecondBest);
    } catch (LinkageError e) {
      return new Choice(new ScalarKernels(), "the Vector API does not load: " + e, true);
    }
  }

  private static Choice oneDnn(Workers workers, boolean isAskedFor) {
    Choice fallback = vector(workers, "", isAskedFor);
    if (!(fallback.kernels instanceof VectorKernels vector)) {
      return fallback;
    }
    String reason;
    try {
      OneDnnKernels kernels = OneDnnKernels.load(workers);
      reason =
          isAskedFor
              ? WRONG.computeIfAbsent(kernels.library(), l -> KernelTrial.wrong(kernels))
              : INFERIOR.computeIfAbsent(kernels.library(), l -> KernelTrial.inferior(kernels));
      if (reason.isEmpty()) {
        return new Choice(
            kernels,
            isAskedFor
                ? "they were asked for"
                : "they are right, and bfloat16 products fast, in a trial",
            false);
      }
    } catch (RuntimeException | LinkageError e) {
      reason = String.valueOf(e.getMessage());
    }
    return new Choice(vector, "oneDNN is not used: " + reason, isAskedFor);
  }
}
