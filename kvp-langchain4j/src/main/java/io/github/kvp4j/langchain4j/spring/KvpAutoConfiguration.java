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
package io.github.kvp4j.langchain4j.spring;

import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import io.github.kvp4j.langchain4j.KvpChatModel;
import io.github.kvp4j.langchain4j.KvpMetricsListener;
import io.github.kvp4j.langchain4j.KvpStreamingChatModel;
import io.micrometer.core.instrument.MeterRegistry;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/**
 * Chat models as beans, with all {@link ChatModelListener} beans, wherever the application has no
 * chat model of its own. Both share one loaded model where their settings say the same of it.
 */
@AutoConfiguration(
    afterName =
        "org.springframework.boot.micrometer.metrics.autoconfigure.CompositeMeterRegistryAutoConfiguration")
@EnableConfigurationProperties(KvpProperties.class)
public class KvpAutoConfiguration {

  /** The chat model, closed with the application. */
  @Bean
  @ConditionalOnMissingBean(ChatModel.class)
  @ConditionalOnProperty(name = "langchain4j.kvp.chat-model.enabled", matchIfMissing = true)
  public KvpChatModel kvpChatModel(
      KvpProperties properties, ObjectProvider<ChatModelListener> listeners) {
    return properties
        .chatModel()
        .applyTo(KvpChatModel.builder())
        .listeners(listeners.orderedStream().toList())
        .build();
  }

  /** The streaming chat model, closed with the application. */
  @Bean
  @ConditionalOnMissingBean(StreamingChatModel.class)
  @ConditionalOnProperty(
      name = "langchain4j.kvp.streaming-chat-model.enabled",
      matchIfMissing = true)
  public KvpStreamingChatModel kvpStreamingChatModel(
      KvpProperties properties, ObjectProvider<ChatModelListener> listeners) {
    return properties
        .streamingChatModel()
        .applyTo(KvpStreamingChatModel.builder())
        .listeners(listeners.orderedStream().toList())
        .build();
  }

  /** Metrics, where the application has Micrometer. */
  @Configuration(proxyBeanMethods = false)
  @ConditionalOnClass(MeterRegistry.class)
  static class Metrics {
    @Bean
    @ConditionalOnBean(MeterRegistry.class)
    @ConditionalOnMissingBean
    KvpMetricsListener kvpMetricsListener(MeterRegistry registry) {
      return new KvpMetricsListener(registry);
    }
  }
}
