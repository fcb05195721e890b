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

import com.github.tjake.jlama.safetensors.tokenizer.Tokenizer;
import com.github.tjake.jlama.safetensors.tokenizer.TokenizerModel;
import io.github.kvp4j.KvpException;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.PriorityQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Text to tokens and tokens to bytes, on Jlama's tokenizer model.
 *
 * <p>For byte-level BPE (GPT-2 style) the merging is our own: Jlama's maps code points instead of
 * UTF-8 bytes, so that text beyond ASCII is cut wrongly, leaves out part of the pre-tokenizers that
 * model hubs' files name, and its decoder keeps state between calls. Other tokenizers
 * (SentencePiece style) are left to Jlama. Safe for use by many threads.
 */
public final class KvpTokenizer {
  private static final int CACHED_PIECES = 50_000;
  private static final int CACHED_LENGTH = 64;

  /**
   * Keeps a special token's text from being read as that token; a noncharacter, which Unicode
   * leaves to programs for their own use, so that no text is lost by leaving it out.
   */
  private static final char LITERAL = '\uFDD0';

  /** How GPT-2 cuts a text into words before merging. */
  private static final Pattern GPT2 =
      Pattern.compile(
          "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+");

  private static final Pattern DIGIT = Pattern.compile("\\p{N}");
  private static final Pattern DIGITS = Pattern.compile("\\p{N}+");
  private static final char[] BYTE_TO_CHAR = byteToChar();
  private static final Map<Character, Integer> CHAR_TO_BYTE = charToByte();

  private final Tokenizer jlama;
  private final TokenizerModel model;
  private final boolean byteLevel;
  private final boolean[] readable = new boolean[256]; // [byte] whether it becomes a token at all
  private final Map<String, int[]> pieces = new ConcurrentHashMap<>();
  private final int longestToken;
  private final @Nullable Pattern special;

  KvpTokenizer(Tokenizer jlama) {
    this.jlama = jlama;
    this.model = jlama.getModel();
    // the letter that stands for a space is in every byte-level vocabulary and in no other
    this.byteLevel =
        !model.byteFallback && model.vocabLookup.containsKey(String.valueOf(BYTE_TO_CHAR[' ']));
    // a vocabulary may lack bytes, control characters mostly; Hugging Face leaves them out
    for (int b = 0; b < readable.length; b++) {
      readable[b] =
          model.unkToken != null || model.vocabLookup.containsKey(String.valueOf(BYTE_TO_CHAR[b]));
    }
    this.longestToken =
        Math.max(1, model.vocabLookup.keySet().stream().mapToInt(String::length).max().orElse(1));
    this.special = special(model);
  }

  /** Finds the special tokens' texts in a text; null where there are none. */
  private static @Nullable Pattern special(TokenizerModel model) {
    Map<String, Long> added = model.addedTokens();
    if (added == null) {
      return null;
    }
    String any =
        added.keySet().stream()
            // a mark goes between two characters
            .filter(token -> token.length() > 1 && model.isSpecialToken(token))
            .map(Pattern::quote)
            .collect(Collectors.joining("|"));
    return any.isEmpty() ? null : Pattern.compile(any);
  }

  /** The fewest tokens that a text of this many characters can have: a cheap bound. */
  int atLeastTokens(int characters) {
    return characters / longestToken;
  }

  /** Whether a token is a special one (end of turn and the like), which no answer shows. */
  public boolean isSpecial(int token) {
    return model.isSpecialToken((long) token);
  }

  /** The id of a token by its text, or null. */
  public @Nullable Integer id(String token) {
    Long id = model.vocabLookup.get(token);
    return id == null ? null : id.intValue();
  }

  /** The vocabulary as pairs, for fingerprints. */
  Map<String, Long> vocabulary() {
    return new HashMap<>(model.vocabLookup);
  }

  /**
   * A text that {@link #encode} reads as plain text even where a special token is spelled out in
   * it: for what a prompt holds of others' texts, lest a message end its own turn and begin
   * another. Marks are put into such places, which {@code encode} leaves out again.
   *
   * @param text may hold such marks already
   */
  public String literal(String text) {
    if (special == null) {
      return text;
    }
    Matcher m = special.matcher(text);
    StringBuilder out = null;
    int at = 0;
    // what begins within a match is looked at as well, since the mark breaks but the match itself
    while (m.find(at)) {
      out = out == null ? new StringBuilder(text.length() + 16) : out;
      out.append(text, at, m.start() + 1).append(LITERAL);
      at = m.start() + 1;
    }
    return out == null ? text : out.append(text, at, text.length()).toString();
  }

