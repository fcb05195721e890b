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

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.kvp4j.KvpException;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** A failure as a client sees it: a status and OpenAI's error object, one sentence. */
final class HttpError extends RuntimeException {
  private static final long serialVersionUID = 1L;

  final int status;
  final String code;
  final @Nullable String param;
  final int retryAfterSeconds;

  private HttpError(
      int status, String code, @Nullable String param, String message, int retryAfterSeconds) {
    super(message, null, false, false);
    this.status = status;
    this.code = code;
    this.param = param;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  HttpError(int status, String code, String message) {
    this(status, code, null, message, 0);
  }

  /** A field of the request that can't be used. */
  static HttpError field(String name, String message) {
    return new HttpError(400, "invalid_value", name, message, 0);
  }

  /** A field of the request that asks for what this server does not do. */
  static HttpError unsupported(String name) {
    return new HttpError(
        400,
        "unsupported_parameter",
        name,
        "The parameter '" + name + "' is not supported with this value; leave it out.",
        0);
  }

  /** More to do than can wait. */
  static HttpError tooMany(int waiting, int retryAfterSeconds) {
    return new HttpError(
        429,
        "queue_full",
        null,
        waiting + " requests are waiting, the most that may; try again later.",
        retryAfterSeconds);
  }

  /** What the model had to say against a request. */
  static HttpError of(KvpException e) {
    String message = Objects.requireNonNullElse(e.getMessage(), "");
    return switch (e.kind()) {
      case BAD_ARGUMENT -> new HttpError(400, "invalid_value", message);
      case UNSUPPORTED -> new HttpError(400, "unsupported", message);
      case PROMPT -> new HttpError(400, "context_length_exceeded", message);
      case OUT_OF_MEMORY -> new HttpError(503, "out_of_memory", message);
      case CANCELLED, CLOSED -> stopping();
      default -> internal();
    };
  }

  static HttpError stopping() {
    return new HttpError(503, "stopping", "The server is being stopped.");
  }

  static HttpError timeout() {
    return new HttpError(503, "timeout", "The request took longer than this server allows.");
  }

  static HttpError internal() {
    return new HttpError(
        500, "internal_error", "The server failed on this request; its log says why.");
  }

  /** OpenAI's form of an error. */
  ObjectNode json() {
    ObjectNode root = JsonNodeFactory.instance.objectNode();
    root.putObject("error")
        .put("message", getMessage())
        .put(
            "type",
            switch (status) {
              case 401 -> "authentication_error";
              case 403 -> "permission_error";
              case 429 -> "rate_limit_error";
              default -> status < 500 ? "invalid_request_error" : "server_error";
            })
        .put("param", param)
        .put("code", code);
    return root;
  }
}
