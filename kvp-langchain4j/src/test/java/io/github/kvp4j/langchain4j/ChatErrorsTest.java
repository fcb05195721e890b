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
package io.github.kvp4j.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;

import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.ModelNotFoundException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import io.github.kvp4j.KvpException;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ChatErrorsTest {
  private static final Map<KvpException.Kind, Class<? extends RuntimeException>> MAPPED =
      Map.of(
          KvpException.Kind.BAD_ARGUMENT, InvalidRequestException.class,
          KvpException.Kind.PROMPT, InvalidRequestException.class,
          KvpException.Kind.UNSUPPORTED, UnsupportedFeatureException.class,
          KvpException.Kind.MODEL_UNAVAILABLE, ModelNotFoundException.class);

  @ParameterizedTest
  @EnumSource(KvpException.Kind.class)
  void mapsEachKind(KvpException.Kind kind) {
    KvpException e = new KvpException(kind, "What and why.");
    RuntimeException mapped = ChatErrors.of(e);
    if (MAPPED.containsKey(kind)) {
      assertThat(mapped)
          .isExactlyInstanceOf(MAPPED.get(kind))
          .hasCause(e)
          .hasMessageContaining("What and why.");
    } else {
      assertThat(mapped).isSameAs(e);
    }
  }
}
