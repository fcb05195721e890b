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
package io.github.kvp4j.jlama.importer;

import com.fasterxml.jackson.core.JsonGenerator;
import io.github.kvp4j.KvpException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The tokenizer of a GGUF file, written as Hugging Face's {@code tokenizer.json} and {@code
 * tokenizer_config.json}.
 *
 * <p>Two kinds are known: {@code gpt2}, byte-level BPE with its merges in the file, and {@code
 * llama}, SentencePiece, whose merges follow from the scores.
 */
final class GgufTokenizer {
  private static final String TOKENS = "tokenizer.ggml.tokens";
  private static final String TYPES = "tokenizer.ggml.token_type";
  private static final String MERGES = "tokenizer.ggml.merges";
  private static final String SCORES = "tokenizer.ggml.scores";

  /** Values of {@link #TYPES}. */
  private static final int UNKNOWN = 2;

  private static final int CONTROL = 3;
  private static final int USER_DEFINED = 4;
  private static final int UNUSED = 5;
  private static final int BYTE = 6;

  /** Characters of a SentencePiece token; all its splits are looked at. */
  private static final int MAX_PIECE = 512;

  private static final String GPT2_WORDS =
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
  private static final String LLAMA3_WORDS =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
          + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  private static final String QWEN2_WORDS =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
          + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  private static final String DIGIT = "\\p{N}";

  /**
   * How {@code tokenizer.ggml.pre} cuts a text before the merges, as llama.cpp has it: regular
   * expressions applied one after another.
   *
   * <p>Written as {@code Split}s, not as Hugging Face's {@code Digits} and {@code ByteLevel} with
   * its own expression, which mean the same: Jlama does only the former.
   */
  private static final Map<String, List<String>> PRE_TOKENIZERS =
      Map.of(
          "gpt-2", List.of(GPT2_WORDS),
          "gpt2", List.of(GPT2_WORDS),
          "smollm", List.of(DIGIT, GPT2_WORDS),
          "starcoder", List.of(DIGIT, GPT2_WORDS),
          "refact", List.of(DIGIT, GPT2_WORDS),
          "command-r", List.of(DIGIT, GPT2_WORDS),
          "llama-bpe", List.of(LLAMA3_WORDS),
          "llama3", List.of(LLAMA3_WORDS),
          "llama-v3", List.of(LLAMA3_WORDS),
          "qwen2", List.of(QWEN2_WORDS));

  /** Pre-tokenizers whose words that are tokens are taken whole, without merges. */
  private static final List<String> IGNORE_MERGES = List.of("llama-bpe", "llama3", "llama-v3");

  /** Two tokens that become one. */
  private record Merge(String left, String right) {}

  private final GgufFile file;
  private final GgufFields fields;
  private final boolean sentencePiece;
  private final String preTokenizer;
  private final Map<String, Integer> vocabulary; // in the order of the ids
  private final List<String> tokens;
  private final int[] types;
  private final List<Merge> merges;
  private final int bos;
  private final int eos;
  private final int unknown;
  private final int padding;

  /**
   * Checks the tokenizer of a file.
   *
   * @throws KvpException UNSUPPORTED for another kind or pre-tokenizer, MALFORMED_FILE where a
   *     field is missing or does not fit
   */
  GgufTokenizer(GgufFile file) {
    this.file = file;
    this.fields = new GgufFields(file);
    String kind = fields.text("tokenizer.ggml.model");
    if (!kind.equals("gpt2") && !kind.equals("llama")) {
      throw unsupported(
          "its tokenizer is "
              + Messages.quote(kind)
              + "; \"gpt2\" (byte-level BPE) and \"llama\" (SentencePiece) can be imported");
    }
    sentencePiece = kind.equals("llama");
    preTokenizer = sentencePiece ? "" : preTokenizer();
    vocabulary = readTokens();
    tokens = List.copyOf(vocabulary.keySet());
    types = readTypes();
    merges = sentencePiece ? mergesFromScores() : readMerges();
    bos = fields.whole("tokenizer.ggml.bos_token_id", 0, tokens.size() - 1);
    eos = fields.whole("tokenizer.ggml.eos_token_id", 0, tokens.size() - 1);
    unknown = fields.whole("tokenizer.ggml.unknown_token_id", 0, tokens.size() - 1, -1);
    padding = fields.whole("tokenizer.ggml.padding_token_id", 0, tokens.size() - 1, -1);
  }

