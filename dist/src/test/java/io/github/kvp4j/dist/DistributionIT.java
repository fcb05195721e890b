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
package io.github.kvp4j.dist;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.jar.JarFile;
import java.util.jar.Manifest;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** The jar and the zip as a user gets them. */
class DistributionIT {
  private static final Path JAR = Path.of("target", "kvp.jar").toAbsolutePath();

  private static String run(List<String> command) throws IOException, InterruptedException {
    Process process = new ProcessBuilder(command).redirectError(new File("/dev/null")).start();
    process.getOutputStream().close();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(out).isZero();
    return out;
  }

  private static String java() {
    return Path.of(System.getProperty("java.home"), "bin", "java").toString();
  }

  @Test
  void theJarStartsWithoutFlagsAndHasAllItNeeds() throws Exception {
    JsonNode info =
        new ObjectMapper().readTree(run(List.of(java(), "-jar", JAR.toString(), "info", "--json")));
    assertThat(info.get("vectorModule").asBoolean()).as("started again with the module").isTrue();
    assertThat(info.get("nativeAccess").asBoolean()).isTrue();
    assertThat(info.get("socketsExported").asBoolean()).isTrue();
    assertThat(info.get("kernels").asText()).doesNotStartWith("scalar");
    assertThat(info.at("/kernelsFound/onednn").asText()).doesNotContain("not on the class path");
    assertThat(info.get("jlamaNative").asBoolean()).isTrue();
    assertThat(info.get("bundled").size()).isEqualTo(3);
    assertThat(run(List.of(java(), "-jar", JAR.toString(), "chat", "--help")))
        .contains("--kv-predict");
  }

  @Test
  void exitCodesPassThrough() throws Exception {
    List<String> command = List.of(java(), "-jar", JAR.toString(), "nonsense");
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(out).isEqualTo(2);
  }

  @Test
  void theManifestAsksForWhatItCan() throws Exception {
    try (JarFile jar = new JarFile(JAR.toFile())) {
      Manifest manifest = jar.getManifest();
      assertThat(manifest.getMainAttributes().getValue("Multi-Release")).isEqualTo("true");
      assertThat(manifest.getMainAttributes().getValue("Add-Exports"))
          .isEqualTo("java.base/sun.nio.ch");
      assertThat(manifest.getMainAttributes().getValue("Enable-Native-Access"))
          .isEqualTo("ALL-UNNAMED");
    }
  }

  /** The JVM's options, in each way to start the program: those that can't be run here too. */
  @Test
  void everyLauncherAsksForTheSame() throws Exception {
    Path root = Path.of("..");
    JsonNode alias =
        new ObjectMapper()
            .readTree(Files.readString(root.resolve("jbang-catalog.json")))
            .at("/aliases/kvp");
    assertThat(root.resolve(alias.get("script-ref").asText())).exists();
    List<String> launchers = new ArrayList<>(List.of(alias.toString()));
    for (String file : List.of("kvp", "dist/bin/kvp", "dist/bin/kvp.bat", "Containerfile")) {
      launchers.add(Files.readString(root.resolve(file)));
    }
    for (String launcher : launchers) {
      assertThat(launcher.replaceAll("[\",=\\s\\\\]+", " "))
          .contains(
              "--add-modules jdk.incubator.vector",
              "--enable-native-access ALL-UNNAMED",
              "--add-exports java.base/sun.nio.ch ALL-UNNAMED");
    }
    assertThat(launchers.getLast()).contains("COPY dist/target/kvp.jar ");
    assertThat(Files.readString(root.resolve("dist/bin/kvp.bat")))
        .contains("%~dp0..\\lib\\kvp.jar", "%KVP_JAVA_OPTS%", " %*", "exit /b %ERRORLEVEL%");
  }

  /** What is loaded is chosen as the program runs, by platform. */
  @Test
  void theJarHasTheNativesOfAllPlatforms() throws Exception {
    String one = System.getProperty("javacpp.platform");
    Assumptions.assumeTrue(one == null, () -> "left out: the jar was made for " + one);
    try (JarFile jar = new JarFile(JAR.toFile())) {
      List<String> names = jar.stream().map(entry -> entry.getName()).toList();
      assertThat(names)
          .contains(
              "META-INF/native/lib/libjlama.so",
              "META-INF/native/lib/libjlama.dylib",
              "META-INF/native/lib/libjlama.dll");
      for (String platform :
          List.of("linux-x86_64", "linux-arm64", "macosx-x86_64", "windows-x86_64")) {
        for (String library : List.of("dnnl", "opencl", "javacpp")) {
          assertThat(names)
              .as("%s for %s", library, platform)
              .anyMatch(n -> n.matches("org/bytedeco/" + library + "/" + platform + "/.*jni.*"));
        }
      }
    }
  }

  @Test
  @DisabledOnOs(value = OS.WINDOWS, disabledReason = "runs the launcher for POSIX shells")
  void theZipStarts(@TempDir Path dir) throws Exception {
    List<String> names = new ArrayList<>();
    Path zip;
    try (var files = Files.newDirectoryStream(Path.of("target"), "kvp-*.zip")) {
      zip = files.iterator().next();
    }
    try (FileSystem content = FileSystems.newFileSystem(zip)) {
      try (var all = Files.walk(content.getPath("/"))) {
        for (Path file : all.filter(Files::isRegularFile).toList()) {
          Path out = dir.resolve(file.toString().substring(1));
          Files.createDirectories(out.getParent());
          try (InputStream in = Files.newInputStream(file)) {
            Files.copy(in, out);
          }
          names.add(dir.relativize(out).toString());
        }
      }
    }
    String root = Path.of(names.getFirst()).getName(0).toString();
    assertThat(names)
        .contains(
            root + "/bin/kvp", root + "/bin/kvp.bat", root + "/lib/kvp.jar", root + "/LICENSE");
    assertThat(
            run(
                List.of(
                    "sh", dir.resolve(root).resolve("bin").resolve("kvp").toString(), "--version")))
        .startsWith("KVP4J ");
  }
}
