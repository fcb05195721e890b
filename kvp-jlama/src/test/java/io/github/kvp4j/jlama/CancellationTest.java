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
import static io.github.kvp4j.jlama.ModelCases.open;
import static io.github.kvp4j.jlama.ModelCases.refused;
import static io.github.kvp4j.jlama.ModelCases.scripted;
import static io.github.kvp4j.jlama.ModelCases.text;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.TinyModelDirectory.Kind;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.prefill.Cancellation;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * What is cancelled or closed at any moment stops and leaves the model as it was; many threads at a
 * time.
 */
@Timeout(300)
class CancellationTest {
  private static final Anchors ANCHORS = new Anchors(4, 8, 0);

  @TempDir Path folder;

  // --- cancellation

  @ParameterizedTest
  @EnumSource(names = {"OFF", "EXACT"})
  void whatIsCancelledAnywhereStopsAndLeavesTheModelAsItWas(KvpMode mode) {
    try (KvpModel model = open(folder, TinyModelDirectory.of(Kind.LLAMA_FULL_UNTIED).seed(9))) {
      String prompt = text(100, 5);
      GenerateResult before = answer(model, prompt, mode, 10);
      AtomicInteger asked = new AtomicInteger();
      model.generate(cancellable(prompt, mode, () -> asked.incrementAndGet() < 0));
      assertThat(asked.get()).isGreaterThan(9);
      for (int after = 0; after < asked.get(); after++) {
        AtomicInteger left = new AtomicInteger(after);
        refused(
            KvpException.Kind.CANCELLED,
            "cancelled",
            () -> model.generate(cancellable(prompt, mode, () -> left.getAndDecrement() == 0)));
        assertThat(answer(model, prompt, mode, 10).tokens()).isEqualTo(before.tokens());
      }
    }
  }

  /**
   * A prediction, and the refinement that goes on between the tokens: whatever was done of it is
   * dropped with the request, and nothing that is half exact is kept for later prompts.
   */
  @Test
  void whatIsCancelledWhileItIsRefinedLeavesTheModelAsItWas() {
    Path directory =
        TinyModelDirectory.of(Kind.LLAMA_FULL_UNTIED).seed(9).write(folder.resolve("m"));
    Path file = folder.resolve("p.safetensors");
    calibrate(directory, file);
    try (KvpModel model = KvpModel.builder(directory).predictor(file).warmUp(false).build()) {
      String prompt = text(100, 5);
      GenerateResult exact = model.generate(apart(prompt, KvpMode.EXACT, Cancellation.NEVER));
      GenerateResult predicted = model.generate(apart(prompt, KvpMode.PREDICT, Cancellation.NEVER));
      AtomicInteger ofPrediction = new AtomicInteger();
      model.generate(apart(prompt, KvpMode.PREDICT, () -> ofPrediction.incrementAndGet() < 0));
      AtomicInteger asked = new AtomicInteger();
      GenerateResult refined =
          model.generate(
              apart(prompt, KvpMode.PREDICT_AND_REFINE, () -> asked.incrementAndGet() < 0));
      RefinementReport report = Objects.requireNonNull(refined.refinement());
      assertThat(report.tokensUntilExact()).isBetween(2, 9);
      // each piece asks in each layer that it goes through
      assertThat(asked.get()).isGreaterThan(ofPrediction.get() + report.tokensUntilExact());
      for (int after = 0; after < asked.get(); after++) {
        AtomicInteger left = new AtomicInteger(after);
        GenerateRequest cancelled = refining(prompt, () -> left.getAndDecrement() == 0).build();
        refused(KvpException.Kind.CANCELLED, "cancelled", () -> model.generate(cancelled));
        GenerateResult later =
            model.generate(refining(prompt, Cancellation.NEVER).mode(KvpMode.PREDICT).build());
        assertThat(later.reusedTokens()).as("kept of what was cancelled").isZero();
        assertThat(later.tokens()).isEqualTo(predicted.tokens());
        assertThat(model.generate(apart(prompt, KvpMode.EXACT, Cancellation.NEVER)).tokens())
            .isEqualTo(exact.tokens());
      }
      // not cancelled, it is kept, and later answers are those over exact rows
      model.generate(refining(prompt, Cancellation.NEVER).build());
      GenerateResult later = answer(model, prompt, KvpMode.EXACT, 10);
      assertThat(later.reusedTokens()).isEqualTo(96);
      assertThat(later.tokens()).isEqualTo(exact.tokens());
    }
  }

