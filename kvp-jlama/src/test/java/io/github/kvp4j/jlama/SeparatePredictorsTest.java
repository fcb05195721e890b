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
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.calibration.CalibrationProgress;
import io.github.kvp4j.calibration.SeparateCalibrator;
import io.github.kvp4j.jlama.TinyModelDirectory.Kind;
import io.github.kvp4j.model.LayerWeights;
import io.github.kvp4j.model.Weight;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.LayerMap;
import io.github.kvp4j.predictor.PredictorFile;
import io.github.kvp4j.prefill.Cancellation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Predictors whose auxiliary reads for itself, from calibration to an answer. */
class SeparatePredictorsTest {
  private static final String PROMPT = "the quick brown fox jumps over the lazy dog. ".repeat(3);

  @TempDir private Path folder;
  private Path base = Path.of("");
  private Path file = Path.of("");

  @BeforeEach
  void writeBase() {
    base = TinyModelDirectory.of(Kind.QWEN2).layers(4).write(folder.resolve("base"));
    file = folder.resolve("p.safetensors");
  }

  private Path sibling() {
    return TinyModelDirectory.of(Kind.MISTRAL).layers(2).seed(5).write(folder.resolve("small"));
  }

  private void calibrate(Function<KvpModel, Auxiliary.Separate> auxiliary) {
    try (KvpModel model = KvpModel.builder(base).withoutPredictor().warmUp(false).build()) {
      List<int[]> texts =
          IntStream.range(0, 6)
              .mapToObj(i ->
                  new SplittableRandom(i).ints(200, 0, TinyModelDirectory.VOCABULARY).toArray())
              .toList();
      new PredictorFile(
              new SeparateCalibrator(
                      model.engine().orElseThrow(),
                      auxiliary.apply(model),
                      4,
                      List.of(1e-3),
                      texts,
                      CalibrationProgress.SILENT,
                      Cancellation.NEVER)
                  .fit(),
              model.fingerprint().orElseThrow(),
              Map.of(),
              List.of())
          .write(file);
    }
  }

  /** With layers other than those that its model has. */
  private static Auxiliary.Separate trained(Auxiliary.Sibling sibling) {
    List<LayerWeights> layers =
        sibling.model().layers().stream()
            .map(w -> w.withMatrices(SeparatePredictorsTest::half))
            .toList();
    return sibling.withTrained(layers);
  }

  private static Weight half(Weight matrix) {
    float[] values = matrix.toArray();
    for (int i = 0; i < values.length; i++) {
      values[i] /= 2;
    }
    return Weight.of(values, matrix.rows(), matrix.columns());
  }

  private static GenerateResult answer(KvpModel model, KvpMode mode, Anchors anchors) {
    return model.generate(
        GenerateRequest.builder(PROMPT).mode(mode).anchors(anchors).maxNewTokens(20).build());
  }

  @Test
  void layerPrunedAndSiblingPredictorsAnswer() {
    List<Integer> kept = Auxiliary.LayerPruned.keep(0.5, 4);
    Path small = sibling();
    List<Function<KvpModel, Auxiliary.Separate>> kinds =
        List.of(
            m -> new Auxiliary.LayerPruned(kept, List.of(), LayerMap.ofKept(kept, 4)),
            m -> m.sibling(small),
            m -> m.sibling(small).withMap(new LayerMap(List.of(0, 1, 1, 1))),
            m -> trained(m.sibling(small)));
    for (Function<KvpModel, Auxiliary.Separate> kind : kinds) {
      calibrate(kind);
      try (KvpModel model = KvpModel.builder(base).predictor(file).warmUp(false).build()) {
        GenerateResult predicted = answer(model, KvpMode.PREDICT, new Anchors(4, 20, 0));
        assertThat(predicted.mode()).isEqualTo(KvpMode.PREDICT);
        assertThat(predicted.exactTokens()).isEqualTo(24);
        // anchors over the whole prompt: nothing of the prediction is left
        int n = predicted.promptTokens();
        assertThat(answer(model, KvpMode.PREDICT, new Anchors(0, n, 0)).tokens())
            .isEqualTo(answer(model, KvpMode.EXACT, Anchors.DEFAULT).tokens());
      }
    }
  }

  /** AUTO reads exactly what the sibling can't read; who asks for it is told. */
  @Test
  void aPromptBeyondTheSiblingsContextIsReadExactly() {
    Path small = sibling();
    calibrate(m -> m.sibling(small));
    TinyModelDirectory.of(Kind.MISTRAL).layers(2).seed(5).context(64).write(small);
    Anchors anchors = new Anchors(4, 8, 0);
    // warmed up: that prompt would be too long for the sibling too
    try (KvpModel model = KvpModel.builder(base).predictor(file).minAgreement(0).build()) {
      int n = model.encodePrompt(PROMPT).length;
      assertThat(n).isGreaterThan(65);
      GenerateResult result = answer(model, KvpMode.AUTO, anchors);
      assertThat(result.mode()).isEqualTo(KvpMode.EXACT);
      assertThat(result.modeReason())
          .contains("has " + n + " tokens")
          .contains("auxiliary reads 65 at most");
      assertThatExceptionOfType(KvpException.class)
          .isThrownBy(() -> answer(model, KvpMode.PREDICT, anchors))
          .withMessageContaining("the limit is 64")
          .satisfies(e -> assertThat(e.kind()).isEqualTo(KvpException.Kind.PROMPT));
      GenerateRequest.Builder request =
          GenerateRequest.builder("0123456789".repeat(6))
              .anchors(new Anchors(0, 1, 0))
              .maxNewTokens(2);
      GenerateResult shorter = model.generate(request.build());
      assertThat(shorter.promptTokens()).isBetween(50, 65);
      assertThat(shorter.mode()).isEqualTo(KvpMode.PREDICT);
    }
  }

