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
package io.github.kvp4j.calibration;

/** Told how far a calibration is. */
public interface CalibrationProgress {
  /** Says nothing to anyone. */
  CalibrationProgress SILENT =
      new CalibrationProgress() {
        @Override
        public void start(String stage, long total) {}

        @Override
        public void advance(long done) {}
      };

  /**
   * A stage begins.
   *
   * @param stage a few words
   * @param total how much there is to do in it
   */
  void start(String stage, long total);

  /**
   * Some more of the stage is done.
   *
   * @param done how much more
   */
  void advance(long done);
}
