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

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.importer.ImportManifest.FileRecord;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;

/** Files written so that they are on the disk, with their checksums. */
final class ImportFiles {
  private static final int BUFFER = 1 << 20;

  /** Kept free when the room for an import is looked at. */
  private static final long SPARE = 16L << 20;

  private static final JsonFactory JSON = new JsonFactory();

  private ImportFiles() {}

  /** Writes the content of a file. */
  @FunctionalInterface
  interface Content {
    void writeTo(OutputStream out) throws IOException;
  }

  /** Writes the content of a JSON file. */
  @FunctionalInterface
  interface JsonContent {
    void writeTo(JsonGenerator json) throws IOException;
  }

  static MessageDigest newSha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java has it
    }
  }

  static String hex(MessageDigest digest) {
    return HexFormat.of().formatHex(digest.digest());
  }

  /** The checksum of a file, hexadecimal. */
  static String sha256(Path file, ImportProgress progress) throws IOException {
    MessageDigest digest = newSha256();
    ByteBuffer buffer = ByteBuffer.allocate(BUFFER);
    try (FileChannel in = FileChannel.open(file, StandardOpenOption.READ)) {
      for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
        checkInterrupt();
        digest.update(buffer.flip());
        buffer.clear();
        progress.advance(read);
      }
    }
    return hex(digest);
  }

  /** Throws CANCELLED if the thread is interrupted, and leaves it so. */
  static void checkInterrupt() {
    if (Thread.currentThread().isInterrupted()) {
      throw Messages.cancelled("The import");
    }
  }

  /** Writes a new file and forces it to the disk. */
  static FileRecord write(Path file, Content content) throws IOException {
    MessageDigest digest = newSha256();
    try (FileChannel channel =
            FileChannel.open(file, StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW);
        DigestOutputStream hashed =
            new DigestOutputStream(Channels.newOutputStream(channel), digest);
        OutputStream out = new BufferedOutputStream(hashed, 1 << 16)) {
      content.writeTo(out);
      out.flush();
      channel.force(true);
      return new FileRecord(fileName(file), channel.size(), hex(digest));
    }
  }

  /** Writes a new JSON file, indented or not, and forces it to the disk. */
  static FileRecord writeJson(Path file, boolean indented, JsonContent content) throws IOException {
    return write(
        file,
        out -> {
          try (JsonGenerator json = JSON.createGenerator(out)) {
            json.disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET);
            if (indented) {
              json.setPrettyPrinter(new DefaultPrettyPrinter());
            }
            content.writeTo(json);
          }
          out.write('\n');
        });
  }

  /** Copies a file, with its checksum, and forces it to the disk. */
  static FileRecord copy(Path from, Path to, ImportProgress progress) throws IOException {
    try (InputStream in = Files.newInputStream(from)) {
      return write(to, out -> pipe(in, out, Long.MAX_VALUE, progress));
    }
  }

  /**
   * Copies a stream.
   *
   * @param limit the most bytes
   * @return bytes copied, or -1 where there were more than the limit
   */
  static long pipe(InputStream in, OutputStream out, long limit, ImportProgress progress)
      throws IOException {
    byte[] buffer = new byte[1 << 16];
    long total = 0;
    for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
      checkInterrupt();
      total += read;
      if (total > limit) {
        return -1;
      }
      out.write(buffer, 0, read);
      progress.advance(read);
    }
    return total;
  }

  /** The last part of a path. */
  static String fileName(Path path) {
    Path name = path.getFileName();
    return name == null ? "" : name.toString();
  }

  /** Forces a folder's entries to the disk, where the system can. */
  static void forceFolder(Path folder) {
    try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
      channel.force(true);
    } catch (IOException e) {
      // Windows opens no folders; there the rename is durable by itself.
    }
  }

  /** Removes a folder and all in it, without following links; what can't be removed stays. */
  static void deleteTree(Path root) {
    try {
      Files.walkFileTree(
          root,
          new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
              return delete(file);
            }

            @Override
            public FileVisitResult visitFileFailed(Path file, IOException e) {
              return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path folder, @Nullable IOException e) {
              return delete(folder);
            }
          });
    } catch (IOException e) {
      // It is a temporary folder; the next import does not mind it.
    }
  }

  private static FileVisitResult delete(Path path) {
    try {
      Files.deleteIfExists(path);
    } catch (IOException e) {
      // As above.
    }
    return FileVisitResult.CONTINUE;
  }

  /**
   * Checks that a disk has room.
   *
   * @throws KvpException FILE_ACCESS with both figures
   */
  static void checkRoom(Path folder, long needed) throws IOException {
    checkRoom(Messages.name(folder), Files.getFileStore(folder).getUsableSpace(), needed);
  }

  static void checkRoom(String folder, long usable, long needed) {
    if (needed > usable - SPARE) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "The import needs "
              + megabytes(needed + SPARE)
              + " MB in "
              + folder
              + ", but only "
              + megabytes(usable)
              + " MB are free.");
    }
  }

  private static long megabytes(long bytes) {
    return Math.ceilDiv(bytes, 1_000_000);
  }
}
