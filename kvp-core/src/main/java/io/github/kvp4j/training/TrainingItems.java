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
package io.github.kvp4j.training;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.corpus.TextCorpus;
import io.github.kvp4j.evaluation.Continuation;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Training items made from passages, of three kinds: running text; text of which a span is copied
 * after it; and a passage with questions about it, each a sentence of the passage with a word left
 * out. The last two need what lies far back, which running text alone does not teach.
 */
public final class TrainingItems {
  /** Tokens after the prompt that the loss looks at, at most. */
  public static final int FOLLOWING = 64;

  private static final int ATTEMPTS = 200;
  private static final int LONGEST_QUESTION = 260; // characters, the passage's heading too
  private static final String BLANK = "\n\n"; // between a text and its copy
  private static final Pattern SENTENCE = Pattern.compile("[^.!?\\n]{30,200}[.!?](?=\\s|$)");
  private static final Pattern WORD = Pattern.compile("(?<=[ (])[\\p{L}\\d]{3,}(?=[ ,;.)])");

  /**
   * Shares of the kinds of items.
   *
   * @param text running text
   * @param copy copied spans
   * @param question questions after a passage
   */
  public record Mix(double text, double copy, double question) {
    /** Checks that no share is negative and that one is more. */
    public Mix {
      double sum = text + copy + question;
      if (!(text >= 0 && copy >= 0 && question >= 0 && sum > 0) || !Double.isFinite(sum)) {
        throw new KvpException(
            KvpException.Kind.BAD_ARGUMENT,
            "The mix is "
                + text
                + ", "
                + copy
                + ", "
                + question
                + "; no share of text, copied spans or questions may be negative, nor all be 0.");
      }
    }
  }

  /** Text to tokens, with and without begin-of-sequence. */
  public record Encoding(Function<String, int[]> prompt, Function<String, int[]> rest) {}

  private final TextCorpus corpus;
  private final Encoding encoding;
  private final Mix mix;
  private final int least;
  private final int longest;

