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

import io.github.kvp4j.KvpException;
import io.github.kvp4j.TinyModels;
import io.github.kvp4j.format.Safetensors;
import io.github.kvp4j.kernel.ScalarKernels;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.LayerWeights;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.model.WeightType;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Predictors whose auxiliary reads for itself come back from their files and predict the same. */
class SeparatePredictorFileTest {
  private static final ModelShape SHAPE = TinyModels.shape(4, 32, 4, 2, 8);
  private static final ModelWeights BASE = TinyModels.random(SHAPE, true, true, 1);
  private static final ModelWeights SMALL =
      TinyModels.random(TinyModels.shape(2, 12, 2, 2, 4), true, false, 2);
  private static final BaseFingerprint MARK = BaseFingerprint.of(BASE, Map.of("a", 0L));
  private static final BaseFingerprint SMALL_MARK = BaseFingerprint.of(SMALL, Map.of("a", 0L));
  private static final LayerMap MAP = new LayerMap(List.of(0, 0, 1, 1));
  private static final List<Integer> KEPT = List.of(0, 2);

  @TempDir Path folder;

  private Path file() {
    return folder.resolve("predictor.safetensors");
  }

  private static KvPredictor predictor(Auxiliary.Separate auxiliary) {
    int kv = auxiliary.map().width() * auxiliary.shape(SHAPE).kvLength();
    SplittableRandom random = new SplittableRandom(3);
    return new KvPredictor(
        auxiliary,
        IntStream.range(0, SHAPE.layers())
            .mapToObj(layer ->
                new LinearProjection(
                    layer,
                    TinyModels.randomMap(SHAPE.kvLength(), kv, 1, random),
                    TinyModels.randomMap(SHAPE.kvLength(), kv, 1, random)))
            .toList());
  }

  private static Auxiliary.LayerPruned trained() {
    return new Auxiliary.LayerPruned(
        KEPT,
        TinyModels.random(SHAPE.withLayers(2), true, true, 4).layers().stream()
            .map(w -> w.withMatrices(m -> Bf16.matrix(m.toArray(), m.rows(), m.columns())))
            .toList(),
        MAP);
  }

  private Path write(KvPredictor predictor) {
    new PredictorFile(predictor, MARK, Map.of("data", "x"), List.of()).write(file());
    return file();
  }

  /** The stream of the last token and all predicted rows. */
  private static List<float[]> prefill(KvPredictor predictor) {
    int[] tokens = TinyModels.tokens(30, SHAPE.vocabulary(), 5);
    KvCache cache = new KvCache(SHAPE, tokens.length);
    List<float[]> out = new ArrayList<>();
    out.add(
        new PredictedPrefill(new PrefillEngine(BASE, new ScalarKernels()), predictor)
            .prefill(tokens, 0, new Anchors(2, 3, 0), cache, Cancellation.NEVER));
    for (int layer = 0; layer < SHAPE.layers(); layer++) {
      out.add(cache.keys(layer));
      out.add(cache.values(layer));
    }
    return out;
  }

  @Test
  void layerPrunedPredictorsComeBackToTheBit() throws IOException {
    for (Auxiliary.LayerPruned auxiliary :
        List.of(
            new Auxiliary.LayerPruned(KEPT, List.of(), MAP),
            new Auxiliary.LayerPruned(KEPT, List.of(), MAP.wide(2)),
            trained())) {
      KvPredictor written = predictor(auxiliary);
      KvPredictor read = PredictorFile.read(write(written)).predictor();
      Auxiliary.LayerPruned back = (Auxiliary.LayerPruned) read.auxiliary();
      assertThat(back.kept()).isEqualTo(KEPT);
      assertThat(back.map()).isEqualTo(auxiliary.map());
      assertThat(back.trained()).hasSameSizeAs(auxiliary.trained());
      assertThat(read.parameters()).isEqualTo(written.parameters());
      read.checkFits(SHAPE);
      assertThat(prefill(read)).containsExactlyElementsOf(prefill(written));
      byte[] bytes = Files.readAllBytes(file());
      write(read);
      assertThat(file()).hasBinaryContent(bytes);
    }
  }

  @Test
  void trainedLayersAreAlsoKeptInEightBits() throws IOException {
    KvPredictor written = predictor(trained());
    long whole = Files.size(write(written));
    KvPredictor read = PredictorFile.read(write(Int8.of(written))).predictor();
    assertThat(Files.size(file())).isLessThan(whole);
    List<float[]> a = prefill(written);
    List<float[]> b = prefill(read);
    for (int i = 0; i < a.size(); i++) {
      assertThat(TinyModels.maxDifference(a.get(i), b.get(i))).isGreaterThan(0).isLessThan(0.5);
    }
  }

  /** In memory they are BF16, but figures that are measured anew do not make the file so. */
  @Test
  void eightBitsStayWhereFiguresAreReplaced() throws IOException {
    write(Int8.of(predictor(trained())));
    Map<String, Weight> before = Safetensors.read(file()).tensors();
    assertThat(before.values()).anyMatch(w -> w.type() == WeightType.Q8);
    long size = Files.size(file());
    List<MeasuredQuality> measured =
        List.of(new MeasuredQuality("4/24/0", "text", 0.5, 0.3, 0.2, 0.1, 16));
    PredictorFile.replaceQuality(file(), measured);
    assertThat(Safetensors.checksum(Safetensors.read(file()).tensors()))
        .isEqualTo(Safetensors.checksum(before));
    assertThat(Files.size(file())).isLessThan(size + 500);
    assertThat(PredictorFile.read(file()).quality()).isEqualTo(measured);
  }

