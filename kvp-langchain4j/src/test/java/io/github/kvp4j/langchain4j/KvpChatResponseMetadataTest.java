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

import dev.langchain4j.model.output.TokenUsage;
import io.github.kvp4j.jlama.FinishReason;
import io.github.kvp4j.jlama.GenerateResult;
import io.github.kvp4j.jlama.KvpMode;
import java.util.List;
import org.junit.jupiter.api.Test;

class KvpChatResponseMetadataTest {
  private static final GenerateResult RESULT =
      new GenerateResult(
          "ab",
          List.of(5, 6, 7),
          FinishReason.LENGTH,
          100,
          10,
          70,
          20,
          KvpMode.PREDICT,
          "asked for",
          8_000_000,
          14_000_000,
          null);

  @Test
  void takesEverythingFromTheResult() {
    KvpChatResponseMetadata metadata = KvpChatResponseMetadata.of("m", RESULT, false);
    assertThat(metadata.modelName()).isEqualTo("m");
    assertThat(metadata.finishReason()).isEqualTo(dev.langchain4j.model.output.FinishReason.LENGTH);
    assertThat(metadata.tokenUsage()).isEqualTo(new TokenUsage(100, 3, 103));
    assertThat(metadata.reusedPromptTokens()).isEqualTo(10);
    assertThat(metadata.predictedPromptTokens()).isEqualTo(70);
    assertThat(metadata.exactPromptTokens()).isEqualTo(20);
    assertThat(metadata.mode()).isEqualTo(KvpMode.PREDICT);
    assertThat(metadata.modeReason()).isEqualTo("asked for");
    assertThat(metadata.timeToFirstTokenMillis()).isEqualTo(8);
    assertThat(metadata.millisPerToken()).isEqualTo(3);
  }

  @Test
  void copiesToABuilder() {
    KvpChatResponseMetadata metadata = KvpChatResponseMetadata.of("m", RESULT, false);
    assertThat(metadata.toBuilder().build()).isEqualTo(metadata).hasSameHashCodeAs(metadata);
    assertThat(metadata.toBuilder().exactPromptTokens(1).build()).isNotEqualTo(metadata);
    assertThat(metadata.toString()).contains("PREDICT", "asked for", "predictedPromptTokens=70");
  }
}
