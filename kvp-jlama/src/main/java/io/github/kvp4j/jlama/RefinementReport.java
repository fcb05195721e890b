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

/**
 * How a predicted prompt was made exact while its answer was given out.
 *
 * @param tokensUntilExact answer tokens that had been given out when the last prompt row became
 *     exact; -1 if the answer ended before
 * @param exactPositions prompt positions that were exact in the end
 * @param refineNanos time that went into refinement
 * @param nanosPerTokenRefining mean time of an answer token after the first until all was exact,
 *     refinement included
 * @param nanosPerTokenAfter mean time of an answer token after that; 0 if there was none
 */
public record RefinementReport(
    int tokensUntilExact,
    int exactPositions,
    long refineNanos,
    long nanosPerTokenRefining,
    long nanosPerTokenAfter) {}
