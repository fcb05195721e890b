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
package io.github.kvp4j.predictor;

import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.model.WeightType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.TreeMap;

/**
 * Predictors in 8 bits a number, with a 32-bit float scale for every {@link WeightType#BLOCK} of
 * them: a form for files, a little more than half as large as BF16. In memory they are BF16 again,
 * which the fast kernels read.
 */
public final class Int8 {
  private static final ValueLayout.OfFloat FLOAT_LE =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort SHORT_LE =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private Int8() {}

  /**
   * A predictor whose matrices are rounded to 8 bits, those with a width of no whole blocks not.
   */
  public static KvPredictor of(KvPredictor predictor) {
    return new KvPredictor(
        of(predictor.auxiliary()),
        predictor.projections().stream()
            .map(p -> new LinearProjection(p.layer(), of(p.key()), of(p.value())))
            .toList());
  }

  private static Auxiliary of(Auxiliary auxiliary) {
    return switch (auxiliary) {
      case Auxiliary.Prefix prefix -> {
        Map<Integer, LinearMap> maps = new TreeMap<>();
        prefix.linearised().forEach((layer, map) -> maps.put(layer, of(map)));
        yield new Auxiliary.Prefix(prefix.layers(), prefix.sources(), maps);
      }
      case Auxiliary.Separate separate ->
          separate.withTrained(
              separate.trained().stream().map(w -> w.withMatrices(Int8::of)).toList());
    };
  }

  private static LinearMap of(LinearMap map) {
    return new LinearMap(of(map.weight()), map.bias());
  }

  /**
   * A matrix rounded to {@link WeightType#Q8}, on the heap; itself if its width is no whole blocks.
   */
  static Weight of(Weight w) {
    if (w.columns() % WeightType.BLOCK != 0) {
      return w;
    }
    int columns = w.columns();
    int blocks = columns / WeightType.BLOCK;
    byte[] data = new byte[Math.multiplyExact(w.rows(), columns)];
    MemorySegment scales = MemorySegment.ofArray(new byte[w.rows() * blocks * Float.BYTES]);
    float[] row = new float[columns];
    for (int r = 0; r < w.rows(); r++) {
      w.row(r, row, 0);
      for (int b = 0; b < blocks; b++) {
        float largest = 0;
        for (int c = b * WeightType.BLOCK; c < (b + 1) * WeightType.BLOCK; c++) {
          largest = Math.max(largest, Math.abs(row[c]));
        }
        float scale = largest / Byte.MAX_VALUE;
        scales.set(FLOAT_LE, ((long) r * blocks + b) * Float.BYTES, scale);
        for (int c = b * WeightType.BLOCK; scale > 0 && c < (b + 1) * WeightType.BLOCK; c++) {
          data[r * columns + c] = (byte) Math.clamp(Math.round(row[c] / scale), -127, 127);
        }
      }
    }
    return new Weight(WeightType.Q8, w.rows(), columns, MemorySegment.ofArray(data), scales);
  }

  /** A matrix as BF16 outside the heap if it is {@link WeightType#Q8}, else itself. */
  static Weight toBf16(Weight w) {
    if (w.type() != WeightType.Q8) {
      return w;
    }
    MemorySegment out = Arena.ofAuto().allocate(2L * w.rows() * w.columns(), 64);
    for (int r = 0; r < w.rows(); r++) {
      for (int c = 0; c < w.columns(); c++) {
        out.set(SHORT_LE, 2 * ((long) r * w.columns() + c), Bf16.of(w.get(r, c)));
      }
    }
    return new Weight(WeightType.BF16, w.rows(), w.columns(), out, null);
  }
}
