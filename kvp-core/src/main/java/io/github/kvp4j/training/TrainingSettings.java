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
import io.github.kvp4j.predictor.Anchors;
import java.util.Collections;
import java.util.EnumSet;
import java.util.Set;

/**
 * How to train.
 *
 * @param learned what changes
 * @param loss the loss
 * @param anchors the tokens that stay exact, as in prediction; none chosen by attention
 * @param steps updates in all
 * @param batch items whose gradients are averaged for an update
 * @param learningRate the highest, after the warm-up
 * @param finalRate share of it that the cosine ends at
 * @param warmUp updates over which it rises
 * @param weightDecay of matrices, decoupled (AdamW)
 * @param clip the largest norm of all gradients together
 * @param seed of the choice of items
 * @param texts what the items are made of, in words and by a checksum: a checkpoint of other ones
 *     is not resumed
 */
public record TrainingSettings(
    Set<Learned> learned,
    LossWeights loss,
    Anchors anchors,
    int steps,
    int batch,
    double learningRate,
    double finalRate,
    int warmUp,
    double weightDecay,
    double clip,
    long seed,
    String texts) {
  /** Checks the bounds. */
  public TrainingSettings {
    // an EnumSet, which is always written in the same order: checkpoints compare that text
    EnumSet<Learned> ordered = EnumSet.noneOf(Learned.class);
    ordered.addAll(learned);
    learned = Collections.unmodifiableSet(ordered);
    if (learned.isEmpty()) {
      throw bad("Nothing is to be learned; name projections, linearised or auxiliary.");
    }
    if (anchors.top() > 0) {
      throw bad("The anchors are " + anchors + "; in training none are chosen by attention.");
    }
    if (steps < 1 || batch < 1 || warmUp < 0 || warmUp > steps) {
      throw bad(
          "Training has "
              + steps
              + " steps of "
              + batch
              + " items with a warm-up of "
              + warmUp
              + "; one step of one item is the least, and the warm-up is a part of the steps.");
    }
    positive("learning rate", learningRate);
    positive("gradients' largest norm", clip);
    if (!(finalRate >= 0 && finalRate <= 1)
        || !(weightDecay >= 0)
        || !Double.isFinite(weightDecay)) {
      throw bad(
          "The final rate is "
              + finalRate
              + " and the weight decay "
              + weightDecay
              + "; the first must be within 0 and 1, the second not negative.");
    }
  }

  private static void positive(String name, double value) {
    if (!(value > 0) || !Double.isFinite(value)) {
      throw bad("The " + name + " is " + value + "; it must be a positive number.");
    }
  }

  private static KvpException bad(String message) {
    return new KvpException(KvpException.Kind.BAD_ARGUMENT, message);
  }

  /** The learning rate of an update: a linear warm-up, then a cosine. */
  public double rate(int step) {
    if (step < warmUp) {
      return learningRate * (step + 1) / warmUp;
    }
    double end = learningRate * finalRate;
    double done = steps == warmUp ? 1 : (double) (step - warmUp) / (steps - warmUp);
    return end + (learningRate - end) * (1 + Math.cos(Math.PI * done)) / 2;
  }
}
