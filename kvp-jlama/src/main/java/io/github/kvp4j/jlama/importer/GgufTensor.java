package io.github.kvp4j.jlama.importer;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * A tensor of a GGUF file, as it lies in the file.
 *
 * @param name its name
 * @param type how its values are stored
 * @param shape its sizes in ggml's order: columns first
 * @param data its bytes, exactly
 */
record GgufTensor(String name, GgufTensorType type, List<Long> shape, MemorySegment data) {

  /** Values in a row. */
  long columns() {
    return shape.getFirst();
  }

  /** Rows; 1 for a vector. */
  long rows() {
    long rows = 1;
    for (int i = 1; i < shape.size(); i++) {
      rows *= shape.get(i);
    }
    return rows;
  }

  /** Decodes a row. The type must be readable, and {@code into} have room for the columns. */
  void readRow(long row, float[] into) {
    type.decode(data, row * type.rowBytes(columns()), (int) columns(), into);
  }
}
