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

import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.ModelNotFoundException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import io.github.kvp4j.KvpException;

/** What a failure is called in LangChain4j. */
final class ChatErrors {
  private ChatErrors() {}

  /** The fitting exception of LangChain4j, with the cause; the same one where there is none. */
  static RuntimeException of(KvpException e) {
    return switch (e.kind()) {
      case BAD_ARGUMENT, PROMPT -> new InvalidRequestException(e.getMessage(), e);
      case UNSUPPORTED -> {
        RuntimeException unsupported =
            unsupported("What was asked for", "by this model: " + e.getMessage());
        unsupported.initCause(e);
        yield unsupported;
      }
      case MODEL_UNAVAILABLE -> new ModelNotFoundException(e.getMessage(), e);
      case FILE_ACCESS, MALFORMED_FILE, PREDICTOR_MISMATCH, OUT_OF_MEMORY, CANCELLED, CLOSED -> e;
    };
  }

  /** Exactly the type, and the words, that LangChain4j's own tests ask for. */
  static UnsupportedFeatureException unsupported(String what, String where) {
    return new UnsupportedFeatureException(what + " is not supported " + where);
  }
}
