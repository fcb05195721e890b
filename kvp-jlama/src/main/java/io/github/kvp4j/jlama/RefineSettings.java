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
package io.github.kvp4j.jlama;

import io.github.kvp4j.KvpException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How {@link KvpMode#PREDICT_AND_REFINE} shares its time between the answer and the prompt.
 *
 * @param chunk prompt tokens that are made exact at a time, at least 1
 * @param budgetMillis milliseconds between two answer tokens that chunks may take; 0 = one chunk,
 *     so that the same prompt is refined at the same tokens each time, whatever the machine does
 */
public record RefineSettings(int chunk, int budgetMillis) {
  /** What is used where nothing is said. */
  public static final RefineSettings DEFAULT = new RefineSettings(128, 0);

  private static final Pattern TEXT = Pattern.compile("(\\d{1,7})(?:/(\\d{1,7}))?");

  /** Checks the bounds. */
  public RefineSettings {
    if (chunk < 1) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The chunk of refinement is " + chunk + " tokens; it must be at least 1.");
    }
    if (budgetMillis < 0) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The budget of refinement is " + budgetMillis + " ms a token; it must be at least 0.");
    }
  }

  /** Reads {@code chunk} or {@code chunk/budget}, e.g. {@code 128} or {@code 64/50}. */
  public static RefineSettings parse(String text) {
    Matcher m = TEXT.matcher(text);
    if (!m.matches()) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The chunk of refinement is '"
              + text
              + "'; write tokens, or tokens/milliseconds, for example 128 or 64/50.");
    }
    return new RefineSettings(
        Integer.parseInt(m.group(1)), m.group(2) == null ? 0 : Integer.parseInt(m.group(2)));
  }

  @Override
  public String toString() {
    return budgetMillis == 0 ? "" + chunk : chunk + "/" + budgetMillis;
  }
}
