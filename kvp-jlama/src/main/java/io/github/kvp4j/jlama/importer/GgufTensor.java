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
