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
package io.github.kvp4j.prefix;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.kernel.Workers;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.ModelShape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Exact keys and values of prompts that were read, by their tokens, for the prompts to come: what a
 * new prompt begins with and another began with too is not computed again.
 *
 * <p>Prompts are kept in blocks of {@value #BLOCK} positions that form a tree, so that prompts with
 * a common beginning share its blocks. Where the bound is reached the blocks that were not used for
 * longest go, ends first. Only rows that are {@link KvCache.RowState#EXACT} in every layer are
 * taken. One store serves the models that read the same weights alike; safe for use by many
 * threads.
 */
public final class PrefixStore {
  /** Positions of a block: what two prompts share beyond whole blocks is computed again. */
  public static final int BLOCK = 32;

  private final ModelShape shape;
  private long maxBytes;
  private final long blockBytes;
  private final Map<Key, Block> roots = new HashMap<>();
  private long bytes;
  private long clock;

  /**
   * An empty store.
   *
   * @param shape the model's
   * @param maxBytes of keys and values at most; 0 keeps nothing
   */
  public PrefixStore(ModelShape shape, long maxBytes) {
    this.shape = shape;
    this.maxBytes = checked(maxBytes);
    this.blockBytes = BLOCK * shape.kvBytesPerPosition();
  }

  private static long checked(long maxBytes) {
    if (maxBytes < 0) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The prefix store's bound is " + maxBytes + " bytes; it must be 0 or more.");
    }
    return maxBytes;
  }

  /** Sets another bound, and drops what is beyond it. */
  public synchronized void bound(long bytes) {
    maxBytes = checked(bytes);
    dropOldest();
  }

  /** Bytes of keys and values that are kept. */
  public synchronized long bytes() {
    return bytes;
  }

  /** Forgets everything. */
  public synchronized void clear() {
    roots.clear();
    bytes = 0;
  }

  /**
   * What is kept of a prompt's beginning.
   *
   * @param tokens the prompt
   * @param limit positions wanted at most; for a prompt that is to be answered its length less one,
   *     since the last token has to run
   */
  public synchronized Prefix find(int[] tokens, int limit) {
    List<Block> found = new ArrayList<>();
    Map<Key, Block> level = roots;
    for (int at = 0; at + BLOCK <= Math.min(limit, tokens.length); at += BLOCK) {
      Block block = level.get(new Key(tokens, at));
      if (block == null) {
        break;
      }
      block.used = ++clock;
      found.add(block);
      level = block.next;
    }
    return new Prefix(shape, found);
  }

  /**
   * Starts keeping a prompt that is about to be read exactly.
   *
   * @param tokens the prompt
   * @param reused positions that were found and need not be kept again, a multiple of {@value
   *     #BLOCK}
   */
  public synchronized Recording record(int[] tokens, int reused) {
    int most = (int) Math.min(tokens.length, maxBytes / blockBytes * BLOCK) / BLOCK * BLOCK;
    return new Recording(tokens.clone(), reused, Math.max(reused, most));
  }

  private synchronized void add(Recording recording) {
    Map<Key, Block> level = roots;
    Block parent = null;
    for (int at = 0; at + BLOCK <= recording.to; at += BLOCK) {
      Key key = new Key(recording.tokens, at);
      Block block = level.get(key);
      if (block == null) {
        if (at < recording.from) {
          return; // what it stood on was dropped meanwhile
        }
        block = new Block(key, parent, recording.keys(at), recording.values(at));
        block.used = ++clock;
        level.put(key, block);
        bytes += blockBytes;
      }
      block.used = ++clock;
      parent = block;
      level = block.next;
    }
    dropOldest();
  }

  /** Keeps the bound. */
  private void dropOldest() {
    while (bytes > maxBytes) {
      Block oldest = oldestEnd(roots.values(), null);
      if (oldest == null) {
        return;
      }
      (oldest.parent == null ? roots : oldest.parent.next).remove(oldest.key);
      bytes -= blockBytes;
    }
  }

  /** Of the blocks that nothing follows, the one not used for longest. */
  private static @Nullable Block oldestEnd(Iterable<Block> blocks, @Nullable Block oldest) {
    for (Block block : blocks) {
      Block end = block.next.isEmpty() ? block : oldestEnd(block.next.values(), null);
      if (oldest == null || (end != null && end.used < oldest.used)) {
        oldest = end;
      }
    }
    return oldest;
  }

  /** The tokens of a block. */
  private record Key(int[] tokens) {
    Key(int[] prompt, int at) {
      this(Arrays.copyOfRange(prompt, at, at + BLOCK));
    }

    @Override
    public boolean equals(@Nullable Object o) {
      return o instanceof Key other && Arrays.equals(tokens, other.tokens);
    }

    @Override
    public int hashCode() {
      return Arrays.hashCode(tokens);
    }
  }

  /** Keys and values of a block's positions; they never change. */
  private static final class Block {
    final Key key;
    final @Nullable Block parent;
    final float[][] keys; // [layer](position in the block, kvLength), plainly rotated
    final float[][] values; // [layer](position in the block, kvLength)
    final Map<Key, Block> next = new HashMap<>();
    long used;

    Block(Key key, @Nullable Block parent, float[][] keys, float[][] values) {
      this.key = key;
      this.parent = parent;
      this.keys = keys;
      this.values = values;
    }
  }

  /** What was found: it stays good whatever the store drops. */
  public static final class Prefix {
    private final ModelShape shape;
    private final List<Block> blocks;

    private Prefix(ModelShape shape, List<Block> blocks) {
      this.shape = shape;
      this.blocks = blocks;
    }

    /** Positions, 0 if nothing was found. */
    public int length() {
      return blocks.size() * BLOCK;
    }

    /**
     * Writes one layer's rows {@code [0, length())} to a cache and marks them exact.
     *
     * @param workers who share the copying: the first token waits for it
     */
    public void load(int layer, KvCache cache, Workers workers) {
      int block = BLOCK * shape.kvLength();
      workers.forEach(
          blocks.size(),
          i -> {
            System.arraycopy(blocks.get(i).keys[layer], 0, cache.keys(layer), i * block, block);
            System.arraycopy(blocks.get(i).values[layer], 0, cache.values(layer), i * block, block);
          });
      cache.mark(layer, 0, length(), KvCache.RowState.EXACT);
    }
  }

  /**
   * A prompt that is being read: told of each layer when it is complete, it takes the layer's rows,
   * and is kept in the end. For one thread.
   */
  public final class Recording {
    private final int[] tokens;
    private final int from;
    private int to;
    private final float[][][] rows; // [layer][2 * block](position in the block, kvLength)
    private int layers;

    private Recording(int[] tokens, int from, int to) {
      this.tokens = tokens;
      this.from = from;
      this.to = to;
      this.rows = new float[shape.layers()][][];
    }

    /** Keeps no more than the positions before {@code position}: those after it are not exact. */
    public void cut(int position) {
      to = Math.max(from, Math.min(to, position / BLOCK * BLOCK));
    }

    /**
     * Takes a layer's rows; layers come in ascending order.
     *
     * @param workers who share the copying
     */
    public void layer(int layer, KvCache cache, Workers workers) {
      if (layer != layers) {
        return; // a layer is missing: nothing will be kept
      }
      for (int p = from; p < to; p++) {
        if (cache.state(layer, p) != KvCache.RowState.EXACT) {
          return;
        }
      }
      int block = BLOCK * shape.kvLength();
      float[][] out = new float[2 * ((to - from) / BLOCK)][];
      workers.forEach(
          out.length / 2,
          i -> {
            int at = from * shape.kvLength() + i * block;
            out[2 * i] = Arrays.copyOfRange(cache.keys(layer), at, at + block);
            out[2 * i + 1] = Arrays.copyOfRange(cache.values(layer), at, at + block);
          });
      rows[layer] = out;
      layers++;
    }

    /** Keeps the prompt, if every layer was complete and exact. */
    public void keep() {
      if (layers == shape.layers() && to > from) {
        add(this);
      }
    }

    private float[][] keys(int at) {
      return part(2 * ((at - from) / BLOCK));
    }

    private float[][] values(int at) {
      return part(2 * ((at - from) / BLOCK) + 1);
    }

    private float[][] part(int index) {
      float[][] out = new float[rows.length][];
      for (int layer = 0; layer < rows.length; layer++) {
        out[layer] = rows[layer][index];
      }
      return out;
    }
  }
}
