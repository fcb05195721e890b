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
//RUNTIME_OPTIONS --add-modules=jdk.incubator.vector --enable-native-access=ALL-UNNAMED
//RUNTIME_OPTIONS --add-exports=java.base/sun.nio.ch=ALL-UNNAMED
// spotless:on

import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.chat.response.ChatResponse;
import io.github.kvp4j.langchain4j.KvpChatModel;
import io.github.kvp4j.langchain4j.KvpChatResponseMetadata;

/** Asks one question through LangChain4j, and shows how the prompt was read. */
public final class ChatExample {
  private ChatExample() {}

  /** Takes, if wanted, the model's name or folder, and the question. */
  public static void main(String[] args) {
    String name = args.length > 0 ? args[0] : null;
    String question = args.length > 1 ? args[1] : "What is the capital of France?";
    try (KvpChatModel model = KvpChatModel.builder().modelName(name).maxOutputTokens(100).build()) {
      ChatResponse response =
          model.chat(
              SystemMessage.from("You are a helpful assistant."), UserMessage.from(question));
      System.out.println(response.aiMessage().text());

      KvpChatResponseMetadata metadata = (KvpChatResponseMetadata) response.metadata();
      System.out.printf(
          "%s: %d tokens of the prompt predicted, %d exact; first token after %.0f ms, then %.0f ms"
              + " each%n",
          metadata.mode(),
          metadata.predictedPromptTokens(),
          metadata.exactPromptTokens(),
          metadata.timeToFirstTokenMillis(),
          metadata.millisPerToken());
    }
  }
}
