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

import static io.github.kvp4j.jlama.ModelCases.answer;
import static io.github.kvp4j.jlama.ModelCases.calibrate;
import static io.github.kvp4j.jlama.ModelCases.predict;
import static io.github.kvp4j.jlama.ModelCases.refused;
import static io.github.kvp4j.jlama.ModelCases.text;
import static org.assertj.core.api.Assertions.assertThat;

import com.github.tjake.jlama.tensor.KvBufferCache;
import com.sun.management.ThreadMXBean;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.TinyModelDirectory.Kind;
import io.github.kvp4j.kernel.Workers;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.PredictedPrefill;
import io.github.kvp4j.predictor.Refinement;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.LayerListener;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.prefix.PrefixStore;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A predictor of a small model: which one is used, for what, and what it is refused for. */
@Timeout(300)
class PredictionTest {
  @TempDir Path folder;

  @Test
  void aPredictorIsUsedAndToldOf() {
    Path directory = TinyModelDirectory.of(Kind.QWEN2).write(folder.resolve("model"));
    Path file = folder.resolve("p.safetensors");
    calibrate(directory, file);
    try (KvpModel model = KvpModel.builder(directory).predictor(file).warmUp(false).build()) {
      String prompt = text(150, 3);
      int n = model.encodePrompt(prompt).length;
      GenerateResult predicted = model.generate(predict(prompt, new Anchors(4, 20, 0)));
      assertThat(predicted.mode()).isEqualTo(KvpMode.PREDICT);
      assertThat(predicted.promptTokens()).isEqualTo(n);
      assertThat(predicted.exactTokens()).isEqualTo(24);
      assertThat(predicted.predictedTokens()).isEqualTo(n - 24);
      // top anchors too
      assertThat(model.generate(predict(prompt, new Anchors(4, 20, 10))).exactTokens())
          .isEqualTo(34);
      // anchors over the whole prompt: nothing of the prediction is left
      GenerateResult exact = answer(model, prompt, KvpMode.EXACT, 30);
      assertThat(model.generate(predict(prompt, new Anchors(0, n, 0))).tokens())
          .isEqualTo(exact.tokens());
      assertThat(model.generate(predict("x", Anchors.DEFAULT)).tokens())
          .isEqualTo(answer(model, "x", KvpMode.EXACT, 30).tokens());
      // the user's own serves both qualities
      for (Quality quality : Quality.values()) {
        assertThat(model.predictor(quality)).isPresent();
      }
    }
  }

  /** Refined, the prompt's rows are those of EXACT, so that a later prompt may begin with them. */
  @Test
  void aPredictedPromptBecomesExact() {
    Path directory = TinyModelDirectory.of(Kind.QWEN2).write(folder.resolve("model"));
    Path file = folder.resolve("p.safetensors");
    calibrate(directory, file);
    String prompt = text(150, 3);
    try (KvpModel model = KvpModel.builder(directory).predictor(file).warmUp(false).build();
        KvpModel fresh = KvpModel.builder(directory).withoutPredictor().warmUp(false).build()) {
      int n = model.encodePrompt(prompt).length;
      GenerateRequest.Builder request =
          GenerateRequest.builder(prompt)
              .mode(KvpMode.PREDICT_AND_REFINE)
              .anchors(new Anchors(4, 20, 0))
              .maxNewTokens(10);
      GenerateResult refined =
          model.generate(request.refine(new RefineSettings(n / 3 + 1, 0)).build());
      assertThat(refined.mode()).isEqualTo(KvpMode.PREDICT_AND_REFINE);
      assertThat(refined.predictedTokens()).isEqualTo(n - 24);
      RefinementReport report = java.util.Objects.requireNonNull(refined.refinement());
      assertThat(report.tokensUntilExact()).isEqualTo(3);
      assertThat(report.exactPositions()).isEqualTo(n);
      assertThat(report.refineNanos()).isPositive();
      assertThat(report.nanosPerTokenAfter()).isPositive();

      String longer = prompt + text(80, 9);
      GenerateResult next = answer(model, longer, KvpMode.EXACT, 10);
      assertThat(next.reusedTokens()).isEqualTo(n / 32 * 32);
      assertThat(next.tokens()).isEqualTo(answer(fresh, longer, KvpMode.EXACT, 10).tokens());
    }
  }

