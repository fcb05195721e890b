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
package io.github.kvp4j.model;

/** How the numbers of a {@link Weight} lie in memory, little-endian. */
public enum WeightType {
  /** 32-bit floats. */
  F32,
  /** The upper 16 bits of a 32-bit float. */
  BF16,
  /** IEEE half precision. */
  F16,
  /**
   * Signed bytes in blocks of {@link #BLOCK} columns, each block with a 32-bit float scale (Jlama's
   * {@code I8}): value = byte * scale.
   */
  Q8,
  /**
   * Four-bit numbers in blocks of {@link #BLOCK} columns, each block with a 32-bit float scale
   * (Jlama's {@code Q4}): byte {@code j} of a block's 16 holds column {@code j} in its low half and
   * column {@code j + 16} in its high half; value = (nibble - 8) * scale.
   */
  Q4;

  /** Columns that share one scale in the block-quantised types. */
  public static final int BLOCK = 32;

  /** Bytes that {@code columns} numbers of this type take, scales left out. */
  public long bytes(long columns) {
    return switch (this) {
      case F32 -> 4 * columns;
      case BF16, F16 -> 2 * columns;
      case Q8 -> columns;
      case Q4 -> columns / 2;
    };
  }

  /** Whether a float scale stands beside every block of {@link #BLOCK} columns. */
  public boolean isBlockQuantised() {
    return this == Q8 || this == Q4;
  }
}
