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

import static io.github.kvp4j.predictor.PredictorFiles.BASE;
import static io.github.kvp4j.predictor.PredictorFiles.SHAPE;
import static io.github.kvp4j.predictor.PredictorFiles.VOCABULARY;
import static io.github.kvp4j.predictor.PredictorFiles.assertOneSentence;
import static io.github.kvp4j.predictor.PredictorFiles.assertSame;
import static io.github.kvp4j.predictor.PredictorFiles.dataStart;
import static io.github.kvp4j.predictor.PredictorFiles.example;
import static io.github.kvp4j.predictor.PredictorFiles.header;
import static io.github.kvp4j.predictor.PredictorFiles.join;
import static io.github.kvp4j.predictor.PredictorFiles.mended;
import static io.github.kvp4j.predictor.PredictorFiles.tensors;
import static io.github.kvp4j.predictor.PredictorFiles.withChecksum;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.format.Safetensors;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.model.WeightType;
import io.github.kvp4j.predictor.PredictorFiles.InMemory;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is written is read back to the bit; whatever else lies in a file is refused. */
class PredictorFileTest {
  private static final ObjectMapper JSON = new ObjectMapper();

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

  /** Other figures take the place of the old ones and nothing else changes, whatever wrote it. */
  @Test
  void figuresAreReplacedAlone() throws IOException {
    List<MeasuredQuality> measured =
        List.of(new MeasuredQuality("4/24/0", "text", 0.5, 0.3, 0.2, 0.1, 16));
    ObjectNode old = header(good);
    meta(old).remove("sha256.metadata");
    for (byte[] bytes : List.of(good, join(old.toString(), good))) {
      Files.write(file, bytes);
      PredictorFile.replaceQuality(file, measured);
      PredictorFile expected =
          new PredictorFile(
              example().predictor(), example().base(), example().calibration(), measured);
      assertSame(PredictorFile.read(file), expected);
      assertThat(Safetensors.read(file).metadata()).containsKey("sha256.metadata");
    }
    PredictorFile.replaceQuality(file, example().quality());
    assertThat(Files.readAllBytes(file)).isEqualTo(good);
    Files.write(file, Arrays.copyOf(good, good.length - 1));
    assertThatThrownBy(() -> PredictorFile.replaceQuality(file, measured))
        .isInstanceOf(KvpException.class);
    assertThat(file).hasBinaryContent(Arrays.copyOf(good, good.length - 1));
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

  /** What is read all the same differs in the name of an entry that need not be there. */
  @Test
  void aThousandFlippedBitsInTheHeaderAreRefusedOrChangeNothing() throws IOException {
    SplittableRandom random = new SplittableRandom(3);
    int refused = 0;
    for (int i = 0; i < 1000; i++) {
      byte[] bytes = good.clone();
      int at = random.nextInt(8, dataStart(good));
      int bit = random.nextInt(8);
      bytes[at] ^= (byte) (1 << bit);
      Files.write(file, bytes);
      PredictorFile read;
      try {
        read = PredictorFile.read(file);
      } catch (KvpException e) {
        assertThat(e.kind()).isEqualTo(KvpException.Kind.MALFORMED_FILE);
        assertOneSentence(e);
        refused++;
        continue;
      }
      assertSame(read, example());
    }
    assertThat(refused).isGreaterThan(900);
  }

  @Test
  void metadataThatFitTogetherAreRefusedWithoutTheirChecksum() throws IOException {
    for (String change :
        List.of("\"sources\":\"0,2\"->\"sources\":\"1,2\"", "0.85->0.95", "lambda->lambdb")) {
      String[] fromTo = change.split("->", -1);
      String header = header(good).toString();
      assertThat(header).contains(fromTo[0]);
      Files.write(file, join(header.replace(fromTo[0], fromTo[1]), good));
      assertThat(assertRefused(change)).hasMessageContaining("sha256.metadata");
    }
  }

  /** The first files were written without a checksum of the metadata. */
  @Test
  void filesWithoutAChecksumOfTheMetadataAreRead() throws IOException {
    ObjectNode header = header(good);
    meta(header).remove("sha256.metadata");
    Files.write(file, join(header.toString(), good));
    assertSame(PredictorFile.read(file), example());
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
    rule(
        "the anchors '4/24' in 'quality'",
        h -> meta(h).put("quality", "[{\"anchors\":\"4/24\",\"task\":\"text\"}]"),
        0);
    rule(
        "the anchors '4/0/0' in 'quality'",
        h -> meta(h).put("quality", "[{\"anchors\":\"4/0/0\",\"task\":\"text\"}]"),
        0);
    rule("incomplete", h -> meta(h).put("calibration", "{\"data\":null}"), 0);
    rule("can't be read", h -> meta(h).put("calibration", "[]"), 0);
    rule("no text", h -> meta(h).put("calibration", 1), 0);
  }

  private void rule(String message, Consumer<ObjectNode> change, int moreBytes) throws IOException {
    ObjectNode header = header(good);
    change.accept(header);
    byte[] bytes = join(header.toString(), good);
    Files.write(file, mended(file, Arrays.copyOf(bytes, bytes.length + moreBytes)));
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

  // --- failures while writing

  @ParameterizedTest
  @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
  void numbersThatAreNotFiniteAreNotWritten(float value) {
    PredictorFile bad = example();
    bad.predictor().projections().getFirst().value().bias()[1] = value;
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(() -> bad.write(file))
        .withMessageContaining("layers.2.value.bias")
        .withMessageContaining(Float.toString(value))
        .satisfies(e -> assertThat(e.kind()).isEqualTo(KvpException.Kind.BAD_ARGUMENT))
        .satisfies(PredictorFiles::assertOneSentence);
    assertThat(file).hasBinaryContent(good);
  }

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

  /** What a killed writer left is removed by the next; what may still be written to stays. */
  @Test
  void partsOfKilledWritersAreRemoved() throws IOException {
    String id = ".0f8fad5b-d9cb-469f-a165-70867728950e.part";
    String stale = ".predictor.safetensors" + id;
    String fresh = ".predictor.safetensors.7c9e6679-7425-40de-944b-e07fc1f90ae7.part";
    List<String> others =
        List.of(
            ".other.safetensors" + id,
            ".predictor.safetensors.checkpoint" + id,
            ".predictor.safetensors.part",
            ".predictor.safetensors.notes.part",
            ".predictorXsafetensors" + id,
            "predictor.safetensors" + id);
    List<String> stay = new ArrayList<>(others);
    stay.addAll(List.of("predictor.safetensors", fresh));
    Files.createFile(folder.resolve(fresh));
    for (String name : others) {
      aged(name);
    }
    aged(stale);
    example().write(file);
    assertThat(entries(folder)).containsExactlyInAnyOrderElementsOf(stay);
    assertThat(file).hasBinaryContent(good);
  }

  private void aged(String name) throws IOException {
    Path part = Files.createFile(folder.resolve(name));
    Files.setLastModifiedTime(part, FileTime.from(Instant.now().minus(Duration.ofHours(1))));
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
}
