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

import io.github.kvp4j.KvpException;
import io.github.kvp4j.calibration.CalibrationProgress;
import io.github.kvp4j.calibration.CalibrationSettings;
import io.github.kvp4j.calibration.RidgeCalibrator;
import io.github.kvp4j.jlama.TinyModelDirectory.Kind;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.KvPredictor;
import io.github.kvp4j.predictor.MeasuredQuality;
import io.github.kvp4j.predictor.PredictorFile;
import io.github.kvp4j.prefill.Cancellation;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/** Small models in a folder, prompts for them, and how they are asked. */
final class ModelCases {
  private ModelCases() {}

  static KvpModel open(Path folder, TinyModelDirectory directory) {
    return KvpModel.builder(directory.write(folder.resolve("model")))
        .withoutPredictor()
        .warmUp(false)
        .build();
  }

  /** A model that answers each letter with the next, and the last letter with these tokens. */
  static KvpModel scripted(Path folder, String letters, List<Integer> after) {
    List<Integer> script = new ArrayList<>(TinyModelDirectory.bytes(letters));
    script.addAll(after);
    return open(folder, TinyModelDirectory.of(Kind.MISTRAL).layers(1).script(script));
  }

  static GenerateResult answer(KvpModel model, String prompt, KvpMode mode, int most) {
    return model.generate(GenerateRequest.builder(prompt).mode(mode).maxNewTokens(most).build());
  }

  /** Letters that are a token each, digits among them. */
  static String text(int tokens, long seed) {
    Random random = new Random(seed);
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < tokens; i++) {
      out.append("bcfgjkpquvwxyz0123456789.,".charAt(random.nextInt(26)));
    }
    return out.toString();
  }

  static void refused(KvpException.Kind kind, String text, ThrowingCallable call) {
    assertThatExceptionOfType(KvpException.class)
        .isThrownBy(call)
        .withMessageContaining(text)
        .satisfies(e -> assertThat(e.kind()).isEqualTo(kind));
  }

  static GenerateRequest predict(String prompt, Anchors anchors) {
    return GenerateRequest.builder(prompt)
        .mode(KvpMode.PREDICT)
        .anchors(anchors)
        .maxNewTokens(30)
        .build();
  }

  static void calibrate(Path directory, Path file) {
    calibrate(
        directory,
        file,
        List.of(
            new MeasuredQuality("4/8/0", "text", 0.7, 0.1, 0.8, 0.9, 4),
            new MeasuredQuality("4/8/0", "copy", 0.7, 0.1, 0.6, 0.9, 4),
            new MeasuredQuality("4/9/0", "text", 0.8, 0.1, 0.9, 0.9, 4)));
  }

  static void calibrate(Path directory, Path file, List<MeasuredQuality> measured) {
    try (KvpModel model = KvpModel.builder(directory).withoutPredictor().warmUp(false).build()) {
      CalibrationSettings settings =
          new CalibrationSettings(1, List.of(0, 1), new TreeSet<>(), 4, List.of(1e-3));
      List<int[]> texts =
          IntStream.range(0, 6)
              .mapToObj(i ->
                  new SplittableRandom(i).ints(200, 0, TinyModelDirectory.VOCABULARY).toArray())
              .toList();
      KvPredictor predictor =
          new RidgeCalibrator(
                  model.engine().orElseThrow(),
                  settings,
                  texts,
                  CalibrationProgress.SILENT,
                  Cancellation.NEVER)
              .fit();
      new PredictorFile(predictor, model.fingerprint().orElseThrow(), Map.of(), measured)
          .write(file);
    }
  }
}
