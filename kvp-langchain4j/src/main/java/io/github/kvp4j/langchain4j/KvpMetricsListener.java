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
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Measures chat models with Micrometer, under OpenTelemetry's names for generative AI.
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
 * gen_ai.request.model}. Safe for use by many models and threads at once. Needs {@code
 * io.micrometer:micrometer-core} on the class path.
 */
public final class KvpMetricsListener implements ChatModelListener {
  private static final Object START = new Object();

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
    Tags tags = tags(context.chatRequest().parameters().modelName());
    duration(context.attributes(), tags);
    ChatResponseMetadata metadata = context.chatResponse().metadata();
    tokens("input", metadata.tokenUsage().inputTokenCount(), tags);
    tokens("output", metadata.tokenUsage().outputTokenCount(), tags);
    if (metadata instanceof KvpChatResponseMetadata ours) {
      time("gen_ai.server.time_to_first_token", ours.timeToFirstTokenMillis(), tags);
      if (ours.millisPerToken() > 0) {
        time("gen_ai.server.time_per_output_token", ours.millisPerToken(), tags);
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
      Timer.builder("gen_ai.client.operation.duration")
          .tags(tags)
          .register(registry)
          .record(Duration.ofNanos(System.nanoTime() - start));
    }
  }

  private void tokens(String type, int count, Tags tags) {
    DistributionSummary.builder("gen_ai.client.token.usage")
        .baseUnit("tokens")
        .tags(tags.and("gen_ai.token.type", type))
        .register(registry)
        .record(count);
  }

  private void time(String name, double millis, Tags tags) {
    Timer.builder(name)
        .tags(tags)
        .register(registry)
        .record(Duration.ofNanos(Math.round(millis * 1e6)));
  }

  private void prompt(String source, int count, Tags tags) {
    registry.counter("kvp.prompt.tokens", tags.and("kvp.source", source)).increment(count);
  }
}
