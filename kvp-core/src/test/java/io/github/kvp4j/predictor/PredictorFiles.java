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
import static org.assertj.core.api.Assertions.fail;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.TinyModels;
import io.github.kvp4j.format.Safetensors;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.model.Weight;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.extension.AnnotatedElementContext;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.io.TempDirFactory;

/** A small predictor file, its parts, and what is asked of every one that is read. */
final class PredictorFiles {
  private static final ObjectMapper JSON = new ObjectMapper();
  static final ModelShape SHAPE = new ModelShape(3, 4, 2, 1, 2, 5, 7, TinyModels.CONTEXT, 1e-5f);
  static final Map<String, Long> VOCABULARY =
      Map.of("a", 0L, "b", 1L, "c", 2L, "d", 3L, "e", 4L, "f", 5L, "g", 6L);
  static final ModelWeights BASE = TinyModels.random(SHAPE, true, false, 1);

  private PredictorFiles() {}

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

  static List<String> tensors(ObjectNode root) {
    List<String> names = new ArrayList<>();
    root.fieldNames().forEachRemaining(names::add);
    names.remove("__metadata__");
    return names;
  }

  static int dataStart(byte[] bytes) {
    return 8 + Math.toIntExact(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong(0));
  }

  static ObjectNode header(byte[] bytes) {
    try {
      return (ObjectNode) JSON.readTree(bytes, 8, dataStart(bytes) - 8);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** Another header before the same tensors. */
  static byte[] join(String header, byte[] good) {
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    int data = dataStart(good);
    ByteBuffer out =
        ByteBuffer.allocate(8 + json.length + good.length - data).order(ByteOrder.LITTLE_ENDIAN);
    return out.putLong(json.length).put(json).put(good, data, good.length - data).array();
  }

  /** The same with right checksums in the place of those that it has. */
  static Safetensors withChecksum(Safetensors st) {
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
      all.replace("sha256.metadata", metadataSum(all));
    } catch (GeneralSecurityException e) {
      throw new AssertionError(e);
    }
    return new Safetensors(all, st.tensors());
  }

  /** What is due in {@code sha256.metadata} beside the other entries. */
  static String metadataSum(Map<String, String> meta) throws GeneralSecurityException {
    MessageDigest sha = MessageDigest.getInstance("SHA-256");
    for (Map.Entry<String, String> e : new TreeMap<>(meta).entrySet()) {
      if (!e.getKey().equals("sha256.metadata")) {
        byte[] key = e.getKey().getBytes(StandardCharsets.UTF_8);
        byte[] value = e.getValue().getBytes(StandardCharsets.UTF_8);
        sha.update((key.length + "\n").getBytes(StandardCharsets.UTF_8));
        sha.update(key);
        sha.update((value.length + "\n").getBytes(StandardCharsets.UTF_8));
        sha.update(value);
      }
    }
    return HexFormat.of().formatHex(sha.digest());
  }

  static void assertOneSentence(KvpException e) {
    String message = e.getMessage();
    assertThat(message).isNotNull();
    if (message != null) {
      boolean control = message.chars().anyMatch(Character::isISOControl);
      if (control || message.length() > 800 || !message.endsWith(".")) {
        fail("The message is no short sentence: %s", message);
      }
    }
  }

  static PredictorFile example() {
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

  static void assertSame(PredictorFile actual, PredictorFile expected) {
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

  static void assertSame(LinearMap a, LinearMap b) {
    assertThat(a.weight().type()).isEqualTo(b.weight().type());
    assertThat(a.weight().rows()).isEqualTo(b.weight().rows());
    assertThat(a.weight().columns()).isEqualTo(b.weight().columns());
    assertThat(a.weight().data().toArray(ValueLayout.JAVA_BYTE))
        .isEqualTo(b.weight().data().toArray(ValueLayout.JAVA_BYTE));
    assertThat(Arrays.equals(a.bias(), b.bias())).isTrue();
  }

  /**
   * The same file with the right checksums, if it can be read at all: the checks behind them show.
   *
   * @param file to work in
   */
  static byte[] mended(Path file, byte[] bytes) throws IOException {
    Files.write(file, bytes);
    try {
      withChecksum(Safetensors.read(file)).write(file);
      return Files.readAllBytes(file);
    } catch (KvpException e) {
      return bytes;
    }
  }
}
