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
package io.github.kvp4j.bench;

import de.kherud.llama.InferenceParameters;
import de.kherud.llama.LlamaModel;
import de.kherud.llama.LlamaOutput;
import de.kherud.llama.ModelParameters;
import de.kherud.llama.args.LogFormat;
import io.github.kvp4j.KvpException;
import java.util.List;

/** llama.cpp inside this JVM, through {@code de.kherud:llama}, one prompt after the other. */
final class LlamaCppSubject implements Subject {
  private final LlamaModel model;

  LlamaCppSubject(WorkerSetup setup) {
    LlamaModel.setLogger(LogFormat.TEXT, (level, message) -> {});
    this.model =
        new LlamaModel(
            new ModelParameters()
                .setModel(setup.model())
                .setCtxSize(setup.context())
                .setThreads(setup.threads())
                .setThreadsBatch(setup.threads())
                .setGpuLayers(0));
  }

  @Override
  public String kernels() {
    return "llama.cpp";
  }

  @Override
  public Times measure(List<String> prompts, int length, int maxTokens) {
    double ttft = 0;
    Double perToken = null;
    for (int i = 0; i < prompts.size(); i++) {
      checkLength(model.encode(prompts.get(i)).length, length);
      int wanted = i == prompts.size() - 1 ? maxTokens : 1;
      InferenceParameters request =
          new InferenceParameters(prompts.get(i))
              .setNPredict(wanted)
              .setCachePrompt(false)
              .setTemperature(0)
              .setIgnoreEos(true);
      long start = System.nanoTime();
      long first = 0;
      long last = 0;
      int further = 0;
      for (LlamaOutput output : model.generate(request)) {
        long now = System.nanoTime();
        if (first == 0) {
          first = now;
        } else if (!output.text.isEmpty() && further + 1 < wanted) {
          further++; // the end is announced by an output of its own, which is no token
          last = now;
        }
      }
      ttft += (first - start) / 1e6;
      perToken = further > 0 ? (Double) ((last - first) / 1e6 / further) : perToken;
    }
    return new Times(ttft, perToken);
  }

  /** A token more or less, such as one at the beginning, changes no figure. */
  private static void checkLength(int actual, int expected) {
    if (Math.abs(actual - expected) > 1 + expected / 50) {
      throw new KvpException(
          KvpException.Kind.PROMPT,
          "a prompt of "
              + expected
              + " tokens has "
              + actual
              + " for this file; use the GGUF of the same model.");
    }
  }

  @Override
  public void close() {
    model.close();
  }
}
