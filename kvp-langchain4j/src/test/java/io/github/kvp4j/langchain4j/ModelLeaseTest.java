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
package io.github.kvp4j.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.jlama.GenerateRequest;
import io.github.kvp4j.jlama.KvpModel;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Who shares a loaded model, and who closes it. */
class ModelLeaseTest {
  @TempDir Path temp;
  private Path directory = Path.of("");

  @BeforeEach
  void write() {
    directory = ScriptedModel.answering("Hello").write(temp.resolve("greeter"));
  }

  private static void assertOpen(KvpModel model) {
    assertThat(model.generate(GenerateRequest.of("\n")).text()).isEqualTo("Hello");
  }

  private static void assertClosed(KvpModel model) {
    assertThatThrownBy(() -> model.generate(GenerateRequest.of("\n")))
        .isInstanceOfSatisfying(
            KvpException.class, e -> assertThat(e.kind()).isEqualTo(KvpException.Kind.CLOSED));
  }

  @Test
  void theLastOneCloses() {
    ModelLease first = ModelLease.open(ModelLease.Key.of(directory));
    ModelLease second = ModelLease.open(ModelLease.Key.of(directory.resolve("../greeter")));
    assertThat(second.model()).isSameAs(first.model());
    first.release();
    first.release(); // counts once
    assertOpen(second.model());
    second.release();
    assertClosed(second.model());
    ModelLease third = ModelLease.open(ModelLease.Key.of(directory));
    assertThat(third.model()).isNotSameAs(first.model());
    assertOpen(third.model());
    third.release();
  }

  @Test
  void anotherPredictorIsAnotherModel() {
    Path file = ScriptedModel.writePredictor(directory, temp.resolve("p.safetensors"));
    ModelLease without = ModelLease.open(ModelLease.Key.of(directory));
    ModelLease with =
        ModelLease.open(
            new ModelLease.Key(directory, file, true, false, null, null, null, null, null));
    assertThat(with.model()).isNotSameAs(without.model());
    without.release();
    assertOpen(with.model());
    with.release();
  }

  @Test
  void bothChatModelsShareOne() {
    KvpChatModel chat = KvpChatModel.builder().modelDirectory(directory).build();
    KvpStreamingChatModel streaming =
        KvpStreamingChatModel.builder().modelDirectory(directory).build();
    streaming.close();
    streaming.close();
    assertThat(chat.chat("Hi")).isEqualTo("Hello");
    chat.close();
    assertThatThrownBy(() -> chat.chat("Hi"))
        .isInstanceOfSatisfying(
            KvpException.class, e -> assertThat(e.kind()).isEqualTo(KvpException.Kind.CLOSED));
  }

  /** The model that chat models of the folder share. */
  private KvpModel shared() {
    ModelLease lease = ModelLease.open(ModelLease.Key.of(directory));
    lease.release();
    return lease.model();
  }

  @Test
  void aChatModelReleasesWhatItLoaded() {
    KvpChatModel chat = KvpChatModel.builder().modelDirectory(directory).build();
    KvpModel model = shared();
    assertThat(chat.chat("Hi")).isEqualTo("Hello");
    assertOpen(model);
    chat.close();
    assertClosed(model);
  }

  @Test
  void aRequestThatRunsKeepsItsModelUntilItEnds() throws Exception {
    KvpStreamingChatModel streaming =
        KvpStreamingChatModel.builder().modelDirectory(directory).build();
    KvpModel model = shared();
    RecordingHandler handler =
        new RecordingHandler((handle, count) -> {
          streaming.close();
          assertOpen(model);
        });
    streaming.chat("Hi", handler);
    assertThat(handler.endsWithResponse()).isFalse();
    assertThat(handler.errors)
        .singleElement()
        .isInstanceOfSatisfying(
            KvpException.class, e -> assertThat(e.kind()).isEqualTo(KvpException.Kind.CLOSED));
    assertClosed(model);
  }

  @Test
  void aModelThatWasGivenStaysOpen() {
    try (KvpModel model = KvpModel.builder(directory).build()) {
      KvpChatModel chat = KvpChatModel.builder().model(model).build();
      assertThat(chat.chat("Hi")).isEqualTo("Hello");
      assertThat(chat.defaultRequestParameters().modelName()).isEqualTo("greeter");
      chat.close();
      assertOpen(model);
      assertThatThrownBy(() -> chat.chat("Hi")).isInstanceOf(KvpException.class);
    }
  }
}