  private String preTokenizer() {
    String pre = fields.text("tokenizer.ggml.pre");
    if (!PRE_TOKENIZERS.containsKey(pre)) {
      throw unsupported("tokenizer.ggml.pre is " + Messages.quote(pre) + ", which is not known");
    }
    return pre;
  }

  private Map<String, Integer> readTokens() {
    GgufValue.Array array = fields.array(TOKENS, GgufValueType.STRING);
    if (array.count() == 0) {
      throw malformed(TOKENS + " is empty");
    }
    Map<String, Integer> read = new LinkedHashMap<>();
    for (int i = 0; i < array.count(); i++) {
      String token = array.text(i);
      Integer before = read.put(token, i);
      if (before != null) {
        throw malformed(
            "token " + i + ", " + Messages.quote(token) + ", is the same as token " + before);
      }
    }
    return read;
  }

  private int[] readTypes() {
    int[] read = new int[tokens.size()];
    GgufValue.Array array = fields.arrayOrNull(TYPES, GgufValueType.INT32);
    if (array == null) {
      return read;
    }
    checkCount(TYPES, array);
    for (int i = 0; i < read.length; i++) {
      read[i] = array.int32(i);
      if (isAdded(read[i]) && tokens.get(i).isEmpty()) {
        throw malformed("token " + i + " is special and empty");
      }
    }
    return read;
  }

  private void checkCount(String field, GgufValue.Array array) {
    if (array.count() != tokens.size()) {
      throw malformed(
          field + " has " + array.count() + " elements, but " + TOKENS + " has " + tokens.size());
    }
  }

  private List<Merge> readMerges() {
    GgufValue.Array array = fields.array(MERGES, GgufValueType.STRING);
    List<Merge> read = new ArrayList<>(array.count());
    for (int i = 0; i < array.count(); i++) {
      String merge = array.text(i);
      int space = merge.indexOf(' ', 1);
      String left = space < 0 ? merge : merge.substring(0, space);
      String right = space < 0 ? "" : merge.substring(space + 1);
      if (!vocabulary.containsKey(left)
          || !vocabulary.containsKey(right)
          || !vocabulary.containsKey(left + right)) {
        throw malformed(
            "merge "
                + i
                + " is "
                + Messages.quote(merge)
                + ", which are not two tokens that make a third");
      }
      read.add(new Merge(left, right));
    }
    return read;
  }

  /**
   * SentencePiece merges the neighbours whose union has the best score: so each way to split a
   * token in two tokens is a merge, and they are ranked by the score of the whole.
   */
  private List<Merge> mergesFromScores() {
    GgufValue.Array scores = fields.array(SCORES, GgufValueType.FLOAT32);
    checkCount(SCORES, scores);
    record Scored(Merge merge, float score, int left, int right) {}
    List<Scored> all = new ArrayList<>();
    for (int i = 0; i < tokens.size(); i++) {
      float score = scores.float32(i);
      if (!Float.isFinite(score)) {
        throw malformed(SCORES + "[" + i + "] is " + score);
      }
      String token = tokens.get(i);
      if (types[i] == BYTE || types[i] == UNKNOWN || types[i] == UNUSED || isAdded(types[i])) {
        continue;
      }
      if (token.length() > MAX_PIECE) {
        throw unsupported(
            "token " + i + " has " + token.length() + " characters; the limit is " + MAX_PIECE);
      }
      List<Scored> splits = new ArrayList<>();
      for (int cut = 1; cut < token.length() && token.indexOf(' ') < 0; cut++) {
        Integer left = vocabulary.get(token.substring(0, cut));
        Integer right = vocabulary.get(token.substring(cut));
        if (left != null && right != null) {
          Merge merge = new Merge(token.substring(0, cut), token.substring(cut));
          splits.add(new Scored(merge, score, left, right));
        }
      }
      splits.sort(Comparator.comparingInt(Scored::left).thenComparingInt(Scored::right));
      all.addAll(splits);
    }
    // Equal scores: the longer left part first; else the order above, as Hugging Face's converter.
    all.sort(
        Comparator.comparingDouble((Scored s) -> -s.score())
            .thenComparingInt(s -> -s.merge().left().length())
            .thenComparingInt(s -> -s.merge().right().length()));
    return all.stream().map(Scored::merge).toList();
  }

  private static boolean isAdded(int type) {
    return type == CONTROL || type == USER_DEFINED;
  }

  int bos() {
    return bos;
  }

  int eos() {
    return eos;
  }

