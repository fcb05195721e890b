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

import io.github.kvp4j.model.Weight;

/**
 * Numbers that are learned, with what AdamW keeps of them: on the heap, where they are saved from.
 */
final class Parameter {
  final String name;
  final int rows; // of a matrix; 1 for a vector
  final int columns;
  final boolean matrix;
  final float[] values; // (rows, columns)
  final float[] mean; // (rows, columns) first moment
  final float[] variance; // (rows, columns) second moment
  float[] gradient; // (rows, columns) of the current step

  private Parameter(String name, int rows, int columns, boolean matrix, float[] values) {
    this.name = name;
    this.rows = rows;
    this.columns = columns;
    this.matrix = matrix;
    this.values = values;
    this.mean = new float[values.length];
    this.variance = new float[values.length];
    this.gradient = new float[values.length];
  }

  /** Whether all its values are numbers. */
  boolean isFinite() {
    for (float v : values) {
      if (!Float.isFinite(v)) {
        return false;
      }
    }
    return true;
  }

  static Parameter matrix(String name, Weight w) {
    return new Parameter(name, w.rows(), w.columns(), true, w.toArray());
  }

  static Parameter vector(String name, float[] values) {
    return new Parameter(name, 1, values.length, false, values.clone());
  }
}
