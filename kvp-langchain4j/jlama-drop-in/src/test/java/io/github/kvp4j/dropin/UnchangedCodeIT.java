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
package io.github.kvp4j.dropin;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.github.kvp4j.jlama.importer.ImportProgress;
import io.github.kvp4j.jlama.importer.ModelStore;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Code for LangChain4j's Jlama models, compiled and run without and with our jars beside it. */
class UnchangedCodeIT {
  /** Ours, by the folder or jar that each is in, and nothing else. */
  private static final List<String> OURS = List.of("kvp-core", "kvp-jlama", "jlama-drop-in");

  /** What only the tests need. */
  private static final List<String> NEITHER =
      List.of("test-classes", "junit", "assertj", "opentest4j", "apiguardian", "byte-buddy");

  /** The example, which knows nothing of KVP4J. */
  private static final Path SOURCE =
      Path.of("..", "..", "examples", "drop-in", "UpstreamChat.java");

  @TempDir static Path temp;

  private static String classPath(boolean withOurs) {
    String all =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    return Arrays.stream(all.split(File.pathSeparator))
        .filter(entry -> NEITHER.stream().noneMatch(entry::contains))
        .filter(entry -> withOurs || !isOurs(entry))
        .collect(Collectors.joining(File.pathSeparator));
  }

  private static boolean isOurs(String entry) {
    return !entry.contains(".m2") && OURS.stream().anyMatch(entry::contains);
  }

  private static Map<String, String> run(boolean withOurs)
      throws IOException, InterruptedException {
    Path classes = compile(withOurs);
    Path folder = ModelStore.ofUser().resolve(null, ImportProgress.NONE);
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(
        List.of("--add-modules", "jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"));
    command.addAll(List.of("--add-exports", "java.base/sun.nio.ch=ALL-UNNAMED", "-Xmx3g"));
    command.addAll(
        List.of("-cp", classes + File.pathSeparator + classPath(withOurs), "UpstreamChat"));
    command.add(Objects.requireNonNull(folder.getParent()).toString());
    command.add(String.valueOf(folder.getFileName()).replaceFirst("_", "/"));
    Path errors = temp.resolve("errors.txt");
    Process process = new ProcessBuilder(command).redirectError(errors.toFile()).start();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor(5, TimeUnit.MINUTES)).isTrue();
    assertThat(process.exitValue()).as(() -> read(errors)).isZero();
    return out.lines()
        .filter(line -> line.contains("="))
        .collect(
            Collectors.toMap(
                line -> line.substring(0, line.indexOf('=')),
                line -> line.substring(line.indexOf('=') + 1)));
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      return e.toString();
    }
  }

  private static Path compile(boolean withOurs) throws IOException {
    Path classes = Files.createTempDirectory(temp, "classes");
    int result =
        ToolProvider.getSystemJavaCompiler()
            .run(
                null,
                null,
                null,
                "-cp",
                classPath(withOurs),
                "-d",
                classes.toString(),
                SOURCE.toString());
    assertThat(result).isZero();
    return classes;
  }

  @Test
  void answersTheSameAndFasterWithOurJarsBesideIt() throws Exception {
    assumeFalse("none".equals(System.getProperty("kvp.model")), "tests on the real model are off");
    Set<String> added = new HashSet<>(List.of(classPath(true).split(File.pathSeparator)));
    List.of(classPath(false).split(File.pathSeparator)).forEach(added::remove);
    assertThat(added).hasSameSizeAs(OURS).allMatch(UnchangedCodeIT::isOurs);

    Map<String, String> without = run(false);
    Map<String, String> with = run(true);

    System.out.println("without: " + without + "\nwith: " + with);
    assertThat(with.get("answer")).isEqualTo(without.get("answer")).contains("Paris");
    // Jlama does not count the begin-of-sequence token
    assertThat(number(with, "tokens")).isCloseTo(number(without, "tokens"), within(1L));
    assertThat(number(with, "first token ms")).isLessThan(number(without, "first token ms"));
  }

  private static long number(Map<String, String> run, String label) {
    return Long.parseLong(Objects.requireNonNull(run.get(label), label));
  }
}
