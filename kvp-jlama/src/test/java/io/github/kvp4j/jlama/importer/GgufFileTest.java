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

import static io.github.kvp4j.KvpException.Kind.FILE_ACCESS;
import static io.github.kvp4j.KvpException.Kind.MALFORMED_FILE;
import static io.github.kvp4j.KvpException.Kind.UNSUPPORTED;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.importer.GgufBuilder.Bytes;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The reader: sound files are read, and each way to break one is told. */
class GgufFileTest {
  private static final int STRING = 8;
  private static final int ARRAY = 9;

  private static GgufBuilder small() {
    return TinyModels.mixed(TinyModels.SMALL, 1);
  }

  @ParameterizedTest
  @MethodSource("versions")
  void readsMetadataAndTensors(int version) {
    GgufFile file =
        small()
            .version(version)
            .put("a.double", 0.1)
            .put("a.long", -5L)
            .put("a.text", "é\u0000漢")
            .raw("a.nested", ARRAY, nested(3))
            .parse();

    assertThat(file.version()).isEqualTo(version);
    assertThat(file.metadata())
        .containsEntry("general.architecture", new GgufValue.Text("llama"))
        .containsEntry("llama.block_count", new GgufValue.Whole(1))
        .containsEntry("llama.rope.freq_base", new GgufValue.Real(10_000, true))
        .containsEntry("tokenizer.ggml.add_bos_token", new GgufValue.Flag(false))
        .containsEntry("a.double", new GgufValue.Real(0.1, false))
        .containsEntry("a.long", new GgufValue.Whole(-5))
        .containsEntry("a.text", new GgufValue.Text("é\u0000漢"));
    assertThat(file.metadata().get("tokenizer.ggml.tokens"))
        .isInstanceOfSatisfying(
            GgufValue.Array.class,
            tokens -> {
              assertThat(tokens.count()).isEqualTo(16);
              assertThat(tokens.text(0)).isEqualTo("<|end|>");
              assertThat(tokens.text(3)).isEqualTo("Ġ");
            });
    assertThat(file.tensors().get("token_embd.weight"))
        .isNotNull()
        .satisfies(tensor -> {
          assertThat(tensor.type()).isEqualTo(GgufTensorType.Q8_0);
          assertThat(tensor.columns()).isEqualTo(32);
          assertThat(tensor.rows()).isEqualTo(16);
          assertThat(tensor.data().byteSize()).isEqualTo(16 * 34);
        });
  }

  static int[] versions() {
    return new int[] {2, 3};
  }

  @Test
  void readsWithAnotherAlignment() {
    GgufFile file = small().put("general.alignment", 4096).alignment(4096).parse();
    assertThat(file.tensors()).hasSize(11);
  }

  /** An array in an array, {@code depth} deep, of one empty array of bytes. */
  private static byte[] nested(int depth) {
    Bytes bytes = new Bytes();
    for (int i = 0; i < depth - 1; i++) {
      bytes.int32(ARRAY).int64(1);
    }
    return bytes.int32(0).int64(0).toByteArray();
  }

  private static Named<UnaryOperator<GgufBuilder>> broken(
      String name, UnaryOperator<GgufBuilder> how) {
    return Named.of(name, how);
  }

  private static byte[] f32(int values) {
    return new byte[4 * values];
  }

