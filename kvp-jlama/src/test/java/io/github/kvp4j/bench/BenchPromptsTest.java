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

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.kvp4j.KvpException;
import java.util.HashSet;
import java.util.List;
import org.junit.jupiter.api.Test;

class BenchPromptsTest {
  /** A token for each three characters begun, and one at the beginning. */
  private static int tokens(String text) {
    return 1 + (text.length() + 2) / 3;
  }

  private static final String TEXT = "The mill stands by the river and turns all day and night.";

  @Test
  void promptsHaveExactlyTheTokensAskedFor() {
    BenchPrompts prompts = new BenchPrompts(TEXT, BenchPromptsTest::tokens);
    for (int length : new int[] {2, 3, 17, 128, 1000}) {
      for (int number = 0; number < 5; number++) {
        assertThat(tokens(prompts.prompt(length, number))).isEqualTo(length);
      }
    }
  }

  @Test
  void noTwoPromptsOfRunsAndBatchesBeginAlike() {
    BenchPrompts prompts = new BenchPrompts(TEXT, BenchPromptsTest::tokens);
    HashSet<String> seen = new HashSet<>();
    for (int run = 0; run < 3; run++) {
      List<String> batch = prompts.batch(20, 4, run);
      assertThat(batch).hasSize(4);
      seen.addAll(batch);
    }
    assertThat(seen).hasSize(12);
  }

  @Test
  void aTextThatCanNotBeCutSoIsRefused() {
    BenchPrompts even = new BenchPrompts(TEXT, text -> 2 * tokens(text));
    assertThatThrownBy(() -> even.prompt(17, 0))
        .isInstanceOf(KvpException.class)
        .hasMessageContaining("exactly 17 tokens");
  }
}
