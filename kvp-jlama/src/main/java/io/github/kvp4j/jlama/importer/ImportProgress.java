package io.github.kvp4j.jlama.importer;

/**
 * Told how far an import or a download is.
 *
 * <p>Called on the importing thread. An exception thrown here stops the import, and nothing of it
 * stays behind.
 */
public interface ImportProgress {

  /** Ignores everything. */
  ImportProgress NONE =
      new ImportProgress() {
        @Override
        public void begin(String task, long total) {}

        @Override
        public void advance(long amount) {}

        @Override
        public void end() {}
      };

  /**
   * A task starts.
   *
   * @param task what is done, in a few words
   * @param total bytes to do; -1 where that is not known
   */
  void begin(String task, long total);

  /**
   * The task went on.
   *
   * @param amount bytes done since the last call
   */
  void advance(long amount);

  /** The task is done. */
  void end();
}