  static Stream<Arguments> brokenFiles() {
    return Stream.of(
        Arguments.of(
            broken("magic", b -> b.magic(0x47475546)), MALFORMED_FILE, "not with \"GGUF\""),
        Arguments.of(broken("version 1", b -> b.version(1)), UNSUPPORTED, "GGUF version 1"),
        Arguments.of(
            broken("version -1", b -> b.version(-1)), UNSUPPORTED, "GGUF version 4294967295"),
        Arguments.of(
            broken("big-endian", b -> b.version(0x0300_0000)), UNSUPPORTED, "it is big-endian"),
        Arguments.of(
            broken("empty key", b -> b.put("", 1)), MALFORMED_FILE, "of metadata 23 is empty"),
        Arguments.of(
            broken("long key", b -> b.put("k".repeat(65_536), 1)),
            MALFORMED_FILE,
            "is 65536; the limit is 65535"),
        Arguments.of(
            broken("value type", b -> b.raw("x", 13, new byte[8])),
            MALFORMED_FILE,
            "the type of \"x\" is 13; types are 0 to 12"),
        Arguments.of(
            broken("bool", b -> b.raw("x", 7, new byte[] {2})),
            MALFORMED_FILE,
            "\"x\" is 2; a bool is 0 or 1"),
        Arguments.of(
            broken(
                "bool in array",
                b ->
                    b.raw(
                        "x",
                        ARRAY,
                        new Bytes().int32(7).int64(2).bytes((byte) 1, (byte) 9).toByteArray())),
            MALFORMED_FILE,
            "\"x\"[1] is 9; a bool is 0 or 1"),
        Arguments.of(
            broken(
                "string beyond the end",
                b -> b.raw("x", STRING, new Bytes().int64(1 << 20).toByteArray())),
            MALFORMED_FILE,
            "the length of \"x\" is 1048576, but only "),
        Arguments.of(
            broken("negative string", b -> b.raw("x", STRING, new Bytes().int64(-1).toByteArray())),
            MALFORMED_FILE,
            "the length of \"x\" is 18446744073709551615, but only "),
        Arguments.of(
            broken(
                "not UTF-8",
                b ->
                    b.raw(
                        "x",
                        STRING,
                        new Bytes().int64(2).bytes((byte) 0xC3, (byte) 0x28).toByteArray())),
            MALFORMED_FILE,
            "\"x\" is not UTF-8"),
        Arguments.of(
            broken(
                "surrogate in UTF-8",
                b ->
                    b.raw(
                        "x",
                        ARRAY,
                        new Bytes()
                            .int32(STRING)
                            .int64(1)
                            .int64(3)
                            .bytes((byte) 0xED, (byte) 0xA0, (byte) 0x80)
                            .toByteArray())),
            MALFORMED_FILE,
            "\"x\"[0] is not UTF-8"),
        Arguments.of(
            broken(
                "element type",
                b -> b.raw("x", ARRAY, new Bytes().int32(99).int64(0).toByteArray())),
            MALFORMED_FILE,
            "the type of the elements of \"x\" is 99"),
        Arguments.of(
            broken(
                "element count",
                b -> b.raw("x", ARRAY, new Bytes().int32(0).int64(1L << 40).toByteArray())),
            MALFORMED_FILE,
            "the element count of \"x\" is 1099511627776, but only "),
        Arguments.of(
            broken(
                "count that overflows",
                b ->
                    b.raw(
                        "x",
                        ARRAY,
                        new Bytes().int32(10).int64(0x2000_0000_0000_0001L).toByteArray())),
            MALFORMED_FILE,
            "the element count of \"x\" is 2305843009213693953, but only "),
        Arguments.of(
            broken("deep arrays", b -> b.raw("x", ARRAY, nested(5))),
            MALFORMED_FILE,
            "\"x\" holds arrays in arrays, more than 4 deep"),
        Arguments.of(
            broken("alignment 0", b -> b.put("general.alignment", 0)),
            MALFORMED_FILE,
            "general.alignment is 0; it must be a power of two from 8 to 65536"),
        Arguments.of(
            broken("alignment 48", b -> b.put("general.alignment", 48)),
            MALFORMED_FILE,
            "general.alignment is 48"),
        Arguments.of(
            broken("alignment text", b -> b.put("general.alignment", "32")),
            MALFORMED_FILE,
            "general.alignment is \"32\""),
        Arguments.of(
            broken("no dimensions", b -> b.tensor("t", 0, f32(1))),
            MALFORMED_FILE,
            "tensor \"t\" has 0 dimensions; 1 to 4 are allowed"),
        Arguments.of(
            broken("five dimensions", b -> b.tensor("t", 0, f32(1), 1, 1, 1, 1, 1)),
            MALFORMED_FILE,
            "tensor \"t\" has 5 dimensions"),
        Arguments.of(
            broken("size 0", b -> b.tensor("t", 0, f32(1), 1, 0)),
            MALFORMED_FILE,
            "dimension 1 of tensor \"t\" is 0"),
        Arguments.of(
            broken("sizes overflow", b -> b.tensor("t", 0, f32(1), 1L << 40, 1L << 40)),
            MALFORMED_FILE,
            "dimension 1 of tensor \"t\" is 1099511627776"),
        Arguments.of(
            broken("bytes overflow", b -> b.tensor("t", 0, f32(1), 1L << 62)),
            MALFORMED_FILE,
            "its size overflows"),
        Arguments.of(
            broken("unknown tensor type", b -> b.tensor("t", 4, f32(1), 1)),
            MALFORMED_FILE,
            "the type of tensor \"t\" is 4, which is no known tensor type"),
        Arguments.of(
            broken("part of a block", b -> b.tensor("t", GgufTensorType.Q8_0, f32(40), 33)),
            MALFORMED_FILE,
            "tensor \"t\" has rows of 33 values; Q8_0 needs a multiple of 32"),
        Arguments.of(
            broken("tensor beyond the end", b -> b.tensor("t", 0, f32(4), 5)),
            MALFORMED_FILE,
            "tensor \"t\" has 20 bytes at "),
        Arguments.of(
            broken("overlap", b -> b.tensor("t", 0, f32(4), 64).tensor("u", 0, f32(64), 64)),
            MALFORMED_FILE,
            "tensors \"t\" and \"u\" overlap at byte "),
        Arguments.of(
            broken("empty tensor name", b -> b.tensor("", 0, f32(1), 1)),
            MALFORMED_FILE,
            "the name of tensor 11 is empty"),
        Arguments.of(
            broken("long tensor name", b -> b.tensor("t".repeat(65), 0, f32(1), 1)),
            MALFORMED_FILE,
            "is 65; the limit is 64"));
  }

