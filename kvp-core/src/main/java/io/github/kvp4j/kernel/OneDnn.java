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

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;

/**
 * The part of oneDNN's C interface (version 3) that a product of matrices needs. Every call runs in
 * the calling thread: the library's own threads are switched off for that thread, since {@link
 * Workers} share out the work.
 */
final class OneDnn {
  private static final int CPU = 1;
  private static final int IN_ORDER = 1;
  private static final int USER_SCRATCHPAD = 1;
  private static final int QUERY_SCRATCHPAD = 136;
  private static final int ARG_SRC = 1;
  private static final int ARG_DST = 17;
  private static final int ARG_WEIGHTS = 33;
  private static final int ARG_SCRATCHPAD = 80;
  private static final int ARGS = 4;
  private static final long ARG_BYTES = 16;

  /** Bits of the instruction set that has dot products of bfloat16, on x86. */
  private static final int AVX512_BF16 = 0xe7;

  /** What is prepared is never given back, so there is an end to it. */
  private static final int MOST_PRODUCTS = 1024;

  private final Map<Product, Optional<Matmul>> prepared = new ConcurrentHashMap<>();
  private final Queue<Runner> resting = new ConcurrentLinkedQueue<>();
  private final String version;
  private final int instructionSet;
  private final MemorySegment engine;
  private final MethodHandle streamCreate;
  private final MethodHandle descCreate;
  private final MethodHandle descSize;
  private final MethodHandle attrCreate;
  private final MethodHandle attrScratchpad;
  private final MethodHandle matmulDesc;
  private final MethodHandle queryDesc;
  private final MethodHandle primitiveCreate;
  private final MethodHandle memoryCreate;
  private final MethodHandle memoryDestroy;
  private final MethodHandle execute;
  private final MethodHandle getThreads;
  private final MethodHandle setThreads;

