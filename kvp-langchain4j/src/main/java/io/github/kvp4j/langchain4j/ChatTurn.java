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

import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.model.chat.response.ChatResponse;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.GenerateRequest;
import io.github.kvp4j.jlama.GenerateResult;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.tools.ToolCallParser;
import io.github.kvp4j.tools.ToolPrompt;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * One turn of a conversation: the way of a request that both chat models share.
 *
 * <p>Messages become a prompt, parameters a {@link GenerateRequest}, the result a {@link
 * ChatResponse}. Closing cancels the turns that are running and gives the model back once the last
 * of them has ended; it waits for none, so a callback may close its own chat model.
 */
final class ChatTurn implements AutoCloseable {
  private final ModelLease lease;
  private final String modelName;
  private final KvpChatRequestParameters defaults;
  private final ReentrantLock lock = new ReentrantLock();
  private int running; // under lock
  private volatile boolean closed;

  private ChatTurn(ModelLease lease, String modelName, KvpChatRequestParameters defaults) {
    this.lease = lease;
    this.modelName = modelName;
    this.defaults = defaults;
  }

  /** Takes over a lease, and gives it back if the model can't chat. */
  static ChatTurn over(ModelLease lease, String modelName, KvpChatRequestParameters defaults) {
    try {
      lease.model().promptSupport();
      return new ChatTurn(lease, modelName, defaults);
    } catch (KvpException e) {
      lease.release();
      throw ChatErrors.of(e);
    }
  }

  /** The name that a model is known by: its folder's. */
  static String nameOf(Path directory) {
    Path name = directory.toAbsolutePath().normalize().getFileName();
    return name == null ? directory.toString() : name.toString();
  }

  /** Refuses defaults that every request would be refused for. */
  static void checkDefaults(KvpChatRequestParameters defaults, String modelName) {
    SupportedFeatures.check(defaults, modelName);
    try {
      generateRequest("", defaults, Cancellation.NEVER);
    } catch (KvpException e) {
      throw ChatErrors.of(e);
    }
  }

  KvpTokenCountEstimator tokenCountEstimator() {
    return new KvpTokenCountEstimator(lease.model());
  }

  KvpChatRequestParameters defaults() {
    return defaults;
  }

  /** Refuses what the model can't do, before any work. */
  void requireSupported(ChatRequest request) {
    SupportedFeatures.check(request.parameters(), modelName);
    SupportedFeatures.checkTools(request.parameters());
    SupportedFeatures.check(request.messages());
  }

  /**
   * Answers a request that {@link #requireSupported} let pass.
   *
   * @param parts told on this thread of the parts of the answer
   * @param cancellation asked besides the thread's interruption and the closing of the chat model
   */
  ChatResponse answer(ChatRequest request, AnswerParts parts, Cancellation cancellation) {
    Thread thread = Thread.currentThread();
    Cancellation any = () -> closed || cancellation.isCancelled() || thread.isInterrupted();
    KvpChatRequestParameters parameters = KvpChatRequestParameters.of(request.parameters());
    enter();
    try {
      return answer(request.messages(), parameters, parts, any);
    } catch (KvpException e) {
      boolean byClosing = e.kind() == KvpException.Kind.CANCELLED && closed;
      throw byClosing ? closed(e) : ChatErrors.of(e);
    } finally {
      leave();
    }
  }

  private ChatResponse answer(
      List<ChatMessage> messages,
      KvpChatRequestParameters parameters,
      AnswerParts parts,
      Cancellation cancellation) {
    List<ToolSpecification> tools =
        parameters.toolChoice() == ToolChoice.NONE ? List.of() : parameters.toolSpecifications();
    boolean required = parameters.toolChoice() == ToolChoice.REQUIRED;
    ToolPrompt prompt = ChatPrompt.withTools(lease.model(), messages, tools, required);
    GenerateRequest generate =
        generateRequest(prompt.text() + prompt.begin(), parameters, cancellation);
    if (tools.isEmpty()) {
      GenerateResult result = lease.model().generate(generate, parts::text);
      return response(AiMessage.from(result.text()), result);
    }
    Set<String> names = tools.stream().map(ToolSpecification::name).collect(Collectors.toSet());
    ToolCallParser parser =
        new ToolCallParser(names, parts::text, call -> parts.toolCall(ChatPrompt.request(call)));
    parser.accept(prompt.begin());
    GenerateResult result = lease.model().generate(generate, parser::accept);
    parser.finish();
    AiMessage.Builder message =
        AiMessage.builder()
            .toolExecutionRequests(parser.calls().stream().map(ChatPrompt::request).toList());
    if (parser.calls().isEmpty() || !parser.text().isEmpty()) {
      message.text(parser.text());
    }
    return response(message.build(), result);
  }

  private ChatResponse response(AiMessage message, GenerateResult result) {
    return ChatResponse.builder()
        .aiMessage(message)
        .metadata(KvpChatResponseMetadata.of(modelName, result, message.hasToolExecutionRequests()))
        .build();
  }

  private static GenerateRequest generateRequest(
      String prompt, KvpChatRequestParameters p, Cancellation cancellation) {
    if (p.stopSequences().stream().anyMatch(Objects::isNull)) {
      throw new InvalidRequestException("One of the stopSequences is null; give only texts.");
    }
    GenerateRequest.Builder b =
        GenerateRequest.builder(prompt)
            .stopStrings(p.stopSequences())
            .mode(p.mode())
            .quality(p.quality())
            .seed(p.seed())
            .cancellation(cancellation);
    if (p.anchors() != null) {
      b.anchors(p.anchors());
    }
    if (p.refine() != null) {
      b.refine(p.refine());
    }
    if (p.temperature() != null) {
      b.temperature(p.temperature());
    }
    if (p.topP() != null) {
      b.topP(p.topP());
    }
    if (p.topK() != null) {
      b.topK(p.topK());
    }
    if (p.maxOutputTokens() != null) {
      b.maxNewTokens(p.maxOutputTokens());
    }
    return b.build();
  }

  private void enter() {
    lock.lock();
    try {
      if (closed) {
        throw closed(null);
      }
      running++;
    } finally {
      lock.unlock();
    }
  }

  private void leave() {
    lock.lock();
    try {
      running--;
    } finally {
      lock.unlock();
    }
    releaseIfDone();
  }

  @Override
  public void close() {
    closed = true;
    releaseIfDone();
  }

  private void releaseIfDone() {
    lock.lock();
    try {
      if (!closed || running > 0) {
        return;
      }
    } finally {
      lock.unlock();
    }
    lease.release();
  }

  private KvpException closed(@Nullable KvpException cause) {
    return new KvpException(
        KvpException.Kind.CLOSED, "The chat model '" + modelName + "' was closed.", cause);
  }
}
