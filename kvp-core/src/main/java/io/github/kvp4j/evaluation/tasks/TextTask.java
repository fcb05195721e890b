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
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * How likely the model finds a text's continuation, after the prompt was read some way. A text is
 * no longer than a passage of the corpus; prompts become longer by {@code passages}: so many
 * others, about something else, stand before the text, or between a text and what is copied of it.
 */
public final class TextTask implements EvaluationTask {
  private static final String PROMPT = "447";
  private static final String PASSAGES = "passages";

  @Override
  public String name() {
    return "text";
  }

  @Override
  public String description() {
    return "perplexity, KL and agreement on the continuation of texts (plain, gzip or JSON Lines), or"
        + " with kind=copy on spans of the prompt that come again (its length: 320 if not set);"
        + " passages=3 puts as many other texts between, for longer prompts";
  }

  @Override
  public Map<String, String> options() {
    return Map.of("kind", "text", "prompt", PROMPT, "following", "64", PASSAGES, "0");
  }

  @Override
  public int maxNewTokens() {
    return 0;
  }

  @Override
  public List<EvaluationItem> items(TaskSettings settings) {
    TextCorpus corpus = TextCorpus.read(List.of(settings.requiredData()), settings.seed());
    int[] blankLine = blankLine(settings);
    long needed = 1L + settings.intOption(PASSAGES, 0); // texts of a prompt
    int count = (int) Math.min(Integer.MAX_VALUE, settings.limit() * needed);
    List<Continuation> texts =
        switch (settings.option("kind")) {
          case "text" ->
              Continuation.text(
                  corpus,
                  settings.encode(),
                  0,
                  count,
                  settings.intOption("prompt", 2),
                  settings.intOption("following", 1));
          case "copy" ->
              Continuation.copy(
                  corpus,
                  settings.encode(),
                  blankLine,
                  0,
                  count,
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
    if (texts.size() < needed) {
      throw new KvpException(
          KvpException.Kind.MALFORMED_FILE,
          "The data file '"
              + settings.data()
              + "' holds "
              + texts.size()
              + " texts that are long enough where a prompt needs "
              + needed
              + "; texts are cut into passages of some 500 tokens, so give a shorter prompt and more"
              + " passages (--set prompt=447 --set passages=2), or more text.");
    }
    int together = (int) needed; // no more than there are texts
    boolean copy = settings.option("kind").equals("copy");
    List<EvaluationItem> items = new ArrayList<>();
    for (int i = 0; i + together <= texts.size(); i += together) {
      Continuation text = texts.get(i);
      List<Continuation> others = texts.subList(i + 1, i + together);
      int[] prompt = copy ? followed(text, others) : preceded(text, others, blankLine);
      items.add(EvaluationItem.continuation("text-" + items.size(), prompt, text.following()));
    }
    return items;
  }

  /** The whole of some texts, each with a blank line after it, and the prompt. */
  private static int[] preceded(Continuation text, List<Continuation> others, int[] blankLine) {
    return Stream.concat(
            others.stream().flatMap(t -> Stream.of(t.prompt(), t.following(), blankLine)),
            Stream.of(text.prompt()))
        .flatMapToInt(IntStream::of)
        .toArray();
  }

  /** The prompt, and those of some others, which end with a blank line themselves. */
  private static int[] followed(Continuation text, List<Continuation> others) {
    return Stream.concat(Stream.of(text), others.stream())
        .flatMapToInt(t -> IntStream.of(t.prompt()))
        .toArray();
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
