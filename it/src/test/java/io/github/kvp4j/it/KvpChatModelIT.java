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

import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.common.AbstractChatModelIT;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.ChatResponseMetadata;
import io.github.kvp4j.langchain4j.KvpChatRequestParameters;
import io.github.kvp4j.langchain4j.KvpChatResponseMetadata;
import java.util.List;

/** LangChain4j's conformance tests for chat models, on the real model. */
@BeyondTheModel({
  "should_respect_system_message",
  "should_respect_multiple_messages",
  "should_execute_a_tool_then_answer",
  "should_execute_a_tool_without_arguments_then_answer",
  "should_execute_multiple_tools_in_parallel_then_answer",
  "should_force_LLM_to_execute_any_tool"
})
class KvpChatModelIT extends AbstractChatModelIT implements AnswerStructure {
  @Override
  protected List<ChatModel> models() {
    return List.of(ConformanceModels.chat(null));
  }

  @Override
  protected ChatModel createModelWith(ChatRequestParameters parameters) {
    return ConformanceModels.chat(parameters);
  }

  @Override
  protected ChatRequestParameters createIntegrationSpecificParameters(int maxOutputTokens) {
    return KvpChatRequestParameters.builder().maxOutputTokens(maxOutputTokens).build();
  }

  @Override
  protected Class<? extends ChatResponseMetadata> chatResponseMetadataType(ChatModel model) {
    return KvpChatResponseMetadata.class;
  }

  @Override
  public ChatResponse answer(ChatRequest request) {
    return chat(models().getFirst(), request).chatResponse();
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