  /** The token that ends a turn, where the file names one besides {@link #eos}. */
  @Nullable Integer endOfTurn() {
    int eot = fields.whole("tokenizer.ggml.eot_token_id", 0, tokens.size() - 1, eos);
    return eot == eos ? null : eot;
  }

  /** The padding token, or null. */
  @Nullable Integer padding() {
    return padding < 0 ? null : padding;
  }

  /** Writes {@code tokenizer.json}. */
  void writeTokenizer(JsonGenerator json) throws IOException {
    json.writeStartObject();
    json.writeStringField("version", "1.0");
    json.writeNullField("truncation");
    json.writeNullField("padding");
    writeAddedTokens(json);
    writeNormalizer(json);
    writePreTokenizer(json);
    writePostProcessor(json);
    writeDecoder(json);
    writeModel(json);
    json.writeEndObject();
  }

  private void writeAddedTokens(JsonGenerator json) throws IOException {
    json.writeArrayFieldStart("added_tokens");
    for (int i = 0; i < types.length; i++) {
      boolean added = isAdded(types[i]) || (sentencePiece && types[i] == UNKNOWN);
      if (!added || tokens.get(i).isEmpty()) {
        continue;
      }
      json.writeStartObject();
      json.writeNumberField("id", i);
      json.writeStringField("content", tokens.get(i));
      json.writeBooleanField("single_word", false);
      json.writeBooleanField("lstrip", false);
      json.writeBooleanField("rstrip", false);
      json.writeBooleanField("normalized", false);
      json.writeBooleanField("special", types[i] != USER_DEFINED);
      json.writeEndObject();
    }
    json.writeEndArray();
  }

  private boolean spacePrefix() {
    return fields.flag("tokenizer.ggml.add_space_prefix", sentencePiece);
  }

  private void writeNormalizer(JsonGenerator json) throws IOException {
    if (!sentencePiece) {
      json.writeNullField("normalizer");
      return;
    }
    json.writeObjectFieldStart("normalizer");
    json.writeStringField("type", "Sequence");
    json.writeArrayFieldStart("normalizers");
    if (spacePrefix()) {
      json.writeStartObject();
      json.writeStringField("type", "Prepend");
      json.writeStringField("prepend", "▁");
      json.writeEndObject();
    }
    writeReplace(json, " ", "▁");
    json.writeEndArray();
    json.writeEndObject();
  }

  private static void writeReplace(JsonGenerator json, String from, String to) throws IOException {
    json.writeStartObject();
    json.writeStringField("type", "Replace");
    json.writeObjectFieldStart("pattern");
    json.writeStringField("String", from);
    json.writeEndObject();
    json.writeStringField("content", to);
    json.writeEndObject();
  }

  private void writePreTokenizer(JsonGenerator json) throws IOException {
    if (sentencePiece) {
      json.writeNullField("pre_tokenizer");
      return;
    }
    json.writeObjectFieldStart("pre_tokenizer");
    json.writeStringField("type", "Sequence");
    json.writeArrayFieldStart("pretokenizers");
    for (String regex : PRE_TOKENIZERS.getOrDefault(preTokenizer, List.of())) {
      json.writeStartObject();
      json.writeStringField("type", "Split");
      json.writeObjectFieldStart("pattern");
      json.writeStringField("Regex", regex);
      json.writeEndObject();
      json.writeStringField("behavior", "Isolated");
      json.writeBooleanField("invert", false);
      json.writeEndObject();
    }
    json.writeStartObject();
    writeByteLevel(json, spacePrefix(), false);
    json.writeEndObject();
    json.writeEndArray();
    json.writeEndObject();
  }

  private static void writeByteLevel(JsonGenerator json, boolean prefix, boolean regex)
      throws IOException {
    json.writeStringField("type", "ByteLevel");
    json.writeBooleanField("add_prefix_space", prefix);
    json.writeBooleanField("trim_offsets", true);
    json.writeBooleanField("use_regex", regex);
  }

