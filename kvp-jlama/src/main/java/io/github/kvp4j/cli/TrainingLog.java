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
import io.github.kvp4j.training.LossTerms;
import io.github.kvp4j.training.StepReport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** The course of training as CSV, a line a step, and as a plot. */
final class TrainingLog {
  private static final String HEADER =
      "step,rate,loss,base,auxiliary,consistency,gradient_norm,tokens_per_second,"
          + "held_out_loss,held_out_base,held_out_consistency";

  private final Path csv;
  private final Path plot;
  private final List<String> lines = new ArrayList<>();

  /**
   * Begins a log, or goes on with one.
   *
   * @param out the predictor file, beside which the log is
   * @param done steps whose lines are kept; what comes after them is made again
   */
  TrainingLog(Path out, int done) {
    this.csv = out.resolveSibling(out.getFileName() + ".csv");
    this.plot = out.resolveSibling(out.getFileName() + ".loss");
    lines.add(HEADER);
    if (done > 0 && Files.isRegularFile(csv)) {
      try {
        for (String line : Files.readAllLines(csv)) {
          if (line.matches("\\d{1,9},.*")
              && Integer.parseInt(line.substring(0, line.indexOf(','))) <= done) {
            lines.add(line);
          }
        }
      } catch (IOException e) {
        throw failed(csv, "read", e);
      }
    }
  }

  /** Adds a step; the file has it after {@link #write}. */
  void add(StepReport report, double seconds, @Nullable LossTerms heldOut) {
    LossTerms loss = report.loss();
    String line =
        String.format(
            Locale.ROOT,
            "%d,%.3g,%.5f,%.5f,%.5f,%.5f,%.4f,%.1f",
            report.step(),
            report.rate(),
            loss.total(),
            loss.base(),
            loss.auxiliary(),
            loss.consistency(),
            report.gradientNorm(),
            report.tokens() / seconds);
    lines.add(
        line
            + (heldOut == null
                ? ",,,"
                : String.format(
                    Locale.ROOT,
                    ",%.5f,%.5f,%.5f",
                    heldOut.total(),
                    heldOut.base(),
                    heldOut.consistency())));
  }

  /** Writes all lines, the old file staying whole until they are. */
  void write() {
    Path part = csv.resolveSibling("." + csv.getFileName() + ".part");
    try {
      Files.write(part, lines);
      Files.move(part, csv, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      throw failed(csv, "written", e);
    }
  }

  /**
   * Draws the loss of training and of held-out items; a plot that can't be drawn is no failure, nor
   * one of a training that has made no step.
   */
  void draw() {
    if (lines.size() == 1) {
      return;
    }
    try {
      LossPlot.write(lines.subList(1, lines.size()), plot);
    } catch (NoClassDefFoundError e) {
      System.err.println("The loss is not drawn; add org.knowm.xchart:xchart to the class path.");
    } catch (KvpException e) {
      System.err.println(e.getMessage());
    } catch (RuntimeException e) {
      // Java2D may begin no more once the JVM is to end, as after Ctrl-C
      System.err.println("The loss is not drawn: " + e + ".");
    }
  }

  private static KvpException failed(Path file, String what, IOException e) {
    return new KvpException(
        KvpException.Kind.FILE_ACCESS,
        "The log '" + file + "' can't be " + what + ": " + KvpException.reason(e) + ".",
        e);
  }
}