  /** An auxiliary with a cache of its own begins anew, so that what is at hand is not saved. */
  @Test
  void autoReckonsThatTheAuxiliaryReadsWhatIsAtHand() {
    List<Integer> kept = Auxiliary.LayerPruned.keep(0.5, 4);
    calibrate(m -> new Auxiliary.LayerPruned(kept, List.of(), LayerMap.ofKept(kept, 4)));
    String document = "0123456789".repeat(14);
    try (KvpModel model =
        KvpModel.builder(base).predictor(file).minAgreement(0).warmUp(false).build()) {
      GenerateRequest.Builder request =
          GenerateRequest.builder(document + "9876543210".repeat(4))
              .anchors(new Anchors(0, 1, 0))
              .maxNewTokens(2);
      assertThat(model.generate(request.build()).mode()).isEqualTo(KvpMode.PREDICT);
      model.generate(GenerateRequest.builder(document).mode(KvpMode.EXACT).maxNewTokens(2).build());
      GenerateResult after = model.generate(request.build());
      assertThat(after.mode()).isEqualTo(KvpMode.EXACT);
      assertThat(after.reusedTokens()).isEqualTo(128);
      assertThat(after.modeReason()).contains("128 were at hand");
    }
  }

  @Test
  void aSiblingThatChangedOrIsGoneIsRefused() throws IOException {
    Path small = sibling();
    calibrate(m -> m.sibling(small));
    TinyModelDirectory.of(Kind.MISTRAL).layers(2).seed(6).write(small);
    refused("calibrate the predictor again", () -> KvpModel.builder(base).predictor(file).build());
    Files.move(small, folder.resolve("moved"));
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(() -> KvpModel.builder(base).predictor(file).build())
        .withMessageContaining(small.toString())
        .satisfies(e -> assertThat(e.kind()).isEqualTo(KvpException.Kind.FILE_ACCESS));
  }

  @Test
  void aSiblingWithAnotherTokenizerIsRefused() throws IOException {
    ObjectMapper json = new ObjectMapper();
    Path small = sibling();
    Path tokenizer = small.resolve("tokenizer.json");
    byte[] good = Files.readAllBytes(tokenizer);
    try (KvpModel model = KvpModel.builder(base).withoutPredictor().warmUp(false).build()) {
      assertThat(model.sibling(small).map().sources()).containsExactly(0, 0, 1, 1);
      for (String part : List.of("vocab", "merges")) {
        ObjectNode root = (ObjectNode) json.readTree(good);
        if (part.equals("merges")) {
          root.withArray("/model/merges").remove(0);
        } else {
          ObjectNode vocabulary = (ObjectNode) root.at("/model/vocab");
          int a = vocabulary.get("a").asInt();
          vocabulary.put("a", vocabulary.get("b").asInt());
          vocabulary.put("b", a);
        }
        Files.writeString(tokenizer, root.toString());
        refused("differ in /model/" + part, () -> model.sibling(small));
      }
    }
  }

  @Test
  void whatATokenizerLeavesOutIsItsDefault() throws IOException {
    ObjectMapper json = new ObjectMapper();
    Path small = sibling();
    Path tokenizer = small.resolve("tokenizer.json");
    byte[] good = Files.readAllBytes(tokenizer);
    List<Consumer<ObjectNode>> same =
        List.of(
            root -> root.putNull("post_processor"),
            root -> root.putNull("normalizer"),
            root -> model(root).remove("byte_fallback"),
            root -> model(root).put("ignore_merges", false));
    for (Consumer<ObjectNode> change : same) {
      ObjectNode root = (ObjectNode) json.readTree(good);
      change.accept(root);
      Files.writeString(tokenizer, root.toString());
      Siblings.compareTokenizers(base, small);
    }
    Map<String, Consumer<ObjectNode>> other =
        Map.of(
            "/post_processor", root -> root.putObject("post_processor").put("type", "ByteLevel"),
            "/normalizer", root -> root.putObject("normalizer").put("type", "NFC"),
            "/model/byte_fallback", root -> model(root).put("byte_fallback", true),
            "/model/ignore_merges", root -> model(root).put("ignore_merges", true),
            "/model/unk_token", root -> model(root).remove("unk_token"));
    for (Map.Entry<String, Consumer<ObjectNode>> change : other.entrySet()) {
      ObjectNode root = (ObjectNode) json.readTree(good);
      change.getValue().accept(root);
      Files.writeString(tokenizer, root.toString());
      refused("differ in " + change.getKey() + ";", () -> Siblings.compareTokenizers(base, small));
    }
  }

  private static ObjectNode model(ObjectNode root) {
    return (ObjectNode) root.get("model");
  }

  private static void refused(String message, ThrowingCallable call) {
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(call)
        .withMessageContaining(message)
        .satisfies(e -> assertThat(e.kind()).isEqualTo(KvpException.Kind.PREDICTOR_MISMATCH));
  }
}
