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
package io.github.kvp4j.jlama.importer;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The right to make one model folder: held by one thread of one process at a time.
 *
 * <p>The file {@code .NAME.lock} beside the folder is locked, and stays when the lock is given
 * back: removing it would let a third process in.
 */
final class FolderLock implements AutoCloseable {
  /** A file lock belongs to the whole JVM, so its threads must be told apart here. */
  private static final Map<Path, ReentrantLock> IN_THIS_JVM = new ConcurrentHashMap<>();

  private final ReentrantLock inThisJvm;
  private final FileChannel channel;

  private FolderLock(ReentrantLock inThisJvm, FileChannel channel) {
    this.inThisJvm = inThisJvm;
    this.channel = channel;
  }

  /**
   * Waits for the lock of a folder.
   *
   * @throws io.github.kvp4j.KvpException CANCELLED where the thread is interrupted
   */
  static FolderLock of(Path folder, ImportProgress progress) throws IOException {
    Path file = folder.resolveSibling("." + ImportFiles.fileName(folder) + ".lock");
    ReentrantLock inThisJvm = IN_THIS_JVM.computeIfAbsent(file, f -> new ReentrantLock());
    try {
      inThisJvm.lockInterruptibly();
    } catch (InterruptedException e) {
      throw Messages.cancelled("Waiting for another import");
    }
    boolean locked = false;
    try {
      FileChannel channel = lock(file, progress);
      locked = true;
      return new FolderLock(inThisJvm, channel);
    } finally {
      if (!locked) {
        inThisJvm.unlock();
      }
    }
  }

  private static FileChannel lock(Path file, ImportProgress progress) throws IOException {
    Path parent = file.getParent();
    if (parent != null) {
      Files.createDirectories(parent);
    }
    FileChannel channel =
        FileChannel.open(file, StandardOpenOption.WRITE, StandardOpenOption.CREATE);
    boolean locked = false;
    try {
      FileLock lock = channel.tryLock();
      if (lock == null) {
        progress.begin("Waiting for another process that fetches this model", -1);
        lock = channel.lock();
        progress.end();
      }
      locked = lock.isValid();
      return channel;
    } finally {
      if (!locked) {
        channel.close();
      }
    }
  }

  @Override
  public void close() throws IOException {
    try {
      channel.close();
    } finally {
      inThisJvm.unlock();
    }
  }
}
