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

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class ProgressDisplayTest {
  @Test
  void elsewhereThanOnATerminalItIsALineEveryTenth() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);
    try (ProgressDisplay display = new ProgressDisplay(out, false)) {
      display.start("fit", 40);
      for (int i = 0; i < 40; i++) {
        display.advance(1);
      }
      display.start("of unknown length", 0);
      display.advance(5);
    }
    assertThat(bytes.toString(StandardCharsets.UTF_8).lines())
        .containsExactly(
            "fit …",
            "fit 10 %",
            "fit 20 %",
            "fit 30 %",
            "fit 40 %",
            "fit 50 %",
            "fit 60 %",
            "fit 70 %",
            "fit 80 %",
            "fit 90 %",
            "of unknown length …");
  }
}
