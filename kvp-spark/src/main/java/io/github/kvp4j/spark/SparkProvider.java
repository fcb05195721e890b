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
package io.github.kvp4j.spark;

import io.github.kvp4j.cluster.Cluster;

/** Finds Spark where it is on the class path. */
public final class SparkProvider implements Cluster.Provider {
  /** For the service loader. */
  public SparkProvider() {}

  @Override
  public Cluster open(String master) {
    return new SparkCluster(master);
  }
}
