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
package io.github.kvp4j.evaluation.tasks;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.evaluation.TaskSettings;
import java.util.Arrays;

/**
 * The reference answer as what is fed after a question. How likely it is found, and how far that is
 * from what the exact row finds, tells two rows apart with far fewer items than answers that are
 * right or wrong.
 */
final class FedAnswer {
  /** The setting: {@value #NOTHING} or {@value #ANSWER}. */
  static final String FEED = "feed";

  static final String NOTHING = "nothing";
  private static final String ANSWER = "answer";

  /** What a question ends with, and its tokens do too. */
  private static final String COLON = ":";

  private FedAnswer() {}

  /**
   * The tokens that a prompt which ends with {@code Answer:} goes on with.
   *
   * @param answer as it is written
   * @return {@code [tokens]} of a space and the answer, or none where the settings ask for none
   */
  static int[] tokens(TaskSettings settings, String answer) {
    return switch (settings.option(FEED)) {
      case NOTHING -> new int[0];
      case ANSWER -> {
        int before = settings.encode().apply(COLON).length;
        int[] all = settings.encode().apply(COLON + " " + answer);
        yield Arrays.copyOfRange(all, before, all.length);
      }
      default ->
          throw new KvpException(
              KvpException.Kind.BAD_ARGUMENT,
              "The setting 'feed' is '"
                  + settings.option(FEED)
                  + "'; write nothing, or answer to feed the reference answer.");
    };
  }
}