  @Test
  void siblingsAreFoundAgainByTheirFolder() {
    for (Path directory : List.of(folder.resolve("small/model"), Path.of("/elsewhere/small"))) {
      Auxiliary.Sibling.Origin origin = new Auxiliary.Sibling.Origin(directory, SMALL_MARK);
      KvPredictor written = predictor(new Auxiliary.Sibling(SMALL, List.of(), MAP, origin));
      List<Auxiliary.Sibling.Origin> asked = new ArrayList<>();
      KvPredictor read =
          PredictorFile.read(
                  write(written),
                  o -> {
                    asked.add(o);
                    return SMALL;
                  })
              .predictor();
      assertThat(asked).containsExactly(origin);
      assertThat(read.auxiliary()).isEqualTo(written.auxiliary());
      assertThat(prefill(read)).containsExactlyElementsOf(prefill(written));
      refused(KvpException.Kind.UNSUPPORTED, directory.toString());
    }
    // beneath the file's folder it is kept relative, so that both can be moved together
    write(
        predictor(
            new Auxiliary.Sibling(
                SMALL,
                List.of(),
                MAP,
                new Auxiliary.Sibling.Origin(folder.resolve("m"), SMALL_MARK))));
    assertThat(Safetensors.read(file()).metadata()).containsEntry("sibling.directory", "m");
  }

  /** The layers are in the file, all else of the sibling in its folder. */
  @Test
  void trainedSiblingsComeBackToTheBit() throws IOException {
    List<LayerWeights> trained =
        TinyModels.random(SMALL.shape(), true, true, 9).layers().stream()
            .map(w -> w.withMatrices(m -> Bf16.matrix(m.toArray(), m.rows(), m.columns())))
            .toList();
    Auxiliary.Sibling.Origin origin =
        new Auxiliary.Sibling.Origin(folder.resolve("small"), SMALL_MARK);
    Auxiliary.Sibling sibling = new Auxiliary.Sibling(SMALL, List.of(), MAP, origin);
    KvPredictor untrained = predictor(sibling);
    KvPredictor written = predictor(sibling.withTrained(trained));
    written.checkFits(SHAPE);
    assertThat(written.parameters() - untrained.parameters())
        .isEqualTo(trained.stream().mapToLong(LayerWeights::parameters).sum());
    KvPredictor read = PredictorFile.read(write(written), o -> SMALL).predictor();
    assertThat(((Auxiliary.Sibling) read.auxiliary()).trained()).hasSize(trained.size());
    assertThat(prefill(read)).containsExactlyElementsOf(prefill(written));
    assertThat(prefill(read).getFirst()).isNotEqualTo(prefill(untrained).getFirst());
    byte[] bytes = Files.readAllBytes(file());
    write(read);
    assertThat(file()).hasBinaryContent(bytes);
    // of another depth than the folder's model
    ModelWeights deeper = TinyModels.random(SMALL.shape().withLayers(3), true, true, 9);
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(() -> PredictorFile.read(file(), o -> deeper))
        .withMessageContaining("lacks the tensor 'auxiliary.2");
  }

  @Test
  void whatDoesNotFitTogetherIsRefused() {
    rule("'kept'", (meta, tensors) -> meta.remove("kept"));
    rule("'map'", (meta, tensors) -> meta.remove("map"));
    rule("must ascend", (meta, tensors) -> meta.put("kept", "2,0"));
    rule("must be at least 1", (meta, tensors) -> meta.put("map.width", "0"));
    rule("where a number is due", (meta, tensors) -> meta.put("map.width", "two"));
    rule("must not descend", (meta, tensors) -> meta.put("map", "1,0,1,1"));
    rule("weights for all or none", (meta, tensors) -> meta.put("kept", ""));
    rule("unknown tensor 'auxiliary.1", (meta, tensors) -> meta.put("kept", "0"));
    rule("lacks the tensor 'auxiliary.2", (meta, tensors) -> meta.put("kept", "0,1,2"));
    for (String name : List.of("query", "down", "attention_norm", "feed_forward_norm")) {
      rule("lacks the tensor 'auxiliary.1." + name, (meta, t) -> t.remove("auxiliary.1." + name));
    }
    rule(
        "NaN in tensor 'auxiliary.0.gate'",
        (meta, tensors) ->
            tensors.put("auxiliary.0.gate", Weight.of(new float[] {Float.NaN}, 1, 1)));
    rule("checksum", (meta, tensors) -> meta.put("sha256", "0"));
  }

  private interface Change {
    void apply(Map<String, String> meta, Map<String, Weight> tensors);
  }

  private void rule(String message, Change change) {
    write(predictor(trained()));
    Safetensors st = Safetensors.read(file());
    Map<String, String> meta = new LinkedHashMap<>(st.metadata());
    Map<String, Weight> tensors = new LinkedHashMap<>(st.tensors());
    meta.put("sha256", "");
    change.apply(meta, tensors);
    if (meta.get("sha256").isEmpty()) {
      meta.put("sha256", Safetensors.checksum(tensors));
    }
    meta.remove("sha256.metadata");
    meta.put("sha256.metadata", Safetensors.metadataChecksum(meta));
    new Safetensors(meta, tensors).write(file());
    refused(KvpException.Kind.MALFORMED_FILE, message);
  }

  private void refused(KvpException.Kind kind, String message) {
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(() -> PredictorFile.read(file()))
        .withMessageContaining(message)
        .satisfies(e -> assertThat(e.kind()).isEqualTo(kind));
  }
}
