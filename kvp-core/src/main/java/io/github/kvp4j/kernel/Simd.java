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
package io.github.kvp4j.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/** The vector width of this machine and what follows from it: the sizes of the register tile. */
final class Simd {
  static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
  static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;

  /** Floats in a vector. */
  static final int LANES = FLOATS.length();

  /** Whether there are 32 vector registers, as with AVX-512 and NEON, and not 16. */
  static final boolean HAS_MANY_REGISTERS =
      LANES == 16 || System.getProperty("os.arch", "").equals("aarch64");

  /** Rows of the register tile. */
  static final int TILE_ROWS = 6;

  /**
   * Vectors in a row of the register tile: 6 x 4 sums, 4 weights and a source number need 29
   * registers, which AVX-512 and NEON have; AVX2 and SSE have 16, enough for 6 x 2.
   */
  static final int TILE_VECTORS = HAS_MANY_REGISTERS ? 4 : 2;

  /** Columns of the register tile. */
  static final int TILE_COLUMNS = TILE_VECTORS * LANES;

  private Simd() {}

  /** The panel width that {@code columns} need: 1, 2 or 4 vectors, at most a register tile. */
  static int panelWidth(int columns) {
    if (columns <= LANES) {
      return LANES;
    }
    return columns <= 2 * LANES ? 2 * LANES : TILE_COLUMNS;
  }

  /** {@code n} rounded up to a multiple of {@code step}. */
  static int roundUp(int n, int step) {
    return (n + step - 1) / step * step;
  }
}
