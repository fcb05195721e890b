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

import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import io.github.kvp4j.langchain4j.KvpStreamingChatModel;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;

/** Prints an answer word by word, as it comes. */
public final class StreamingExample {
  private StreamingExample() {}

  /** Takes the model's folder and, if wanted, the question. */
  public static void main(String[] args) {
    if (args.length < 1) {
      System.err.println("usage: StreamingExample <model folder> [question]");
      System.exit(2);
    }
    String question = args.length > 1 ? args[1] : "Tell me a short story about a cat.";
    try (KvpStreamingChatModel model =
        KvpStreamingChatModel.builder()
            .modelDirectory(Path.of(args[0]))
            .maxOutputTokens(100)
            .build()) {
      CompletableFuture<ChatResponse> answer = new CompletableFuture<>();
      model.chat(
          question,
          new StreamingChatResponseHandler() {
            @Override
            public void onPartialResponse(String part) {
              System.out.print(part);
              System.out.flush();
            }

            @Override
            public void onCompleteResponse(ChatResponse response) {
              answer.complete(response);
            }

            @Override
            public void onError(Throwable error) {
              answer.completeExceptionally(error);
            }
          });
      // the callbacks come on another thread, and closing the model would cancel them
      System.out.printf("%n[%s]%n", answer.join().finishReason());
    }
  }
}
