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

import io.github.kvp4j.calibration.CalibrationProgress;
import io.github.kvp4j.jlama.importer.ImportProgress;
import java.io.Console;
import java.io.PrintStream;
import java.util.Optional;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/**
 * Shows long work on the error stream: a bar on a terminal, a line every tenth elsewhere, so that
 * logs stay readable.
 */
final class ProgressDisplay implements CalibrationProgress, ImportProgress, AutoCloseable {
  private final PrintStream out;
  private final boolean terminal;
  private @Nullable ProgressBar bar;
  private String stage = "";
  private long total;
  private long done;
  private int tenths;
  private String note = "";

  ProgressDisplay() {
    this(System.err, Optional.ofNullable(System.console()).map(Console::isTerminal).orElse(false));
  }

  ProgressDisplay(PrintStream out, boolean terminal) {
    this.out = out;
    this.terminal = terminal;
  }

  @Override
  public void start(String name, long amount) {
    close();
    this.stage = name;
    this.total = amount;
    this.done = 0;
    this.tenths = 0;
    this.note = "";
    if (terminal) {
      bar =
          new ProgressBarBuilder()
              .setTaskName(name)
              .setInitialMax(amount)
              .setStyle(ProgressBarStyle.ASCII)
              .continuousUpdate()
              .setUpdateIntervalMillis(200)
              .build();
    } else {
      out.println(name + " …");
    }
  }

  @Override
  public void advance(long amount) {
    done += amount;
    if (bar != null) {
      bar.stepBy(amount);
      return;
    }
    int now = total <= 0 ? 0 : (int) (10 * done / total);
    if (now > tenths && now < 10) {
      tenths = now;
      out.println(stage + " " + 10 * now + " %" + (note.isEmpty() ? "" : ", " + note));
    }
  }

  /** Says more about how far the work is, beside the bar or with the next tenth. */
  void note(String text) {
    note = text;
    if (bar != null) {
      bar.setExtraMessage(" " + text);
    }
  }

  @Override
  public void begin(String task, long amount) {
    start(task, amount);
  }

  @Override
  public void end() {
    close();
  }

  @Override
  public void close() {
    if (bar != null) {
      bar.close();
      bar = null;
    }
  }
}
