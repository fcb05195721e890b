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

import java.util.Objects;

/**
 * One message of a conversation.
 *
 * @param role who says it
 * @param text what is said
 */
public record ChatMessage(Role role, String text) {
  /** Who says a message. */
  public enum Role {
    /** What the model is told before the conversation. */
    SYSTEM,
    /** Who asks. */
    USER,
    /** The model. */
    ASSISTANT
  }

  /** Checks that both are there. */
  public ChatMessage {
    Objects.requireNonNull(role, "role");
    Objects.requireNonNull(text, "text");
  }
}