  /** The memory for the refined rows is taken between tokens, not before the first one. */
  @Test
  void refinementTakesItsMemoryWhenItBegins() {
    Path directory = TinyModelDirectory.of(Kind.QWEN2).write(folder.resolve("model"));
    Path file = folder.resolve("p.safetensors");
    calibrate(directory, file);
    ThreadMXBean memory = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long thread = Thread.currentThread().threadId();
    try (KvpModel model = KvpModel.builder(directory).predictor(file).warmUp(false).build();
        JlamaBuffers buffers = new JlamaBuffers(model.jlama(), model.shape());
        KvBufferCache.KvBuffer buffer = buffers.open()) {
      ModelShape shape = model.shape();
      PrefillEngine engine = model.engine().orElseThrow();
      int[] tokens = model.encodePrompt(text(200, 3));
      PredictedPrefill prediction =
          new PredictedPrefill(engine, model.predictor(Quality.FAST).orElseThrow().predictor());
      PrefixStore.Prefix none = new PrefixStore(shape, 0).find(tokens, 0);
      JlamaKvWriter writer = new JlamaKvWriter(shape, engine.weights().rope(), Workers.shared());
      int refined = shape.layers() - prediction.firstInexact();
      long rows = 2L * Float.BYTES * refined * tokens.length * shape.kvLength();
      long before = 0;
      long made = 0;
      long begun = 0;
      for (int round = 0; round < 2; round++) { // the first loads classes
        Refinement rest =
            prediction
                .refinable(
                    tokens,
                    0,
                    Anchors.DEFAULT,
                    new KvCache(shape, tokens.length),
                    LayerListener.NONE,
                    Cancellation.NEVER)
                .rest();
        before = memory.getThreadAllocatedBytes(thread);
        Refiner refiner =
            new Refiner(
                rest,
                RefineSettings.DEFAULT,
                none,
                writer,
                shape.layers(),
                buffer,
                null,
                Workers.shared(),
                Cancellation.NEVER);
        made = memory.getThreadAllocatedBytes(thread);
        refiner.between(1);
        begun = memory.getThreadAllocatedBytes(thread);
      }
      assertThat(made - before).isLessThan(rows / 10);
      assertThat(begun - made).isGreaterThan(rows);
    }
  }

  /** An answer that ends before the prompt is exact leaves the part that is. */
  @Test
  void whatWasRefinedIsKept() {
    Path directory = TinyModelDirectory.of(Kind.QWEN2).write(folder.resolve("model"));
    Path file = folder.resolve("p.safetensors");
    calibrate(directory, file);
    try (KvpModel model = KvpModel.builder(directory).predictor(file).warmUp(false).build()) {
      String prompt = text(150, 3);
      GenerateResult refined =
          model.generate(
              GenerateRequest.builder(prompt)
                  .mode(KvpMode.PREDICT_AND_REFINE)
                  .anchors(new Anchors(4, 20, 0))
                  .refine(new RefineSettings(35, 0))
                  .maxNewTokens(3)
                  .build());
      RefinementReport report = java.util.Objects.requireNonNull(refined.refinement());
      assertThat(report.tokensUntilExact()).isEqualTo(-1);
      assertThat(report.exactPositions()).isEqualTo(70);
      assertThat(answer(model, prompt, KvpMode.EXACT, 3).reusedTokens()).isEqualTo(64);
      // a prediction without refinement leaves nothing
      assertThat(model.generate(predict(text(150, 4), new Anchors(4, 20, 0))).refinement())
          .isNull();
      assertThat(answer(model, text(150, 4), KvpMode.EXACT, 3).reusedTokens()).isZero();
    }
  }

  @Test
  void aPredictorBesideTheModelIsFound() throws IOException {
    Path directory = TinyModelDirectory.of(Kind.LLAMA_GROUPED_TIED).write(folder.resolve("model"));
    Path file = folder.resolve("p.safetensors");
    calibrate(directory, file);
    Files.copy(file, directory.resolve("predictor-fast.safetensors"));
    try (KvpModel model = KvpModel.builder(directory).build()) {
      assertThat(model.predictor(Quality.FAST)).isPresent();
      assertThat(model.predictor(Quality.FAITHFUL)).isEmpty();
      GenerateRequest.Builder request =
          GenerateRequest.builder(text(180, 4)).maxNewTokens(5).anchors(new Anchors(4, 8, 0));
      assertThat(model.generate(request.quality(Quality.FAST).build()).mode())
          .isEqualTo(KvpMode.PREDICT);
      assertThat(model.generate(request.quality(Quality.FAITHFUL).build()).mode())
          .isEqualTo(KvpMode.EXACT);
      // a prompt that the anchors cover anyway is read exactly
      assertThat(
              model
                  .generate(
                      GenerateRequest.builder("abc").quality(Quality.FAST).maxNewTokens(2).build())
                  .mode())
          .isEqualTo(KvpMode.EXACT);
    }
    try (KvpModel model = KvpModel.builder(directory).withoutPredictor().build()) {
      assertThat(model.predictor(Quality.FAST)).isEmpty();
    }
  }

