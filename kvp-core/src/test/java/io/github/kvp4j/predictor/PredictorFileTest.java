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

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import com.sun.management.ThreadMXBean;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.TinyModels;
import io.github.kvp4j.format.Safetensors;
import io.github.kvp4j.model.LayerWeights;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.model.WeightType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.AnnotatedElementContext;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.io.TempDirFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is written is read back to the bit; whatever else lies in a file is refused. */
class PredictorFileTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final ModelShape SHAPE =
      new ModelShape(3, 4, 2, 1, 2, 5, 7, TinyModels.CONTEXT, 1e-5f);
  private static final Map<String, Long> VOCABULARY =
      Map.of("a", 0L, "b", 1L, "c", 2L, "d", 3L, "e", 4L, "f", 5L, "g", 6L);
  private static final ModelWeights BASE = TinyModels.random(SHAPE, true, false, 1);

  @TempDir(factory = InMemory.class)
  Path folder;

  private Path file = Path.of("");
  private byte[] good = new byte[0];

  @BeforeEach
  void writeOne() throws IOException {
    file = folder.resolve("predictor.safetensors");
    example().write(file);
    good = Files.readAllBytes(file);
  }

  /** A folder in memory where there is one: 50,000 files are written again and again. */
  static final class InMemory implements TempDirFactory {
    @Override
    public Path createTempDirectory(AnnotatedElementContext element, ExtensionContext extension)
        throws IOException {
      Path memory = Path.of("/dev/shm");
      return Files.isWritable(memory)
          ? Files.createTempDirectory(memory, "kvp4j-test")
          : Files.createTempDirectory("kvp4j-test");
    }
  }

  // --- round trip

  @Test
  void whatIsWrittenIsReadBackToTheBit() {
    PredictorFile written = example();
    PredictorFile read = PredictorFile.read(file);

    assertSame(read, written);
    read.checkBase(BaseFingerprint.of(BASE, VOCABULARY));
    read.predictor().checkFits(SHAPE);
    assertThat(read.predictor().parameters()).isEqualTo(written.predictor().parameters());
  }

  @Test
  void theSamePredictorGivesTheSameBytes() throws IOException {
    Path again = folder.resolve("again.safetensors");
    PredictorFile.read(file).write(again);
    assertThat(Files.readAllBytes(again)).isEqualTo(good);
  }

  @Test
  void anOldFileIsReplaced() throws IOException {
    Files.writeString(file, "something older");
    example().write(file);
    assertThat(Files.readAllBytes(file)).isEqualTo(good);
    assertThat(entries(folder)).containsExactly("predictor.safetensors");
  }

  @Test
  void foldersOnTheWayAreMade() {
    Path deep = folder.resolve("a/b/c.safetensors");
    example().write(deep);
    assertSame(PredictorFile.read(deep), example());
  }

  @Test
  void aSiblingOfNoFolderIsNotWritten() {
    KvPredictor sibling =
        new KvPredictor(
            new Auxiliary.Sibling(BASE, LayerMap.paper(3, 3)), example().predictor().projections());
    PredictorFile other = new PredictorFile(sibling, example().base(), Map.of(), List.of());
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(() -> other.write(file))
        .satisfies(e -> assertThat(e.kind()).isEqualTo(KvpException.Kind.UNSUPPORTED));
    assertThat(file).hasBinaryContent(good);
  }

  // --- damaged files

  @Test
  void everyPrefixIsRefused() throws IOException {
    for (int length = 0; length < good.length; length++) {
      Files.write(file, Arrays.copyOf(good, length));
      assertRefused("the first " + length + " bytes");
    }
  }

  @Test
  void whatFollowsTheLastTensorIsRefused() throws IOException {
    for (int more : new int[] {1, 2, 4, 100}) {
      Files.write(file, Arrays.copyOf(good, good.length + more));
      assertRefused(more + " bytes more");
    }
  }

  @Test
  void aThousandFlippedBitsInTensorsAreRefused() throws IOException {
    SplittableRandom random = new SplittableRandom(2);
    int data = dataStart(good);
    for (int i = 0; i < 1000; i++) {
      byte[] bytes = good.clone();
      int at = random.nextInt(data, bytes.length);
      int bit = random.nextInt(8);
      bytes[at] ^= (byte) (1 << bit);
      Files.write(file, bytes);
      KvpException e = assertRefused("bit " + bit + " of byte " + at);
      assertThat(e).hasMessageContaining("checksum");
    }
  }

  @ParameterizedTest
  @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
  void numbersThatAreNotFiniteAreRefusedEvenWithTheRightChecksum(float value) {
    for (String tensor : Safetensors.read(file).tensors().keySet()) {
      example().write(file);
      Safetensors st = Safetensors.read(file);
      Weight w = Objects.requireNonNull(st.tensors().get(tensor));
      int last = w.rows() * w.columns() - 1;
      if (w.type() == WeightType.F32) {
        w.data().set(ValueLayout.JAVA_FLOAT_UNALIGNED, 4L * last, value);
      } else {
        w.data().set(ValueLayout.JAVA_SHORT_UNALIGNED, 2L * last, Bf16.of(value));
      }
      withChecksum(st).write(file);
      KvpException e = assertRefused(value + " in " + tensor);
      assertThat(e).hasMessageContaining(tensor).hasMessageContaining(Float.toString(value));
    }
  }

  /** So that the test before this one fails for the number and not for the checksum. */
  @Test
  void theChecksumIsComputedHereAsThere() throws IOException {
    withChecksum(Safetensors.read(file)).write(file);
    assertThat(Files.readAllBytes(file)).isEqualTo(good);
  }

  /** One rule of the format broken at a time, the checksum right wherever one can be computed. */
  @Test
  void eachRuleIsHeld() throws IOException {
    String key = "layers.2.key.bias";
    int data = good.length - dataStart(good);
    // bytes before, between and behind the tensors that belong to none; bytes that belong to two
    rule("4 where 0 is due", h -> move(h, 4, 0), 4);
    rule("is due", h -> move(h, 4, end(h, first(h))), 4);
    rule("tensors of " + data + " bytes but " + (data + 4), h -> {}, 4);
    rule("is due", h -> move(h, -4, end(h, first(h))), 0);
    rule("is due", h -> h.set("twin", h.get(key).deepCopy()), 0);
    rule("tensors of", h -> h.remove(last(h)), 0);
    // sizes and types
    rule("in its shape", h -> at(h, key).putArray("shape").add(0), 0);
    rule("in its shape", h -> at(h, key).putArray("shape").add(2.0), 0);
    rule("not one or two numbers", h -> at(h, key).putArray("shape"), 0);
    rule("not one or two numbers", h -> at(h, key).putArray("shape").add(1).add(1).add(2), 0);
    rule("it needs", h -> at(h, key).putArray("shape").add(3), 0);
    rule("it needs", h -> at(h, key).put("dtype", "BF16"), 0);
    rule("'F64'", h -> at(h, key).put("dtype", "F64"), 0);
    rule("without two data offsets", h -> at(h, key).remove("data_offsets"), 0);
    // what belongs to a predictor and what does not
    rule("unknown tensor 'more'", h -> h.set("more", floatAt(data)), 4);
    rule("lacks the tensor", h -> rename(h, key, "layers.2.key.bia"), 0);
    rule("lacks the tensor", h -> rename(h, key, "layers.3.key.bias"), 0);
    rule("lacks the tensor", h -> meta(h).put("linearised", "1"), 0);
    rule("unknown tensor", h -> meta(h).put("linearised", ""), 0);
    rule("unknown tensor", h -> meta(h).put("layers", "3"), 0);
    rule("must ascend", h -> meta(h).put("sources", "2,0"), 0);
    rule("must ascend", h -> meta(h).put("sources", "0,3"), 0);
    rule("at least one is needed", h -> meta(h).put("sources", ""), 0);
    rule("where a number is due", h -> meta(h).put("layers", "two"), 0);
    rule("'format'", h -> meta(h).remove("format"), 0);
    rule("version '2'", h -> meta(h).put("version", "2"), 0);
    rule("kind 'OTHER'", h -> meta(h).put("kind", "OTHER"), 0);
    rule("'map'", h -> meta(h).put("kind", "SIBLING"), 0);
    rule("'kept'", h -> meta(h).put("kind", "LAYER_PRUNED"), 0);
    for (String needed : List.of("base.shape", "base.tokenizer", "base.weights", "sha256")) {
      rule("'" + needed + "'", h -> meta(h).remove(needed), 0);
    }
    rule("incomplete", h -> meta(h).put("quality", "[{\"task\":\"text\"}]"), 0);
    rule("incomplete", h -> meta(h).put("quality", "[null]"), 0);
    rule("incomplete", h -> meta(h).put("calibration", "{\"data\":null}"), 0);
    rule("can't be read", h -> meta(h).put("calibration", "[]"), 0);
    rule("no text", h -> meta(h).put("calibration", 1), 0);
  }

  private void rule(String message, Consumer<ObjectNode> change, int moreBytes) throws IOException {
    ObjectNode header = header(good);
    change.accept(header);
    byte[] bytes = join(header.toString(), good);
    Files.write(file, mended(Arrays.copyOf(bytes, bytes.length + moreBytes)));
    assertThat(assertRefused(message)).hasMessageContaining(message);
  }

  private static ObjectNode at(ObjectNode header, String tensor) {
    return (ObjectNode) header.get(tensor);
  }

  private static ObjectNode meta(ObjectNode header) {
    return at(header, "__metadata__");
  }

  private static ObjectNode floatAt(int begin) {
    ObjectNode tensor = JSON.createObjectNode().put("dtype", "F32");
    tensor.putArray("shape").add(1);
    tensor.putArray("data_offsets").add(begin).add(begin + 4);
    return tensor;
  }

  private static void rename(ObjectNode header, String from, String to) {
    header.set(to, header.remove(from));
  }

  private static int end(ObjectNode header, String tensor) {
    return header.get(tensor).get("data_offsets").get(1).asInt();
  }

  private static String first(ObjectNode header) {
    return tensors(header).stream()
        .filter(name -> header.get(name).get("data_offsets").get(0).asInt() == 0)
        .findFirst()
        .orElseThrow();
  }

  private static String last(ObjectNode header) {
    return tensors(header).stream()
        .max(Comparator.comparingInt(name -> end(header, name)))
        .orElseThrow();
  }

  /** Moves all tensors that lie at {@code from} or behind. */
  private static void move(ObjectNode header, int by, int from) {
    for (String name : tensors(header)) {
      ArrayNode offsets = (ArrayNode) header.get(name).get("data_offsets");
      int begin = offsets.get(0).asInt();
      if (begin >= from) {
        offsets.set(0, begin + by);
        offsets.set(1, offsets.get(1).asInt() + by);
      }
    }
  }

  /**
   * 50,000 files that are nearly right: each is refused with one sentence, or reads as a predictor
   * that can be written and read again. Memory for one is bounded, whatever sizes it claims.
   */
  @Test
  @Timeout(300)
  void mutationsAreRefusedOrValid() throws IOException {
    SplittableRandom random = new SplittableRandom(20260101);
    ThreadMXBean memory = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    Path copy = folder.resolve("copy.safetensors");
    Map<Mutation, int[]> outcomes = new EnumMap<>(Mutation.class);
    for (int i = 0; i < 50_000; i++) {
      Mutation mutation = Mutation.values()[i % Mutation.values().length];
      byte[] bytes = mutation.apply(good, random);
      if (random.nextInt(3) == 0) {
        bytes = mended(bytes);
      }
      Files.write(file, bytes);
      long before = memory.getThreadAllocatedBytes(Thread.currentThread().threadId());
      int[] outcome = outcomes.computeIfAbsent(mutation, m -> new int[2]);
      try {
        PredictorFile read = PredictorFile.read(file);
        outcome[0]++;
        assertThat(read.calibration()).doesNotContainValue(nothing());
        for (MeasuredQuality quality : read.quality()) {
          assertThat(quality.anchors()).isNotNull();
          assertThat(quality.task()).isNotNull();
        }
        read.write(copy);
        assertSame(PredictorFile.read(copy), read);
      } catch (KvpException e) {
        outcome[1]++;
        assertOneSentence(e);
      } catch (Throwable e) {
        Files.copy(file, Path.of("target", "predictor-mutation-" + i));
        throw new AssertionError(
            "Mutation " + i + " by " + mutation + " failed; it is kept in target", e);
      }
      long used = memory.getThreadAllocatedBytes(Thread.currentThread().threadId()) - before;
      if (used > (8 << 20) + 100L * bytes.length) {
        fail("Mutation %d by %s of %d bytes took %d bytes", i, mutation, bytes.length, used);
      }
    }
    // the mutations do reach both ends
    outcomes.forEach(
        (mutation, outcome) -> assertThat(outcome[1]).as("%s refused", mutation).isPositive());
    assertThat(outcomes.values().stream().mapToInt(o -> o[0]).sum()).isPositive();
  }

  @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"})
  private static <T> T nothing() {
    return null;
  }

  @Test
  void filesThatAreNotThereAreNamed() {
    Path none = folder.resolve("none.safetensors");
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(() -> PredictorFile.read(none))
        .withMessageContaining(none.toString())
        .withMessageContaining("no such file")
        .satisfies(e -> assertThat(e.kind()).isEqualTo(KvpException.Kind.FILE_ACCESS));
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(() -> PredictorFile.read(folder))
        .withMessageContaining(folder.toString())
        .satisfies(e -> assertThat(e.kind()).isEqualTo(KvpException.Kind.FILE_ACCESS));
  }

  // --- another base

  static Stream<BaseFingerprint> otherBases() {
    List<BaseFingerprint> all = new ArrayList<>();
    for (int field = 0; field < 7; field++) {
      for (int more : new int[] {-1, 1}) {
        all.add(new BaseFingerprint(shapeText(field, more), "t", "w"));
      }
    }
    all.add(new BaseFingerprint(shapeText(0, 0), "t2", "w"));
    all.add(new BaseFingerprint(shapeText(0, 0), "t", "w2"));
    return all.stream();
  }

  private static String shapeText(int field, int more) {
    String[] names = {
      "layers", "hidden", "heads", "kvHeads", "headSize", "feedForward", "vocabulary"
    };
    int[] values = {126, 16384, 128, 128, 128, 53248, 128256};
    values[field] += more;
    return String.join(
        ",", IntStream.range(0, 7).mapToObj(i -> names[i] + "=" + values[i]).toList());
  }

  @ParameterizedTest
  @MethodSource("otherBases")
  void anotherBaseIsRefusedWithBothFingerprints(BaseFingerprint other) {
    BaseFingerprint own = new BaseFingerprint(shapeText(0, 0), "t", "w");
    PredictorFile mine = new PredictorFile(example().predictor(), own, Map.of(), List.of());
    String before;
    String after;
    if (!other.shape().equals(own.shape())) {
      before = own.shape();
      after = other.shape();
    } else {
      boolean tokenizer = !other.tokenizer().equals(own.tokenizer());
      before = tokenizer ? "tokenizer fingerprint t," : "weights fingerprint w,";
      after = tokenizer ? "t2" : "w2";
    }
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(() -> mine.checkBase(other))
        .withMessageContaining(before)
        .withMessageContaining(after)
        .satisfies(e -> assertThat(e.kind()).isEqualTo(KvpException.Kind.PREDICTOR_MISMATCH));
    mine.checkBase(own);
  }

  /** Every size, every token, every norm is in the fingerprint. */
  @Test
  void fingerprintsDifferWhereModelsDo() {
    BaseFingerprint own = BaseFingerprint.of(BASE, VOCABULARY);
    ModelShape s = SHAPE;
    List<ModelShape> others =
        List.of(
            new ModelShape(4, 4, 2, 1, 2, 5, 7, 9, 1e-5f),
            new ModelShape(3, 5, 2, 1, 2, 5, 7, 9, 1e-5f),
            new ModelShape(3, 4, 3, 1, 2, 5, 7, 9, 1e-5f),
            new ModelShape(3, 4, 2, 2, 2, 5, 7, 9, 1e-5f),
            new ModelShape(3, 4, 2, 1, 4, 5, 7, 9, 1e-5f),
            new ModelShape(3, 4, 2, 1, 2, 6, 7, 9, 1e-5f),
            new ModelShape(3, 4, 2, 1, 2, 5, 8, 9, 1e-5f));
    for (ModelShape other : others) {
      ModelWeights weights = TinyModels.random(other, true, false, 1);
      assertThat(BaseFingerprint.of(weights, VOCABULARY).shape())
          .as("%s", other)
          .isNotEqualTo(own.shape());
    }
    Map<String, Long> swapped = new HashMap<>(VOCABULARY);
    swapped.put("a", 1L);
    swapped.put("b", 0L);
    Map<String, Long> renamed = new HashMap<>(VOCABULARY);
    renamed.remove("g");
    renamed.put("h", 6L);
    Map<String, Long> larger = new HashMap<>(VOCABULARY);
    larger.put("h", 7L);
    for (Map<String, Long> other : List.of(swapped, renamed, larger, Map.<String, Long>of())) {
      assertThat(BaseFingerprint.of(BASE, other).tokenizer()).isNotEqualTo(own.tokenizer());
    }
    for (int layer = 0; layer < s.layers(); layer++) {
      for (boolean attention : new boolean[] {true, false}) {
        assertThat(BaseFingerprint.of(withNorm(layer, attention, 1.02f), VOCABULARY).weights())
            .isNotEqualTo(own.weights());
      }
    }
    // another seed has other norms
    assertThat(BaseFingerprint.of(TinyModels.random(SHAPE, true, false, 2), VOCABULARY).weights())
        .isNotEqualTo(own.weights());
    // the order of a map's entries does not matter, nor do weights that are quantised
    assertThat(BaseFingerprint.of(BASE, new TreeMap<>(VOCABULARY).descendingMap())).isEqualTo(own);
    ModelWeights rounded =
        new ModelWeights(
            BASE.shape(),
            BASE.rope(),
            Bf16.matrix(BASE.embedding().toArray(), s.vocabulary(), s.hidden()),
            BASE.layers(),
            BASE.finalNorm(),
            BASE.head());
    assertThat(BaseFingerprint.of(rounded, VOCABULARY)).isEqualTo(own);
  }

  /** The base with one norm's first weight multiplied. */
  private static ModelWeights withNorm(int layer, boolean attention, float factor) {
    List<LayerWeights> layers = new ArrayList<>(BASE.layers());
    LayerWeights w = layers.get(layer);
    float[] norm = (attention ? w.attentionNorm() : w.feedForwardNorm()).clone();
    norm[0] *= factor;
    layers.set(
        layer,
        new LayerWeights(
            attention ? norm : w.attentionNorm(),
            w.query(),
            w.key(),
            w.value(),
            w.output(),
            w.queryBias(),
            w.keyBias(),
            w.valueBias(),
            attention ? w.feedForwardNorm() : norm,
            w.gate(),
            w.up(),
            w.down()));
    return new ModelWeights(
        BASE.shape(), BASE.rope(), BASE.embedding(), layers, BASE.finalNorm(), BASE.head());
  }

  // --- failures while writing

  @Test
  void aFolderInTheWayIsAnError() throws IOException {
    Path target = Files.createDirectories(folder.resolve("taken.safetensors"));
    Files.writeString(target.resolve("inside"), "kept");
    assertNotWritten(target);
    assertThat(target.resolve("inside")).hasContent("kept");
    assertThat(entries(folder)).containsExactly("predictor.safetensors", "taken.safetensors");
  }

  @Test
  void aFileWhereAFolderIsNeededIsAnError() {
    assertNotWritten(file.resolve("below").resolve("p.safetensors"));
    assertThat(file).hasBinaryContent(good);
    assertThat(entries(folder)).containsExactly("predictor.safetensors");
  }

  @Test
  void aRootIsAnError() {
    assertNotWritten(folder.getRoot());
  }

  /** An I/O error in the middle: the channel is closed under the writer by an interrupt. */
  @Test
  void anErrorInTheMiddleLeavesTheOldFile() throws IOException {
    Thread.currentThread().interrupt();
    try {
      assertNotWritten(file);
    } finally {
      assertThat(Thread.interrupted()).isTrue();
    }
    assertThat(Files.readAllBytes(file)).isEqualTo(good);
    assertThat(entries(folder)).containsExactly("predictor.safetensors");
  }

  /**
   * Whatever breaks a tensor while it is written, the old file stays and nothing lies beside it.
   */
  @Test
  void abruptEndsLeaveTheOldFile() throws IOException {
    int tensors = Safetensors.read(file).tensors().size();
    for (int broken = 0; broken < tensors; broken++) {
      Safetensors st = Safetensors.read(file);
      Map<String, Weight> all = new TreeMap<>(st.tensors());
      String name = List.copyOf(all.keySet()).get(broken);
      MemorySegment gone;
      try (Arena arena = Arena.ofConfined()) {
        gone = arena.allocate(1024);
      }
      Weight w = Objects.requireNonNull(st.tensors().get(name));
      all.put(name, new Weight(w.type(), w.rows(), w.columns(), gone, null));
      assertThatThrownBy(() -> new Safetensors(st.metadata(), all).write(file))
          .isInstanceOf(RuntimeException.class);
      assertThat(Files.readAllBytes(file)).isEqualTo(good);
      assertThat(entries(folder)).containsExactly("predictor.safetensors");
    }
  }

  private static void assertNotWritten(Path target) {
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(() -> example().write(target))
        .withMessageContaining(target.toString())
        .satisfies(e -> assertThat(e.kind()).isEqualTo(KvpException.Kind.FILE_ACCESS));
  }

  private static List<String> entries(Path folder) {
    try (Stream<Path> all = Files.list(folder)) {
      return all.map(p -> p.getFileName().toString()).sorted().toList();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  // --- mutations

  /** Ways to spoil a file; all but the first few keep the header's length right. */
  private enum Mutation {
    FLIP_BITS {
      @Override
      byte[] apply(byte[] good, SplittableRandom random) {
        byte[] out = good.clone();
        for (int i = random.nextInt(8); i >= 0; i--) {
          out[random.nextInt(out.length)] ^= (byte) (1 << random.nextInt(8));
        }
        return out;
      }
    },
    RANDOM_BYTES {
      @Override
      byte[] apply(byte[] good, SplittableRandom random) {
        byte[] out = good.clone();
        int from = random.nextInt(out.length);
        for (int i = from; i < Math.min(out.length, from + 1 + random.nextInt(40)); i++) {
          out[i] = (byte) random.nextInt();
        }
        return out;
      }
    },
    CUT_OR_GROW {
      @Override
      byte[] apply(byte[] good, SplittableRandom random) {
        return Arrays.copyOf(good, random.nextInt(2 * good.length));
      }
    },
    MOVE_BYTES {
      @Override
      byte[] apply(byte[] good, SplittableRandom random) {
        byte[] out = good.clone();
        int length = 1 + random.nextInt(64);
        int from = random.nextInt(out.length - length);
        int to = random.nextInt(out.length - length);
        System.arraycopy(good, from, out, to, length);
        return out;
      }
    },
    HEADER_LENGTH {
      @Override
      byte[] apply(byte[] good, SplittableRandom random) {
        long[] values = {
          0,
          1,
          2,
          7,
          8,
          good.length - 8,
          good.length - 7,
          good.length,
          1 << 20,
          16 << 20,
          (16 << 20) + 1,
          Integer.MAX_VALUE,
          1L << 31,
          1L << 32,
          Long.MAX_VALUE,
          Long.MIN_VALUE,
          -1,
          -8,
          random.nextLong(),
          random.nextInt(good.length),
          dataStart(good) - 9,
          dataStart(good) - 7
        };
        byte[] out = good.clone();
        ByteBuffer.wrap(out)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putLong(0, values[random.nextInt(values.length)]);
        return out;
      }
    },
    TENSOR_FIELD {
      @Override
      byte[] apply(byte[] good, SplittableRandom random) {
        ObjectNode root = header(good);
        ObjectNode tensor = (ObjectNode) root.get(anyTensor(root, random));
        String[] fields = {"dtype", "shape", "data_offsets", "other"};
        String field = fields[random.nextInt(fields.length)];
        switch (random.nextInt(4)) {
          case 0 -> tensor.remove(field);
          case 1 -> tensor.set(field, hostile(random));
          case 2 -> tensor.set(field, oneOrTwo(random));
          default ->
              tensor.put("dtype", oneOf(random, "F16", "F64", "I8", "BF16", "F32", "", "bf16"));
        }
        return join(root.toString(), good);
      }
    },
    ONE_NUMBER {
      @Override
      byte[] apply(byte[] good, SplittableRandom random) {
        ObjectNode root = header(good);
        JsonNode tensor = root.get(anyTensor(root, random));
        ArrayNode list = (ArrayNode) tensor.get(random.nextBoolean() ? "shape" : "data_offsets");
        int at = random.nextInt(list.size());
        long old = list.get(at).longValue();
        long[] values = {
          0,
          1,
          -1,
          old - 1,
          old + 1,
          old * 2,
          old / 2,
          -old,
          Integer.MAX_VALUE,
          1L << 31,
          1L << 32,
          Long.MAX_VALUE,
          Long.MIN_VALUE,
          random.nextInt(200)
        };
        list.set(at, values[random.nextInt(values.length)]);
        return join(root.toString(), good);
      }
    },
    SWAP_TENSORS {
      @Override
      byte[] apply(byte[] good, SplittableRandom random) {
        ObjectNode root = header(good);
        String a = anyTensor(root, random);
        String b = anyTensor(root, random);
        JsonNode first = root.get(a);
        JsonNode second = root.get(b);
        if (random.nextBoolean()) {
          root.set(a, second);
          root.set(b, first);
        } else {
          String field = oneOf(random, "shape", "dtype", "data_offsets");
          JsonNode kept = first.get(field);
          ((ObjectNode) first).set(field, second.get(field));
          ((ObjectNode) second).set(field, kept);
        }
        return join(root.toString(), good);
      }
    },
    TENSOR_NAME {
      @Override
      byte[] apply(byte[] good, SplittableRandom random) {
        ObjectNode root = header(good);
        String name = anyTensor(root, random);
        String[] names = {
          "",
          "x",
          "layers.2.key",
          "layers.999999.key.weight",
          "layers.-1.key.weight",
          "layers.99999999999.key.weight",
          "linearised.7.weight",
          "../../x",
          "a\u0000b",
          "é漢🙂\ud800",
          "x".repeat(5000),
          name + " ",
          name.replace("key", "value"),
          "linearised.1.weight",
          "__metadata__"
        };
        JsonNode value = root.get(name);
        switch (random.nextInt(3)) {
          case 0 -> root.remove(name);
          case 1 -> {
            root.remove(name);
            root.set(names[random.nextInt(names.length)], value);
          }
          default -> root.set(names[random.nextInt(names.length)], value.deepCopy());
        }
        return join(root.toString(), good);
      }
    },
    METADATA {
      @Override
      byte[] apply(byte[] good, SplittableRandom random) {
        ObjectNode root = header(good);
        ObjectNode meta = (ObjectNode) root.get("__metadata__");
        List<String> keys = new ArrayList<>();
        meta.fieldNames().forEachRemaining(keys::add);
        String key = keys.get(random.nextInt(keys.size()));
        switch (random.nextInt(5)) {
          case 0 -> meta.remove(key);
          case 1 -> meta.set(key, hostile(random));
          case 2 -> meta.put(keys.get(random.nextInt(keys.size())), meta.get(key).asText());
          case 3 -> root.set("__metadata__", hostile(random));
          default ->
              meta.put(
                  key,
                  oneOf(
                      random,
                      "",
                      " ",
                      "-1",
                      "0",
                      "1",
                      "2",
                      "3",
                      "999999",
                      "1000000",
                      "1,2",
                      "0,0",
                      "2,1",
                      ",",
                      "1,",
                      "1.0",
                      "1e3",
                      "0x1",
                      "٣",
                      "null",
                      "{}",
                      "[]",
                      "[null]",
                      "[{}]",
                      "{\"a\":null}",
                      "{\"a\":1}",
                      "{\"a\":[]}",
                      "[{\"anchors\":null,\"task\":\"text\"}]",
                      "[{\"kl\":\"NaN\"}]",
                      "[{\"anchors\":\"4/1/0\",\"task\":\"text\",\"kl\":1e999,\"prompts\":1e99}]",
                      "[{\"prompts\":1.5}]",
                      "[{\"unknown\":1}]",
                      "[".repeat(2000),
                      "0,".repeat(20_000),
                      "x".repeat(100_000)));
        }
        return join(root.toString(), good);
      }
    },
    DEEP_JSON {
      @Override
      byte[] apply(byte[] good, SplittableRandom random) {
        int depth = random.nextInt(50) == 0 ? 100_000 : 2 + random.nextInt(1200);
        String open = random.nextBoolean() ? "[" : "{\"a\":";
        String deep = open.repeat(depth) + (random.nextBoolean() ? "1" : "");
        String close =
            (open.equals("[") ? "]" : "}").repeat(random.nextBoolean() ? depth : depth - 1);
        String text = header(good).toString();
        String nested = deep + close;
        return join(
            switch (random.nextInt(3)) {
              case 0 -> nested;
              case 1 -> text.replaceFirst("\"shape\":\\[", "\"shape\":" + nested + ",\"was\":[");
              default -> text.substring(0, text.length() - 1) + ",\"deep\":" + nested + "}";
            },
            good);
      }
    },
    DUPLICATE_KEY {
      @Override
      byte[] apply(byte[] good, SplittableRandom random) {
        ObjectNode root = header(good);
        String text = root.toString();
        String name = anyTensor(root, random);
        String again =
            switch (random.nextInt(3)) {
              case 0 -> ",\"" + name + "\":" + root.get(name) + "}";
              case 1 -> ",\"__metadata__\":{\"format\":\"other\"}}";
              default -> ",\"" + name + "\":{}}";
            };
        return join(
            random.nextInt(3) == 0
                ? text.replaceFirst("\"dtype\":", "\"dtype\":\"F32\",\"dtype\":")
                : text.substring(0, text.length() - 1) + again,
            good);
      }
    },
    HEADER_TEXT {
      @Override
      byte[] apply(byte[] good, SplittableRandom random) {
        StringBuilder text = new StringBuilder(header(good).toString());
        for (int i = random.nextInt(3); i >= 0; i--) {
          int at = random.nextInt(text.length());
          String letters = "{}[]\",:0123456789.eE-+ntfu\\/ \n\t\u0000é🙂";
          char c = letters.charAt(random.nextInt(letters.length()));
          switch (random.nextInt(3)) {
            case 0 -> text.deleteCharAt(at);
            case 1 -> text.insert(at, c);
            default -> text.setCharAt(at, c);
          }
        }
        return join(text.toString(), good);
      }
    },
    HUGE_NUMBER {
      @Override
      byte[] apply(byte[] good, SplittableRandom random) {
        String number =
            oneOf(
                random,
                "99999999999999999999",
                "1e999",
                "-1e999",
                "1e3",
                "4.0",
                "0.5",
                "-0",
                "9223372036854775808",
                "1" + "0".repeat(900),
                "1" + "0".repeat(20_000),
                "01",
                "1_000",
                "0x10",
                "NaN",
                "Infinity",
                "1e-999",
                "18446744073709551616");
        String text = header(good).toString();
        List<Integer> starts = new ArrayList<>();
        for (int i = 1; i < text.length(); i++) {
          if (Character.isDigit(text.charAt(i)) && "[,:".indexOf(text.charAt(i - 1)) >= 0) {
            starts.add(i);
          }
        }
        int from = starts.get(random.nextInt(starts.size()));
        int to = from;
        while (Character.isDigit(text.charAt(to))) {
          to++;
        }
        return join(text.substring(0, from) + number + text.substring(to), good);
      }
    };

    abstract byte[] apply(byte[] good, SplittableRandom random);
  }

  private static JsonNode hostile(SplittableRandom random) {
    ArrayNode list = JSON.createArrayNode();
    for (int i = random.nextInt(5); i > 0; i--) {
      list.add(random.nextInt(-2, 9));
    }
    return switch (random.nextInt(9)) {
      case 0 -> JSON.nullNode();
      case 1 -> JSON.createObjectNode();
      case 2 -> JSON.createArrayNode();
      case 3 -> new TextNode("x".repeat(random.nextInt(300)));
      case 4 -> JSON.getNodeFactory().numberNode(random.nextLong());
      case 5 -> JSON.getNodeFactory().numberNode(random.nextDouble());
      case 6 -> JSON.getNodeFactory().booleanNode(true);
      case 7 -> JSON.createArrayNode().add("1").add("2");
      default -> list;
    };
  }

  private static JsonNode oneOrTwo(SplittableRandom random) {
    ArrayNode list = JSON.createArrayNode().add(random.nextInt(9));
    return random.nextBoolean() ? list : list.add(random.nextInt(200));
  }

  private static String oneOf(SplittableRandom random, String... values) {
    return values[random.nextInt(values.length)];
  }

  private static String anyTensor(ObjectNode root, SplittableRandom random) {
    List<String> names = tensors(root);
    return names.get(random.nextInt(names.size()));
  }

  private static List<String> tensors(ObjectNode root) {
    List<String> names = new ArrayList<>();
    root.fieldNames().forEachRemaining(names::add);
    names.remove("__metadata__");
    return names;
  }

  private static int dataStart(byte[] bytes) {
    return 8 + Math.toIntExact(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong(0));
  }

  private static ObjectNode header(byte[] bytes) {
    try {
      return (ObjectNode) JSON.readTree(bytes, 8, dataStart(bytes) - 8);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** Another header before the same tensors. */
  private static byte[] join(String header, byte[] good) {
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    int data = dataStart(good);
    ByteBuffer out =
        ByteBuffer.allocate(8 + json.length + good.length - data).order(ByteOrder.LITTLE_ENDIAN);
    return out.putLong(json.length).put(json).put(good, data, good.length - data).array();
  }

  /** The same file with the right checksum, if it can be read at all: the checks behind it show. */
  private byte[] mended(byte[] bytes) throws IOException {
    Files.write(file, bytes);
    try {
      withChecksum(Safetensors.read(file)).write(file);
      return Files.readAllBytes(file);
    } catch (KvpException e) {
      return bytes;
    }
  }

  private static Safetensors withChecksum(Safetensors st) {
    Map<String, String> all = new LinkedHashMap<>(st.metadata());
    try {
      MessageDigest sha = MessageDigest.getInstance("SHA-256");
      for (Map.Entry<String, Weight> e : new TreeMap<>(st.tensors()).entrySet()) {
        Weight w = e.getValue();
        String line = e.getKey() + " " + w.type() + " " + w.rows() + " " + w.columns() + "\n";
        sha.update(line.getBytes(StandardCharsets.UTF_8));
        sha.update(w.data().toArray(ValueLayout.JAVA_BYTE));
      }
      all.replace("sha256", HexFormat.of().formatHex(sha.digest()));
    } catch (GeneralSecurityException e) {
      throw new AssertionError(e);
    }
    return new Safetensors(all, st.tensors());
  }

  // --- helpers

  private KvpException assertRefused(String what) {
    try {
      PredictorFile.read(file);
    } catch (KvpException e) {
      assertThat(e.kind()).as(what).isEqualTo(KvpException.Kind.MALFORMED_FILE);
      assertOneSentence(e);
      return e;
    }
    throw new AssertionError("accepted: " + what);
  }

  private static void assertOneSentence(KvpException e) {
    String message = e.getMessage();
    assertThat(message).isNotNull();
    if (message != null) {
      boolean control = message.chars().anyMatch(Character::isISOControl);
      if (control || message.length() > 800 || !message.endsWith(".")) {
        fail("The message is no short sentence: %s", message);
      }
    }
  }

  /** What is asked for by the figures of the nearest anchors that are no larger. */
  @ParameterizedTest
  @CsvSource({
    "4/64/0, 0.47", // as measured: the worse task
    "4/80/8, 0.47", // more exact tokens than measured
    "4/40/0, 0.3", // the larger of the two that it has
    "8/1/0, 0.2",
    "0/1/0, 0.2",
    "4/16/64@upper, 0.3" // looked for elsewhere than what was measured
  })
  void theWorstAgreementIsThatOfTheNearestAnchors(String anchors, double expected) {
    List<MeasuredQuality> measured = new ArrayList<>(example().quality());
    measured.add(new MeasuredQuality("0/1/0", "text", 0.5, 0.3, 0.2, 0.1, 16));
    measured.add(new MeasuredQuality("4/16/0", "text", 0.5, 0.3, 0.3, 0.1, 16));
    measured.add(new MeasuredQuality("4/16/64", "text", 0.6, 0.3, 0.6, 0.1, 16));
    PredictorFile file =
        new PredictorFile(example().predictor(), example().base(), Map.of(), measured);
    assertThat(file.worstAgreement(Anchors.parse(anchors))).hasValue(expected);
    assertThat(
            new PredictorFile(example().predictor(), example().base(), Map.of(), List.of())
                .worstAgreement(Anchors.parse(anchors)))
        .isEmpty();
  }

  @Test
  void theFingerprintTellsTheSizes() {
    ModelShape sizes = example().base().sizes().orElseThrow();
    assertThat(PrefillCost.exact(sizes, 300)).isEqualTo(PrefillCost.exact(SHAPE, 300));
    for (String text :
        List.of(
            "",
            "layers=2",
            example().base().shape().replace("layers=", "layers=x"),
            example().base().shape() + ",layers=3,more=1",
            example().base().shape().replaceFirst("layers=\\d+", "layers=0"))) {
      assertThat(new BaseFingerprint(text, "", "").sizes()).as(text).isEmpty();
    }
  }

  private static PredictorFile example() {
    SplittableRandom random = new SplittableRandom(3);
    int hidden = SHAPE.hidden();
    int kv = SHAPE.kvLength();
    LinearMap linear =
        new LinearMap(
            Bf16.matrix(TinyModels.floats(hidden * hidden, 1, random), hidden, hidden),
            TinyModels.floats(hidden, 1, random));
    LinearMap key =
        new LinearMap(
            Bf16.matrix(TinyModels.floats(kv * 2 * hidden, 1, random), kv, 2 * hidden),
            TinyModels.floats(kv, 1, random));
    LinearMap value = TinyModels.randomMap(kv, 2 * hidden, 1, random);
    return new PredictorFile(
        new KvPredictor(
            new Auxiliary.Prefix(2, List.of(0, 2), Map.of(0, linear)),
            List.of(new LinearProjection(2, key, value))),
        BaseFingerprint.of(BASE, VOCABULARY),
        Map.of("data", "é漢🙂 \"quoted\"", "lambda", "1e-4"),
        List.of(
            new MeasuredQuality("4/64/0", "text", 0.61, 0.12, 0.85, 0.8, 32),
            new MeasuredQuality("4/64/0", "copy", 0.61, 1.91, 0.47, 0.5, 16)));
  }

  private static void assertSame(PredictorFile actual, PredictorFile expected) {
    assertThat(actual.base()).isEqualTo(expected.base());
    assertThat(actual.calibration()).isEqualTo(expected.calibration());
    assertThat(actual.quality()).isEqualTo(expected.quality());
    Auxiliary.Prefix a = (Auxiliary.Prefix) actual.predictor().auxiliary();
    Auxiliary.Prefix b = (Auxiliary.Prefix) expected.predictor().auxiliary();
    assertThat(a.layers()).isEqualTo(b.layers());
    assertThat(a.sources()).isEqualTo(b.sources());
    assertThat(a.linearised().keySet()).isEqualTo(b.linearised().keySet());
    a.linearised()
        .forEach(
            (layer, map) -> assertSame(map, Objects.requireNonNull(b.linearised().get(layer))));
    List<LinearProjection> left = actual.predictor().projections();
    List<LinearProjection> right = expected.predictor().projections();
    assertThat(left).hasSameSizeAs(right);
    for (int i = 0; i < left.size(); i++) {
      assertThat(left.get(i).layer()).isEqualTo(right.get(i).layer());
      assertSame(left.get(i).key(), right.get(i).key());
      assertSame(left.get(i).value(), right.get(i).value());
    }
  }

  private static void assertSame(LinearMap a, LinearMap b) {
    assertThat(a.weight().type()).isEqualTo(b.weight().type());
    assertThat(a.weight().rows()).isEqualTo(b.weight().rows());
    assertThat(a.weight().columns()).isEqualTo(b.weight().columns());
    assertThat(a.weight().data().toArray(ValueLayout.JAVA_BYTE))
        .isEqualTo(b.weight().data().toArray(ValueLayout.JAVA_BYTE));
    assertThat(Arrays.equals(a.bias(), b.bias())).isTrue();
  }
}
