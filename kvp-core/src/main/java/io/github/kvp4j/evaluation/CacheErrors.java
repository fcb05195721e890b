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

import io.github.kvp4j.KvpException;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * How far predicted keys (before RoPE) and values are from the exact ones: the mean L1 error by
 * layer and position, and the density of the error by layer. Prompts are all of one length.
 */
public final class CacheErrors {
  /** The columns of {@link #l1}. */
  public static final String L1_HEADER = "row,part,layer,position,l1";

  /** The columns of {@link #density}. */
  public static final String DENSITY_HEADER = "row,part,layer,error,density";

  private static final List<String> PARTS = List.of("K", "V");
  private static final int BINS = 81;

  private final PrefillEngine base;
  private final ModelShape shape;
  private final List<String> rows;
  private final int length;
  private final int step;
  private final double[][][] sums; // [row][part](layer, bucket)
  private final long[][][] counts; // [row][part](layer, bin)
  private final double[] range = new double[PARTS.size()]; // the bins' outer edge, by part
  private int prompts;

  /**
   * Nothing measured yet.
   *
   * @param rows their names
   * @param length tokens of every prompt
   * @param buckets into how many stretches a prompt is cut, at least 1
   */
  public CacheErrors(PrefillEngine base, List<String> rows, int length, int buckets) {
    this.base = base;
    this.shape = base.weights().shape();
    this.rows = List.copyOf(rows);
    this.length = length;
    this.step = Math.ceilDiv(length, buckets);
    this.sums = new double[rows.size()][PARTS.size()][shape.layers() * buckets()];
    this.counts = new long[rows.size()][PARTS.size()][shape.layers() * BINS];
  }

  private int buckets() {
    return Math.ceilDiv(length, step);
  }

  /**
   * Measures one prompt.
   *
   * @param prompt of the length that was named
   * @param ways one a row, in their order
   */
  public void add(int[] prompt, List<CacheQuality.Prefill> ways) {
    if (prompt.length != length || ways.size() != rows.size()) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The prompt has "
              + prompt.length
              + " tokens and is read in "
              + ways.size()
              + " ways; they must be "
              + length
              + " and "
              + rows.size()
              + ".");
    }
    KvCache exact = new KvCache(shape, length);
    base.prefill(prompt, 0, exact, Cancellation.NEVER);
    base.unrotateKeys(exact, length);
    for (int r = 0; r < ways.size(); r++) {
      KvCache cache = new KvCache(shape, length);
      ways.get(r).read(prompt, cache);
      base.unrotateKeys(cache, length);
      for (int part = 0; part < PARTS.size(); part++) {
        if (range[part] == 0) {
          range[part] = spread(part, exact);
        }
        compare(r, part, exact, cache);
      }
    }
    prompts++;
  }

  private static float[] of(KvCache cache, int part, int layer) {
    return part == 0 ? cache.keys(layer) : cache.values(layer);
  }

  /** Four times the mean magnitude of the exact numbers, so that the bins suit any model. */
  private double spread(int part, KvCache exact) {
    double sum = 0;
    int kv = shape.kvLength();
    for (int layer = 0; layer < shape.layers(); layer++) {
      float[] numbers = of(exact, part, layer);
      for (int i = 0; i < length * kv; i++) {
        sum += Math.abs(numbers[i]);
      }
    }
    return Math.max(1e-6, 4 * sum / ((double) shape.layers() * length * kv));
  }

  private void compare(int row, int part, KvCache exact, KvCache cache) {
    int kv = shape.kvLength();
    double edge = range[part];
    for (int layer = 0; layer < shape.layers(); layer++) {
      float[] right = of(exact, part, layer);
      float[] other = of(cache, part, layer);
      for (int i = 0; i < length * kv; i++) {
        double error = other[i] - right[i];
        sums[row][part][layer * buckets() + i / kv / step] += Math.abs(error);
        int bin = (int) Math.floor((error + edge) / (2 * edge) * BINS);
        counts[row][part][layer * BINS + Math.clamp(bin, 0, BINS - 1)]++;
      }
    }
  }

  /** CSV lines of the mean L1 error, each stretch of the prompt named by its first position. */
  public List<String> l1() {
    List<String> out = new ArrayList<>(List.of(L1_HEADER));
    for (int r = 0; r < rows.size(); r++) {
      for (int part = 0; part < PARTS.size(); part++) {
        for (int layer = 0; layer < shape.layers(); layer++) {
          for (int b = 0; b < buckets(); b++) {
            int positions = Math.min(length, (b + 1) * step) - b * step;
            double mean =
                sums[r][part][layer * buckets() + b]
                    / ((double) prompts * positions * shape.kvLength());
            out.add(line(r, part, layer, b * step, mean));
          }
        }
      }
    }
    return out;
  }

  /**
   * CSV lines of the error's density, each bin named by its middle. Errors beyond the outermost
   * bins are counted in them. A layer that is exact throughout has all in the middle bin.
   */
  public List<String> density() {
    List<String> out = new ArrayList<>(List.of(DENSITY_HEADER));
    for (int r = 0; r < rows.size(); r++) {
      for (int part = 0; part < PARTS.size(); part++) {
        double width = 2 * range[part] / BINS;
        for (int layer = 0; layer < shape.layers(); layer++) {
          long[] bins = Arrays.copyOfRange(counts[r][part], layer * BINS, (layer + 1) * BINS);
          double all = Arrays.stream(bins).sum();
          for (int b = 0; b < BINS; b++) {
            out.add(line(r, part, layer, (b + 0.5) * width - range[part], bins[b] / all / width));
          }
        }
      }
    }
    return out;
  }

  private String line(int row, int part, int layer, double at, double value) {
    return Csv.cell(rows.get(row))
        + String.format(Locale.ROOT, ",%s,%d,%s,%.6g", PARTS.get(part), layer, (float) at, value);
  }
}
