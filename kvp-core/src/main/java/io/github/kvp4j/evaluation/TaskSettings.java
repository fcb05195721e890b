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
package io.github.kvp4j.evaluation;

import io.github.kvp4j.KvpException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What a task is told.
 *
 * @param data the data file, or null
 * @param limit the most items, at least 1
 * @param seed of all that is chosen at random
 * @param shots worked examples before a question, at least 0
 * @param allowCodeExecution whether programs that the model writes may be run
 * @param options the task's own settings, complete
 * @param encode text to tokens, begin-of-sequence included
 */
public record TaskSettings(
    @Nullable Path data,
    int limit,
    long seed,
    int shots,
    boolean allowCodeExecution,
    Map<String, String> options,
    Function<String, int[]> encode) {
  /** Checks the bounds and copies the map. */
  public TaskSettings {
    if (limit < 1 || shots < 0) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The limit is "
              + limit
              + " items, the worked examples are "
              + shots
              + "; they must be at least 1 and at least 0.");
    }
    options = Map.copyOf(options);
  }

  /** The data file of a task that needs one. */
  public Path requiredData() {
    if (data == null) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT, "This task reads a data file; name it with --data.");
    }
    return data;
  }

  /** One of the task's own settings. */
  public String option(String name) {
    String value = options.get(name);
    if (value == null) {
      throw new IllegalArgumentException("the task has no option '" + name + "'");
    }
    return value;
  }

  /** One of the task's own settings that is a whole number. */
  public int intOption(String name, int least) {
    return Math.toIntExact(Math.round(number(name, option(name), least, Integer.MAX_VALUE)));
  }

  /** One of the task's own settings that is a list of numbers, separated by commas. */
  public List<Double> numbers(String name, double least, double most) {
    List<Double> out = new ArrayList<>();
    for (String part : option(name).split(",", -1)) {
      out.add(number(name, part.strip(), least, most));
    }
    return out;
  }

  private static double number(String name, String text, double least, double most) {
    try {
      double value = Double.parseDouble(text);
      if (value >= least && value <= most) {
        return value;
      }
    } catch (NumberFormatException e) {
      // said below
    }
    throw new KvpException(
        KvpException.Kind.BAD_ARGUMENT,
        "The setting '"
            + name
            + "' is '"
            + text
            + "'; it must be a number of at least "
            + least
            + (most < Integer.MAX_VALUE ? " and at most " + most : "")
            + ".");
  }

  /** The first {@code limit} of some records, shuffled. */
  public <T> List<T> chosen(List<T> all) {
    List<T> shuffled = new ArrayList<>(all);
    Collections.shuffle(shuffled, new Random(seed));
    return shuffled.subList(0, Math.min(limit, shuffled.size()));
  }
}
