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
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.model.chat.response.ChatResponse;
import io.github.kvp4j.jlama.KvpMode;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KvpMetricsListenerTest {
  @TempDir static Path temp;
  private static Path directory;

  private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
  private final KvpMetricsListener listener = new KvpMetricsListener(registry);

  @BeforeAll
  static void write() {
    directory = ScriptedModel.answering("Hello", " world").write(temp.resolve("greeter"));
  }

  private void assertMeasured(KvpChatResponseMetadata metadata) {
    String[] tags = {
      "gen_ai.operation.name",
      "chat",
      "gen_ai.provider.name",
      "kvp4j",
      "gen_ai.request.model",
      "greeter"
    };
    assertThat(registry.get("gen_ai.client.operation.duration").tags(tags).timer().count())
        .isEqualTo(1);
    assertThat(
            registry
                .get("gen_ai.client.token.usage")
                .tags(tags)
                .tag("gen_ai.token.type", "input")
                .summary()
                .totalAmount())
        .isEqualTo(metadata.tokenUsage().inputTokenCount().doubleValue());
    assertThat(
            registry
                .get("gen_ai.client.token.usage")
                .tags(tags)
                .tag("gen_ai.token.type", "output")
                .summary()
                .totalAmount())
        .isEqualTo(2);
    assertThat(
            registry
                .get("gen_ai.server.time_to_first_token")
                .tags(tags)
                .timer()
                .totalTime(TimeUnit.MICROSECONDS))
        .isCloseTo(
            1000 * metadata.timeToFirstTokenMillis(), org.assertj.core.api.Assertions.within(1.0));
    assertThat(
            registry
                .get("gen_ai.server.time_to_first_token")
                .tag("gen_ai.response.model", "greeter")
                .timer()
                .takeSnapshot()
                .histogramCounts())
        .extracting(bucket -> bucket.bucket(TimeUnit.MILLISECONDS))
        .contains(1.0, 250.0, 10_000.0)
        .hasSize(16);
    assertThat(
            registry
                .get("gen_ai.client.token.usage")
                .tag("gen_ai.token.type", "output")
                .summary()
                .takeSnapshot()
                .histogramCounts())
        .filteredOn(bucket -> bucket.bucket() >= 4)
        .allMatch(bucket -> bucket.count() == 1);
    assertThat(registry.get("gen_ai.server.time_per_output_token").timer().count()).isEqualTo(1);
    assertThat(
            registry
                .get("kvp.prompt.tokens")
                .tags(tags)
                .tags("kvp.mode", "EXACT", "kvp.source", "exact")
                .counter()
                .count())
        .isEqualTo(metadata.exactPromptTokens());
    assertThat(registry.get("kvp.prompt.tokens").tag("kvp.source", "predicted").counter().count())
        .isZero();
  }

  @Test
  void measuresAnAnswer() {
    try (KvpChatModel model =
        KvpChatModel.builder()
            .modelDirectory(directory)
            .mode(KvpMode.EXACT)
            .listeners(List.of(listener))
            .build()) {
      ChatResponse response = model.chat(UserMessage.from("Hi"));
      assertMeasured((KvpChatResponseMetadata) response.metadata());
    }
  }

  @Test
  void measuresAStreamedAnswer() throws Exception {
    try (KvpStreamingChatModel model =
        KvpStreamingChatModel.builder()
            .modelDirectory(directory)
            .mode(KvpMode.EXACT)
            .listeners(List.of(listener))
            .build()) {
      RecordingHandler handler = new RecordingHandler();
      model.chat("Hi", handler);
      handler.response();
      handler.endsWithResponse();
      assertMeasured((KvpChatResponseMetadata) handler.response().metadata());
    }
  }

  @Test
  void measuresFailures() {
    try (KvpChatModel model =
        KvpChatModel.builder().modelDirectory(directory).listeners(List.of(listener)).build()) {
      assertThatThrownBy(() -> model.chat("word ".repeat(ScriptedModel.CONTEXT)))
          .isInstanceOf(InvalidRequestException.class);
      assertThat(
              registry
                  .get("gen_ai.client.operation.duration")
                  .tag("error.type", InvalidRequestException.class.getName())
                  .timer()
                  .count())
          .isEqualTo(1);
      assertThat(registry.find("gen_ai.client.token.usage").summary()).isNull();
    }
  }
}
