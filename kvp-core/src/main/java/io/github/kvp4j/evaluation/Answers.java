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
package io.github.kvp4j.evaluation;

import java.util.List;

/**
 * What a row answered to an item, cut at the task's stops, with white space as it came.
 *
 * @param greedy the most likely token each time
 * @param sampled the answers drawn, as many as the {@link Sampling} says
 */
public record Answers(String greedy, List<String> sampled) {
  /** Copies the list. */
  public Answers {
    sampled = List.copyOf(sampled);
  }
}