  /** A request that takes nothing from others and leaves nothing to them. */
  private static GenerateRequest apart(String prompt, KvpMode mode, Cancellation cancellation) {
    return refining(prompt, cancellation).mode(mode).reusesPrefix(false).build();
  }

  private static GenerateRequest.Builder refining(String prompt, Cancellation cancellation) {
    return GenerateRequest.builder(prompt)
        .mode(KvpMode.PREDICT_AND_REFINE)
        .anchors(ANCHORS)
        .refine(new RefineSettings(20, 0))
        .maxNewTokens(10)
        .cancellation(cancellation);
  }

  @Test
  void whatIsCancelledWhileItStreamsStopsAtTheNextToken() {
    try (KvpModel model = scripted(folder, "abcdefghijklmnopqrst", List.of())) {
      AtomicBoolean cancelled = new AtomicBoolean();
      List<String> parts = new ArrayList<>();
      GenerateRequest request =
          GenerateRequest.builder("a").maxNewTokens(15).cancellation(cancelled::get).build();
      Consumer<String> listener =
          part -> {
            parts.add(part);
            cancelled.set(parts.size() == 4);
          };
      refused(KvpException.Kind.CANCELLED, "cancelled", () -> model.generate(request, listener));
      assertThat(parts).containsExactly("b", "c", "d", "e");
    }
  }

  /** What a listener throws ends the answer and reaches the caller as it is. */
  @Test
  void whatAListenerThrowsComesOut() {
    try (KvpModel model = scripted(folder, "abcdefghijklmnopqrst", List.of())) {
      IllegalStateException own = new IllegalStateException("enough");
      assertThatExceptionOfType(IllegalStateException.class)
          .isThrownBy(() ->
              model.generate(
                  GenerateRequest.of("a"),
                  part -> {
                    throw own;
                  }))
          .isSameAs(own);
      assertThat(answer(model, "a", KvpMode.EXACT, 3).text()).isEqualTo("bcd");
    }
  }

  private static GenerateRequest cancellable(
      String prompt, KvpMode mode, Cancellation cancellation) {
    return GenerateRequest.builder(prompt)
        .mode(mode)
        .maxNewTokens(10)
        .cancellation(cancellation)
        .build();
  }

  // --- closing

