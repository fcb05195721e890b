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

import dev.langchain4j.model.chat.response.ChatResponseMetadata;
import dev.langchain4j.model.output.TokenUsage;
import io.github.kvp4j.jlama.FinishReason;
import io.github.kvp4j.jlama.GenerateResult;
import io.github.kvp4j.jlama.KvpMode;
import java.util.Objects;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * LangChain4j's metadata of a response, and ours: how the prompt was read and how long it took.
 *
 * <p>The prompt's tokens ({@code tokenUsage().inputTokenCount()}) are the sum of the reused, the
 * predicted and the exact ones. The end-of-sequence token does not count as an output token.
 */
public final class KvpChatResponseMetadata extends ChatResponseMetadata {
  private final int reusedPromptTokens;
  private final int predictedPromptTokens;
  private final int exactPromptTokens;
  private final @Nullable KvpMode mode;
  private final String modeReason;
  private final double timeToFirstTokenMillis;
  private final double millisPerToken;

  private KvpChatResponseMetadata(Builder b) {
    super(b);
    this.reusedPromptTokens = b.reusedPromptTokens;
    this.predictedPromptTokens = b.predictedPromptTokens;
    this.exactPromptTokens = b.exactPromptTokens;
    this.mode = b.mode;
    this.modeReason = b.modeReason;
    this.timeToFirstTokenMillis = b.timeToFirstTokenMillis;
    this.millisPerToken = b.millisPerToken;
  }

  static KvpChatResponseMetadata of(String modelName, GenerateResult result, boolean callsTools) {
    return builder()
        .id(UUID.randomUUID().toString())
        .modelName(modelName)
        .tokenUsage(new TokenUsage(result.promptTokens(), result.tokens().size()))
        .finishReason(
            callsTools
                ? dev.langchain4j.model.output.FinishReason.TOOL_EXECUTION
                : finishReason(result.finishReason()))
        .reusedPromptTokens(result.reusedTokens())
        .predictedPromptTokens(result.predictedTokens())
        .exactPromptTokens(result.exactTokens())
        .mode(result.mode())
        .modeReason(result.modeReason())
        .timeToFirstTokenMillis(result.timeToFirstTokenMillis())
        .millisPerToken(result.millisPerToken())
        .build();
  }

  private static dev.langchain4j.model.output.FinishReason finishReason(FinishReason reason) {
    return switch (reason) {
      case STOP -> dev.langchain4j.model.output.FinishReason.STOP;
      case LENGTH -> dev.langchain4j.model.output.FinishReason.LENGTH;
    };
  }

  /** Starts with nothing set. */
  public static Builder builder() {
    return new Builder();
  }

  /** Tokens of the prompt whose cache rows were at hand. */
  public int reusedPromptTokens() {
    return reusedPromptTokens;
  }

  /** Tokens of the prompt whose cache rows were predicted in at least one layer. */
  public int predictedPromptTokens() {
    return predictedPromptTokens;
  }

  /** Tokens of the prompt whose cache rows were computed by the model itself. */
  public int exactPromptTokens() {
    return exactPromptTokens;
  }

  /** How the prompt was read: what {@link KvpMode#AUTO} came to; null only if built without. */
  public @Nullable KvpMode mode() {
    return mode;
  }

  /** Why it was read that way. */
  public String modeReason() {
    return modeReason;
  }

  /** From the finished prompt text to the first token, tokenizer included, in milliseconds. */
  public double timeToFirstTokenMillis() {
    return timeToFirstTokenMillis;
  }

  /** Mean time of each token after the first, in milliseconds; 0 where there was but one. */
  public double millisPerToken() {
    return millisPerToken;
  }

  @Override
  public Builder toBuilder() {
    Builder builder = builder();
    super.toBuilder(builder);
    return builder
        .reusedPromptTokens(reusedPromptTokens)
        .predictedPromptTokens(predictedPromptTokens)
        .exactPromptTokens(exactPromptTokens)
        .mode(mode)
        .modeReason(modeReason)
        .timeToFirstTokenMillis(timeToFirstTokenMillis)
        .millisPerToken(millisPerToken);
  }

  @Override
  public boolean equals(@Nullable Object o) {
    return super.equals(o)
        && o instanceof KvpChatResponseMetadata that
        && reusedPromptTokens == that.reusedPromptTokens
        && predictedPromptTokens == that.predictedPromptTokens
        && exactPromptTokens == that.exactPromptTokens
        && mode == that.mode
        && modeReason.equals(that.modeReason)
        && Double.compare(timeToFirstTokenMillis, that.timeToFirstTokenMillis) == 0
        && Double.compare(millisPerToken, that.millisPerToken) == 0;
  }

  @Override
  public int hashCode() {
    return Objects.hash(
        super.hashCode(),
        reusedPromptTokens,
        predictedPromptTokens,
        exactPromptTokens,
        mode,
        modeReason,
        timeToFirstTokenMillis,
        millisPerToken);
  }

  @Override
  public String toString() {
    return "KvpChatResponseMetadata{reusedPromptTokens="
        + reusedPromptTokens
        + ", predictedPromptTokens="
        + predictedPromptTokens
        + ", exactPromptTokens="
        + exactPromptTokens
        + ", mode="
        + mode
        + ", modeReason='"
        + modeReason
        + "', timeToFirstTokenMillis="
        + timeToFirstTokenMillis
        + ", millisPerToken="
        + millisPerToken
        + ", "
        + super.toString()
        + "}";
  }

  /** Collects the metadata. */
  public static final class Builder extends ChatResponseMetadata.Builder<Builder> {
    private int reusedPromptTokens;
    private int predictedPromptTokens;
    private int exactPromptTokens;
    private @Nullable KvpMode mode;
    private String modeReason = "";
    private double timeToFirstTokenMillis;
    private double millisPerToken;

    private Builder() {}

    /** Tokens of the prompt whose cache rows were at hand. */
    public Builder reusedPromptTokens(int value) {
      this.reusedPromptTokens = value;
      return this;
    }

    /** Tokens of the prompt whose cache rows were predicted. */
    public Builder predictedPromptTokens(int value) {
      this.predictedPromptTokens = value;
      return this;
    }

    /** Tokens of the prompt whose cache rows were computed by the model itself. */
    public Builder exactPromptTokens(int value) {
      this.exactPromptTokens = value;
      return this;
    }

    /** How the prompt was read. */
    public Builder mode(@Nullable KvpMode value) {
      this.mode = value;
      return this;
    }

    /** Why it was read that way. */
    public Builder modeReason(String value) {
      this.modeReason = value;
      return this;
    }

    /** Time to the first token in milliseconds. */
    public Builder timeToFirstTokenMillis(double value) {
      this.timeToFirstTokenMillis = value;
      return this;
    }

    /** Mean time of each token after the first in milliseconds. */
    public Builder millisPerToken(double value) {
      this.millisPerToken = value;
      return this;
    }

    @Override
    public KvpChatResponseMetadata build() {
      return new KvpChatResponseMetadata(this);
    }
  }
}
