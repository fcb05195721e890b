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
package io.github.kvp4j.cli;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.ChatMessage;
import io.github.kvp4j.jlama.GenerateRequest;
import io.github.kvp4j.jlama.GenerateResult;
import io.github.kvp4j.jlama.KvpModel;
import java.io.BufferedReader;
import java.io.Console;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.UserInterruptException;
import org.jline.reader.impl.DefaultParser;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;
import org.jspecify.annotations.Nullable;

/**
 * A conversation: on a terminal with history, lines that go on after a backslash and Ctrl-C, which
 * stops an answer and, at the prompt, leaves; from a pipe one line a message.
 */
final class KvpChat {
  private static final String CYAN = "\033[36m";
  private static final String BLUE = "\033[34m";
  private static final String PLAIN = "\033[0m";

  /** Says that the user has left with Ctrl-C. */
  static final class InterruptedByUserException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    InterruptedByUserException() {
      super("interrupted", null, false, false);
    }
  }

  private final KvpModel model;
  private final Function<String, GenerateRequest.Builder> settings;
  private final boolean stats;
  private final boolean colour;
  private final PrintWriter out;
  private final List<ChatMessage> messages = new ArrayList<>();
  private final AtomicBoolean stop = new AtomicBoolean();

  private KvpChat(
      KvpModel model,
      @Nullable String system,
      Function<String, GenerateRequest.Builder> settings,
      boolean stats,
      boolean colour,
      PrintWriter out) {
    this.model = model;
    this.settings = settings;
    this.stats = stats;
    this.colour = colour;
    this.out = out;
    if (system != null) {
      messages.add(new ChatMessage(ChatMessage.Role.SYSTEM, system));
    }
  }

  /**
   * Talks until an empty line or the end of the input.
   *
   * @param settings the request for a prompt, as the command line has it
   */
  static void run(
      KvpModel model,
      String name,
      @Nullable String system,
      Function<String, GenerateRequest.Builder> settings,
      boolean stats) {
    boolean typed = Optional.ofNullable(System.console()).map(Console::isTerminal).orElse(false);
    try {
      if (typed) {
        try (Terminal terminal = TerminalBuilder.builder().name("kvp").system(true).build()) {
          boolean colour = System.getenv().getOrDefault("NO_COLOR", "").isEmpty();
          KvpChat chat = new KvpChat(model, system, settings, stats, colour, terminal.writer());
          chat.out.println("Chatting with " + name + "; an empty line ends it.");
          chat.typed(terminal);
        }
      } else {
        PrintWriter out = new PrintWriter(System.out, true, StandardCharsets.UTF_8);
        new KvpChat(model, system, settings, stats, false, out).piped();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void typed(Terminal terminal) {
    DefaultParser parser = new DefaultParser().eofOnEscapedNewLine(true);
    parser.setQuoteChars(new char[0]); // an apostrophe is none
    LineReader reader =
        LineReaderBuilder.builder()
            .terminal(terminal)
            .parser(parser)
            .option(LineReader.Option.DISABLE_EVENT_EXPANSION, true)
            .build();
    // forgotten only once the reader itself listens, so that no Ctrl-C between an answer and the
    // next line is lost: after one that stopped the answer, it leaves
    reader
        .getWidgets()
        .put(
            LineReader.CALLBACK_INIT,
            () -> {
              stop.set(false);
              return true;
            });
    terminal.handle(
        Terminal.Signal.INT,
        _ -> {
          if (stop.getAndSet(true)) {
            Runtime.getRuntime().halt(130); // the second one leaves, whatever goes on
          }
        });
    while (true) {
      String line;
      try {
        line = reader.readLine("\nYou: ").replace("\\\n", "\n");
      } catch (UserInterruptException e) {
        if (e.getPartialLine().isEmpty()) {
          throw new InterruptedByUserException();
        }
        continue; // a half-typed line is given up
      } catch (EndOfFileException e) {
        return;
      }
      if (line.isBlank()) {
        return;
      }
      answer(line);
    }
  }

  private void piped() throws IOException {
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null && !line.isBlank(); line = in.readLine()) {
      answer(line);
    }
  }

  private void answer(String line) {
    messages.add(new ChatMessage(ChatMessage.Role.USER, line));
    StringBuilder text = new StringBuilder();
    try {
      GenerateRequest request =
          settings.apply(model.chatPrompt(messages)).cancellation(stop::get).build();
      out.print(colour ? CYAN : "");
      GenerateResult result =
          model.generate(
              request,
              part -> {
                text.append(part);
                out.print(part);
                out.flush();
              });
      out.println(colour ? PLAIN : "");
      if (stats) {
        out.println((colour ? BLUE : "") + CompleteCommand.stats(result) + (colour ? PLAIN : ""));
      }
    } catch (KvpException e) {
      if (e.kind() != KvpException.Kind.CANCELLED) {
        throw e;
      }
      out.println((colour ? PLAIN : "") + " [stopped]");
    }
    out.flush();
    messages.add(new ChatMessage(ChatMessage.Role.ASSISTANT, text.toString()));
  }
}
