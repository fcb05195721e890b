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

import static org.assertj.core.api.Assertions.assertThat;

import com.github.tjake.jlama.tensor.AbstractTensor;
import com.github.tjake.jlama.tensor.FloatBufferTensor;
import com.github.tjake.jlama.tensor.Q4ByteBufferTensor;
import com.github.tjake.jlama.tensor.Q8ByteBufferTensor;
import io.github.kvp4j.evaluation.BlockRounding;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.model.WeightType;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Our rounding of weights is Jlama's, number by number. */
class BlockRoundingTest {
  @ParameterizedTest
  @EnumSource(names = {"Q8", "Q4"})
  void eachNumberIsJlamas(WeightType type) {
    int rows = 5;
    int columns = 96;
    SplittableRandom random = new SplittableRandom(1);
    float[] values = new float[rows * columns];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (random.nextDouble() * 2 - 1) * (i % 7 == 0 ? 3 : 1);
    }
    FloatBufferTensor tensor = new FloatBufferTensor(rows, columns);
    for (int i = 0; i < values.length; i++) {
      tensor.set(values[i], i / columns, i % columns);
    }
    Weight ours = BlockRounding.of(Weight.of(values, rows, columns), type);
    assertThat(ours.type()).isEqualTo(type);
    try (AbstractTensor<?, ?> jlamas =
        type == WeightType.Q8 ? new Q8ByteBufferTensor(tensor) : new Q4ByteBufferTensor(tensor)) {
      for (int r = 0; r < rows; r++) {
        for (int c = 0; c < columns; c++) {
          assertThat(ours.get(r, c)).as("%d, %d", r, c).isEqualTo(jlamas.get(r, c));
        }
      }
    }
  }
}
