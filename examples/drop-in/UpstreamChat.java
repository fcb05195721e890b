///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 25+
//REPOS mavenlocal,mavencentral
//DEPS dev.langchain4j:langchain4j-jlama:1.0.0-beta1
//RUNTIME_OPTIONS --add-modules=jdk.incubator.vector --enable-native-access=ALL-UNNAMED
//RUNTIME_OPTIONS --add-exports=java.base/sun.nio.ch=ALL-UNNAMED
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

import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.model.StreamingResponseHandler;
import dev.langchain4j.model.chat.ChatLanguageModel;
import dev.langchain4j.model.chat.StreamingChatLanguageModel;
import dev.langchain4j.model.jlama.JlamaChatModel;
import dev.langchain4j.model.jlama.JlamaStreamingChatModel;
import dev.langchain4j.model.output.Response;
import java.nio.file.Path;

/**
 * Code for LangChain4j's Jlama models that has never heard of KVP4J; with the drop-in on the class
 * path its prompts are read by KVP4J. Takes, if wanted, the folder of models and the model's name.
 */
public class UpstreamChat {
  public static void main(String[] args) {
    Path cache = args.length > 0 ? Path.of(args[0]) : null;
    String name = args.length > 1 ? args[1] : "HuggingFaceTB/SmolLM2-135M-Instruct";
    ChatLanguageModel chat =
        JlamaChatModel.builder()
            .modelCachePath(cache)
            .modelName(name)
            .temperature(0f)
            .maxTokens(64)
            .build();
    System.out.println("answer=" + oneLine(chat.generate("What is the capital of France?")));

    StreamingChatLanguageModel streaming =
        JlamaStreamingChatModel.builder()
            .modelCachePath(cache)
            .modelName(name)
            .temperature(0f)
            .maxTokens(300)
            .build();
    String document = "The bridge at the lower ford was begun in the spring. ".repeat(15);
    ask(streaming, document + "When was the bridge begun?");
  }

  private static void ask(StreamingChatLanguageModel model, String question) {
    long start = System.nanoTime();
    model.generate(
        question,
        new StreamingResponseHandler<>() {
          private boolean first = true;

          @Override
          public void onNext(String token) {
            if (first) {
              System.out.println("first token ms=" + (System.nanoTime() - start) / 1_000_000);
              first = false;
            }
          }

          @Override
          public void onComplete(Response<AiMessage> response) {
            System.out.println("tokens=" + response.tokenUsage().inputTokenCount());
          }

          @Override
          public void onError(Throwable error) {
            throw new IllegalStateException(error);
          }
        });
  }

  private static String oneLine(String text) {
    return text.replace('\n', ' ');
  }
}
