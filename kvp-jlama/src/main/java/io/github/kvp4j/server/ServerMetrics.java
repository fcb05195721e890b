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
package io.github.kvp4j.server;

import io.github.kvp4j.jlama.GenerateResult;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.time.Duration;

/** What {@code /metrics} shows. */
final class ServerMetrics {
  private final PrometheusMeterRegistry registry =
      new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);

  ServerMetrics(Turns turns) {
    Gauge.builder("kvp.running", turns, Turns::running)
        .description("Requests that are being answered")
        .register(registry);
    Gauge.builder("kvp.waiting", turns, Turns::waiting)
        .description("Requests that wait for their turn")
        .register(registry);
  }

  /** A request has ended. */
  void request(String route, int status, long nanos) {
    registry
        .timer("kvp.requests", "route", route, "status", Integer.toString(status))
        .record(Duration.ofNanos(nanos));
  }

  /** An answer is complete. */
  void answer(GenerateResult result) {
    registry
        .timer("kvp.time.to.first.token", "mode", result.mode().name())
        .record(Duration.ofNanos(result.timeToFirstTokenNanos()));
    tokens("prompt", result.promptTokens());
    tokens("reused", result.reusedTokens());
    tokens("predicted", result.predictedTokens());
    tokens("exact", result.exactTokens());
    tokens("answer", result.tokens().size());
  }

  private void tokens(String kind, int count) {
    registry.counter("kvp.tokens", "kind", kind).increment(count);
  }

  /** In Prometheus' text format. */
  String text() {
    return registry.scrape();
  }
}
