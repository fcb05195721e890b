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
package io.github.kvp4j.it;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * SmolLM2's vocabulary lacks some bytes, six control characters among them. The token ids are those
 * of Hugging Face's tokenizers 0.23.3.
 */
class MissingBytesIT {
  @ParameterizedTest
  @CsvSource({
    "a\u0013b, 81 82",
    "hel\u0013lo, 2797 5365",
    "one \u0013 two, 537 216 827",
    "the\u0013re is\u0004 a, 1195 257 314 253",
    "!\u0013!, 10095",
    "!!\u0013?, 10095 47",
    "..\u0013., 2026",
    "=\u0004=\u0006=, 28733",
    "\uDBFF\uDFFF, 189 233 140 140",
    "\uDB84\uDE34x, 188 126 226 129 104",
    "a \uDBC0\uDC00 b, 81 216 189 218 218 218 278"
  })
  void bytesThatTheVocabularyLacksAreLeftOutAsHuggingFaceDoes(String text, String ids) {
    int[] tokens = RealModel.model().tokenizer().encode(text);
    assertThat(tokens)
        .containsExactly(
            java.util.Arrays.stream(ids.split(" ", -1)).mapToInt(Integer::parseInt).toArray());
  }
}
