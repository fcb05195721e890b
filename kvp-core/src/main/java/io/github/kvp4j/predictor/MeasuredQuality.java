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
package io.github.kvp4j.predictor;

/**
 * What a predictor was measured to do on held-out text, for one setting of the anchors.
 *
 * @param anchors sink/tail/top
 * @param task what was measured on: {@code text} or {@code copy}
 * @param relativeFlops prefill FLOPs as a share of the exact base's, attention included
 * @param kl mean KL divergence from the exact base's next-token distribution, in nats
 * @param agreement share of positions with the exact base's top token
 * @param firstTokenAgreement share of prompts whose first token is the exact base's
 * @param prompts how many prompts
 */
public record MeasuredQuality(
    String anchors,
    String task,
    double relativeFlops,
    double kl,
    double agreement,
    double firstTokenAgreement,
    int prompts) {}
