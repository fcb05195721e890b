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

import static org.assertj.core.api.Assertions.assertThat;

import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.model.chat.listener.ChatModelErrorContext;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.listener.ChatModelRequestContext;
import dev.langchain4j.model.chat.listener.ChatModelResponseContext;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import dev.langchain4j.model.output.FinishReason;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.KvpModel;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KvpStreamingChatModelTest {
  @TempDir static Path temp;
  private static Path endless;
  private static KvpStreamingChatModel model;
  private static KvpStreamingChatModel endlessModel;

  @BeforeAll
  static void load() {
    Path directory =
        ScriptedModel.answering("Hello", ", ", "World", "!").write(temp.resolve("greeter"));
    endless = ScriptedModel.endless().write(temp.resolve("endless"));
    model = KvpStreamingChatModel.builder().modelDirectory(directory).build();
    endlessModel =
        KvpStreamingChatModel.builder().modelDirectory(endless).maxOutputTokens(300).build();
  }

  @AfterAll
  static void close() {
    model.close();
    endlessModel.close();
  }

  private static ChatRequest hi() {
    return ChatRequest.builder().messages(UserMessage.from("Hi")).build();
  }

  @Test
  void handsOutPartsInOrderOnOneThreadOfItsOwn() throws Exception {
    RecordingHandler handler = new RecordingHandler();
    model.chat("Hi", handler);
    ChatResponse response = handler.response();
    assertThat(handler.parts).containsExactly("Hello", ", ", "World", "!");
    assertThat(response.aiMessage().text()).isEqualTo("Hello, World!");
    assertThat(response.finishReason()).isEqualTo(FinishReason.STOP);
    assertThat(response.metadata()).isExactlyInstanceOf(KvpChatResponseMetadata.class);
    assertThat(handler.errors).isEmpty();
    assertThat(handler.threads).hasSize(1).doesNotContain(Thread.currentThread());
  }

  @Test
  void callsTheSimplerCallbackToo() throws Exception {
    StringBuilder text = new StringBuilder();
    CompletableFuture<ChatResponse> response = new CompletableFuture<>();
    model.chat(
        hi(),
        new StreamingChatResponseHandler() {
          @Override
          public void onPartialResponse(String partialResponse) {
            text.append(partialResponse);
          }

          @Override
          public void onCompleteResponse(ChatResponse completeResponse) {
            response.complete(completeResponse);
          }

          @Override
          public void onError(Throwable error) {
            response.completeExceptionally(error);
          }
        });
    assertThat(response.get(30, TimeUnit.SECONDS).aiMessage().text()).isEqualTo("Hello, World!");
    assertThat(text).hasToString("Hello, World!");
  }

  @Test
  void holdsBackWhatMayBeAStopSequence() throws Exception {
    RecordingHandler handler = new RecordingHandler();
    model.chat(hi().toBuilder().stopSequences(List.of(", World!")).build(), handler);
    assertThat(handler.response().aiMessage().text()).isEqualTo("Hello");
    assertThat(handler.parts).containsExactly("Hello");
  }

  @Test
  void cancelEndsItWithoutAnotherCallback() throws Exception {
    CompletableFuture<StreamingHandle> given = new CompletableFuture<>();
    RecordingHandler handler =
        new RecordingHandler((h, count) -> {
          assertThat(h.isCancelled()).isFalse();
          given.complete(h);
          if (count == 5) {
            h.cancel();
          }
        });
    endlessModel.chat("Hi", handler);
    assertThat(handler.endsWithResponse()).isFalse();
    assertThat(handler.parts).hasSize(5);
    assertThat(handler.errors).isEmpty();
    StreamingHandle handle = given.get(30, TimeUnit.SECONDS);
    handle.cancel(); // once more does nothing
    assertThat(handle.isCancelled()).isTrue();
  }

  @Test
  void cancelAtTheLastPartLeavesTheResponseOut() throws Exception {
    RecordingHandler handler =
        new RecordingHandler((h, count) -> {
          if (count == 4) {
            h.cancel();
          }
        });
    model.chat(hi(), handler);
    assertThat(handler.endsWithResponse()).isFalse();
    assertThat(handler.errors).isEmpty();
  }

  @Test
  void cancelSwallowsWhatWasHeldBack() throws Exception {
    Path directory = ScriptedModel.answering("Hello, ").write(temp.resolve("held-back"));
    try (KvpStreamingChatModel holding =
        KvpStreamingChatModel.builder()
            .modelDirectory(directory)
            .stopSequences(List.of(", you"))
            .maxOutputTokens(1)
            .build()) {
      RecordingHandler handler = new RecordingHandler((h, count) -> h.cancel());
      holding.chat("Hi", handler);
      assertThat(handler.endsWithResponse()).isFalse();
      assertThat(handler.parts).containsExactly("Hello");
    }
  }

  @Test
  void cancelFromAnotherThread() throws Exception {
    CompletableFuture<StreamingHandle> started = new CompletableFuture<>();
    CountDownLatch cancelled = new CountDownLatch(1);
    RecordingHandler handler =
        new RecordingHandler((h, count) -> {
          started.complete(h);
          await(cancelled);
        });
    endlessModel.chat("Hi", handler);
    started.get(30, TimeUnit.SECONDS).cancel();
    cancelled.countDown();
    assertThat(handler.endsWithResponse()).isFalse();
    assertThat(handler.parts).hasSize(1);
    assertThat(handler.errors).isEmpty();
  }

  /** Asked before each layer, the request runs none after the first yes. */
  @Test
  void interruptingItsThreadEndsItWithinALayer() throws Exception {
    RecordingHandler whole = new RecordingHandler();
    assertThat(asked(Integer.MAX_VALUE, whole)).isGreaterThanOrEqualTo(ScriptedModel.LAYERS);
    assertThat(whole.parts).hasSize(1);
    for (int layer = 1; layer <= ScriptedModel.LAYERS; layer++) {
      RecordingHandler handler = new RecordingHandler();
      assertThat(asked(layer, handler)).isEqualTo(layer);
      assertThat(handler.parts).isEmpty();
      assertThat(handler.errors)
          .singleElement()
          .isInstanceOfSatisfying(
              KvpException.class, e -> assertThat(e.kind()).isEqualTo(KvpException.Kind.CANCELLED));
    }
  }

  /** How often a request for one token asks its thread, which says yes from one time on. */
  private static int asked(int interruptedFrom, RecordingHandler handler) throws Exception {
    AtomicInteger asked = new AtomicInteger();
    try (KvpStreamingChatModel on =
        KvpStreamingChatModel.builder()
            .modelDirectory(endless)
            .maxOutputTokens(1)
            .executor(task ->
                new Thread(task) {
                  @Override
                  public boolean isInterrupted() {
                    return asked.incrementAndGet() >= interruptedFrom;
                  }
                }.start())
            .build()) {
      on.chat("x".repeat(100), handler);
      handler.endsWithResponse();
    }
    return asked.get();
  }

  @Test
  void aThrowingHandlerIsToldAndTheAnswerGoesOn() throws Exception {
    RuntimeException thrown = new IllegalStateException("in the user's code");
    RecordingHandler handler =
        new RecordingHandler((h, count) -> {
          throw thrown;
        });
    model.chat("Hi", handler);
    assertThat(handler.response().aiMessage().text()).isEqualTo("Hello, World!");
    assertThat(handler.parts).hasSize(4);
    assertThat(handler.errors).hasSize(4).containsOnly(thrown);
  }

  @Test
  void aCheckedExceptionThrownInSecretIsOneToo() throws Exception {
    RecordingHandler handler =
        new RecordingHandler((h, count) -> throwAnything(new IOException("secret")));
    model.chat("Hi", handler);
    assertThat(handler.response().aiMessage().text()).isEqualTo("Hello, World!");
    assertThat(handler.errors).hasSize(4).hasOnlyElementsOfType(IOException.class);
  }

  @SuppressWarnings("unchecked")
  private static <E extends Exception> void throwAnything(Exception e) throws E {
    throw (E) e;
  }

  @Test
  void anErrorInTheHandlerEndsIt() throws Exception {
    RecordingHandler handler =
        new RecordingHandler((h, count) -> {
          throw new AssertionError("broken");
        });
    endlessModel.chat("Hi", handler);
    assertThat(handler.endsWithResponse()).isFalse();
    assertThat(handler.parts).hasSize(1);
    assertThat(handler.errors).singleElement().isInstanceOf(AssertionError.class);
  }

  @Test
  void exceptionsOfTheOtherCallbacksAreContained() throws Exception {
    List<Throwable> errors = new CopyOnWriteArrayList<>();
    CompletableFuture<Void> told = new CompletableFuture<>();
    model.chat(
        hi(),
        new StreamingChatResponseHandler() {
          @Override
          public void onCompleteResponse(ChatResponse completeResponse) {
            throw new IllegalStateException("first");
          }

          @Override
          public void onError(Throwable error) {
            errors.add(error);
            told.complete(null);
            throw new IllegalStateException("second");
          }
        });
    told.get(30, TimeUnit.SECONDS);
    assertThat(errors).singleElement().hasToString("java.lang.IllegalStateException: first");
  }

  @Test
  void errorsReachTheHandlerOnItsThread() throws Exception {
    RecordingHandler tooLong = new RecordingHandler();
    model.chat("word ".repeat(ScriptedModel.CONTEXT), tooLong);
    assertThat(tooLong.endsWithResponse()).isFalse();
    assertThat(tooLong.errors).singleElement().isExactlyInstanceOf(InvalidRequestException.class);
    assertThat(tooLong.threads).hasSize(1).doesNotContain(Thread.currentThread());

    RecordingHandler outOfBounds = new RecordingHandler();
    model.chat(hi().toBuilder().temperature(-1.0).build(), outOfBounds);
    assertThat(outOfBounds.endsWithResponse()).isFalse();
    assertThat(outOfBounds.errors)
        .singleElement()
        .isExactlyInstanceOf(InvalidRequestException.class);
  }

  @Test
  void listenersAreTold() throws Exception {
    List<String> events = new CopyOnWriteArrayList<>();
    ChatModelListener listener =
        new ChatModelListener() {
          @Override
          public void onRequest(ChatModelRequestContext context) {
            events.add("request " + context.chatRequest().maxOutputTokens());
          }

          @Override
          public void onResponse(ChatModelResponseContext context) {
            events.add("response " + context.chatResponse().aiMessage().text());
          }

          @Override
          public void onError(ChatModelErrorContext context) {
            events.add("error");
          }
        };
    try (KvpStreamingChatModel listened =
        KvpStreamingChatModel.builder()
            .modelDirectory(endless)
            .maxOutputTokens(2)
            .listeners(List.of(listener))
            .build()) {
      RecordingHandler good = new RecordingHandler();
      listened.chat("Hi", good);
      good.response();
      RecordingHandler bad = new RecordingHandler();
      listened.chat(hi().toBuilder().topP(2.0).build(), bad);
      bad.endsWithResponse();
      assertThat(events).containsExactly("request 2", "response  on and", "request 2", "error");
    }
  }

  @Test
  void closeFromACallbackEndsItWithAnError() throws Exception {
    KvpStreamingChatModel closing =
        KvpStreamingChatModel.builder()
            .modelDirectory(ScriptedModel.endless().write(temp.resolve("closing")))
            .build();
    RecordingHandler handler =
        new RecordingHandler((h, count) -> {
          if (count == 3) {
            closing.close();
          }
        });
    closing.chat("Hi", handler);
    assertThat(handler.endsWithResponse()).isFalse();
    assertThat(handler.parts).hasSize(3);
    assertThat(handler.errors).singleElement().satisfies(KvpStreamingChatModelTest::isClosed);

    RecordingHandler after = new RecordingHandler();
    closing.chat("Hi", after);
    assertThat(after.endsWithResponse()).isFalse();
    assertThat(after.errors).singleElement().satisfies(KvpStreamingChatModelTest::isClosed);
  }

  private static void isClosed(Throwable e) {
    assertThat(e)
        .isInstanceOfSatisfying(
            KvpException.class, k -> assertThat(k.kind()).isEqualTo(KvpException.Kind.CLOSED));
  }

  @Test
  void aClosedSharedModelIsAnError() throws Exception {
    KvpModel shared = KvpModel.builder(endless).build();
    try (KvpStreamingChatModel over = KvpStreamingChatModel.builder().model(shared).build()) {
      shared.close();
      RecordingHandler handler = new RecordingHandler();
      over.chat("Hi", handler);
      assertThat(handler.endsWithResponse()).isFalse();
      assertThat(handler.errors).singleElement().satisfies(KvpStreamingChatModelTest::isClosed);
    }
  }

  @Test
  void runsOnTheExecutorThatWasGiven() throws Exception {
    try (ExecutorService executor =
            Executors.newSingleThreadExecutor(task -> new Thread(task, "mine"));
        KvpStreamingChatModel on =
            KvpStreamingChatModel.builder()
                .modelDirectory(endless)
                .maxOutputTokens(3)
                .executor(executor)
                .build()) {
      RecordingHandler handler = new RecordingHandler();
      on.chat("Hi", handler);
      handler.response();
      assertThat(handler.threads).extracting(Thread::getName).containsExactly("mine");
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      assertThat(latch.await(30, TimeUnit.SECONDS)).isTrue();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}
