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

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.sun.management.ThreadMXBean;
import io.github.kvp4j.KvpException;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * Mutated files, with a fixed seed: each is either imported or refused with a {@code KvpException},
 * and none makes the importer allocate much more than the file's size.
 */
class GgufFuzzTest {
  private static final int MUTATIONS = 50_000;

  /** A sound file of this test has some 10 kB; a buffer and the JSON writers add to it. */
  private static final long MAX_ALLOCATED = 4 << 20;

  private static final long[] NASTY = {
    0,
    1,
    2,
    -1,
    31,
    32,
    33,
    127,
    255,
    1 << 16,
    Integer.MAX_VALUE,
    Integer.MIN_VALUE,
    1L << 32,
    1L << 40,
    Long.MAX_VALUE,
    Long.MAX_VALUE - 7,
    Long.MIN_VALUE,
    0x2000_0000_0000_0001L,
    0x0FFF_FFFF_FFFF_FFFFL
  };

  private final Random random = new Random(20260101);

  @Test
  void onlyTypedFailures() throws IOException {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    List<GgufBuilder> seeds =
        List.of(
            TinyModels.mixed(TinyModels.SMALL, 1),
            TinyModels.floats(TinyModels.SMALL, false, 2).builder(),
            sentencePiece());
    int imported = 0;
    long most = 0;
    for (int i = 0; i < MUTATIONS; i++) {
      byte[] file = mutate(seeds.get(i % seeds.size()));
      long before = threads.getCurrentThreadAllocatedBytes();
      try {
        importAll(file);
        imported++;
      } catch (KvpException e) {
        assertThat(e.kind()).isIn(KvpException.Kind.MALFORMED_FILE, KvpException.Kind.UNSUPPORTED);
      } catch (RuntimeException | Error e) {
        throw new AssertionError("Mutation " + i, e);
      }
      most = Math.max(most, threads.getCurrentThreadAllocatedBytes() - before);
    }
    assertThat(most).isLessThan(MAX_ALLOCATED);
    // Some must get through, or the mutations would be too coarse to reach the later checks.
    assertThat(imported).isBetween(MUTATIONS / 100, MUTATIONS / 2);
  }

  private static GgufBuilder sentencePiece() {
    return TinyModels.mixed(TinyModels.SMALL, 4)
        .put("tokenizer.ggml.model", "llama")
        .put("tokenizer.ggml.scores", new float[TinyModels.SMALL.vocabulary()]);
  }

  /** All that an import does, but for the disk. */
  private static void importAll(byte[] bytes) throws IOException {
    GgufFile file = GgufBuilder.parse(bytes);
    GgufImporter importer = new GgufImporter(file);
    try (JsonGenerator json = new JsonFactory().createGenerator(OutputStream.nullOutputStream())) {
      importer.config(json, TensorEncoding.BF16);
      importer.tokenizer(json);
    }
    float[] row = new float[TinyModels.SMALL.feedForward()];
    ByteBuffer out = ByteBuffer.allocate(row.length * 4).order(ByteOrder.LITTLE_ENDIAN);
    for (LlamaGguf.Planned tensor : new LlamaGguf(file).tensors()) {
      int columns = (int) tensor.source().columns();
      if (columns > row.length) {
        row = new float[columns];
        out = ByteBuffer.allocate(columns * 4).order(ByteOrder.LITTLE_ENDIAN);
      }
      for (long r = 0; r < tensor.source().rows(); r++) {
        tensor.source().readRow(tensor.sourceRow(r), row);
        TensorEncoding.F32.encode(row, columns, out.clear());
      }
    }
  }

  private byte[] mutate(GgufBuilder seed) {
    GgufBuilder builder = random.nextInt(4) == 0 ? restructure(seed.copy()) : seed;
    byte[] file = builder.build();
    List<GgufBuilder.Field> fields = builder.fields();
    int times = builder == seed ? 1 + random.nextInt(3) : random.nextInt(2);
    for (int i = 0; i < times; i++) {
      file = mutate(file, fields);
    }
    return file;
  }

  private byte[] mutate(byte[] file, List<GgufBuilder.Field> fields) {
    switch (random.nextInt(10)) {
      case 0, 1, 2, 3 -> { // a nasty number in a field of the header
        GgufBuilder.Field field = fields.get(random.nextInt(fields.size()));
        write(file, field.offset(), field.bytes(), NASTY[random.nextInt(NASTY.length)]);
      }
      case 4, 5 -> { // a number that is off by a little
        GgufBuilder.Field field = fields.get(random.nextInt(fields.size()));
        int at = field.offset();
        if (at < file.length) {
          file[at] = (byte) (file[at] + random.nextInt(-2, 3));
        }
      }
      case 6 -> { // a bit
        int at = random.nextInt(file.length);
        file[at] ^= (byte) (1 << random.nextInt(8));
      }
      case 7 -> { // a few random bytes, mostly in the header
        int at = random.nextInt(Math.min(file.length, random.nextBoolean() ? 2000 : file.length));
        for (int i = at; i < Math.min(file.length, at + 8); i++) {
          file[i] = (byte) random.nextInt();
        }
      }
      case 8 -> { // cut off
        return Arrays.copyOf(file, 1 + random.nextInt(file.length));
      }
      default -> { // a piece is there twice
        int from = random.nextInt(file.length);
        int length = Math.min(file.length - from, 1 + random.nextInt(64));
        byte[] longer = Arrays.copyOf(file, file.length + length);
        System.arraycopy(file, from, longer, from + length, file.length - from);
        return longer;
      }
    }
    return file;
  }

  private static void write(byte[] file, int at, int bytes, long value) {
    for (int i = 0; i < Math.min(bytes, 8) && at + i < file.length; i++) {
      file[at + i] = (byte) (value >>> (8 * i));
    }
  }

  /** Changes what the file says, not how it is written. */
  private GgufBuilder restructure(GgufBuilder builder) {
    String key = builder.keys().get(random.nextInt(builder.keys().size()));
    String tensor = builder.tensorNames().get(random.nextInt(builder.tensorNames().size()));
    return switch (random.nextInt(7)) {
      case 0 -> builder.remove(key);
      case 1 -> builder.removeTensor(tensor);
      case 2 -> builder.put(key, (int) NASTY[random.nextInt(NASTY.length)]);
      case 3 -> builder.put(key, random.nextInt(64));
      case 4 -> builder.rename(tensor, tensor + "x");
      case 5 ->
          builder.tensor(
              tensor,
              random.nextInt(45), // the ids of the types, and some that are none
              new byte[random.nextInt(4096)],
              1 + random.nextInt(64),
              1 + random.nextInt(64));
      default ->
          switch (random.nextInt(4)) {
            case 0 -> builder.put(key, Float.intBitsToFloat(random.nextInt()));
            case 1 -> builder.put(key, "x".repeat(random.nextInt(40)));
            case 2 -> builder.put(key, new int[random.nextInt(20)]);
            default -> builder.put(key, random.nextBoolean());
          };
    };
  }
}
