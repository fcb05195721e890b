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

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Base64;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Each readable type against ggml's own Python package (it/reference/gguf_golden.py). */
class DequantizerTest {
  static Stream<GgufTensorType> readableTypes() {
    return Arrays.stream(GgufTensorType.values()).filter(GgufTensorType::readable);
  }

  @ParameterizedTest
  @MethodSource("readableTypes")
  void sameBitsAsGgml(GgufTensorType type) throws IOException {
    JsonNode golden = golden().path(type.name());
    byte[] blocks = Base64.getDecoder().decode(golden.path("blocks").asText());
    float[] wanted = floats(Base64.getDecoder().decode(golden.path("values").asText()));
    int values = blocks.length / type.blockBytes() * type.blockValues();
    assertThat(wanted).hasSize(values).hasSizeGreaterThanOrEqualTo(96);

    float[] found = new float[values];
    type.decode(MemorySegment.ofArray(blocks), 0, values, found);

    for (int i = 0; i < values; i++) {
      assertThat(Float.floatToRawIntBits(found[i]))
          .as("value %d: %s, not %s", i, found[i], wanted[i])
          .isEqualTo(Float.floatToRawIntBits(wanted[i]));
    }
  }

  @ParameterizedTest
  @MethodSource("readableTypes")
  void startsAtAnyBlock(GgufTensorType type) throws IOException {
    byte[] blocks = Base64.getDecoder().decode(golden().path(type.name()).path("blocks").asText());
    int values = blocks.length / type.blockBytes() * type.blockValues();
    float[] all = new float[values];
    type.decode(MemorySegment.ofArray(blocks), 0, values, all);

    float[] second = new float[type.blockValues()];
    type.decode(MemorySegment.ofArray(blocks), type.blockBytes(), type.blockValues(), second);

    assertThat(second)
        .containsExactly(Arrays.copyOfRange(all, type.blockValues(), 2 * type.blockValues()));
  }

  @Test
  void bf16RoundsToNearestEven() {
    // 1 + 2^-8 lies between two BF16 values and goes to the even one, 1; a bit more goes up.
    assertThat(TensorEncoding.toBf16(1 + 0x1p-8f)).isEqualTo(0x3F80);
    assertThat(TensorEncoding.toBf16(Math.nextUp(1 + 0x1p-8f))).isEqualTo(0x3F81);
    assertThat(TensorEncoding.toBf16(1 + 3 * 0x1p-8f)).isEqualTo(0x3F82);
    assertThat(TensorEncoding.toBf16(-1 - 0x1p-8f) & 0xFFFF).isEqualTo(0xBF80);
    assertThat(TensorEncoding.toBf16(0f)).isZero();
  }

  @Test
  void encodingFindsWhatItCantHold() {
    float[] values = {1, Float.NaN, 2, Float.POSITIVE_INFINITY, Float.MAX_VALUE};
    for (TensorEncoding encoding : TensorEncoding.values()) {
      ByteBuffer out = ByteBuffer.allocate(64).order(ByteOrder.LITTLE_ENDIAN);
      assertThat(encoding.encode(values, 1, out)).isEqualTo(-1);
      assertThat(encoding.encode(values, 5, out)).isEqualTo(1);
      assertThat(encoding.encode(new float[] {Float.NEGATIVE_INFINITY}, 1, out)).isZero();
    }
    ByteBuffer out = ByteBuffer.allocate(64);
    assertThat(TensorEncoding.BF16.encode(new float[] {Float.MAX_VALUE}, 1, out)).isZero();
    assertThat(TensorEncoding.F32.encode(new float[] {Float.MAX_VALUE}, 1, out)).isEqualTo(-1);
  }

  private static JsonNode golden() throws IOException {
    try (InputStream in = DequantizerTest.class.getResourceAsStream("gguf-golden.json")) {
      return new ObjectMapper().readTree(in);
    }
  }

  private static float[] floats(byte[] bytes) {
    float[] floats = new float[bytes.length / Float.BYTES];
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(floats);
    return floats;
  }
}