  @ParameterizedTest
  @MethodSource("brokenFiles")
  void tellsWhatIsBroken(UnaryOperator<GgufBuilder> how, KvpException.Kind kind, String message) {
    byte[] file = how.apply(small()).build();

    assertThat(Tests.failure(kind, () -> GgufBuilder.parse(file)))
        .startsWith("test.gguf: ")
        .contains(message);
  }

  @Test
  void tellsWhatIsThereTwice() {
    byte[] metadata = small().put("a.first", 1).put("a.other", 2).build();
    replace(metadata, "a.other", "a.first");
    assertThat(Tests.failure(MALFORMED_FILE, () -> GgufBuilder.parse(metadata)))
        .contains("the metadata \"a.first\" is there twice");

    byte[] tensors = small().build();
    replace(tensors, "blk.0.attn_k.weight", "blk.0.attn_v.weight");
    assertThat(Tests.failure(MALFORMED_FILE, () -> GgufBuilder.parse(tensors)))
        .contains("tensor \"blk.0.attn_v.weight\" is there twice");
  }

  private static void replace(byte[] file, String from, String to) {
    byte[] wanted = from.getBytes(StandardCharsets.UTF_8);
    for (int i = 0; i + wanted.length <= file.length; i++) {
      if (Arrays.equals(file, i, i + wanted.length, wanted, 0, wanted.length)) {
        System.arraycopy(to.getBytes(StandardCharsets.UTF_8), 0, file, i, wanted.length);
        return;
      }
    }
    throw new AssertionError(from);
  }

  /** Counts and offsets in the header itself. */
  @ParameterizedTest
  @MethodSource("brokenFields")
  void tellsWhichNumberIsBroken(String field, long value, String message) {
    GgufBuilder builder = small();
    byte[] file = builder.build();
    GgufBuilder.Field at =
        builder.fields().stream().filter(f -> f.name().equals(field)).findFirst().orElseThrow();
    byte[] number = new Bytes().int64(value).toByteArray();
    System.arraycopy(number, 0, file, at.offset(), at.bytes());

    assertThat(Tests.failure(MALFORMED_FILE, () -> GgufBuilder.parse(file))).contains(message);
  }

  static Stream<Arguments> brokenFields() {
    return Stream.of(
        Arguments.of("tensor count", -1, "the tensor count is 18446744073709551615, but only "),
        Arguments.of("tensor count", 1L << 32, "the tensor count is 4294967296, but only "),
        Arguments.of("metadata count", Long.MAX_VALUE, "the metadata count is 9223372036854775807"),
        Arguments.of("metadata count", 1000, "the metadata count is 1000, but only "),
        Arguments.of("length of llama.block_count", 1 << 30, "is 1073741824, but only "),
        Arguments.of("offset of blk.0.attn_q.weight", 7, "is 7; it must be a multiple of 32"),
        Arguments.of("offset of blk.0.attn_q.weight", -32, "is 18446744073709551584; it must be"),
        Arguments.of(
            "offset of output_norm.weight",
            Long.MAX_VALUE & ~31,
            "\"output_norm.weight\" has 128 bytes at 9223372036854775776 of the tensor data"),
        Arguments.of(
            "offset of output_norm.weight", 0, "\"token_embd.weight\" and \"output_norm.weight\""));
  }

  @Test
  void refusesEveryPrefix() {
    byte[] file = small().build();
    assertThat(GgufBuilder.parse(file).tensors()).hasSize(11);
    for (int length = 0; length < file.length; length++) {
      byte[] prefix = Arrays.copyOf(file, length);
      Tests.failure(MALFORMED_FILE, () -> GgufBuilder.parse(prefix));
    }
  }

  @Test
  void tellsThatAFileIsNotThere(@TempDir Path temp) {
    try (Arena arena = Arena.ofConfined()) {
      assertThat(Tests.failure(FILE_ACCESS, () -> GgufFile.open(temp.resolve("no.gguf"), arena)))
          .isEqualTo("Can't read no.gguf: it is not there.");
    }
  }
}