  /**
   * The tokens of a text, special tokens in it recognised but for {@linkplain #literal literal}
   * ones, none added.
   *
   * @return token ids, empty for an empty text
   */
  public int[] encode(String text) {
    if (!byteLevel) {
      // Jlama's own can't be told to leave a special token alone, so it never sees one whole
      return Arrays.stream(text.split(String.valueOf(LITERAL), -1))
          .flatMapToLong(part -> Arrays.stream(jlama.encode(part)))
          .mapToInt(Math::toIntExact)
          .toArray();
    }
    int[] out = new int[Math.max(16, text.length() / 3)];
    int count = 0;
    for (Piece piece : pieces(text)) {
      int[] ids = piece.added ? added(piece.text) : encodePiece(piece.text);
      if (count + ids.length > out.length) {
        out = Arrays.copyOf(out, Math.max(count + ids.length, 2 * out.length));
      }
      System.arraycopy(ids, 0, out, count, ids.length);
      count += ids.length;
    }
    return Arrays.copyOf(out, count);
  }

  /** A word of a text, or an added token in it. */
  private record Piece(String text, boolean added) {}

  /** Cuts a text at added tokens, then by the tokenizer's own rules. */
  private List<Piece> pieces(String text) {
    Pattern added = model.addedTokenPattern();
    List<Piece> out = new ArrayList<>();
    int at = 0;
    if (added != null) {
      Matcher m = added.matcher(text);
      while (m.find()) {
        if (m.end() == m.start()) {
          continue;
        }
        cut(text.substring(at, m.start()), out);
        out.add(new Piece(m.group(), true));
        at = m.end();
      }
    }
    cut(text.substring(at), out);
    return out;
  }

  /**
   * Applies the pre-tokenizers in order. Jlama's own leave out GPT-2's pattern, which {@code
   * ByteLevel} implies unless told not to, and {@code individual_digits}.
   */
  private void cut(String segment, List<Piece> out) {
    String plain = segment.replace(String.valueOf(LITERAL), "");
    if (plain.isEmpty()) {
      return;
    }
    List<String> parts = List.of(plain);
    TokenizerModel.PreTokenizer rules = model.preTokenizer();
    if (rules == null || rules.pretokenizers.isEmpty()) {
      parts = split(GPT2, parts);
    } else {
      for (TokenizerModel.PretokenizerItem rule : rules.pretokenizers) {
        parts =
            switch (rule.type) {
              case "ByteLevel" -> Boolean.FALSE.equals(rule.use_regex) ? parts : split(GPT2, parts);
              case "Digits" ->
                  split(Boolean.TRUE.equals(rule.individual_digits) ? DIGIT : DIGITS, parts);
              default -> parts.stream().flatMap(p -> rule.pretokenize(p).stream()).toList();
            };
      }
    }
    parts.forEach(part -> out.add(new Piece(part, false)));
  }

  /** Each match becomes a piece, and so does what lies between two. */
  private static List<String> split(Pattern pattern, List<String> parts) {
    List<String> out = new ArrayList<>();
    for (String part : parts) {
      Matcher m = pattern.matcher(part);
      int at = 0;
      while (m.find()) {
        if (m.start() > at) {
          out.add(part.substring(at, m.start()));
        }
        if (m.end() > m.start()) {
          out.add(m.group());
        }
        at = m.end();
      }
      if (at < part.length()) {
        out.add(part.substring(at));
      }
    }
    return out;
  }

  private int[] added(String token) {
    return new int[] {Objects.requireNonNull(model.addedTokens().get(token)).intValue()};
  }

  private int[] encodePiece(String piece) {
    int[] known = pieces.get(piece);
    if (known != null) {
      return known;
    }
    int[] ids = merge(piece);
    if (piece.length() <= CACHED_LENGTH && pieces.size() < CACHED_PIECES) {
      pieces.put(piece, ids);
    }
    return ids;
  }

  /** One candidate merge: two neighbours, valid while both still have the length they had. */
  private record Merge(long rank, int left, int leftEnd, int rightEnd)
      implements Comparable<Merge> {
    @Override
    public int compareTo(Merge o) {
      int byRank = Long.compare(rank, o.rank);
      return byRank != 0 ? byRank : Integer.compare(left, o.left);
    }
  }

