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

import ai.djl.engine.Engine;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.github.kvp4j.model.LinearMap;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.model.Weight;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * PyTorch's copies of weights, by name: those that stay, and while a step runs those that learn.
 * Not safe for several threads.
 */
final class TorchArrays implements AutoCloseable {
  private final Parameters parameters;
  private final DataType type;
  private final NDManager manager;
  private final Map<String, NDArray> frozen = new HashMap<>();
  private Map<String, NDArray> learned = Map.of(); // while a step runs

  /**
   * None yet.
   *
   * @param parameters what is learned, of which no copy is kept
   * @param wide whether numbers have 64 bits instead of 32
   * @throws io.github.kvp4j.KvpException {@code UNSUPPORTED} where DJL's PyTorch engine is not
   *     there
   */
  TorchArrays(Parameters parameters, boolean wide) {
    this.parameters = parameters;
    this.type = wide ? DataType.FLOAT64 : DataType.FLOAT32;
    this.manager = newManager();
  }

  private static NDManager newManager() {
    // with the natives on the class path nothing is to be fetched, so nothing may be
    if (System.getProperty("ai.djl.offline") == null) {
      System.setProperty("ai.djl.offline", "true");
    }
    try {
      return Engine.getEngine("PyTorch").newBaseManager();
    } catch (EngineException e) {
      throw Trainer.noEngine(e);
    }
  }

  NDManager manager() {
    return manager;
  }

  /** Copies a model's layers, from one on. */
  void copyLayers(String prefix, ModelWeights w, int first) {
    for (int i = first; i < w.layers().size(); i++) {
      Parameters.arrays(prefix + i + ".", w.layers().get(i), this::put, this::put);
    }
  }

  void put(String name, LinearMap map) {
    put(name + ".weight", map.weight());
    put(name + ".bias", map.bias());
  }

  void put(String name, float[] values) {
    if (parameters.get(name) == null) {
      frozen.put(name, array(values, values.length));
    }
  }

  void put(String name, Weight matrix) {
    if (parameters.get(name) == null) {
      frozen.put(name, array(matrix.toArray(), matrix.rows(), matrix.columns()));
    }
  }

  /** Gives copies that are there another name besides. */
  void alias(String from, String to) {
    Map.copyOf(frozen)
        .forEach((name, array) -> {
          if (name.startsWith(from)) {
            frozen.put(to + name.substring(from.length()), array);
          }
        });
  }

  NDArray array(float[] values, long... dimensions) {
    NDArray array = manager.create(values, new Shape(dimensions));
    return type == DataType.FLOAT32 ? array : array.toType(type, true);
  }

  /**
   * A constant as an array of its own, which lives as long as the scope. What DJL makes of a plain
   * number lies in memory that the collector may free before the backward pass reads it.
   */
  NDArray number(double value) {
    return type == DataType.FLOAT32 ? manager.create((float) value) : manager.create(value);
  }

  NDArray get(String name) {
    NDArray array = optional(name);
    if (array == null) {
      throw new IllegalStateException("no array " + name);
    }
    return array;
  }

  @Nullable NDArray optional(String name) {
    NDArray array = learned.get(name);
    return array == null ? frozen.get(name) : array;
  }

  /**
   * Copies what is learned as it is now; the copies live as long as the scope around it.
   *
   * @param gradients whether gradients are wanted
   */
  void learn(boolean gradients) {
    Map<String, NDArray> leaves = new HashMap<>();
    for (Parameter p : parameters.all()) {
      NDArray leaf = p.matrix ? array(p.values, p.rows, p.columns) : array(p.values, p.columns);
      leaf.setRequiresGradient(gradients);
      leaves.put(p.name, leaf);
    }
    learned = leaves;
  }

  /** Gives the parameters their gradients. */
  void takeGradients() {
    for (Parameter p : parameters.all()) {
      NDArray gradient = get(p.name).getGradient();
      p.gradient =
          (type == DataType.FLOAT32 ? gradient : gradient.toType(DataType.FLOAT32, false))
              .toFloatArray();
    }
  }

  /** The end of a step. */
  void forget() {
    learned = Map.of();
  }

  @Override
  public void close() {
    manager.close();
  }
}
