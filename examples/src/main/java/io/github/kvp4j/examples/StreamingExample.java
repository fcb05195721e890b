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

import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import io.github.kvp4j.langchain4j.KvpStreamingChatModel;
import java.util.concurrent.CompletableFuture;

/** Prints an answer word by word, as it comes, and cancels it when it gets too long. */
public final class StreamingExample {
  private StreamingExample() {}

  /** Takes, if wanted, the model's name or folder, the question, and the most parts to print. */
  public static void main(String[] args) {
    String name = args.length > 0 ? args[0] : null;
    String question = args.length > 1 ? args[1] : "Tell me a short story about a cat.";
    int most = args.length > 2 ? Integer.parseInt(args[2]) : 50;
    try (KvpStreamingChatModel model =
        KvpStreamingChatModel.builder().modelName(name).maxOutputTokens(100).build()) {
      CompletableFuture<String> end = new CompletableFuture<>();
      model.chat(
          question,
          new StreamingChatResponseHandler() {
            private int parts;

            @Override
            public void onPartialResponse(PartialResponse part, PartialResponseContext context) {
              System.out.print(part.text());
              System.out.flush();
              if (++parts >= most) {
                context.streamingHandle().cancel(); // no callback comes after this one
                end.complete("cancelled after " + parts + " parts");
              }
            }

            @Override
            public void onCompleteResponse(ChatResponse response) {
              end.complete(String.valueOf(response.finishReason()));
            }

            @Override
            public void onError(Throwable error) {
              end.completeExceptionally(error);
            }
          });
      // the callbacks come on another thread, and closing the model would cancel them
      System.out.printf("%n[%s]%n", end.join());
    }
  }
}
