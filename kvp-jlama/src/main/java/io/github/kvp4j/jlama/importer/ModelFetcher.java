package io.github.kvp4j.jlama.importer;

import java.io.IOException;
import java.nio.file.Path;

/** A place that models come from. */
@FunctionalInterface
interface ModelFetcher {
  /**
   * Makes the folder of a model, whole or not at all.
   *
   * @param model its name
   * @param folder where it goes; not there yet
   * @throws io.github.kvp4j.KvpException MODEL_UNAVAILABLE where it can't be had from here; its
   *     message is a clause, without a full stop, that can stand in a sentence
   */
  void fetch(ModelName model, Path folder, ImportProgress progress) throws IOException;
}
