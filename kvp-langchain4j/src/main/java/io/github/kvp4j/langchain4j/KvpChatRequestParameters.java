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

import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.DefaultChatRequestParameters;
import io.github.kvp4j.jlama.KvpMode;
import io.github.kvp4j.jlama.Quality;
import io.github.kvp4j.jlama.RefineSettings;
import io.github.kvp4j.predictor.Anchors;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * LangChain4j's parameters of a request, and ours: mode, quality, anchors, refine and seed.
 *
 * <p>Merging with parameters of any other type keeps ours.
 */
public final class KvpChatRequestParameters extends DefaultChatRequestParameters {
  private final @Nullable KvpMode mode;
  private final @Nullable Quality quality;
  private final @Nullable Anchors anchors;
  private final @Nullable RefineSettings refine;
  private final @Nullable Long seed;

  private KvpChatRequestParameters(Builder b) {
    super(b);
    this.mode = b.mode;
    this.quality = b.quality;
    this.anchors = b.anchors;
    this.refine = b.refine;
    this.seed = b.seed;
  }

  /** Starts with nothing set. */
  public static Builder builder() {
    return new Builder();
  }

  /** The given parameters, as they are if they are of this type. */
  static KvpChatRequestParameters of(ChatRequestParameters parameters) {
    return parameters instanceof KvpChatRequestParameters ours
        ? ours
        : builder().overrideWith(parameters).build();
  }

  /** How the prompt is read; null = the model's default. */
  public @Nullable KvpMode mode() {
    return mode;
  }

  /** Which of the model's predictors is used; null = the model's default. */
  public @Nullable Quality quality() {
    return quality;
  }

  /** The exact anchors of the modes that predict; null = {@link Anchors#DEFAULT}. */
  public @Nullable Anchors anchors() {
    return anchors;
  }

  /** How {@link KvpMode#PREDICT_AND_REFINE} goes on; null = {@link RefineSettings#DEFAULT}. */
  public @Nullable RefineSettings refine() {
    return refine;
  }

  /** The sampler's seed; null = a new one. */
  public @Nullable Long seed() {
    return seed;
  }

  @Override
  public KvpChatRequestParameters overrideWith(ChatRequestParameters that) {
    return builder().overrideWith(this).overrideWith(that).build();
  }

  @Override
  public KvpChatRequestParameters defaultedBy(ChatRequestParameters that) {
    return builder().overrideWith(that).overrideWith(this).build();
  }

  @Override
  public boolean equals(@Nullable Object o) {
    return super.equals(o)
        && o instanceof KvpChatRequestParameters that
        && mode == that.mode
        && quality == that.quality
        && Objects.equals(anchors, that.anchors)
        && Objects.equals(refine, that.refine)
        && Objects.equals(seed, that.seed);
  }

  @Override
  public int hashCode() {
    return Objects.hash(super.hashCode(), mode, quality, anchors, refine, seed);
  }

  @Override
  public String toString() {
    return "KvpChatRequestParameters{mode="
        + mode
        + ", quality="
        + quality
        + ", anchors="
        + anchors
        + ", refine="
        + refine
        + ", seed="
        + seed
        + ", "
        + super.toString()
        + "}";
  }

  /** Collects the parameters. */
  public static final class Builder extends DefaultChatRequestParameters.Builder<Builder> {
    private @Nullable KvpMode mode;
    private @Nullable Quality quality;
    private @Nullable Anchors anchors;
    private @Nullable RefineSettings refine;
    private @Nullable Long seed;

    private Builder() {}

    @Override
    public Builder overrideWith(ChatRequestParameters parameters) {
      super.overrideWith(parameters);
      if (parameters instanceof KvpChatRequestParameters that) {
        mode = that.mode == null ? mode : that.mode;
        quality = that.quality == null ? quality : that.quality;
        anchors = that.anchors == null ? anchors : that.anchors;
        refine = that.refine == null ? refine : that.refine;
        seed = that.seed == null ? seed : that.seed;
      }
      return this;
    }

    /** How the prompt is read. */
    public Builder mode(@Nullable KvpMode value) {
      this.mode = value;
      return this;
    }

    /** Which of the model's predictors is used. */
    public Builder quality(@Nullable Quality value) {
      this.quality = value;
      return this;
    }

    /** The exact anchors of the modes that predict. */
    public Builder anchors(@Nullable Anchors value) {
      this.anchors = value;
      return this;
    }

    /** How {@link KvpMode#PREDICT_AND_REFINE} goes on after the first token. */
    public Builder refine(@Nullable RefineSettings value) {
      this.refine = value;
      return this;
    }

    /** The sampler's seed: the same one gives the same answer. */
    public Builder seed(@Nullable Long value) {
      this.seed = value;
      return this;
    }

    @Override
    public KvpChatRequestParameters build() {
      return new KvpChatRequestParameters(this);
    }
  }
}
