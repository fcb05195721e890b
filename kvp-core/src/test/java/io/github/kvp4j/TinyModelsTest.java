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
package io.github.kvp4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;

/** The generator of the golden models makes what the reference made. */
class TinyModelsTest {
  static final List<String> GOLDEN = TinyModels.GOLDEN;

  @ParameterizedTest
  @FieldSource("GOLDEN")
  void tensorsAreThoseOfTheReference(String name) {
    TinyModels.Golden golden = TinyModels.golden(name);
    List<String> names = new ArrayList<>();
    for (JsonNode expected : golden.expectedTensors()) {
      String tensor = expected.get("name").asText();
      names.add(tensor);
      float[] values = golden.tensors().getOrDefault(tensor, new float[0]);
      int count = 1;
      for (JsonNode size : expected.get("shape")) {
        count *= size.asInt();
      }
      assertThat(values).as(tensor).hasSize(count);
      for (int i = 0; i < 3; i++) {
        assertThat((double) values[i])
            .as(tensor)
            .isEqualTo(expected.get("first").get(i).asDouble());
      }
      assertThat((double) values[count - 1]).as(tensor).isEqualTo(expected.get("last").asDouble());
      double sum = 0;
      for (float value : values) {
        sum += value;
      }
      assertThat(sum).as(tensor).isCloseTo(expected.get("sum").asDouble(), within(1e-9));
    }
    assertThat(golden.tensors().keySet()).containsExactlyElementsOf(names);
  }
}
