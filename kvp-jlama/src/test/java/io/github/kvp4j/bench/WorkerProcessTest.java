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
import io.github.kvp4j.jlama.KvpMode;
import io.github.kvp4j.jlama.Quality;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class WorkerProcessTest {
  private static final WorkerSetup SETUP =
      new WorkerSetup(
          RowSpec.Engine.KVP,
          Path.of("no", "such", "model").toString(),
          KvpMode.EXACT,
          Quality.FAITHFUL,
          "4/64/0",
          1,
          64);

  private static WorkerProcess fake(String behaviour, int seconds) {
    return new WorkerProcess("exact", FakeWorker.command(behaviour), Duration.ofSeconds(seconds));
  }

  private static RowSpec exact() {
    return RowSpec.named("exact", List.of()).getFirst();
  }

  @Test
  void passesOnWhatTheWorkerMeasuredAndSkipsWhatItsLibrariesPrint() {
    try (WorkerProcess worker = fake("works", 60)) {
      worker.ready(SETUP);
      assertThat(worker.kernels()).isEqualTo("fake-1");
      assertThat(worker.loadedMegabytes()).isEqualTo(12.5);
      assertThat(worker.measure(List.of("a"), 2, 1)).isEqualTo(new Sample(3.5, null, null));
    }
  }

  @Test
  void aWorkerThatDiesMidwayIsNamedWithItsExitCodeAndLastWords() {
    try (WorkerProcess worker = fake("dies", 60)) {
      worker.ready(SETUP);
      assertThatThrownBy(() -> worker.measure(List.of("a"), 2, 1))
          .isInstanceOf(KvpException.class)
          .hasMessageContainingAll("row 'exact'", "exit code 7", "out of luck");
    }
  }

  @Test
  void aWorkerThatNeverAnswersIsGivenUp() {
    try (WorkerProcess worker = fake("silent", 2)) {
      assertThatThrownBy(() -> worker.ready(SETUP))
          .isInstanceOf(KvpException.class)
          .hasMessageContainingAll("row 'exact'", "2 s", "--timeout");
    }
  }

  @Test
  void anAnswerThatCanNotBeReadIsAnError() {
    try (WorkerProcess worker = fake("babbles", 60)) {
      worker.ready(SETUP);
      assertThatThrownBy(() -> worker.measure(List.of("a"), 2, 1))
          .isInstanceOf(KvpException.class)
          .hasMessageContainingAll("row 'exact'", "can't be read");
    }
  }

  @Test
  void aRealWorkersErrorIsOneSentenceThatNamesTheRow() {
    try (WorkerProcess worker =
        new WorkerProcess("exact", WorkerProcess.command(exact(), 1), Duration.ofSeconds(60))) {
      assertThatThrownBy(() -> worker.ready(SETUP))
          .isInstanceOf(KvpException.class)
          .hasMessageStartingWith("The row 'exact' failed: The model folder ")
          .hasMessageContaining("does not exist");
    }
  }

  @Test
  void anIdleWorkerUsesNoCpuAndEndsWithItsInput() throws Exception {
    Process process = new ProcessBuilder(WorkerProcess.command(exact(), 1)).start();
    try {
      Thread.sleep(2000);
      long before = cpuMillis(process);
      Thread.sleep(1000);
      assertThat(cpuMillis(process) - before).isLessThan(300);
      assertThat(process.isAlive()).isTrue();
      process.getOutputStream().close();
      assertThat(process.waitFor(20, TimeUnit.SECONDS)).isTrue();
    } finally {
      process.destroyForcibly();
    }
  }

  private static long cpuMillis(Process process) {
    return process.info().totalCpuDuration().orElse(Duration.ZERO).toMillis();
  }
}
