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
package io.github.kvp4j.it;

import static org.assertj.core.api.Assertions.assertThat;

import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.chat.request.ChatRequest;
import io.github.kvp4j.langchain4j.KvpChatModel;
import io.github.kvp4j.langchain4j.KvpChatRequestParameters;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/**
 * The real model under many threads at once: each answer equals its serial one. How many requests
 * each thread makes is the property {@code kvp.it.requests}.
 */
class ManyThreadsIT {
  private static final int THREADS = 32;
  private static final int REQUESTS = THREADS * Integer.getInteger("kvp.it.requests", 2);
  private static final List<String> QUESTIONS =
      List.of("Name a fruit.", "Name a river in Europe.", "Say hello.", "What is two and two?");
  private static final int DIFFERENT = 16;

  /** A seed draws the same answer each time, and reuses nothing of earlier prompts. */
  private static ChatRequest request(int i) {
    return ChatRequest.builder()
        .messages(UserMessage.from(QUESTIONS.get(i % QUESTIONS.size())))
        .parameters(
            KvpChatRequestParameters.builder()
                .temperature(1.0)
                .seed((long) i)
                .maxOutputTokens(3)
                .build())
        .build();
  }

  @Test
  void eachAnswerEqualsItsSerialOne() throws Exception {
    try (KvpChatModel model = ConformanceModels.chat(null);
        ExecutorService threads = Executors.newFixedThreadPool(THREADS)) {
      List<String> serial =
          IntStream.range(0, DIFFERENT)
              .mapToObj(i -> model.chat(request(i)).aiMessage().text())
              .toList();
      assertThat(serial.stream().distinct().count()).isGreaterThan(QUESTIONS.size());
      long start = System.nanoTime();
      List<Future<String>> answers = new ArrayList<>();
      for (int i = 0; i < REQUESTS; i++) {
        int number = i % DIFFERENT;
        answers.add(threads.submit(() -> model.chat(request(number)).aiMessage().text()));
      }
      for (int i = 0; i < REQUESTS; i++) {
        assertThat(answers.get(i).get()).as("request %d", i).isEqualTo(serial.get(i % DIFFERENT));
      }
      System.out.printf(
          "%d threads, %d requests: %.1f s%n",
          THREADS, REQUESTS, (System.nanoTime() - start) / 1e9);
    }
  }
}
