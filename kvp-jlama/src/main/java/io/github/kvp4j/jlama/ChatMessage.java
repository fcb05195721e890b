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
package io.github.kvp4j.jlama;

import java.util.List;
import java.util.Objects;

/**
 * One message of a conversation.
 *
 * @param role who says it
 * @param text what is said
 * @param calls for {@link Role#ASSISTANT} what it calls, for {@link Role#TOOL} the one call whose
 *     result the text is; else none
 */
public record ChatMessage(Role role, String text, List<ToolCall> calls) {
  /** Who says a message. */
  public enum Role {
    /** What the model is told before the conversation. */
    SYSTEM,
    /** Who asks. */
    USER,
    /** The model. */
    ASSISTANT,
    /** A tool that the model has called. */
    TOOL
  }

  /** Checks that the calls fit the role. */
  public ChatMessage {
    Objects.requireNonNull(role, "role");
    Objects.requireNonNull(text, "text");
    calls = List.copyOf(calls);
    boolean fit =
        switch (role) {
          case SYSTEM, USER -> calls.isEmpty();
          case ASSISTANT -> true;
          case TOOL -> calls.size() == 1;
        };
    if (!fit) {
      throw new IllegalArgumentException("a " + role + " message with " + calls.size() + " calls");
    }
  }

  /** A message that calls nothing. */
  public ChatMessage(Role role, String text) {
    this(role, text, List.of());
  }
}
