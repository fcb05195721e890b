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
package io.github.kvp4j.report;

import io.github.kvp4j.KvpException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Supplier;
import org.knowm.xchart.internal.chartpart.Chart;

/**
 * The figures of a report, each made from the raw results alone. XChart, which is optional, is
 * needed to draw them, not to name them.
 */
public enum Figure {
  /** Each task's first metric against time to first token, relative to exact, and the front. */
  ACCURACY_TTFT("results.json, of kvp eval"),
  /** The same against prefill FLOPs. */
  ACCURACY_FLOPS("results.json, of kvp eval"),
  /** Time to first token against the prompt's length, a plot for each batch. */
  TTFT_LENGTH("a JSON file of kvp bench"),
  /** The same over the time of a further token. */
  RATIO_LENGTH("a JSON file of kvp bench, with --max-tokens of 2 at least"),
  /** L1 error of keys and values by layer and position. */
  CACHE_ERROR(RunResults.L1 + ", of kvp inspect"),
  /** Density of the error by layer, keys and values apart. */
  ERROR_DENSITY(RunResults.DENSITY + ", of kvp inspect"),
  /** Agreement with the exact cache at each token, while refinement goes on. */
  REFINEMENT(RunResults.COURSE + ", of kvp inspect");

  private final String source;

  Figure(String source) {
    this.source = source;
  }

  /** What it is made from, for who lacks it. */
  public String source() {
    return source;
  }

  /** How it is named in file names and on the command line. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /**
   * A plot to be drawn.
   *
   * @param file its file's name, without an ending
   * @param chart the plot
   */
  public record Plot(String file, String title, Supplier<? extends Chart<?, ?>> chart) {}

  /**
   * The plots that the results suffice for, maybe none.
   *
   * @throws KvpException UNSUPPORTED where XChart is not on the class path
   */
  public List<Plot> plots(RunResults results) {
    try {
      return new Plots(this).of(results);
    } catch (NoClassDefFoundError e) {
      throw undrawable(e);
    }
  }

  /** What is said where XChart is missing. */
  static KvpException undrawable(NoClassDefFoundError e) {
    return new KvpException(
        KvpException.Kind.UNSUPPORTED,
        "The figures can't be drawn; add org.knowm.xchart:xchart to the class path.",
        e);
  }

  /** The figure of a name. */
  public static Optional<Figure> named(String name) {
    return Arrays.stream(values()).filter(f -> f.toString().equalsIgnoreCase(name)).findFirst();
  }
}
