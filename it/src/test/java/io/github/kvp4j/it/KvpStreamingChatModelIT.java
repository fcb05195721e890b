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
package io.github.kvp4j.it;

import static org.assertj.core.api.Assertions.assertThat;

import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.common.AbstractStreamingChatModelIT;
import dev.langchain4j.model.chat.common.ChatResponseAndStreamingMetadata;
import dev.langchain4j.model.chat.common.StreamingMetadata;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.ChatResponseMetadata;
import dev.langchain4j.model.chat.response.CompleteToolCall;
import io.github.kvp4j.langchain4j.KvpChatRequestParameters;
import io.github.kvp4j.langchain4j.KvpChatResponseMetadata;
import java.util.List;

/** LangChain4j's conformance tests for streaming chat models, on the real model. */
@BeyondTheModel({
  "should_respect_system_message",
  "should_respect_multiple_messages",
  "should_execute_a_tool_then_answer",
  "should_execute_a_tool_without_arguments_then_answer",
  "should_execute_multiple_tools_in_parallel_then_answer",
  "should_force_LLM_to_execute_any_tool"
})
class KvpStreamingChatModelIT extends AbstractStreamingChatModelIT implements AnswerStructure {
  @Override
  protected List<StreamingChatModel> models() {
    return List.of(ConformanceModels.streaming(null));
  }

  @Override
  protected StreamingChatModel createModelWith(ChatRequestParameters parameters) {
    return ConformanceModels.streaming(parameters);
  }

  @Override
  public StreamingChatModel createModelWith(ChatModelListener listener) {
    return ConformanceModels.streaming(null, listener);
  }

  @Override
  protected ChatRequestParameters createIntegrationSpecificParameters(int maxOutputTokens) {
    return KvpChatRequestParameters.builder().maxOutputTokens(maxOutputTokens).build();
  }

  @Override
  protected Class<? extends ChatResponseMetadata> chatResponseMetadataType(
      StreamingChatModel model) {
    return KvpChatResponseMetadata.class;
  }

  /** The parts that were streamed make the answer, all on one thread that is not this one. */
  @Override
  public ChatResponse answer(ChatRequest request) {
    ChatResponseAndStreamingMetadata answer = chat(models().getFirst(), request);
    AiMessage message = answer.chatResponse().aiMessage();
    StreamingMetadata streamed = answer.streamingMetadata();
    assertThat(streamed.concatenatedPartialResponses()).isEqualTo(message.text());
    assertThat(streamed.completeToolCalls())
        .extracting(CompleteToolCall::toolExecutionRequest)
        .isEqualTo(message.toolExecutionRequests());
    assertThat(streamed.timesOnCompleteResponseWasCalled()).isEqualTo(1);
    assertThat(streamed.threads()).hasSize(1).doesNotContain(Thread.currentThread());
    return answer.chatResponse();
  }

  @Override
  protected boolean supportsPartialToolStreaming(StreamingChatModel model) {
    return false; // a call is handed out when it is complete
  }

  @Override
  protected boolean supportsModelNameParameter() {
    return false; // one chat model, one model
  }

  @Override
  protected boolean supportsJsonResponseFormat() {
    return false;
  }

  @Override
  protected boolean supportsJsonResponseFormatWithSchema() {
    return false;
  }

  @Override
  protected boolean supportsJsonResponseFormatWithRawSchema() {
    return false;
  }

  @Override
  protected boolean supportsSingleImageInputAsBase64EncodedString() {
    return false;
  }

  @Override
  protected boolean supportsSingleImageInputAsPublicURL() {
    return false;
  }
}
