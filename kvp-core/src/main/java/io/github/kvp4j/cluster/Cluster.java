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
package io.github.kvp4j.cluster;

import io.github.kvp4j.KvpException;
import java.io.Serializable;
import java.util.List;
import java.util.ServiceLoader;
import java.util.function.Consumer;

/**
 * Machines that do work in parts. A part whose process dies is done again elsewhere; what comes of
 * a part must therefore depend on the part alone.
 */
public interface Cluster extends AutoCloseable {
  /**
   * What is done with a part, in some other process; all that it holds is sent there.
   *
   * @param <A> a part
   * @param <T> what comes of it
   */
  @FunctionalInterface
  interface Work<A extends Serializable, T extends Serializable> extends Serializable {
    /** Does one part. */
    T of(A part);
  }

  /** Adds two results into one; may change either. */
  @FunctionalInterface
  interface Sum<T extends Serializable> extends Serializable {
    /** Both together. */
    T of(T a, T b);
  }

  /**
   * Does all parts.
   *
   * @param done given each result as it comes, in any order, in the caller's thread
   */
  <A extends Serializable, T extends Serializable> void each(
      List<A> parts, Work<A, T> work, Consumer<T> done);

  /** Does all parts, at least one, and adds the results up as a tree, on the machines. */
  <A extends Serializable, T extends Serializable> T sum(
      List<A> parts, Work<A, T> work, Sum<T> sum);

  /** How many parts are done at once, about. */
  int width();

  @Override
  void close();

  /** An engine, found by {@link ServiceLoader}. */
  interface Provider {
    /**
     * Connects.
     *
     * @param master how the engine is told where its machines are
     */
    Cluster open(String master);
  }

  /**
   * Connects by the engine that is on the class path.
   *
   * @throws KvpException UNSUPPORTED where there is none
   */
  static Cluster open(String master) {
    return ServiceLoader.load(Provider.class)
        .findFirst()
        .orElseThrow(() ->
            new KvpException(
                KvpException.Kind.UNSUPPORTED,
                "There is no Spark on the class path; build it by mvn package -pl kvp-spark -am"
                    + " and name kvp-spark/target/lib/* and its jar in KVP_CLASSPATH."))
        .open(master);
  }
}
