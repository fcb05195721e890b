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
package io.github.kvp4j.examples;

// spotless:off
//JAVA 25+
//REPOS mavenlocal,mavencentral
//DEPS io.github.kvp4j:kvp-langchain4j:0.1.0-SNAPSHOT
//DEPS org.springframework.boot:spring-boot-autoconfigure:4.1.2
//RUNTIME_OPTIONS --add-modules=jdk.incubator.vector --enable-native-access=ALL-UNNAMED
//RUNTIME_OPTIONS --add-exports=java.base/sun.nio.ch=ALL-UNNAMED
// spotless:on

import dev.langchain4j.model.chat.ChatModel;
import java.util.Map;
import org.springframework.boot.CommandLineRunner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** A Spring Boot application that finds its chat model as a bean. */
@Configuration(proxyBeanMethods = false)
@EnableAutoConfiguration
public class SpringBootExample {

  /** Asks once the application has started. */
  @Bean
  CommandLineRunner ask(ChatModel model) {
    return args -> System.out.println(model.chat("What is the capital of France?"));
  }

  /** Takes, if wanted, settings such as {@code --langchain4j.kvp.chat-model.model-name=…}. */
  public static void main(String[] args) {
    SpringApplication application = new SpringApplication(SpringBootExample.class);
    application.setWebApplicationType(WebApplicationType.NONE);
    application.setDefaultProperties(
        Map.of(
            "spring.main.banner-mode", "off",
            "langchain4j.kvp.chat-model.max-output-tokens", "60",
            "langchain4j.kvp.streaming-chat-model.enabled", "false"));
    application.run(args).close();
  }
}