  /**
   * Binds the functions.
   *
   * @param lookup finds oneDNN's symbols, and those of the OpenMP that it was built with
   * @throws UnsupportedOperationException if the library is not one that can be used
   */
  OneDnn(SymbolLookup lookup) {
    MethodHandle getVersion = bind(lookup, "dnnl_version", ADDRESS);
    MethodHandle getIsa = bind(lookup, "dnnl_get_effective_cpu_isa", JAVA_INT);
    MethodHandle engineCreate =
        bind(lookup, "dnnl_engine_create", JAVA_INT, ADDRESS, JAVA_INT, JAVA_LONG);
    streamCreate = bind(lookup, "dnnl_stream_create", JAVA_INT, ADDRESS, ADDRESS, JAVA_INT);
    descCreate =
        bind(
            lookup,
            "dnnl_memory_desc_create_with_strides",
            JAVA_INT,
            ADDRESS,
            JAVA_INT,
            ADDRESS,
            JAVA_INT,
            ADDRESS);
    descSize = bind(lookup, "dnnl_memory_desc_get_size", JAVA_LONG, ADDRESS);
    attrCreate = bind(lookup, "dnnl_primitive_attr_create", JAVA_INT, ADDRESS);
    attrScratchpad =
        bind(lookup, "dnnl_primitive_attr_set_scratchpad_mode", JAVA_INT, ADDRESS, JAVA_INT);
    matmulDesc =
        bind(
            lookup,
            "dnnl_matmul_primitive_desc_create",
            JAVA_INT,
            ADDRESS,
            ADDRESS,
            ADDRESS,
            ADDRESS,
            ADDRESS,
            ADDRESS,
            ADDRESS);
    queryDesc = bind(lookup, "dnnl_primitive_desc_query_md", ADDRESS, ADDRESS, JAVA_INT, JAVA_INT);
    primitiveCreate = bind(lookup, "dnnl_primitive_create", JAVA_INT, ADDRESS, ADDRESS);
    memoryCreate = bind(lookup, "dnnl_memory_create", JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS);
    memoryDestroy = bind(lookup, "dnnl_memory_destroy", JAVA_INT, ADDRESS);
    // the fifth argument is not the library's: see execute
    execute =
        bind(
            lookup,
            "dnnl_primitive_execute",
            JAVA_INT,
            ADDRESS,
            ADDRESS,
            JAVA_INT,
            ADDRESS,
            ADDRESS);
    getThreads = bind(lookup, "omp_get_max_threads", JAVA_INT);
    setThreads = bindVoid(lookup, "omp_set_num_threads", JAVA_INT);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment numbers = threeInts((MemorySegment) getVersion.invokeExact());
      int major = numbers.get(JAVA_INT, 0);
      version = major + "." + numbers.get(JAVA_INT, 4) + "." + numbers.get(JAVA_INT, 8);
      if (major != 3) {
        throw new UnsupportedOperationException(
            "the library is oneDNN " + version + ", which is not version 3");
      }
      instructionSet = (int) getIsa.invokeExact();
      MemorySegment out = arena.allocate(ADDRESS);
      check("dnnl_engine_create", (int) engineCreate.invokeExact(out, CPU, 0L));
      engine = out.get(ADDRESS, 0);
    } catch (Throwable t) {
      throw failure(t);
    }
  }

  /** The library's version. */
  String version() {
    return version;
  }

  /** Whether the processor multiplies bfloat16 itself, as far as the library can tell. */
  boolean mayBeFast() {
    boolean x86 = instructionSet != 0;
    return !x86 || (instructionSet & AVX512_BF16) == AVX512_BF16;
  }

  /** What the numbers of a product's source and weights are. */
  enum Numbers {
    BFLOAT16(2, 2),
    FLOAT(4, 3);

    /** Bytes of a number. */
    final int bytes;

    /** The library's name for it. */
    private final int code;

    Numbers(int bytes, int code) {
      this.bytes = bytes;
      this.code = code;
    }
  }

  /**
   * A product that can be run, by many threads at once: {@code [m][k]}, dense, times the transpose
   * of {@code [n][k]}, dense, is {@code [m][n]} float, dense.
   */
  record Matmul(
      int m,
      int n,
      MemorySegment primitive,
      MemorySegment source,
      MemorySegment weights,
      MemorySegment result,
      MemorySegment scratchpad,
      long scratchpadBytes) {}

  /** What product is meant, as {@link Matmul} says. */
  private record Product(Numbers numbers, int m, int n, int k) {}

  /**
   * A product, prepared at the first call for its sizes, which takes about half a millisecond.
   *
   * @return null where the library does not do it, or where there are too many already
   */
  @Nullable Matmul matmul(Numbers numbers, int m, int n, int k) {
    Product product = new Product(numbers, m, n, k);
    Optional<Matmul> known = prepared.get(product);
    if (known == null) {
      if (prepared.size() >= MOST_PRODUCTS) {
        return null;
      }
      known = prepared.computeIfAbsent(product, this::prepareIfPossible);
    }
    return known.orElse(null);
  }

  private Optional<Matmul> prepareIfPossible(Product product) {
    try {
      return Optional.of(prepare(product.numbers, product.m, product.n, product.k));
    } catch (UnsupportedOperationException e) {
      // this product is not for the library: others do it
      return Optional.empty();
    }
  }

  private Matmul prepare(Numbers numbers, int m, int n, int k) {
    int threads = oneThread();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(ADDRESS);
      final MemorySegment source = desc(arena, numbers.code, m, k, k, 1);
      final MemorySegment weights = desc(arena, numbers.code, k, n, 1, k);
      final MemorySegment result = desc(arena, Numbers.FLOAT.code, m, n, n, 1);
      check("dnnl_primitive_attr_create", (int) attrCreate.invokeExact(out));
      MemorySegment attr = out.get(ADDRESS, 0);
      check("attr_set_scratchpad_mode", (int) attrScratchpad.invokeExact(attr, USER_SCRATCHPAD));
      check(
          "dnnl_matmul_primitive_desc_create",
          (int)
              matmulDesc.invokeExact(
                  out, engine, source, weights, MemorySegment.NULL, result, attr));
      MemorySegment desc = out.get(ADDRESS, 0);
      check("dnnl_primitive_create", (int) primitiveCreate.invokeExact(out, desc));
      MemorySegment primitive = out.get(ADDRESS, 0);
      MemorySegment scratchpad = (MemorySegment) queryDesc.invokeExact(desc, QUERY_SCRATCHPAD, 0);
      long bytes = (long) descSize.invokeExact(scratchpad);
      return new Matmul(m, n, primitive, source, weights, result, scratchpad, bytes);
    } catch (Throwable t) {
      throw failure(t);
    } finally {
      restore(threads);
    }
  }

  private MemorySegment desc(
      Arena arena, int type, long rows, long columns, long rowStride, long columnStride)
      throws Throwable {
    MemorySegment out = arena.allocate(ADDRESS);
    MemorySegment dims = arena.allocateFrom(JAVA_LONG, rows, columns);
    MemorySegment strides = arena.allocateFrom(JAVA_LONG, rowStride, columnStride);
    check(
        "dnnl_memory_desc_create_with_strides",
        (int) descCreate.invokeExact(out, 2, dims, type, strides));
    return out.get(ADDRESS, 0);
  }

  /** Takes a runner from those at rest, or makes one; {@link #giveBack} it. */
  Runner runner() {
    Runner there = resting.poll();
    return there == null ? new Runner() : there;
  }

  /** Puts a runner to rest. There are as many as were ever in use at once. */
  void giveBack(Runner runner) {
    resting.add(runner);
  }

  /** What one thread at a time needs to run products; never freed, so {@link #runner} keeps it. */
  final class Runner {
    private final MemorySegment stream;
    private final MemorySegment out = Arena.ofAuto().allocate(ADDRESS);
    private final MemorySegment args = Arena.ofAuto().allocate(ARGS * ARG_BYTES, 8);
    private final NativeBuffer scratchpad = new NativeBuffer();
    private final NativeBuffer result = new NativeBuffer();

    private Runner() {
      try {
        check("dnnl_stream_create", (int) streamCreate.invokeExact(out, engine, IN_ORDER));
        stream = out.get(ADDRESS, 0);
      } catch (Throwable t) {
        throw failure(t);
      }
    }

    /** Runs a product; the result is good until the next. */
    MemorySegment run(Matmul matmul, MemorySegment source, MemorySegment weights) {
      int threads = oneThread();
      int there = 0;
      try {
        MemorySegment to = result.floats((long) matmul.m * matmul.n);
        MemorySegment free = scratchpad.bytes(Math.max(1, matmul.scratchpadBytes));
        there = argument(there, ARG_SRC, matmul.source, source);
        there = argument(there, ARG_WEIGHTS, matmul.weights, weights);
        there = argument(there, ARG_DST, matmul.result, to);
        there = argument(there, ARG_SCRATCHPAD, matmul.scratchpad, free);
        // The weights are passed once more, in a register that the function does not read: as long
        // as the call lasts, the arena that they come from cannot be closed.
        check(
            "dnnl_primitive_execute",
            (int) execute.invokeExact(matmul.primitive, stream, ARGS, args, weights));
        return to;
      } catch (Throwable t) {
        throw failure(t);
      } finally {
        for (int i = 0; i < there; i++) {
          destroy(args.get(ADDRESS, i * ARG_BYTES + 8));
        }
        restore(threads);
      }
    }

    private int argument(int index, int kind, MemorySegment desc, MemorySegment data)
        throws Throwable {
      check("dnnl_memory_create", (int) memoryCreate.invokeExact(out, desc, engine, data));
      args.set(JAVA_INT, index * ARG_BYTES, kind);
      args.set(ADDRESS, index * ARG_BYTES + 8, out.get(ADDRESS, 0));
      return index + 1;
    }

    private void destroy(MemorySegment memory) {
      try {
        check("dnnl_memory_destroy", (int) memoryDestroy.invokeExact(memory));
      } catch (Throwable t) {
        throw failure(t);
      }
    }
  }

  /** Bounds the calling thread's work to itself, and tells the bound that was there before. */
  private int oneThread() {
    try {
      int before = (int) getThreads.invokeExact();
      setThreads.invokeExact(1);
      return before;
    } catch (Throwable t) {
      throw failure(t);
    }
  }

  private void restore(int threads) {
    try {
      setThreads.invokeExact(threads);
    } catch (Throwable t) {
      throw failure(t);
    }
  }

  private static void check(String function, int status) {
    if (status != 0) {
      throw new UnsupportedOperationException(function + " failed with status " + status);
    }
  }

  private static RuntimeException failure(Throwable t) {
    if (t instanceof Error e) {
      throw e;
    }
    return t instanceof RuntimeException e ? e : new IllegalStateException(t);
  }

  @SuppressWarnings("restricted")
  private static MemorySegment threeInts(MemorySegment pointer) {
    return pointer.reinterpret(3 * JAVA_INT.byteSize());
  }

  private static MethodHandle bind(
      SymbolLookup lookup, String name, MemoryLayout result, MemoryLayout... arguments) {
    return link(lookup, name, FunctionDescriptor.of(result, arguments));
  }

  private static MethodHandle bindVoid(
      SymbolLookup lookup, String name, MemoryLayout... arguments) {
    return link(lookup, name, FunctionDescriptor.ofVoid(arguments));
  }

  @SuppressWarnings("restricted")
  private static MethodHandle link(SymbolLookup lookup, String name, FunctionDescriptor type) {
    MemorySegment symbol =
        lookup
            .find(name)
            .orElseThrow(
                () -> new UnsupportedOperationException("the library has no function " + name));
    return Linker.nativeLinker().downcallHandle(symbol, type);
  }
}
