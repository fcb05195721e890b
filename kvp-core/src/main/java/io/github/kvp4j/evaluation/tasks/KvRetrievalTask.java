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
import io.github.kvp4j.evaluation.EvaluationItem;
import io.github.kvp4j.evaluation.EvaluationTask;
import io.github.kvp4j.evaluation.TaskSettings;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/**
 * A number is to be found again among many, at a chosen depth of a prompt of a chosen length. The
 * number is random and stands in the prompt once, so whoever cuts that part away can't know it.
 */
public final class KvRetrievalTask implements EvaluationTask {
  private static final List<String> ADJECTIVES =
      List.of(
          "amber", "brave", "calm", "clever", "cold", "dark", "early", "empty", "fair", "fresh",
          "gentle", "golden", "grand", "green", "happy", "heavy", "hidden", "hollow", "honest",
          "humble", "kind", "large", "late", "light", "little", "lonely", "lucky", "narrow",
          "noble", "old", "patient", "plain", "proud", "quiet", "rapid", "rare", "red", "rough",
          "round", "royal", "sharp", "silent", "silver", "simple", "slow", "small", "smooth",
          "soft", "steady", "strange", "strong", "sweet", "tall", "tender", "thin", "tiny", "warm",
          "white", "wild", "young");
  private static final List<String> NOUNS =
      List.of(
          "apple",
          "arrow",
          "basket",
          "bear",
          "bell",
          "bird",
          "boat",
          "book",
          "bridge",
          "candle",
          "castle",
          "chair",
          "cloud",
          "coin",
          "crown",
          "door",
          "dragon",
          "drum",
          "eagle",
          "farm",
          "field",
          "fish",
          "flag",
          "forest",
          "fox",
          "garden",
          "glass",
          "hammer",
          "harbor",
          "horse",
          "house",
          "island",
          "key",
          "lake",
          "lamp",
          "leaf",
          "lion",
          "mirror",
          "moon",
          "mountain",
          "ocean",
          "paper",
          "pearl",
          "piano",
          "planet",
          "rabbit",
          "ring",
          "river",
          "road",
          "rock",
          "rose",
          "ship",
          "spoon",
          "star",
          "stone",
          "storm",
          "table",
          "tiger",
          "tower",
          "tree",
          "valley",
          "wall",
          "wheel",
          "window",
          "wolf");

  @Override
  public String name() {
    return "kv-retrieval";
  }

  @Override
  public String description() {
    return "generated: a number is found again at some depth (0 = first line) of a prompt of some"
        + " length in tokens; exact match";
  }

  @Override
  public Map<String, String> options() {
    return Map.of("depths", "0,0.25,0.5,0.75,1", "lengths", "512");
  }

  @Override
  public int shots() {
    return 0;
  }

  @Override
  public int maxNewTokens() {
    return 12;
  }

  @Override
  public List<String> stops() {
    return List.of("\n", ".");
  }

  @Override
  public List<EvaluationItem> items(TaskSettings settings) {
    List<Double> depths = settings.numbers("depths", 0, 1);
    List<Double> lengths = settings.numbers("lengths", 64, 1 << 20);
    List<EvaluationItem> items = new ArrayList<>();
    for (int i = 0; i < settings.limit(); i++) {
      double depth = depths.get(i % depths.size());
      int length = (int) Math.round(lengths.get(i / depths.size() % lengths.size()));
      items.add(item(i, depth, length, settings));
    }
    return items;
  }

  private static EvaluationItem item(int number, double depth, int length, TaskSettings settings) {
    Random random = new Random(settings.seed() * 1_000_003 + number);
    Set<String> names = new LinkedHashSet<>();
    Set<Integer> values = new LinkedHashSet<>();
    List<String> lines = new ArrayList<>();
    int begin = settings.encode().apply("").length; // a begin of sequence, if there is one
    int tokens = begin;
    while (tokens < length || lines.size() < 2) {
      if (names.size() == ADJECTIVES.size() * NOUNS.size()) {
        throw new KvpException(
            KvpException.Kind.BAD_ARGUMENT,
            "The setting 'lengths' holds "
                + length
                + "; there are words for about "
                + tokens
                + " tokens.");
      }
      String name =
          ADJECTIVES.get(random.nextInt(ADJECTIVES.size()))
              + " "
              + NOUNS.get(random.nextInt(NOUNS.size()));
      int value = 10_000 + random.nextInt(90_000);
      if (names.contains(name) || values.contains(value)) {
        continue;
      }
      names.add(name);
      values.add(value);
      String line = line(name) + " " + value + ".\n";
      lines.add(line);
      tokens += settings.encode().apply(line).length - begin;
    }
    int at = (int) Math.round(depth * (lines.size() - 1));
    String name = List.copyOf(names).get(at);
    String value = String.valueOf(List.copyOf(values).get(at));
    String cell = String.format(Locale.ROOT, "exact_match length %d depth %.2f", length, depth);
    return EvaluationItem.question(
        "pair-" + number,
        String.join("", lines) + "\n" + line(name),
        answers -> {
          double right = answers.greedy().strip().equals(value) ? 1 : 0;
          Map<String, Double> scores = new LinkedHashMap<>();
          scores.put("exact_match", right);
          scores.put(cell, right);
          return scores;
        });
  }

  private static String line(String name) {
    return "The number of the " + name + " is";
  }
}
