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
package io.github.kvp4j.server;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.kvp4j.jlama.FinishReason;
import io.github.kvp4j.jlama.GenerateResult;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * An answer as it is reported.
 *
 * @param text all of it
 * @param reason why it ended
 * @param promptTokens tokens of the prompt
 * @param answerTokens tokens of the answer
 * @param result what the model said of it; null where the time was over before it could
 */
record Answer(
    String text,
    FinishReason reason,
    int promptTokens,
    int answerTokens,
    @Nullable GenerateResult result) {
  static Answer of(GenerateResult r) {
    return new Answer(r.text(), r.finishReason(), r.promptTokens(), r.tokens().size(), r);
  }

  String finishReason() {
    return reason.name().toLowerCase(Locale.ROOT);
  }

  /** OpenAI's usage, with the predicted tokens besides. */
  ObjectNode usage() {
    ObjectNode usage =
        JsonNodeFactory.instance
            .objectNode()
            .put("prompt_tokens", promptTokens)
            .put("completion_tokens", answerTokens)
            .put("total_tokens", promptTokens + answerTokens);
    usage
        .putObject("prompt_tokens_details")
        .put("cached_tokens", result == null ? 0 : result.reusedTokens())
        .put("predicted_tokens", result == null ? 0 : result.predictedTokens());
    return usage;
  }

  /** How the prompt was read and how long that took; empty where that is not known. */
  ObjectNode kvp() {
    ObjectNode kvp = JsonNodeFactory.instance.objectNode();
    if (result != null) {
      kvp.put("mode", result.mode().name().toLowerCase(Locale.ROOT))
          .put("reason", result.modeReason())
          .put("ttft_ms", Math.round(10 * result.timeToFirstTokenMillis()) / 10.0)
          .put("ms_per_token", Math.round(10 * result.millisPerToken()) / 10.0);
    }
    return kvp;
  }
}
