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

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.sun.net.httpserver.HttpExchange;
import java.io.IOException;
import java.io.InputStream;
import java.util.Locale;

/** Reads a request's JSON within bounds. */
final class RequestBody {
  /** How much of a body that is too long is still read, so that the client sees the answer. */
  private static final int DRAINED = 64 << 20;

  private static final ObjectMapper JSON =
      JsonMapper.builder(
              JsonFactory.builder()
                  .streamReadConstraints(
                      StreamReadConstraints.builder()
                          .maxNestingDepth(ServerSettings.MAX_DEPTH)
                          .maxDocumentLength(ServerSettings.MAX_BODY)
                          .maxStringLength(ServerSettings.MAX_BODY)
                          .maxNameLength(256)
                          .maxNumberLength(64)
                          .build())
                  .build())
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
          .build();

  private RequestBody() {}

  /**
   * The body of a request.
   *
   * @throws HttpError 415, 413 or 400
   * @throws IOException never, of bytes that are at hand
   */
  static JsonNode read(HttpExchange exchange) throws IOException {
    String type = exchange.getRequestHeaders().getFirst("Content-Type");
    if (type == null || !type.toLowerCase(Locale.ROOT).matches("application/json(\\s*;.*)?")) {
      // also what keeps a web page from elsewhere from asking without the browser's permission
      throw new HttpError(
          415, "unsupported_media_type", "The request's Content-Type must be application/json.");
    }
    byte[] bytes = bytes(exchange.getRequestBody());
    try {
      JsonNode node = JSON.readTree(bytes);
      if (node == null || node.isMissingNode()) {
        throw new HttpError(400, "invalid_json", "The request has no body; it must be JSON.");
      }
      return node;
    } catch (JsonProcessingException e) {
      int line = e.getLocation() == null ? 0 : e.getLocation().getLineNr();
      int column = e.getLocation() == null ? 0 : e.getLocation().getColumnNr();
      throw new HttpError(
          400,
          "invalid_json",
          "The request's body is no JSON that is accepted here (line "
              + line
              + ", column "
              + column
              + "): it must be one value, without repeated names, at most "
              + ServerSettings.MAX_DEPTH
              + " levels deep.");
    }
  }

  private static byte[] bytes(InputStream in) {
    try {
      byte[] bytes = in.readNBytes(ServerSettings.MAX_BODY + 1);
      if (bytes.length <= ServerSettings.MAX_BODY) {
        return bytes;
      }
      byte[] rest = new byte[1 << 16];
      for (int read = 0, n = 0; n >= 0 && read < DRAINED; read += n) {
        n = in.read(rest);
      }
    } catch (IOException e) {
      // a client that is still there has closed its side only, and can read why
      throw new HttpError(
          400, "incomplete_body", "The request's body is shorter than its head says.");
    }
    throw new HttpError(
        413,
        "request_too_large",
        "The request's body is larger than " + ServerSettings.MAX_BODY + " bytes.");
  }
}
