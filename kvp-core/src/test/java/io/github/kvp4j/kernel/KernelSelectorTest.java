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
package io.github.kvp4j.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.kvp4j.KvpException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class KernelSelectorTest {
  private static final String LIBRARY = "kvp.onednn.library";

  private final Workers workers = new Workers(1);

  /** What {@link #withoutTheModuleItTakesScalarKernels} starts in a JVM of its own. */
  static final class InOwnProcess {
    private InOwnProcess() {}

    public static void main(String[] args) {
      System.out.println(KernelSelector.describe(new Workers(2), null));
    }
  }

  @Test
  void takesWhatIsAskedFor() {
    assertInstanceOf(ScalarKernels.class, KernelSelector.choose(workers, "scalar"));
    assertInstanceOf(VectorKernels.class, KernelSelector.choose(workers, " Vector"));
  }

  @Test
  void refusesNamesThatAreNone() {
    KvpException e =
        assertThrows(KvpException.class, () -> KernelSelector.choose(workers, "fastest"));
    assertEquals(KvpException.Kind.BAD_ARGUMENT, e.kind());
    assertTrue(String.valueOf(e.getMessage()).contains("kvp.kernels"), e::getMessage);
  }

  @Test
  void oneDnnIsTakenWhereBfloat16PaysAndOnlyThere() {
    OneDnnKernels kernels;
    try {
      kernels = OneDnnKernels.load(workers);
    } catch (UnsupportedOperationException e) {
      // there are builds for common systems; the property says that this is one
      assertFalse(Boolean.getBoolean("kvp.test.onednn"), e::getMessage);
      return;
    }
    // what it makes is never given back, so models that come and go must share it
    assertSame(kernels.library(), OneDnnKernels.load(new Workers(2)).library());
    String text = KernelSelector.describe(workers, "auto");
    if (!kernels.library().mayBeFast()) {
      assertTrue(text.contains("the processor has no bfloat16 products"), text);
      return;
    }
    double gain = KernelTrial.gain(kernels.library());
    // near the bound it may go either way
    if (gain > 1.5) {
      assertTrue(text.startsWith("onednn"), gain + ": " + text);
    } else if (gain < 1) {
      assertTrue(text.startsWith("vector"), gain + ": " + text);
      assertTrue(text.contains("times as fast as those of 32-bit floats"), text);
    }
  }

  @Test
  void missingLibraryIsNoError() {
    String before = System.getProperty(LIBRARY);
    System.setProperty(LIBRARY, Path.of("no-such-library.so").toAbsolutePath().toString());
    try {
      assertInstanceOf(VectorKernels.class, KernelSelector.choose(workers, "onednn"));
      assertInstanceOf(VectorKernels.class, KernelSelector.choose(workers, "auto"));
      String text = KernelSelector.describe(workers, "auto");
      assertTrue(text.contains("on 1 thread, because oneDNN is not used"), text);
    } finally {
      if (before == null) {
        System.clearProperty(LIBRARY);
      } else {
        System.setProperty(LIBRARY, before);
      }
    }
  }

  @Test
  void withoutTheModuleItTakesScalarKernels() throws Exception {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                InOwnProcess.class.getName())
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    String text =
        new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
    assertEquals(0, process.waitFor());
    assertTrue(text.startsWith("scalar on 2 threads"), text);
    assertTrue(text.contains("--add-modules jdk.incubator.vector"), text);
  }
}
