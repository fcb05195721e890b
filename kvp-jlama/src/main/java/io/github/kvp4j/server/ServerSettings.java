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
package io.github.kvp4j.server;

import io.github.kvp4j.KvpException;
import java.net.InetAddress;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * How a server is set up.
 *
 * @param address what it listens on
 * @param port the port, 0 for any that is free
 * @param modelName the name that clients know the model by
 * @param apiKey what clients must show; null for none, which only a loopback address allows
 * @param parallel requests answered at once, at least 1
 * @param queue requests that may wait besides, at least 0
 * @param timeout the most time for one request, waiting included
 * @param grace how long running requests may go on once the server is stopped
 * @param maxTokens the most tokens of an answer to a request that does not say
 */
public record ServerSettings(
    InetAddress address,
    int port,
    String modelName,
    @Nullable String apiKey,
    int parallel,
    int queue,
    Duration timeout,
    Duration grace,
    int maxTokens) {
  /** Bytes of a request's body at most. */
  static final int MAX_BODY = 4 << 20;

  /** Objects and arrays in one another at most. */
  static final int MAX_DEPTH = 32;

  private static final int SHORTEST_KEY = 16;

  /** Checks the values. */
  public ServerSettings {
    require(port >= 0 && port <= 65_535, "port", port, "0 to 65535");
    require(parallel >= 1 && parallel <= 1024, "parallel", parallel, "1 to 1024");
    require(queue >= 0 && queue <= 100_000, "queue", queue, "0 to 100000");
    require(
        timeout.isPositive() && timeout.compareTo(Duration.ofDays(1)) <= 0,
        "timeout",
        timeout.toSeconds() + " s",
        "1 second to a day");
    require(!grace.isNegative(), "grace", grace, "positive");
    require(maxTokens >= 1, "max-tokens", maxTokens, "at least 1");
    if (apiKey != null) {
      require(
          apiKey.length() >= SHORTEST_KEY && apiKey.chars().allMatch(c -> c > ' ' && c < 127),
          "API key",
          "of " + apiKey.length() + " characters",
          "at least " + SHORTEST_KEY + " printable ASCII characters without blanks");
    } else if (!address.isLoopbackAddress()) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The address "
              + address.getHostAddress()
              + " can be reached from elsewhere, which needs an API key: give one in a file"
              + " (--api-key-file) or in the variable KVP_API_KEY, or listen on 127.0.0.1.");
    }
  }

  private static void require(boolean good, String name, Object value, String limit) {
    if (!good) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The server's " + name + " is " + value + "; it must be " + limit + ".");
    }
  }

  @Override
  public String toString() {
    return modelName + " on " + address.getHostAddress() + ":" + port; // never the key
  }
}
