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

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A figure names the commit it was made by, or none. */
class OriginTest {
  private static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";

  @Test
  void theCommitIsThatOfTheProgramsOwnCheckout() {
    Path classes = Path.of("/src/kvp4j/kvp-jlama/target/classes");
    assertThat(Origin.commit(classes, List.of("/src/kvp4j", COMMIT))).isEqualTo(COMMIT);
    assertThat(Origin.commit(classes, List.of("/src/kvp4j", "HEAD"))).isEqualTo("unknown");
    assertThat(Origin.commit(classes, List.of())).isEqualTo("unknown");
  }

  /** A release that was unpacked inside some other project. */
  @Test
  void thatOfAnotherProjectIsNotTakenForIt() {
    Path jar = Path.of("/src/other/tools/kvp4j/lib/kvp-jlama.jar");
    assertThat(Origin.commit(jar, List.of("/src/other", COMMIT))).isEqualTo("unknown");
  }

  @Test
  void allThatAFigureComesFromIsNamed() {
    assertThat(Origin.current()).containsOnlyKeys("machine", "versions", "commit");
  }
}
