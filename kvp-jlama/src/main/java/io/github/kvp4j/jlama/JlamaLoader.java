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
package io.github.kvp4j.jlama;

import com.github.tjake.jlama.model.AbstractModel;
import com.github.tjake.jlama.model.ModelSupport;
import com.github.tjake.jlama.safetensors.DType;
import com.github.tjake.jlama.util.PhysicalCoreExecutor;
import io.github.kvp4j.KvpException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Loads models through Jlama, and checks before what Jlama does not. */
final class JlamaLoader {
  private static final Logger LOG = LoggerFactory.getLogger(JlamaLoader.class);

  private JlamaLoader() {}

  /**
   * Loads a model folder; whatever is wrong with it comes out as one sentence.
   *
   * @param workingType what activations are rounded to while decoding
   * @param quantize whether to round weights to four bits
   * @param threads for decoding, taken from the first model that says so; null for Jlama's default
   * @throws KvpException FILE_ACCESS or MALFORMED_FILE
   */
  static AbstractModel load(
      Path directory, DType workingType, boolean quantize, @Nullable Integer threads) {
    if (!Files.isDirectory(directory)) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "The model folder '" + directory + "' does not exist; import a model or name another.");
    }
    for (String needed : new String[] {"config.json", "tokenizer.json"}) {
      if (!Files.isRegularFile(directory.resolve(needed))) {
        throw new KvpException(
            KvpException.Kind.MALFORMED_FILE,
            "The model folder '" + directory + "' has no " + needed + ".");
      }
    }
    checkHeaderLengths(directory);
    if (threads != null) {
      limitDecoding(threads);
    }
    JlamaOperationsCheck.run(directory);
    try {
      return ModelSupport.loadModel(
          directory.toFile(),
          null,
          DType.F32,
          workingType,
          quantize ? Optional.of(DType.Q4) : Optional.empty(),
          Optional.empty());
    } catch (KvpException e) {
      throw e;
    } catch (RuntimeException e) {
      Throwable cause = e;
      while (cause.getCause() != null) {
        cause = cause.getCause();
      }
      String why =
          cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE,
          "The model in '" + directory + "' can't be loaded: " + why.replaceAll("\\s+", " ") + ".",
          e);
    }
  }

  /** Jlama has one pool for the process, whose size can be set before its first use only. */
  private static void limitDecoding(int threads) {
    try {
      PhysicalCoreExecutor.overrideThreadCount(
          Math.min(threads, Runtime.getRuntime().availableProcessors()));
    } catch (IllegalStateException e) {
      LOG.debug("Jlama decodes with the threads that it has started already.", e);
    }
  }

  /** Refuses weights whose header can't be as long as it says: Jlama allocates that much. */
  private static void checkHeaderLengths(Path directory) {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(directory, "model*.safetensors")) {
      for (Path file : files) {
        try (InputStream in = Files.newInputStream(file)) {
          byte[] first = in.readNBytes(Long.BYTES);
          long rest = Files.size(file) - Long.BYTES;
          long length =
              first.length < Long.BYTES
                  ? 0
                  : ByteBuffer.wrap(first).order(ByteOrder.LITTLE_ENDIAN).getLong();
          if (length < 2 || length > rest) {
            throw new KvpException(
                KvpException.Kind.MALFORMED_FILE,
                "The file '"
                    + file
                    + "' says that its header has "
                    + Long.toUnsignedString(length)
                    + " bytes; 2 to "
                    + Math.max(2, rest)
                    + " are possible.");
          }
        }
      }
    } catch (IOException | DirectoryIteratorException e) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "The model folder '" + directory + "' can't be read: " + e + ".",
          e);
    }
  }
}
