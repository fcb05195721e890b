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
package io.github.kvp4j.tools;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ToolCallParserTest {
  private static final Set<String> OFFERED = Set.of("add", "getWeather");
  private static final String ADD = "{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b\": [2]}}";
  private static final String WEATHER =
      "{\"name\": \"getWeather\", \"arguments\": {\"city\": \"Köln </b>\"}}";

  /** What came out of an answer: texts as they are, calls as {@code name(arguments)}. */
  private static List<String> parse(String answer, int step) {
    List<String> events = new ArrayList<>();
    ToolCallParser parser =
        new ToolCallParser(
            OFFERED,
            part -> {
              assertThat(part).isNotEmpty();
              if (!events.isEmpty() && events.getLast().startsWith("'")) {
                events.add(events.removeLast() + part);
              } else {
                events.add("'" + part);
              }
            },
            call -> {
              assertThat(call.id()).startsWith("call_");
              events.add(call.name() + "(" + call.arguments() + ")");
            });
    for (int i = 0; i < answer.length(); i += step) {
      parser.accept(answer.substring(i, Math.min(answer.length(), i + step)));
    }
    parser.finish();
    assertThat(parser.text())
        .isEqualTo(
            events.stream()
                .filter(e -> e.startsWith("'"))
                .map(e -> e.substring(1))
                .reduce("", String::concat));
    assertThat(parser.calls().stream().map(c -> c.name() + "(" + c.arguments() + ")").toList())
        .isEqualTo(events.stream().filter(e -> !e.startsWith("'")).toList());
    return events;
  }

  /** The same whatever the parts in which the answer comes. */
  private static void assertParsed(String answer, String... events) {
    for (int step = 1; step <= Math.max(1, answer.length()); step++) {
      assertThat(parse(answer, step)).as("in parts of %d", step).containsExactly(events);
    }
  }

  private static String tagged(String json) {
    return "<tool_call>\n" + json + "\n</tool_call>";
  }

  @Test
  void takesOneCallOut() {
    assertParsed(tagged(ADD), "add({\"a\":1,\"b\":[2]})");
  }

  @Test
  void takesParallelCallsOutInTheirOrder() {
    assertParsed(
        tagged(WEATHER) + "\n" + tagged(ADD) + "\n",
        "getWeather({\"city\":\"Köln </b>\"})",
        "add({\"a\":1,\"b\":[2]})");
  }

  @Test
  void anArrayInOneTagIsSeveralCalls() {
    assertParsed(
        tagged("[" + ADD + "," + WEATHER + "]"),
        "add({\"a\":1,\"b\":[2]})",
        "getWeather({\"city\":\"Köln </b>\"})");
  }

  @Test
  void keepsTextAroundCallsWithoutItsWhiteSpace() {
    assertParsed(
        " I'll look. \n" + tagged(ADD) + "\n\nDone it. ",
        "' I'll look.",
        "add({\"a\":1,\"b\":[2]})",
        "' \n\n\nDone it.");
  }

  @Test
  void textBehindTheFirstCallHasNoLeadingWhiteSpace() {
    assertParsed(tagged(ADD) + "\nDone", "add({\"a\":1,\"b\":[2]})", "'Done");
  }

  @Test
  void theLastTagNeedNotBeClosed() {
    assertParsed("<tool_call>" + ADD, "add({\"a\":1,\"b\":[2]})");
  }

  @Test
  void bracketsTooManyDoNoHarm() {
    assertParsed(tagged(ADD + "},"), "add({\"a\":1,\"b\":[2]})");
    assertParsed("<tool_call>" + ADD + " That's it.", "add({\"a\":1,\"b\":[2]})");
  }

  @Test
  void jsonAloneIsCallsOfOfferedTools() {
    assertParsed(" " + ADD + "\n", "add({\"a\":1,\"b\":[2]})");
    assertParsed(
        "[" + WEATHER + "," + ADD + "]",
        "getWeather({\"city\":\"Köln </b>\"})",
        "add({\"a\":1,\"b\":[2]})");
    assertParsed("{\"name\":\"add\",\"parameters\":{\"a\":1}}", "add({\"a\":1})");
  }

  @Test
  void argumentsMayBeTextThatHoldsAnObjectOrBeLeftOut() {
    assertParsed(tagged("{\"name\":\"add\",\"arguments\":\"{\\\"a\\\": 1}\"}"), "add({\"a\":1})");
    assertParsed(tagged("{\"name\":\"now\"}"), "now({})");
    assertParsed(tagged("{\"name\":\"now\",\"arguments\":null}"), "now({})");
  }

  /** Callers may have a way with calls of tools that were never offered. */
  @Test
  void aTaggedCallOfAnotherToolIsHandedOn() {
    assertParsed(tagged("{\"name\":\"fly\",\"arguments\":{}}"), "fly({})");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        " ",
        "Yes.\n",
        " \nYes ",
        "a < b, <tool_calls>, <tool_call",
        "{\"answer\": 42}",
        "{\"name\":\"fly\",\"arguments\":{}}",
        "[1, 2]",
        "[]",
        "{\"name\": \"add\", \"arguments\": {\"a\": 1",
        "{\"name\": \"add\", \"arguments\": {}} and more",
        "<tool_call>",
        "<tool_call></tool_call>",
        "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1,}}\n</tool_call>",
        "<tool_call>{'name': 'add'}</tool_call> ",
        "Well, <tool_call>{\"name\": \"add\", \"arguments\": [1]}</tool_call>",
        "<tool_call>{\"name\": 3}</tool_call>",
        "<tool_call>{\"name\": \" \"}</tool_call>",
        "<tool_call>{\"name\": \"add\", \"arguments\": \"one\"}</tool_call>",
        "<tool_call>{\"arguments\": {}}</tool_call>",
        "<tool_call>\n{\"name\": \"add\"",
        "</tool_call>"
      })
  void whatIsNoCallStaysTextToTheLastCharacter(String answer) {
    assertParsed(answer, answer.isEmpty() ? new String[0] : new String[] {"'" + answer});
  }

  @Test
  void whatIsTooDeepIsText() {
    String answer = tagged("{\"name\":\"add\",\"arguments\":{\"a\":" + "[".repeat(2000) + "}}");
    assertThat(parse(answer, 100)).containsExactly("'" + answer);
  }

  @Test
  void aGoodCallBehindABrokenOneCounts() {
    assertParsed(
        "<tool_call>{oops</tool_call>\n" + tagged(ADD),
        "'<tool_call>{oops</tool_call>",
        "add({\"a\":1,\"b\":[2]})");
  }
}
