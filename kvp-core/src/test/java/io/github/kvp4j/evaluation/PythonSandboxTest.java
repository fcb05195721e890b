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
package io.github.kvp4j.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.kvp4j.KvpException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Programs that do harm do none, have not passed, and what comes after them runs. */
@EnabledOnOs(OS.LINUX)
@Timeout(60)
class PythonSandboxTest {
  private static PythonSandbox sandbox;

  @TempDir Path folder;

  @BeforeAll
  static void start() {
    sandbox = new PythonSandbox("python3", new PythonSandbox.Limits(1, 3, 256L << 20));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "assert sorted([2, 1]) == [1, 2]",
        "print('x' * 200_000)",
        "import hashlib, math, re, random, typing, collections, itertools, heapq, json, datetime\n"
            + "assert hashlib.md5(b'a').hexdigest().startswith('0cc1')",
        "open('/etc/hostname').close()",
      })
  void honestProgramsPass(String program) {
    assertThat(sandbox.passes(program)).isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        // loops, awake and asleep
        "while True: pass",
        "import time\ntime.sleep(100)",
        "def f(n): return f(n + 1)\nf(0)",
        // forks, threads, other programs
        "import os\nos.fork()",
        "import os\nwhile True: os.fork()",
        "import subprocess\nsubprocess.run(['true'])",
        "import os\nos.system('true')",
        "import os\nos.execv('/bin/true', ['true'])",
        "import threading\nthreading.Thread(target=print).start()",
        // memory
        "x = []\nwhile True: x.append(bytearray(10_000_000))",
        "x = 'a' * 10**12",
        // network
        "import socket\nsocket.socket()",
        "import socket\nsocket.socketpair()",
        "import socket\ntry:\n  socket.socket()\nexcept BaseException: pass",
        "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:1/')",
        // other processes
        "import os\nos.kill(os.getppid(), 9)",
        // wrong, or pretending to be right
        "assert 1 == 2",
        "def broken(:",
        "import sys\nsys.exit(0)",
        "import os\nos._exit(0)",
        "print('\\0' * 32)\nimport os\nos._exit(0)",
        "\0",
      })
  void othersAreContainedAndWrong(String program) {
    assertThat(sandbox.passes(program)).isFalse();
    assertThat(sandbox.passes("assert True")).as("the next program").isTrue();
  }

  @Test
  void noFileIsWrittenChangedOrRemoved() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "as it was");
    String name = "'" + file + "'";
    for (String program :
        new String[] {
          "open(" + name + ", 'w').write('x')",
          "open(" + name + ", 'a').write('x')",
          "open(" + name + ", 'r+').write('x')",
          "open('" + folder + "/new', 'w')",
          "try: open('" + folder + "/new', 'x')\nexcept BaseException: pass",
          "import os\nos.unlink(" + name + ")",
          "import os\nos.rename(" + name + ", '" + folder + "/new')",
          "import os\nos.truncate(" + name + ", 0)",
          "import os\nos.chmod(" + name + ", 0)",
          "import os\nos.mkdir('" + folder + "/new')",
          "import os\nos.symlink('/', '" + folder + "/new')",
          "import tempfile\ntempfile.TemporaryFile()",
          "import shutil\nshutil.rmtree('" + folder + "')",
        }) {
      assertThat(sandbox.passes(program)).as(program).isFalse();
      assertThat(file).as(program).hasContent("as it was");
      assertThat(folder.toFile().list()).as(program).containsExactly("file");
    }
  }

  /** What is there already can't be raised again, not even by root. */
  @Test
  void limitsStay() {
    assertThat(
            sandbox.passes(
                "import resource\n" + "resource.setrlimit(resource.RLIMIT_AS, (2**40, 2**40))"))
        .isFalse();
  }

  @Test
  void noPythonIsSaid() {
    assertThatThrownBy(() -> new PythonSandbox("no-such-python", PythonSandbox.Limits.DEFAULT))
        .isInstanceOf(KvpException.class)
        .hasMessageContaining("no-such-python")
        .hasMessageContaining("--set python=PATH");
  }
}
