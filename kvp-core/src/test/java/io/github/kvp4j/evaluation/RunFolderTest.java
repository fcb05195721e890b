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

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run is gone on with from what is in its folder, by the same settings alone. */
class RunFolderTest {
  @TempDir Path folder;

  private static ItemResult result(String item, String... rows) {
    return new ItemResult(
        item,
        9,
        Stream.of(rows)
            .map(row -> new ItemResult.Row(row, 1, 2, 3, 0, "é", Map.of("f1", 0.1)))
            .toList());
  }

  /** What is kept of a run is its table and each answer once; other machines may go on with it. */
  @Test
  void aPackedRunIsGoneOnWith() throws IOException {
    Path out = folder.resolve("begun");
    Path kept = folder.resolve("kept").resolve("run");
    try (RunFolder run = RunFolder.open(out, false, on("here"), Map.of())) {
      run.add(result("q0", "exact"));
      run.add(result("q1", "exact"));
      run.add(result("q0", "exact", "predict")); // once more, with a further row
      assertThatThrownBy(() -> RunFolder.pack(out, kept)).hasMessageContaining("can't be used");
      RunFolder.finish(out, Map.of("settings", run.settings(), "machine", "here"));
    }
    RunFolder.pack(out, kept);
    assertThat(kept).isDirectoryNotContaining("glob:**{run.json,items.jsonl,*.part}");
    assertThat(RunFolder.holdsRun(kept)).isTrue();
    assertThat(RunFolder.holdsRun(folder)).isFalse();
    assertThat(RunFolder.results(kept))
        .isEqualTo(RunFolder.results(out))
        .containsExactly(result("q0", "exact", "predict"), result("q1", "exact"));
    try (var lines =
        new BufferedReader(
            new InputStreamReader(
                new GZIPInputStream(Files.newInputStream(kept.resolve("items.jsonl.gz"))),
                StandardCharsets.UTF_8))) {
      assertThat(lines.lines()).hasSize(2);
    }

    assertThatThrownBy(() -> RunFolder.open(kept, false, on("here"), Map.of()))
        .hasMessageContaining("--resume");
    assertThatThrownBy(() -> RunFolder.open(kept, true, Map.of("task", "u"), Map.of()))
        .hasMessageContaining("had task \"t\", this one has \"u\"");
    try (RunFolder run = RunFolder.open(kept, true, on("there"), Map.of())) {
      assertThat(run.done().keySet()).containsExactly("q0", "q1");
      run.add(result("q2", "exact"));
      assertThat(String.valueOf(run.settings().get(RunFolder.MACHINES)))
          .isEqualTo("[\"here\",\"there\"]");
    }
    // what came after is in the run's own files, which stand
    try (RunFolder run = RunFolder.open(kept, true, on("elsewhere"), Map.of())) {
      assertThat(run.done().keySet()).containsExactly("q0", "q1", "q2");
      assertThat(String.valueOf(run.settings().get(RunFolder.MACHINES)))
          .isEqualTo("[\"here\",\"there\"]");
    }
  }

  /** Results of an earlier version name the machine beside the settings. */
  @Test
  void theMachineOfARunOfBeforeIsKept() throws IOException {
    Path out = folder.resolve("old");
    RunFolder.open(out, false, Map.of("task", "t"), Map.of()).close();
    RunFolder.finish(out, Map.of("settings", Map.of("task", "t"), "machine", "then"));
    try (RunFolder run = RunFolder.open(out, true, on("now"), Map.of())) {
      assertThat(String.valueOf(run.settings().get(RunFolder.MACHINES))).isEqualTo("[\"then\"]");
      run.add(result("q0", "exact"));
      assertThat(String.valueOf(run.settings().get(RunFolder.MACHINES)))
          .isEqualTo("[\"then\",\"now\"]");
    }
    Files.writeString(out.resolve("run.json"), "{");
    assertThatThrownBy(() -> RunFolder.open(out, true, on("now"), Map.of()))
        .hasMessageContaining("run.json' is malformed in line 1");
  }

  private static Map<String, Object> on(String machine) {
    return Map.of("task", "t", RunFolder.MACHINES, List.of(machine));
  }

  /** A task that has one setting more goes on with a run of before, as that run was. */
  @Test
  void aSettingThatARunDoesNotNameHadItsUsualValue() {
    Path out = folder.resolve("before");
    Map<String, String> usual = Map.of("kind", "text", "passages", "0");
    RunFolder.open(out, false, options(Map.of("kind", "copy")), Map.of()).close();
    for (Map<String, String> other :
        List.of(Map.of("kind", "copy", "passages", "2"), Map.of("kind", "text", "passages", "0"))) {
      assertThatThrownBy(() -> RunFolder.open(out, true, options(other), usual))
          .hasMessageContaining("had options {\"kind\":\"copy\"}, this one has");
    }
    Map<String, String> same = Map.of("kind", "copy", "passages", "0");
    RunFolder.open(out, true, options(same), usual).close();
    // now it is named
    RunFolder.open(out, true, options(same), Map.of()).close();
  }

  private static Map<String, Object> options(Map<String, String> own) {
    return Map.of(RunFolder.OPTIONS, own);
  }
}