  /** Hugging Face's way to say that the first token is BOS; Jlama always adds it. */
  private void writePostProcessor(JsonGenerator json) throws IOException {
    if (!fields.flag("tokenizer.ggml.add_bos_token", sentencePiece)) {
      json.writeNullField("post_processor");
      return;
    }
    json.writeObjectFieldStart("post_processor");
    json.writeStringField("type", "TemplateProcessing");
    json.writeArrayFieldStart("single");
    writeTemplatePart(json, "SpecialToken", tokens.get(bos), 0);
    writeTemplatePart(json, "Sequence", "A", 0);
    json.writeEndArray();
    json.writeArrayFieldStart("pair");
    writeTemplatePart(json, "SpecialToken", tokens.get(bos), 0);
    writeTemplatePart(json, "Sequence", "A", 0);
    writeTemplatePart(json, "SpecialToken", tokens.get(bos), 1);
    writeTemplatePart(json, "Sequence", "B", 1);
    json.writeEndArray();
    json.writeObjectFieldStart("special_tokens");
    json.writeObjectFieldStart(tokens.get(bos));
    json.writeStringField("id", tokens.get(bos));
    json.writeArrayFieldStart("ids");
    json.writeNumber(bos);
    json.writeEndArray();
    json.writeArrayFieldStart("tokens");
    json.writeString(tokens.get(bos));
    json.writeEndArray();
    json.writeEndObject();
    json.writeEndObject();
    json.writeEndObject();
  }

  private static void writeTemplatePart(JsonGenerator json, String kind, String id, int type)
      throws IOException {
    json.writeStartObject();
    json.writeObjectFieldStart(kind);
    json.writeStringField("id", id);
    json.writeNumberField("type_id", type);
    json.writeEndObject();
    json.writeEndObject();
  }

  private void writeDecoder(JsonGenerator json) throws IOException {
    json.writeObjectFieldStart("decoder");
    if (sentencePiece) {
      json.writeStringField("type", "Sequence");
      json.writeArrayFieldStart("decoders");
      writeReplace(json, "▁", " ");
      json.writeStartObject();
      json.writeStringField("type", "ByteFallback");
      json.writeEndObject();
      json.writeStartObject();
      json.writeStringField("type", "Fuse");
      json.writeEndObject();
      if (spacePrefix()) {
        json.writeStartObject();
        json.writeStringField("type", "Strip");
        json.writeStringField("content", " ");
        json.writeNumberField("start", 1);
        json.writeNumberField("stop", 0);
        json.writeEndObject();
      }
      json.writeEndArray();
    } else {
      writeByteLevel(json, true, true);
    }
    json.writeEndObject();
  }

  private void writeModel(JsonGenerator json) throws IOException {
    json.writeObjectFieldStart("model");
    json.writeStringField("type", "BPE");
    json.writeNullField("dropout");
    if (sentencePiece && unknown >= 0) {
      json.writeStringField("unk_token", tokens.get(unknown));
    } else {
      json.writeNullField("unk_token");
    }
    json.writeNullField("continuing_subword_prefix");
    json.writeNullField("end_of_word_suffix");
    json.writeBooleanField("fuse_unk", sentencePiece);
    json.writeBooleanField("byte_fallback", sentencePiece);
    json.writeBooleanField("ignore_merges", IGNORE_MERGES.contains(preTokenizer));
    json.writeObjectFieldStart("vocab");
    for (int i = 0; i < tokens.size(); i++) {
      json.writeNumberField(tokens.get(i), i);
    }
    json.writeEndObject();
    json.writeArrayFieldStart("merges");
    for (Merge merge : merges) {
      json.writeString(merge.left() + " " + merge.right());
    }
    json.writeEndArray();
    json.writeEndObject();
  }

  /** Writes {@code tokenizer_config.json}. */
  void writeConfig(JsonGenerator json, int contextLength) throws IOException {
    json.writeStartObject();
    json.writeBooleanField(
        "add_bos_token", fields.flag("tokenizer.ggml.add_bos_token", sentencePiece));
    json.writeBooleanField("add_eos_token", fields.flag("tokenizer.ggml.add_eos_token", false));
    json.writeBooleanField("add_prefix_space", spacePrefix());
    json.writeStringField("bos_token", tokens.get(bos));
    json.writeStringField("eos_token", tokens.get(eos));
    if (unknown >= 0) {
      json.writeStringField("unk_token", tokens.get(unknown));
    }
    if (padding >= 0) {
      json.writeStringField("pad_token", tokens.get(padding));
    }
    String template = fields.textOrNull("tokenizer.chat_template");
    if (template != null) {
      json.writeStringField("chat_template", template);
    }
    json.writeBooleanField("clean_up_tokenization_spaces", false);
    json.writeNumberField("model_max_length", contextLength);
    json.writeStringField("tokenizer_class", "PreTrainedTokenizerFast");
    json.writeEndObject();
  }

  private KvpException malformed(String what) {
    return Messages.malformed(file.name(), what);
  }

  private KvpException unsupported(String what) {
    return Messages.unsupported(file.name(), what);
  }
}
