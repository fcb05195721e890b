package io.github.kvp4j.jlama.importer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.github.kvp4j.KvpException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/** What several tests here need. */
final class Tests {
  private Tests() {}

  /**
   * Calls something that must fail with a {@code KvpException} of a kind, whose message is one
   * sentence on one line.
   *
   * @return the message
   */
  static String failure(KvpException.Kind kind, ThrowingCallable call) {
    Throwable thrown = catchThrowable(call);
    assertThat(thrown).isInstanceOf(KvpException.class);
    assertThat(((KvpException) thrown).kind()).as(thrown.getMessage()).isEqualTo(kind);
    String message = String.valueOf(thrown.getMessage());
    assertThat(message).isNotBlank().doesNotContain("\n").endsWith(".");
    return message;
  }

  /** All that is in a folder, hidden files too. */
  static List<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(ImportFiles::fileName).sorted().toList();
    }
  }
}