  @Test
  void aClosedModelSaysSo() {
    KvpModel model = open(folder, TinyModelDirectory.of(Kind.LLAMA_GROUPED_TIED));
    answer(model, "a", KvpMode.EXACT, 3);
    model.close();
    model.close();
    for (KvpMode mode : KvpMode.values()) {
      refused(KvpException.Kind.CLOSED, "was closed", () -> answer(model, "a", mode, 3));
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"OFF", "EXACT"})
  void closingCancelsWhatRunsAndWaitsForIt(KvpMode mode) throws Exception {
    KvpModel model = open(folder, TinyModelDirectory.of(Kind.LLAMA_GROUPED_TIED).seed(10));
    CountDownLatch running = new CountDownLatch(3);
    AtomicInteger ended = new AtomicInteger();
    try (ExecutorService threads = Executors.newFixedThreadPool(3)) {
      List<Future<KvpException.Kind>> all = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        GenerateRequest request =
            GenerateRequest.builder(text(20, i))
                .mode(mode)
                .temperature(2)
                .maxNewTokens(1000)
                .build();
        all.add(
            threads.submit(() -> {
              try {
                // until the context is full, then again: it ends by being closed alone
                while (true) {
                  model.generate(request, part -> running.countDown());
                }
              } catch (KvpException e) {
                ended.incrementAndGet();
                return e.kind();
              }
            }));
      }
      assertThat(running.await(60, TimeUnit.SECONDS)).isTrue();
      model.close();
      for (Future<KvpException.Kind> one : all) {
        assertThat(one.get(60, TimeUnit.SECONDS))
            .isIn(KvpException.Kind.CANCELLED, KvpException.Kind.CLOSED);
      }
    }
    refused(KvpException.Kind.CLOSED, "was closed", () -> answer(model, "a", mode, 3));
    assertThat(ended).hasValue(3);
  }

  /** A listener that closes the model must not wait for its own request. */
  @Test
  void aListenerMayClose() {
    KvpModel model = scripted(folder, "abcdefghijklmnopqrst", List.of());
    List<String> parts = new ArrayList<>();
    refused(
        KvpException.Kind.CANCELLED,
        "cancelled",
        () ->
            model.generate(
                GenerateRequest.of("a"),
                part -> {
                  parts.add(part);
                  model.close();
                }));
    assertThat(parts).containsExactly("b");
    refused(KvpException.Kind.CLOSED, "was closed", () -> answer(model, "a", KvpMode.EXACT, 3));
    model.close();
  }

  /** A listener may ask the model something else: the inner answer comes first. */
  @Test
  void aListenerMayGenerate() {
    try (KvpModel model = scripted(folder, "abcdefghijklmnopqrst", List.of())) {
      List<String> inner = new ArrayList<>();
      GenerateResult outer =
          model.generate(
              GenerateRequest.builder("a").maxNewTokens(3).build(),
              part -> inner.add(answer(model, part, KvpMode.EXACT, 2).text()));
      assertThat(outer.text()).isEqualTo("bcd");
      assertThat(inner).containsExactly("cd", "de", "ef");
    }
  }

  // --- many threads

  @Test
  void manyThreadsGetTheAnswersThatOneGets() throws Exception {
    Path directory =
        TinyModelDirectory.of(Kind.LLAMA_FULL_UNTIED).seed(11).write(folder.resolve("m"));
    Path file = folder.resolve("p.safetensors");
    calibrate(directory, file);
    try (KvpModel model = KvpModel.builder(directory).predictor(file).warmUp(false).build()) {
      List<GenerateRequest> requests = new ArrayList<>();
      Random random = new Random(1);
      for (int i = 0; i < 48; i++) {
        requests.add(
            GenerateRequest.builder(text(1 + random.nextInt(60), i))
                .mode(List.of(KvpMode.OFF, KvpMode.EXACT, KvpMode.PREDICT).get(i % 3))
                .anchors(new Anchors(2, 4, 0))
                .maxNewTokens(1 + random.nextInt(10))
                .temperature(i % 2)
                .seed((long) i)
                .build());
      }
      List<GenerateResult> serial = requests.stream().map(model::generate).toList();
      AtomicInteger streamed = new AtomicInteger();
      List<Callable<String>> tasks = new ArrayList<>();
      for (int i = 0; i < 1_000; i++) {
        int which = random.nextInt(requests.size());
        tasks.add(() -> {
          StringBuilder parts = new StringBuilder();
          GenerateResult result = model.generate(requests.get(which), parts::append);
          GenerateResult expected = serial.get(which);
          streamed.incrementAndGet();
          return result.tokens().equals(expected.tokens())
                  && result.text().equals(expected.text())
                  && result.finishReason() == expected.finishReason()
                  && parts.toString().equals(expected.text())
              ? ""
              : "request " + which + " gave " + result.tokens() + ", not " + expected.tokens();
        });
      }
      List<String> wrong = new ArrayList<>();
      try (ExecutorService threads = Executors.newFixedThreadPool(32)) {
        for (Future<String> one : threads.invokeAll(tasks)) {
          wrong.add(one.get());
        }
      }
      wrong.removeIf(String::isEmpty);
      assertThat(wrong).isEmpty();
      assertThat(streamed).hasValue(1_000);
    }
  }
}
