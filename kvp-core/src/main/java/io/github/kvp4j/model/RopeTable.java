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
package io.github.kvp4j.model;

/**
 * Cosines and sines of rotary position embedding (RoPE, arXiv 2104.09864) for the pairing of
 * Hugging Face weights: dimension {@code i} turns with {@code i + headSize/2}.
 */
public final class RopeTable {
  private final int halfHead;
  private final int positions;
  private final float[] cos; // (position, halfHead)
  private final float[] sin; // (position, halfHead)

  private RopeTable(int halfHead, int positions, float[] cos, float[] sin) {
    this.halfHead = halfHead;
    this.positions = positions;
    this.cos = cos;
    this.sin = sin;
  }

  /**
   * Computes the table.
   *
   * @param headSize width of a head, even
   * @param positions rows
   * @param theta the base, e.g. 10000
   * @param scaling positions are divided by this (linear scaling; 1 = none)
   */
  public static RopeTable of(int headSize, int positions, double theta, double scaling) {
    int half = headSize / 2;
    float[] cos = new float[Math.multiplyExact(positions, half)];
    float[] sin = new float[cos.length];
    for (int i = 0; i < half; i++) {
      double frequency = 1.0 / Math.pow(theta, 2.0 * i / headSize) / scaling;
      for (int p = 0; p < positions; p++) {
        cos[p * half + i] = (float) Math.cos(p * frequency);
        sin[p * half + i] = (float) Math.sin(p * frequency);
      }
    }
    return new RopeTable(half, positions, cos, sin);
  }

  /**
   * Copies a table given as pairs {@code (cos, sin)}, {@code [position * headSize/2][2]}, so that
   * the very rotation of another engine is used.
   */
  public static RopeTable copyOf(float[][] pairs, int headSize) {
    int half = headSize / 2;
    float[] cos = new float[pairs.length];
    float[] sin = new float[pairs.length];
    for (int i = 0; i < pairs.length; i++) {
      cos[i] = pairs[i][0];
      sin[i] = pairs[i][1];
    }
    return new RopeTable(half, pairs.length / half, cos, sin);
  }

  /**
   * The rows of some positions: row i is that of {@code chosen[i]}. Tokens whose cache rows have
   * moved together are turned by it as where they stood.
   */
  public RopeTable at(int[] chosen) {
    float[] chosenCos = new float[Math.multiplyExact(chosen.length, halfHead)];
    float[] chosenSin = new float[chosenCos.length];
    for (int i = 0; i < chosen.length; i++) {
      System.arraycopy(cos, chosen[i] * halfHead, chosenCos, i * halfHead, halfHead);
      System.arraycopy(sin, chosen[i] * halfHead, chosenSin, i * halfHead, halfHead);
    }
    return new RopeTable(halfHead, chosen.length, chosenCos, chosenSin);
  }

  /** The table that turns back: {@code inverse()} after this leaves a vector as it was. */
  public RopeTable inverse() {
    float[] negated = new float[sin.length];
    for (int i = 0; i < sin.length; i++) {
      negated[i] = -sin[i];
    }
    return new RopeTable(halfHead, positions, cos, negated);
  }

  /** Half the head size: pairs that turn together. */
  public int halfHead() {
    return halfHead;
  }

  /** Rows of the table: prompts and answers must end before this position. */
  public int positions() {
    return positions;
  }

  /** Cosines {@code (position, halfHead)}; read only. */
  public float[] cos() {
    return cos;
  }

  /** Sines {@code (position, halfHead)}; read only. */
  public float[] sin() {
    return sin;
  }
}
