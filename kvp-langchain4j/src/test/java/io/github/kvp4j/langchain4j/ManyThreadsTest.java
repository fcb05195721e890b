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
package io.github.kvp4j.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;

import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.chat.request.ChatRequest;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** One loaded model under many chats at once: each answer equals its serial one. */
class ManyThreadsTest {
  private static final int SEEDS = 16;
  private static final int THREADS = 32;
  private static final int REQUESTS = 3_200;

  @TempDir static Path temp;

  private static ChatRequest request(int seed) {
    return ChatRequest.builder()
        .messages(UserMessage.from("Question " + seed + " " + "x".repeat(seed)))
        .parameters(KvpChatRequestParameters.builder().seed((long) seed).maxOutputTokens(6).build())
        .build();
  }

  @Test
  void eachAnswerEqualsItsSerialOne() throws Exception {
    Path directory = ScriptedModel.random().write(temp.resolve("random"));
    try (KvpChatModel chat =
            KvpChatModel.builder().modelDirectory(directory).temperature(1.0).build();
        KvpStreamingChatModel streaming =
            KvpStreamingChatModel.builder().modelDirectory(directory).temperature(1.0).build();
        ExecutorService threads = Executors.newFixedThreadPool(THREADS)) {
      List<String> serial =
          IntStream.range(0, SEEDS)
              .mapToObj(seed -> chat.chat(request(seed)).aiMessage().text())
              .toList();
      assertThat(serial).doesNotHaveDuplicates();

      List<Future<String>> answers = new ArrayList<>();
      for (int i = 0; i < REQUESTS; i++) {
        int seed = i % SEEDS;
        boolean streamed = i % 3 == 0;
        answers.add(
            threads.submit(() -> {
              if (!streamed) {
                return chat.chat(request(seed)).aiMessage().text();
              }
              RecordingHandler handler = new RecordingHandler();
              streaming.chat(request(seed), handler);
              assertThat(handler.response().aiMessage().text())
                  .isEqualTo(String.join("", handler.parts));
              return handler.response().aiMessage().text();
            }));
      }
      for (int i = 0; i < REQUESTS; i++) {
        assertThat(answers.get(i).get(60, TimeUnit.SECONDS))
            .as("request %d", i)
            .isEqualTo(serial.get(i % SEEDS));
      }
    }
  }
}
