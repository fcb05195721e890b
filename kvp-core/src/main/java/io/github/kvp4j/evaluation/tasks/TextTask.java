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
package io.github.kvp4j.evaluation.tasks;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.corpus.TextCorpus;
import io.github.kvp4j.evaluation.Continuation;
import io.github.kvp4j.evaluation.EvaluationItem;
import io.github.kvp4j.evaluation.EvaluationTask;
import io.github.kvp4j.evaluation.TaskSettings;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** How likely the model finds a text's continuation, after the prompt was read some way. */
public final class TextTask implements EvaluationTask {
  private static final String PROMPT = "447";

  @Override
  public String name() {
    return "text";
  }

  @Override
  public String description() {
    return "perplexity, KL and agreement on the continuation of texts (plain, gzip or JSON Lines), or"
        + " with kind=copy on spans of the prompt that come again (its length: 320 if not set)";
  }

  @Override
  public Map<String, String> options() {
    return Map.of("kind", "text", "prompt", PROMPT, "following", "64");
  }

  @Override
  public int maxNewTokens() {
    return 0;
  }

  @Override
  public List<EvaluationItem> items(TaskSettings settings) {
    TextCorpus corpus = TextCorpus.read(List.of(settings.requiredData()), settings.seed());
    List<Continuation> texts =
        switch (settings.option("kind")) {
          case "text" ->
              Continuation.text(
                  corpus,
                  settings.encode(),
                  0,
                  settings.limit(),
                  settings.intOption("prompt", 2),
                  settings.intOption("following", 1));
          case "copy" ->
              Continuation.copy(
                  corpus,
                  settings.encode(),
                  blankLine(settings),
                  0,
                  settings.limit(),
                  settings.seed(),
                  copyLength(settings),
                  settings.intOption("following", 1));
          default ->
              throw new KvpException(
                  KvpException.Kind.BAD_ARGUMENT,
                  "The setting 'kind' is '"
                      + settings.option("kind")
                      + "'; write text, or copy for spans of the prompt that come again.");
        };
    if (texts.isEmpty()) {
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE,
          "The data file '" + settings.data() + "' holds no text that is long enough.");
    }
    List<EvaluationItem> items = new ArrayList<>();
    for (Continuation text : texts) {
      items.add(
          EvaluationItem.continuation("text-" + items.size(), text.prompt(), text.following()));
    }
    return items;
  }

  /** Copied spans are measured on shorter prompts, where nothing else is said. */
  private static int copyLength(TaskSettings settings) {
    return settings.option("prompt").equals(PROMPT)
        ? Continuation.COPY_LENGTH
        : settings.intOption("prompt", 2);
  }

  /** The tokens of a blank line, without a begin of sequence. */
  private static int[] blankLine(TaskSettings settings) {
    int before = settings.encode().apply("a").length;
    int[] all = settings.encode().apply("a\n\n");
    return java.util.Arrays.copyOfRange(all, before, all.length);
  }
}
