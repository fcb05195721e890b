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

import dev.langchain4j.model.chat.listener.ChatModelErrorContext;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.listener.ChatModelRequestContext;
import dev.langchain4j.model.chat.listener.ChatModelResponseContext;
import dev.langchain4j.model.chat.response.ChatResponseMetadata;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Measures chat models with Micrometer, under the names, tags and histogram buckets of
 * OpenTelemetry's <a href="https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/">
 * semantic conventions for generative AI</a>, whose status is still "development".
 *
 * <ul>
 *   <li>{@code gen_ai.client.operation.duration}: whole requests, those that fail with the tag
 *       {@code error.type};
 *   <li>{@code gen_ai.client.token.usage}: tokens of a request, with {@code gen_ai.token.type}
 *       {@code input} or {@code output};
 *   <li>{@code gen_ai.server.time_to_first_token} and {@code gen_ai.server.time_per_output_token};
 *   <li>{@code kvp.prompt.tokens}: the input tokens again, with {@code kvp.source} {@code reused},
 *       {@code predicted} or {@code exact}, and with {@code kvp.mode}.
 * </ul>
 *
 * <p>All have the tags {@code gen_ai.operation.name}, {@code gen_ai.provider.name} and {@code
 * gen_ai.request.model}, those of answers also {@code gen_ai.response.model}. Safe for use by many
 * models and threads at once. Needs {@code io.micrometer:micrometer-core} on the class path.
 */
public final class KvpMetricsListener implements ChatModelListener {
  private static final Object START = new Object();

  /** Seconds; these and the next are the boundaries that the conventions ask for. */
  private static final double[] DURATIONS = {
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92
  };

  private static final double[] FIRST_TOKEN = {
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10
  };

  private static final double[] FURTHER_TOKENS = {
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5
  };

  /** Tokens. */
  private static final double[] COUNTS = {
    1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864
  };

  private final MeterRegistry registry;

  /** Measures into a registry. */
  public KvpMetricsListener(MeterRegistry registry) {
    this.registry = registry;
  }

  @Override
  public void onRequest(ChatModelRequestContext context) {
    context.attributes().put(START, System.nanoTime());
  }

  @Override
  public void onResponse(ChatModelResponseContext context) {
    ChatResponseMetadata metadata = context.chatResponse().metadata();
    Tags tags =
        tags(context.chatRequest().parameters().modelName())
            .and("gen_ai.response.model", String.valueOf(metadata.modelName()));
    duration(context.attributes(), tags);
    tokens("input", metadata.tokenUsage().inputTokenCount(), tags);
    tokens("output", metadata.tokenUsage().outputTokenCount(), tags);
    if (metadata instanceof KvpChatResponseMetadata ours) {
      time("gen_ai.server.time_to_first_token", FIRST_TOKEN, ours.timeToFirstTokenMillis(), tags);
      if (ours.millisPerToken() > 0) {
        time("gen_ai.server.time_per_output_token", FURTHER_TOKENS, ours.millisPerToken(), tags);
      }
      Tags read = tags.and("kvp.mode", String.valueOf(ours.mode()));
      prompt("reused", ours.reusedPromptTokens(), read);
      prompt("predicted", ours.predictedPromptTokens(), read);
      prompt("exact", ours.exactPromptTokens(), read);
    }
  }

  @Override
  public void onError(ChatModelErrorContext context) {
    duration(
        context.attributes(),
        tags(context.chatRequest().parameters().modelName())
            .and("error.type", context.error().getClass().getName()));
  }

  private static Tags tags(@Nullable String model) {
    return Tags.of(
        "gen_ai.operation.name",
        "chat",
        "gen_ai.provider.name",
        "kvp4j",
        "gen_ai.request.model",
        String.valueOf(model));
  }

  private void duration(Map<Object, Object> attributes, Tags tags) {
    if (attributes.get(START) instanceof Long start) {
      double millis = (System.nanoTime() - start) / 1e6;
      time("gen_ai.client.operation.duration", DURATIONS, millis, tags);
    }
  }

  private void tokens(String type, int count, Tags tags) {
    DistributionSummary.builder("gen_ai.client.token.usage")
        .baseUnit("tokens")
        .serviceLevelObjectives(COUNTS)
        .tags(tags.and("gen_ai.token.type", type))
        .register(registry)
        .record(count);
  }

  private void time(String name, double[] seconds, double millis, Tags tags) {
    Timer.builder(name)
        .serviceLevelObjectives(
            Arrays.stream(seconds)
                .mapToObj(bound -> Duration.ofNanos(Math.round(bound * 1e9)))
                .toArray(Duration[]::new))
        .tags(tags)
        .register(registry)
        .record(Duration.ofNanos(Math.round(millis * 1e6)));
  }

  private void prompt(String source, int count, Tags tags) {
    registry.counter("kvp.prompt.tokens", tags.and("kvp.source", source)).increment(count);
  }
}
