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

import io.github.kvp4j.KvpException;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.prefill.Cancellation;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One request: a prompt and how to answer it.
 *
 * <p>Made with {@link #of(String)} and the {@code with…} methods of {@link Builder}.
 */
public final class GenerateRequest {
  private final String prompt;
  private final int maxNewTokens;
  private final float temperature;
  private final int topK;
  private final float topP;
  private final @Nullable Long seed;
  private final List<String> stopStrings;
  private final @Nullable KvpMode mode;
  private final @Nullable Quality quality;
  private final Anchors anchors;
  private final RefineSettings refine;
  private final boolean reusesPrefix;
  private final Cancellation cancellation;

  private GenerateRequest(Builder b) {
    this.prompt = b.prompt;
    this.maxNewTokens = b.maxNewTokens;
    this.temperature = b.temperature;
    this.topK = b.topK;
    this.topP = b.topP;
    this.seed = b.seed;
    this.stopStrings = b.stopStrings;
    this.mode = b.mode;
    this.quality = b.quality;
    this.anchors = b.anchors;
    this.refine = b.refine;
    this.reusesPrefix = b.reusesPrefix;
    this.cancellation = b.cancellation;
  }

  /** A greedy request of up to 256 new tokens. */
  public static GenerateRequest of(String prompt) {
    return builder(prompt).build();
  }

  /**
   * Starts a request.
   *
   * @param prompt the whole prompt as the model is to read it, chat template applied
   */
  public static Builder builder(String prompt) {
    return new Builder(prompt);
  }

  /** The prompt, chat template applied. */
  public String prompt() {
    return prompt;
  }

  /** The most tokens of the answer. */
  public int maxNewTokens() {
    return maxNewTokens;
  }

  /** 0 = greedy. */
  public float temperature() {
    return temperature;
  }

  /** Sample among this many most likely tokens; 0 = all. */
  public int topK() {
    return topK;
  }

  /** Sample among the most likely tokens that together have this probability; 1 = all. */
  public float topP() {
    return topP;
  }

  /** The sampler's seed; null = a new one for each request. */
  public @Nullable Long seed() {
    return seed;
  }

  /** Texts that end the answer; none of them is part of it. */
  public List<String> stopStrings() {
    return stopStrings;
  }

  /** How to read the prompt; null = the model's default. */
  public @Nullable KvpMode mode() {
    return mode;
  }

  /** Which of the model's predictors to use; null = the model's default. */
  public @Nullable Quality quality() {
    return quality;
  }

  /** The exact anchors of the modes that predict. */
  public Anchors anchors() {
    return anchors;
  }

  /** How {@link KvpMode#PREDICT_AND_REFINE} goes on after the first token. */
  public RefineSettings refine() {
    return refine;
  }

  /** Whether keys and values kept of earlier prompts are used, and this prompt's kept. */
  public boolean reusesPrefix() {
    return reusesPrefix;
  }

  /** Asked between layers and tokens. */
  public Cancellation cancellation() {
    return cancellation;
  }

  /** Collects the settings; each is checked when it is set. */
  public static final class Builder {
    private String prompt;
    private int maxNewTokens = 256;
    private float temperature;
    private int topK;
    private float topP = 1;
    private @Nullable Long seed;
    private List<String> stopStrings = List.of();
    private @Nullable KvpMode mode;
    private @Nullable Quality quality;
    private Anchors anchors = Anchors.DEFAULT;
    private RefineSettings refine = RefineSettings.DEFAULT;
    private boolean reusesPrefix = true;
    private Cancellation cancellation = Cancellation.NEVER;

    private Builder(String prompt) {
      this.prompt = Objects.requireNonNull(prompt, "prompt");
    }

    /** Replaces the prompt, keeping the settings. */
    public Builder prompt(String value) {
      this.prompt = Objects.requireNonNull(value, "prompt");
      return this;
    }

    /** The most tokens of the answer, at least 1. */
    public Builder maxNewTokens(int value) {
      this.maxNewTokens = value;
      return check(value >= 1, "maxNewTokens", value, "at least 1");
    }

    /** 0 = greedy, at most 100. */
    public Builder temperature(double value) {
      this.temperature = (float) value;
      return check(value >= 0 && value <= 100, "temperature", value, "between 0 and 100");
    }

    /** 0 = all tokens. */
    public Builder topK(int value) {
      this.topK = value;
      return check(value >= 0, "topK", value, "at least 0");
    }

    /** Above 0, at most 1. */
    public Builder topP(double value) {
      this.topP = (float) value;
      return check(value > 0 && value <= 1, "topP", value, "above 0 and at most 1");
    }

    /** The sampler's seed. */
    public Builder seed(@Nullable Long value) {
      this.seed = value;
      return this;
    }

    /** Texts that end the answer, none empty. */
    public Builder stopStrings(List<String> value) {
      this.stopStrings = List.copyOf(value);
      return check(
          stopStrings.stream().noneMatch(String::isEmpty),
          "stopStrings",
          value,
          "texts, none empty");
    }

    /** How to read the prompt; null = the model's default. */
    public Builder mode(@Nullable KvpMode value) {
      this.mode = value;
      return this;
    }

    /** Which of the model's predictors to use; null = the model's default. */
    public Builder quality(@Nullable Quality value) {
      this.quality = value;
      return this;
    }

    /** The exact anchors of the modes that predict. */
    public Builder anchors(Anchors value) {
      this.anchors = Objects.requireNonNull(value, "anchors");
      return this;
    }

    /** How {@link KvpMode#PREDICT_AND_REFINE} goes on after the first token. */
    public Builder refine(RefineSettings value) {
      this.refine = Objects.requireNonNull(value, "refine");
      return this;
    }

    /**
     * Whether the exact keys and values of earlier prompts that begin alike are used, and this
     * prompt's kept for later ones; true by default. Switch it off to measure prefill. A request
     * that samples with a seed reuses nothing, so that it gives the same answer each time.
     */
    public Builder reusesPrefix(boolean value) {
      this.reusesPrefix = value;
      return this;
    }

    /** Asked between layers and tokens. */
    public Builder cancellation(Cancellation value) {
      this.cancellation = Objects.requireNonNull(value, "cancellation");
      return this;
    }

    /** The finished request. */
    public GenerateRequest build() {
      return new GenerateRequest(this);
    }

    private Builder check(boolean good, String name, Object value, String limit) {
      if (!good) {
        throw new KvpException(
            KvpException.Kind.BAD_ARGUMENT,
            "The setting " + name + " is " + value + "; it must be " + limit + ".");
      }
      return this;
    }
  }
}
