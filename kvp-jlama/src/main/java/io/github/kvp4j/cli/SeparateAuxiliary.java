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
import io.github.kvp4j.jlama.KvpModel;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.AuxiliaryKind;
import io.github.kvp4j.predictor.LayerMap;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * The auxiliary that a command line asks for, of a kind that reads for itself; in words, so that
 * another machine can open it too.
 *
 * @param kept layers of a layer-pruned one; empty where the file has them
 * @param file the folder of a sibling, or a predictor file whose auxiliary it is; empty for none
 * @param map which of its layers each of the base's is predicted from; empty for the paper's rule
 * @param width how many adjacent layers a projection reads
 */
record SeparateAuxiliary(
    AuxiliaryKind kind, List<Integer> kept, String file, List<Integer> map, int width)
    implements Serializable {
  SeparateAuxiliary {
    kept = List.copyOf(kept);
    map = List.copyOf(map);
  }

  /**
   * Opens it.
   *
   * @throws KvpException as {@link KvpModel#sibling} and {@link KvpModel#readPredictor} do,
   *     BAD_ARGUMENT where the file is of another kind
   */
  Auxiliary.Separate of(KvpModel base) {
    Auxiliary.Separate found;
    if (file.isEmpty()) {
      found =
          new Auxiliary.LayerPruned(kept, List.of(), LayerMap.ofKept(kept, base.shape().layers()));
    } else if (kind == AuxiliaryKind.SIBLING && !Files.isRegularFile(Path.of(file))) {
      found = base.sibling(Path.of(file));
    } else {
      found = trained(base, Path.of(file));
    }
    return found.withMap((map.isEmpty() ? found.map() : new LayerMap(map)).wide(width));
  }

  /** That of a predictor, after training. */
  private Auxiliary.Separate trained(KvpModel base, Path file) {
    Auxiliary auxiliary = base.readPredictor(file).predictor().auxiliary();
    if (auxiliary instanceof Auxiliary.Separate separate && auxiliary.kind() == kind) {
      return separate;
    }
    throw new KvpException(
        KvpException.Kind.BAD_ARGUMENT,
        "--auxiliary is "
            + file
            + ", a predictor of kind "
            + auxiliary.kind()
            + "; give one of kind "
            + kind
            + ".");
  }
}