  /** AUTO says why it does not predict with what was measured to be poor, or never measured. */
  @Test
  void autoRefusesAPoorPredictor() {
    Path directory = TinyModelDirectory.of(Kind.LLAMA_GROUPED_TIED).write(folder.resolve("model"));
    Path file = folder.resolve("p.safetensors");
    calibrate(directory, file);
    GenerateRequest.Builder request =
        GenerateRequest.builder(text(180, 4)).maxNewTokens(2).reusesPrefix(false);
    GenerateRequest few = request.anchors(new Anchors(4, 8, 0)).build();
    GenerateRequest many = request.anchors(new Anchors(4, 10, 0)).build();
    KvpModel.Builder builder = KvpModel.builder(directory).predictor(file).warmUp(false);
    try (KvpModel model = builder.build()) {
      assertThat(model.generate(few).mode()).isEqualTo(KvpMode.PREDICT);
    }
    try (KvpModel model = builder.minAgreement(0.7).build()) {
      GenerateResult result = model.generate(few);
      assertThat(result.mode()).isEqualTo(KvpMode.EXACT);
      assertThat(result.modeReason()).contains("0.600").contains("0.700");
      assertThat(model.generate(many).mode()).isEqualTo(KvpMode.PREDICT);
      assertThat(model.generate(predict(text(180, 4), few.anchors())).mode())
          .isEqualTo(KvpMode.PREDICT);
    }
    calibrate(directory, file, List.of());
    try (KvpModel model = builder.minAgreement(0.1).build()) {
      GenerateResult result = model.generate(few);
      assertThat(result.mode()).isEqualTo(KvpMode.EXACT);
      assertThat(result.modeReason()).contains("never measured");
    }
    try (KvpModel model = builder.minAgreement(0).build()) {
      assertThat(model.generate(few).mode()).isEqualTo(KvpMode.PREDICT);
    }
    refused(KvpException.Kind.BAD_ARGUMENT, "1.5", () -> builder.minAgreement(1.5).build());
    refused(KvpException.Kind.BAD_ARGUMENT, "NaN", () -> builder.minAgreement(Double.NaN).build());
  }

  /** Where there is no balanced predictor the next better one serves, and the answer says so. */
  @Test
  void theBalancedQualityFallsToTheNearest() throws IOException {
    Path directory = TinyModelDirectory.of(Kind.LLAMA_GROUPED_TIED).write(folder.resolve("model"));
    Path file = folder.resolve("p.safetensors");
    calibrate(directory, file);
    GenerateRequest request =
        GenerateRequest.builder(text(180, 4))
            .mode(KvpMode.PREDICT)
            .quality(Quality.BALANCED)
            .maxNewTokens(2)
            .build();
    for (Quality quality : List.of(Quality.FAST, Quality.FAITHFUL, Quality.BALANCED)) {
      String name = quality.name().toLowerCase(Locale.ROOT);
      Files.copy(file, directory.resolve("predictor-" + name + ".safetensors"));
      try (KvpModel model = KvpModel.builder(directory).warmUp(false).build()) {
        assertThat(model.predictor(quality)).isPresent();
        assertThat(model.generate(request).modeReason())
            .isEqualTo(
                quality == Quality.BALANCED
                    ? "asked for"
                    : "asked for; no predictor of quality BALANCED was found, so it was "
                        + quality
                        + "'s");
      }
    }
  }

  @Test
  void aPredictorForAnotherModelIsRefused() {
    Path directory = TinyModelDirectory.of(Kind.LLAMA_GROUPED_TIED).write(folder.resolve("a"));
    Path file = folder.resolve("p.safetensors");
    calibrate(directory, file);
    for (TinyModelDirectory other :
        List.of(
            TinyModelDirectory.of(Kind.LLAMA_GROUPED_TIED).seed(99),
            TinyModelDirectory.of(Kind.LLAMA_GROUPED_TIED).layers(4),
            TinyModelDirectory.of(Kind.MISTRAL))) {
      Path another = other.write(folder.resolve("b"));
      refused(
          KvpException.Kind.PREDICTOR_MISMATCH,
          "fingerprint",
          () -> KvpModel.builder(another).predictor(file).warmUp(false).build());
    }
  }

  @Test
  void aBrokenPredictorIsRefused() throws IOException {
    Path directory = TinyModelDirectory.of(Kind.LLAMA_GROUPED_TIED).write(folder.resolve("model"));
    Path file = folder.resolve("p.safetensors");
    calibrate(directory, file);
    byte[] bytes = Files.readAllBytes(file);
    Files.write(file, Arrays.copyOf(bytes, bytes.length - 7));
    refused(
        KvpException.Kind.MALFORMED_FILE,
        file.toString(),
        () -> KvpModel.builder(directory).predictor(file).build());
    refused(
        KvpException.Kind.FILE_ACCESS,
        "none",
        () -> KvpModel.builder(directory).predictor(folder.resolve("none")).build());
  }
}
