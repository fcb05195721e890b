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
import io.github.kvp4j.jlama.importer.ImportManifest.FileRecord;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.List;

/** Writes tensors of one type as a safetensors file, a row at a time. */
final class SafetensorsWriter {
  /** Jlama maps this many bytes to find the header. */
  static final int MAX_HEADER = 1 << 20;

  /** Where the values start is a multiple of this, for the CPU's sake. */
  private static final int ALIGNMENT = 64;

  private static final int BUFFER = 1 << 20;

  /** Values in a row. */
  static final int MAX_ROW = BUFFER / Float.BYTES;

  private static final JsonFactory JSON = new JsonFactory();

  /** Values of a tensor, row by row. */
  interface Rows {
    /** How many rows. */
    long count();

    /** Values in a row, at most {@link #MAX_ROW}. */
    int width(long row);

    /** Reads a row into the start of {@code into}. */
    void read(long row, float[] into);
  }

  /**
   * A tensor to write.
   *
   * @param name its name
   * @param shape its sizes, rows first
   * @param rows its values; together as many as the shape says
   */
  record Tensor(String name, List<Long> shape, Rows rows) {
    long values() {
      return shape.stream().mapToLong(Long::longValue).reduce(1, Math::multiplyExact);
    }
  }

  private final String source;
  private final List<Tensor> tensors;
  private final TensorEncoding encoding;

  /**
   * Prepares a file.
   *
   * @param source the name of the file where the values are, for messages
   */
  SafetensorsWriter(String source, List<Tensor> tensors, TensorEncoding encoding) {
    this.source = source;
    this.tensors = tensors;
    this.encoding = encoding;
  }

  /** Bytes of all values. */
  long dataBytes() {
    return tensors.stream().mapToLong(Tensor::values).sum() * encoding.bytes();
  }

  /**
   * Writes the file and forces it to the disk.
   *
   * @throws io.github.kvp4j.KvpException MALFORMED_FILE where a value is not finite, CANCELLED
   *     where the thread is interrupted
   */
  FileRecord write(Path file, ImportProgress progress) throws IOException {
    MessageDigest digest = ImportFiles.newSha256();
    ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER).order(ByteOrder.LITTLE_ENDIAN);
    try (FileChannel out =
        FileChannel.open(file, StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW)) {
      byte[] header = header();
      flush(
          ByteBuffer.allocate(Long.BYTES + header.length)
              .order(ByteOrder.LITTLE_ENDIAN)
              .putLong(header.length)
              .put(header),
          out,
          digest);
      float[] row = new float[0];
      for (Tensor tensor : tensors) {
        Rows rows = tensor.rows();
        for (long r = 0; r < rows.count(); r++) {
          int width = rows.width(r);
          if (row.length < width) {
            row = new float[width];
          }
          if (buffer.remaining() < width * encoding.bytes()) {
            progress.advance(flush(buffer, out, digest));
          }
          rows.read(r, row);
          int bad = encoding.encode(row, width, buffer);
          if (bad >= 0) {
            throw Messages.malformed(
                source,
                "tensor \""
                    + tensor.name()
                    + "\" has "
                    + row[bad]
                    + " in row "
                    + r
                    + ", column "
                    + bad
                    + ", which "
                    + encoding
                    + " can't hold as a finite number");
          }
        }
      }
      progress.advance(flush(buffer, out, digest));
      out.force(true);
      return new FileRecord(ImportFiles.fileName(file), out.size(), ImportFiles.hex(digest));
    }
  }

  private static int flush(ByteBuffer buffer, FileChannel out, MessageDigest digest)
      throws IOException {
    ImportFiles.checkInterrupt();
    buffer.flip();
    int bytes = buffer.remaining();
    digest.update(buffer.duplicate());
    while (buffer.hasRemaining()) {
      out.write(buffer);
    }
    buffer.clear();
    return bytes;
  }

  private byte[] header() throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator json = JSON.createGenerator(bytes)) {
      json.writeStartObject();
      json.writeObjectFieldStart("__metadata__");
      json.writeStringField("format", "pt");
      json.writeEndObject();
      long offset = 0;
      for (Tensor tensor : tensors) {
        json.writeObjectFieldStart(tensor.name());
        json.writeStringField("dtype", encoding.name());
        json.writeArrayFieldStart("shape");
        for (long size : tensor.shape()) {
          json.writeNumber(size);
        }
        json.writeEndArray();
        json.writeArrayFieldStart("data_offsets");
        json.writeNumber(offset);
        offset += tensor.values() * encoding.bytes();
        json.writeNumber(offset);
        json.writeEndArray();
        json.writeEndObject();
      }
      json.writeEndObject();
    }
    int length = Math.ceilDiv(Long.BYTES + bytes.size(), ALIGNMENT) * ALIGNMENT - Long.BYTES;
    if (length > MAX_HEADER - Long.BYTES) {
      throw Messages.unsupported(
          source,
          "the header for its "
              + tensors.size()
              + " tensors has "
              + length
              + " bytes; Jlama reads "
              + (MAX_HEADER - Long.BYTES));
    }
    byte[] header = Arrays.copyOf(bytes.toByteArray(), length);
    Arrays.fill(header, bytes.size(), length, (byte) ' ');
    return header;
  }
}
