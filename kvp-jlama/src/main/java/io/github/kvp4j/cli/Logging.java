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

import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.joran.JoranConfigurator;
import ch.qos.logback.core.joran.spi.JoranException;
import java.net.URL;
import org.slf4j.LoggerFactory;

/** The program's own logging: to the error stream, warnings and worse. */
final class Logging {
  static final String CONFIGURATION = "io/github/kvp4j/cli/logback.xml";

  private Logging() {}

  /** Sets it up anew, after Jlama's commands have set theirs up, which goes to the output. */
  static void restore() {
    if (!CONFIGURATION.equals(System.getProperty("logback.configurationFile", CONFIGURATION))) {
      return; // the user has named another, which stands
    }
    URL url = Logging.class.getClassLoader().getResource(CONFIGURATION);
    if (url == null || !(LoggerFactory.getILoggerFactory() instanceof LoggerContext context)) {
      return;
    }
    try {
      context.reset();
      JoranConfigurator configurator = new JoranConfigurator();
      configurator.setContext(context);
      configurator.doConfigure(url);
    } catch (JoranException e) {
      throw new IllegalStateException(e);
    }
  }
}
