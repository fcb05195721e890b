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

import static io.github.kvp4j.KvpException.Kind.MALFORMED_FILE;
import static io.github.kvp4j.KvpException.Kind.UNSUPPORTED;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.importer.GgufBuilder.Bytes;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The strict reader of safetensors files. */
class SafetensorsFileTest {
  private static final String SOUND =
      """
      {"__metadata__":{"format":"pt"},
       "a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},
       "b":{"dtype":"BF16","shape":[3],"data_offsets":[16,22]},
       "c":{"dtype":"F16","shape":[],"data_offsets":[22,24]}}\
      """;

  private static byte[] file(String header, int data) {
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    return new Bytes().int64(json.length).bytes(json).bytes(new byte[data]).toByteArray();
  }

  private static SafetensorsFile parse(byte[] file) {
    return SafetensorsFile.parse("m.safetensors", MemorySegment.ofArray(file));
  }

  @Test
  void readsASoundFile() {
    SafetensorsFile file = parse(file(SOUND, 24));

    assertThat(file.tensors())
        .extracting(SafetensorsFile.Tensor::name)
        .containsExactly("a", "b", "c");
    assertThat(file.tensors().getFirst().shape()).containsExactly(2L, 2L);
    assertThat(file.isAll(TensorEncoding.BF16)).isFalse();
    file.checkFinite();
  }

  private static String one(String dtype, String shape, String offsets) {
    return "{\"a\":{\"dtype\":%s,\"shape\":%s,\"data_offsets\":%s}}"
        .formatted(dtype, shape, offsets);
  }

  static Stream<Arguments> broken() {
    String f32 = "\"F32\"";
    return Stream.of(
        Arguments.of(new byte[7], MALFORMED_FILE, "it has 7 bytes"),
        Arguments.of(
            new Bytes().int64(-1).int64(0).toByteArray(),
            MALFORMED_FILE,
            "the header's length is 18446744073709551615, but 8 bytes follow"),
        Arguments.of(
            new Bytes().int64(9).int64(0).toByteArray(),
            MALFORMED_FILE,
            "the header's length is 9, but 8 bytes follow"),
        Arguments.of(
            file(" ".repeat(1 << 20), 0), UNSUPPORTED, "the header has 1048576 bytes; Jlama reads"),
        Arguments.of(file("[]", 0), MALFORMED_FILE, "the header is no JSON object"),
        Arguments.of(file("{\"a\":", 0), MALFORMED_FILE, "the header is not JSON"),
        Arguments.of(file("{\"a\":{},\"a\":{}}", 0), MALFORMED_FILE, "Duplicate field 'a'"),
        Arguments.of(file("[".repeat(5000), 0), MALFORMED_FILE, "the header is not JSON"),
        Arguments.of(file("{\"a\":5}", 0), UNSUPPORTED, "tensor \"a\" is of type \"\""),
        Arguments.of(
            file(one("\"I8\"", "[4]", "[0,4]"), 4), UNSUPPORTED, "is of type \"I8\"; F32, F16"),
        Arguments.of(
            file(one(f32, "4", "[0,16]"), 16), MALFORMED_FILE, "has no shape of up to 8 numbers"),
        Arguments.of(file(one(f32, "[-1]", "[0,16]"), 16), MALFORMED_FILE, "has -1 in shape"),
        Arguments.of(file(one(f32, "[1.5]", "[0,16]"), 16), MALFORMED_FILE, "has 1.5 in shape"),
        Arguments.of(
            file(one(f32, "[99999999999999999999]", "[0,16]"), 16),
            MALFORMED_FILE,
            "has 99999999999999999999 in shape"),
        Arguments.of(
            file(one(f32, "[2147483647,2147483647,2147483647]", "[0,16]"), 16),
            MALFORMED_FILE,
            "which is too large"),
        Arguments.of(file(one(f32, "[4]", "[0]"), 16), MALFORMED_FILE, "has 1 data_offsets, not 2"),
        Arguments.of(
            file(one(f32, "[4]", "[16,0]"), 16), MALFORMED_FILE, "lies at 16 to 0 of 16 bytes"),
        Arguments.of(
            file(one(f32, "[4]", "[0,17]"), 16), MALFORMED_FILE, "lies at 0 to 17 of 16 bytes"),
        Arguments.of(
            file(one(f32, "[3]", "[0,16]"), 16),
            MALFORMED_FILE,
            "of shape [3] and type F32 has 16 bytes"),
        Arguments.of(
            file(one(f32, "[4]", "[0,16]"), 20),
            MALFORMED_FILE,
            "its tensors have 16 bytes, but 20 are there"),
        Arguments.of(
            file(one(f32, "[3]", "[4,16]"), 16),
            MALFORMED_FILE,
            "starts at byte 4, but the one before ends at 0"),
        Arguments.of(
            file(SOUND.replace("[16,22]", "[14,20]"), 24), MALFORMED_FILE, "starts at byte 14"));
  }

  @ParameterizedTest
  @MethodSource("broken")
  void tellsWhatIsBroken(byte[] file, KvpException.Kind kind, String message) {
    assertThat(Tests.failure(kind, () -> parse(file)))
        .startsWith("m.safetensors: ")
        .contains(message);
  }

  @Test
  void refusesEveryPrefix() {
    byte[] file = file(SOUND, 24);
    for (int length = 0; length < file.length; length++) {
      byte[] prefix = Arrays.copyOf(file, length);
      Tests.failure(MALFORMED_FILE, () -> parse(prefix));
    }
  }

  @Test
  void findsWeightsThatAreNotFinite() {
    byte[] file = file(SOUND, 24);
    int start = file.length - 24;
    byte[] nan = TinyModels.bytes(Float.NaN);
    System.arraycopy(nan, 0, file, start + 8, 4);
    assertThat(Tests.failure(MALFORMED_FILE, () -> parse(file).checkFinite()))
        .isEqualTo("m.safetensors: tensor \"a\" has NaN as value 2.");

    byte[] infinite = file(SOUND, 24);
    infinite[start + 16] = (byte) 0x80; // BF16 infinity
    infinite[start + 17] = 0x7F;
    assertThat(Tests.failure(MALFORMED_FILE, () -> parse(infinite).checkFinite()))
        .contains("tensor \"b\" has Infinity as value 0");
  }

  @Test
  void mutationsFailOnlyTyped() {
    Random random = new Random(5);
    byte[] sound = file(SOUND, 24);
    for (int i = 0; i < 50_000; i++) {
      byte[] file = sound.clone();
      for (int n = 1 + random.nextInt(3); n > 0; n--) {
        int at = random.nextInt(file.length - 24);
        switch (random.nextInt(3)) {
          case 0 -> file[at] ^= (byte) (1 << random.nextInt(8));
          case 1 -> file[at] = (byte) "0129-.{}[],:\"eE ".charAt(random.nextInt(16));
          default -> file = Arrays.copyOf(file, file.length - random.nextInt(30));
        }
      }
      byte[] mutated = file;
      try {
        parse(mutated).checkFinite();
      } catch (KvpException e) {
        assertThat(e.kind()).isIn(MALFORMED_FILE, UNSUPPORTED);
      } catch (RuntimeException | Error e) {
        throw new AssertionError("Mutation " + i, e);
      }
    }
  }
}