  /**
   * Items from a corpus.
   *
   * @param least fewest tokens of a prompt: more than the anchors
   * @param longest most tokens of a prompt
   * @throws KvpException {@code BAD_ARGUMENT} where no passage whatever would give such items
   */
  public TrainingItems(TextCorpus corpus, Encoding encoding, Mix mix, int least, int longest) {
    if (least < 1 || longest < least) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "Training prompts are to have "
              + least
              + " to "
              + longest
              + " tokens; the anchors leave no room for them.");
    }
    int copied = least + FOLLOWING + encoding.rest.apply(BLANK).length;
    if (mix.copy > 0 && longest < copied) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "Training prompts are to have at most "
              + longest
              + " tokens, too few for copied spans beside these anchors; the length must be at least "
              + copied
              + ", or the mix without copies.");
    }
    this.corpus = corpus;
    this.encoding = encoding;
    this.mix = mix;
    this.least = least;
    this.longest = longest;
  }

  /** An item; the same for the same state of the generator. */
  public Continuation next(SplittableRandom random) {
    double which = random.nextDouble() * (mix.text + mix.copy + mix.question);
    for (int attempt = 0; attempt < ATTEMPTS && corpus.size() > 0; attempt++) {
      Continuation item = item(which, corpus.passage(random.nextInt(corpus.size())), random);
      if (item != null) {
        return item;
      }
    }
    // where few passages will do they are all looked at, from one at random on
    int first = corpus.size() > 0 ? random.nextInt(corpus.size()) : 0;
    for (int i = 0; i < corpus.size(); i++) {
      Continuation item = item(which, corpus.passage((first + i) % corpus.size()), random);
      if (item != null) {
        return item;
      }
    }
    boolean asks = which >= mix.text + mix.copy;
    String kind = which < mix.text ? "running text" : asks ? "questions" : "copied spans";
    throw new KvpException(
        KvpException.Kind.BAD_ARGUMENT,
        "The data has "
            + corpus.size()
            + " passages, too few or too short for "
            + kind
            + " in prompts of "
            + least
            + " to "
            + longest
            + " tokens; give more text"
            + (asks ? " or allow longer prompts." : ".")); // in which sentence and question fit
  }

  /** What a passage gives of the kind that the mix chose, if it gives anything. */
  private @Nullable Continuation item(double which, String passage, SplittableRandom random) {
    Continuation item =
        which < mix.text
            ? text(passage, random)
            : which < mix.text + mix.copy ? copy(passage, random) : question(passage, random);
    return item == null || item.prompt().length < least ? null : item;
  }

  /**
   * Items one after the other, each its prompt with what follows, until they have so many tokens
   * together: texts for a fit in closed form.
   *
   * @return token sequences, none longer than the longest prompt and 64 tokens
   */
  public List<int[]> texts(SplittableRandom random, long tokens) {
    List<int[]> out = new ArrayList<>();
    long sum = 0;
    while (sum < tokens) {
      Continuation item = next(random);
      int[] text = concat(item.prompt(), item.following());
      out.add(text);
      sum += text.length;
    }
    return out;
  }

  private @Nullable Continuation text(String passage, SplittableRandom random) {
    int[] tokens = encoding.prompt.apply(passage);
    int room = Math.min(tokens.length - FOLLOWING, longest);
    if (room < least) {
      return null;
    }
    int n = random.nextInt(least, room + 1);
    return new Continuation(Arrays.copyOf(tokens, n), Arrays.copyOfRange(tokens, n, n + FOLLOWING));
  }

  private @Nullable Continuation copy(String passage, SplittableRandom random) {
    int[] blank = encoding.rest.apply(BLANK);
    int[] all = encoding.prompt.apply(passage);
    int[] tokens = Arrays.copyOf(all, Math.min(all.length, longest - blank.length));
    if (tokens.length < least + FOLLOWING) {
      return null;
    }
    int start = random.nextInt(1, tokens.length - FOLLOWING);
    return new Continuation(
        concat(tokens, blank), Arrays.copyOfRange(tokens, start, start + FOLLOWING));
  }

  private @Nullable Continuation question(String passage, SplittableRandom random) {
    // the passage is cut so that the question fits in after it
    double perToken = (double) passage.length() / encoding.prompt.apply(passage).length;
    int room = (int) (perToken * longest) - LONGEST_QUESTION;
    String text = passage.substring(0, Math.clamp(room, 0, passage.length()));
    List<String> sentences = new ArrayList<>();
    Matcher m = SENTENCE.matcher(text);
    while (m.find()) {
      sentences.add(m.group().strip());
    }
    StringBuilder prompt = new StringBuilder("Passage: ").append(text);
    StringBuilder following = new StringBuilder();
    int asked = 0;
    while (asked < 4 && !sentences.isEmpty()) {
      String sentence = sentences.remove(random.nextInt(sentences.size()));
      List<int[]> words = new ArrayList<>();
      Matcher word = WORD.matcher(sentence);
      while (word.find()) {
        words.add(new int[] {word.start(), word.end()});
      }
      if (words.isEmpty()) {
        continue;
      }
      int[] at = words.get(random.nextInt(words.size()));
      String question =
          "\nQuestion: Which word is missing in \""
              + sentence.substring(0, at[0])
              + "___"
              + sentence.substring(at[1])
              + "\"?\nAnswer:";
      (asked == 0 ? prompt : following).append(question);
      following.append(' ').append(sentence, at[0], at[1]);
      asked++;
    }
    if (asked == 0) {
      return null;
    }
    int[] p = encoding.prompt.apply(prompt.toString());
    int[] f = encoding.rest.apply(following.append('\n').toString());
    if (p.length > longest) {
      return null;
    }
    return new Continuation(p, Arrays.copyOf(f, Math.min(f.length, FOLLOWING)));
  }

  private static int[] concat(int[] a, int[] b) {
    int[] out = Arrays.copyOf(a, a.length + b.length);
    System.arraycopy(b, 0, out, a.length, b.length);
    return out;
  }
}