  /** Byte-pair merging in O(n log n): lowest rank first, leftmost first among equals. */
  private int[] merge(String piece) {
    byte[] bytes = piece.getBytes(StandardCharsets.UTF_8);
    StringBuilder letters = new StringBuilder(bytes.length);
    for (byte b : bytes) {
      if (readable[b & 0xff]) {
        letters.append(BYTE_TO_CHAR[b & 0xff]);
      }
    }
    String text = letters.toString();
    int n = text.length();
    int[] end = new int[n]; // symbol that starts here ends before this; 0 = no symbol starts here
    int[] startBefore = new int[n + 1]; // start of the symbol that ends here
    PriorityQueue<Merge> queue = new PriorityQueue<>();
    for (int i = 0; i < n; i++) {
      end[i] = i + 1;
      startBefore[i + 1] = i;
    }
    for (int i = 0; i + 1 < n; i++) {
      offer(queue, text, i, i + 1, i + 2);
    }
    while (!queue.isEmpty()) {
      Merge m = queue.poll();
      if (end[m.left] != m.leftEnd || end[m.leftEnd] != m.rightEnd) {
        continue; // one of the two has been merged with another since
      }
      end[m.left] = m.rightEnd;
      end[m.leftEnd] = 0;
      startBefore[m.rightEnd] = m.left;
      if (m.left > 0) {
        offer(queue, text, startBefore[m.left], m.left, m.rightEnd);
      }
      if (m.rightEnd < n) {
        offer(queue, text, m.left, m.rightEnd, end[m.rightEnd]);
      }
    }
    List<Integer> ids = new ArrayList<>();
    for (int i = 0; i < n; i = end[i]) {
      Long id = model.vocabLookup.get(text.substring(i, end[i]));
      if (id == null) {
        id = model.unkToken == null ? null : model.vocabLookup.get(model.unkToken);
      }
      if (id == null) {
        throw new KvpException(
            KvpException.Kind.MALFORMED_FILE,
            "The tokenizer has no token for '"
                + text.substring(i, end[i])
                + "', which its merges or its unknown token lead to; mend its tokenizer.json.");
      }
      ids.add(id.intValue());
    }
    return ids.stream().mapToInt(Integer::intValue).toArray();
  }

  private void offer(PriorityQueue<Merge> queue, String text, int left, int leftEnd, int rightEnd) {
    String a = text.substring(left, leftEnd);
    String b = text.substring(leftEnd, rightEnd);
    Long rank = model.merges.get(a + " " + b);
    if (rank != null && model.vocabLookup.containsKey(a + b)) {
      queue.add(new Merge(rank, left, leftEnd, rightEnd));
    }
  }

  /**
   * The bytes that a token stands for; whole characters may need several tokens.
   *
   * @return UTF-8 bytes, empty for special tokens
   */
  public byte[] bytes(int token) {
    if (isSpecial(token)) {
      return new byte[0];
    }
    String text = model.vocabLookup.inverse().get((long) token);
    if (text == null) {
      return new byte[0];
    }
    if (!byteLevel) {
      if (model.byteFallback && text.length() == 6 && text.startsWith("<0x")) {
        return new byte[] {(byte) Integer.parseInt(text.substring(3, 5), 16)};
      }
      return text.replace('\u2581', ' ').getBytes(StandardCharsets.UTF_8);
    }
    ByteArrayOutputStream out = new ByteArrayOutputStream(text.length());
    for (int i = 0; i < text.length(); i++) {
      Integer b = CHAR_TO_BYTE.get(text.charAt(i));
      if (b == null) {
        // an added token written in plain text
        return text.getBytes(StandardCharsets.UTF_8);
      }
      out.write(b);
    }
    return out.toByteArray();
  }

  /** The text of some tokens; broken characters become U+FFFD. */
  public String decode(int[] tokens) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (int token : tokens) {
      out.writeBytes(bytes(token));
    }
    return out.toString(StandardCharsets.UTF_8);
  }

  /** GPT-2's bytes-to-letters table: printable bytes stand for themselves. */
  private static char[] byteToChar() {
    char[] map = new char[256];
    int next = 256;
    for (int b = 0; b < 256; b++) {
      boolean printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      map[b] = (char) (printable ? b : next++);
    }
    return map;
  }

  private static Map<Character, Integer> charToByte() {
    Map<Character, Integer> map = new HashMap<>();
    for (int b = 0; b < 256; b++) {
      map.put(BYTE_TO_CHAR[b], b);
    }
    return map;
  }
}
