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
//DEPS dev.langchain4j:langchain4j:1.19.0
//RUNTIME_OPTIONS --add-modules=jdk.incubator.vector --enable-native-access=ALL-UNNAMED
//RUNTIME_OPTIONS --add-exports=java.base/sun.nio.ch=ALL-UNNAMED
// spotless:on

import dev.langchain4j.agent.tool.Tool;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.service.AiServices;
import dev.langchain4j.service.Result;
import io.github.kvp4j.langchain4j.KvpChatModel;

/** An AI service whose model calls a Java method before it answers. */
public final class ToolsExample {
  private ToolsExample() {}

  interface Assistant {
    Result<String> chat(String message);
  }

  /** What the model may call. */
  static final class Weather {
    @Tool("The weather in a city")
    String getWeather(String city) {
      System.out.println("getWeather(" + city + ")");
      return "Sunny, 21 degrees in " + city;
    }
  }

  /** Takes, if wanted, the model's name or folder, and the question. */
  public static void main(String[] args) {
    String name = args.length > 0 ? args[0] : null;
    String question = args.length > 1 ? args[1] : "What is the weather in Munich?";
    try (KvpChatModel model = KvpChatModel.builder().modelName(name).maxOutputTokens(60).build()) {
      Assistant assistant =
          AiServices.builder(Assistant.class)
              .chatModel(model)
              .tools(new Weather())
              .chatRequestTransformer(ToolsExample::callOnce)
              .build();
      Result<String> result = assistant.chat(question);
      System.out.println(result.content());
      System.out.printf("[%d tool calls]%n", result.toolExecutions().size());
    }
  }

  /** Makes the model call first and answer then; a larger model can be left to decide itself. */
  private static ChatRequest callOnce(ChatRequest request) {
    boolean called = request.messages().getLast() instanceof ToolExecutionResultMessage;
    return request.toBuilder().toolChoice(called ? ToolChoice.NONE : ToolChoice.REQUIRED).build();
  }
}
