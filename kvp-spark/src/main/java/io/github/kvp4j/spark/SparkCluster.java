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
package io.github.kvp4j.spark;

import io.github.kvp4j.KvpException;
import io.github.kvp4j.cluster.Cluster;
import java.io.File;
import java.io.Serializable;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaFutureAction;
import org.apache.spark.api.java.JavaSparkContext;

/**
 * Parts as tasks of Apache Spark: a part a task, tried again elsewhere as often as {@code
 * spark.task.maxFailures} says.
 *
 * <p>The machines run this JVM's class path and its options for the Vector API; both, and whatever
 * else Spark knows, can be set by system properties that begin with {@code spark.}.
 */
public final class SparkCluster implements Cluster {
  private static final String JVM_OPTIONS =
      "--add-modules jdk.incubator.vector --enable-native-access=ALL-UNNAMED"
          + " --add-exports java.base/sun.nio.ch=ALL-UNNAMED";

  private static final long POLL_MILLIS = 20;

  private final JavaSparkContext spark;

  /**
   * Connects.
   *
   * @param master Spark's: {@code spark://host:7077}, {@code local[4]}, {@code
   *     local-cluster[2,1,1024]}, …
   * @throws KvpException BAD_ARGUMENT where Spark cannot
   */
  public SparkCluster(String master) {
    SparkConf conf =
        new SparkConf()
            .setMaster(master)
            .setAppName("kvp")
            .setIfMissing("spark.ui.enabled", "false")
            .setIfMissing(
                "spark.executor.extraClassPath",
                absolute(System.getProperty("java.class.path"), Path.of("")))
            .setIfMissing("spark.executor.extraJavaOptions", JVM_OPTIONS)
            .setIfMissing("spark.driver.maxResultSize", "4g")
            // a machine may die as the last of several that had the part
            .setIfMissing("spark.task.maxFailures", "4");
    try {
      this.spark = new JavaSparkContext(conf);
    } catch (Exception e) { // Scala declares no exceptions, checked or not
      throw failed(master, e);
    }
  }

  /**
   * A class path whose entries are found from any folder, since Spark starts machines in its own.
   */
  static String absolute(String classPath, Path from) {
    return Arrays.stream(classPath.split(File.pathSeparator, -1))
        .map(entry -> from.toAbsolutePath().resolve(entry).normalize().toString())
        .collect(Collectors.joining(File.pathSeparator));
  }

  private static KvpException failed(String master, Exception e) {
    return new KvpException(
        KvpException.Kind.BAD_ARGUMENT,
        "Spark can't be reached at '" + master + "': " + reason(e) + ".",
        e);
  }

  /** The first line of what Spark says, whose others are a trace. */
  private static String reason(Exception e) {
    return String.valueOf(e.getMessage()).lines().findFirst().orElse("no message");
  }

  @Override
  public int width() {
    return Math.max(1, spark.defaultParallelism());
  }

  @Override
  public <A extends Serializable, T extends Serializable> void each(
      List<A> parts, Work<A, T> work, Consumer<T> done) {
    if (parts.isEmpty()) {
      return;
    }
    // a job a part, so that each result comes as soon as it is there
    List<JavaFutureAction<List<T>>> running = new ArrayList<>();
    for (A part : parts) {
      running.add(spark.parallelize(List.of(part), 1).map(work::of).collectAsync());
    }
    try {
      // in the order in which they end, so that one that hangs keeps none of the others back
      List<JavaFutureAction<List<T>>> open = new ArrayList<>(running);
      while (!open.isEmpty()) {
        List<JavaFutureAction<List<T>>> ended = open.stream().filter(Future::isDone).toList();
        for (JavaFutureAction<List<T>> job : ended) {
          job.get().forEach(done);
        }
        open.removeAll(ended);
        if (ended.isEmpty()) {
          Thread.sleep(POLL_MILLIS);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new KvpException(KvpException.Kind.CANCELLED, "The work on Spark was cancelled.", e);
    } catch (java.util.concurrent.ExecutionException e) {
      throw partFailed(e);
    } finally {
      running.stream().filter(job -> !job.isDone()).forEach(job -> job.cancel(true));
    }
  }

  @Override
  public <A extends Serializable, T extends Serializable> T sum(
      List<A> parts, Work<A, T> work, Sum<T> sum) {
    try {
      // a level more keeps what comes to this machine at once to a few sums
      int depth = parts.size() > 64 ? 3 : 2;
      return spark.parallelize(parts, parts.size()).map(work::of).treeReduce(sum::of, depth);
    } catch (Exception e) { // as above
      throw partFailed(e);
    }
  }

  /** What a machine said, if it was one of our own sentences; Spark hands on its text alone. */
  private static KvpException partFailed(Exception e) {
    return new KvpException(
        KvpException.Kind.UNSUPPORTED,
        "A part of the work failed on Spark as often as it was tried: " + reason(e) + ".",
        e);
  }

  @Override
  public void close() {
    spark.close();
  }
}
