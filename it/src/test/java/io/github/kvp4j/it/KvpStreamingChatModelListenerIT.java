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

import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.common.AbstractStreamingChatModelListenerIT;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.langchain4j.KvpStreamingChatModel;

/** LangChain4j's conformance tests for listeners of streaming models, on the real model. */
class KvpStreamingChatModelListenerIT extends AbstractStreamingChatModelListenerIT {
  @Override
  protected StreamingChatModel createModel(ChatModelListener listener) {
    return ConformanceModels.streamingTo(listener);
  }

  @Override
  protected String modelName() {
    return ConformanceModels.modelName();
  }

  @Override
  protected StreamingChatModel createFailingModel(ChatModelListener listener) {
    KvpStreamingChatModel model = ConformanceModels.streamingTo(listener);
    model.close();
    return model;
  }

  @Override
  protected Class<? extends Exception> expectedExceptionClass() {
    return KvpException.class;
  }
}
