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
package io.github.kvp4j.jlama;

import com.github.tjake.jlama.model.AbstractModel;
import com.github.tjake.jlama.safetensors.DType;
import com.github.tjake.jlama.safetensors.prompt.PromptContext;
import com.github.tjake.jlama.safetensors.prompt.PromptSupport;
import com.github.tjake.jlama.tensor.KvBufferCache;
import io.github.kvp4j.KvpException;
import io.github.kvp4j.kernel.KernelSelector;
import io.github.kvp4j.kernel.Workers;
import io.github.kvp4j.model.KvCache;
import io.github.kvp4j.model.ModelShape;
import io.github.kvp4j.model.ModelWeights;
import io.github.kvp4j.predictor.Anchors;
import io.github.kvp4j.predictor.Auxiliary;
import io.github.kvp4j.predictor.BaseFingerprint;
import io.github.kvp4j.predictor.LayerMap;
import io.github.kvp4j.predictor.PredictedPrefill;
import io.github.kvp4j.predictor.PredictorFile;
import io.github.kvp4j.prefill.Cancellation;
import io.github.kvp4j.prefill.PrefillEngine;
import io.github.kvp4j.prefix.PrefixStore;
import io.github.kvp4j.sampling.Sampler;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A loaded model that answers prompts with a predicted KV cache: the entry to this project.
 *
 * <pre>{@code
 * try (KvpModel model = KvpModel.builder(directory).build()) {
 *   System.out.println(model.generate(GenerateRequest.of(model.chatPrompt("Hello!"))).text());
 * }
 * }</pre>
 *
 * <p>Safe for use by many threads at once: prompts are read side by side, short ones that wait for
 * each other in one pass, and the steps of decoding, which run through Jlama, take turns.
 */
public final class KvpModel implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(KvpModel.class);

  /** Tokens of the prompt that warms a model up. */
  private static final int WARM_UP_TOKENS = 256;

  /** AUTO predicts with what agrees with the exact base on this share of tokens at least. */
  private static final double MIN_AGREEMENT = 0.5;

  /** Bytes of the prefix store by default, at most. */
  private static final long DEFAULT_PREFIX_STORE = 96L << 20;

  private final Path directory;
  private final AbstractModel jlama;
  private final ModelShape shape;
  private final int contextLength;
  private final KvpTokenizer tokenizer;
  private final boolean addsBos;
  private final DecodeLoop decode;
  private final JlamaBuffers buffers;
  private final @Nullable PrefillEngine engine;
  private final @Nullable PromptReader reader;
  private final @Nullable BaseFingerprint fingerprint;
  private final Siblings siblings;
  private final ReentrantReadWriteLock lifecycle = new ReentrantReadWriteLock(true);
  private final SharedPrefixes prefixes;
  private final PrefillPlanner planner;
  private volatile boolean closing;

  private KvpModel(Builder b) {
    this.directory = b.directory;
    PrefillPlanner.Defaults defaults =
        new PrefillPlanner.Defaults(b.mode, b.quality, b.minAgreement);
    this.siblings = new Siblings(b.directory);
    Workers workers = b.threads == null ? Workers.shared() : Workers.of(b.threads);
    this.jlama = JlamaLoader.load(b.directory, b.workingType, b.quantize, b.threads);
    this.shape = JlamaWeights.shape(jlama.getConfig());
    this.contextLength = contextLength(b);
    this.tokenizer = new KvpTokenizer(jlama.getTokenizer());
    this.addsBos =
        jlama.encodePrompt(PromptContext.of("a")).length > jlama.getTokenizer().encode("a").length;
    this.decode = new DecodeLoop(jlama, new ReentrantLock(true), tokenizer);
    this.buffers = new JlamaBuffers(jlama, shape);
    if (JlamaWeights.supports(jlama)) {
      ModelWeights weights = JlamaWeights.load(jlama);
      this.engine = new PrefillEngine(weights, KernelSelector.choose(workers, b.kernels));
      this.fingerprint = BaseFingerprint.of(weights, tokenizer.vocabulary());
      this.planner = planner(defaults, true, predictors(b, engine, fingerprint));
      if (b.warmUp) {
        warmUp();
      }
      JlamaKvWriter writer = new JlamaKvWriter(shape, weights.rope(), workers);
      // the last step, since whoever joins has to leave again
      this.prefixes = SharedPrefixes.join(directory, fingerprint, engine, b.prefixStoreBytes);
      this.reader = new PromptReader(engine, writer, prefixes.store(), workers);
    } else {
      LOG.info(
          "Models of type {} are read by Jlama's own prefill; LLAMA, MISTRAL and QWEN2 are read by"
              + " KVP4J's.",
          jlama.getModelType());
      this.engine = null;
      this.reader = null;
      this.prefixes = SharedPrefixes.alone(new PrefixStore(shape, b.prefixStoreBytes));
      this.fingerprint = null;
      this.planner = planner(defaults, false, Map.of());
      if (b.predictor != null) {
        throw new KvpException(
            KvpException.Kind.UNSUPPORTED,
            "A predictor was given, but models of type "
                + jlama.getModelType()
                + " can't be predicted; LLAMA, MISTRAL and QWEN2 can.");
      }
    }
  }

  private int contextLength(Builder b) {
    int models = shape.contextLength();
    if (b.contextLength == null) {
      return models;
    }
    if (b.contextLength < 2 || b.contextLength > models) {
      throw new KvpException(
          KvpException.Kind.BAD_ARGUMENT,
          "The context length is "
              + b.contextLength
              + "; it must be between 2 and the model's own, "
              + models
              + ".");
    }
    return b.contextLength;
  }

  /**
   * Reads a made-up prompt through the engine and the predictors, so that the first real one finds
   * compiled code: a fresh JVM's first prefill is several times slower than a later one.
   */
  private void warmUp() {
    PrefillEngine base = engine;
    if (base == null) {
      return;
    }
    int[] tokens = new int[Math.min(WARM_UP_TOKENS, usablePositions() - 1)];
    for (int i = 0; i < tokens.length; i++) {
      tokens[i] = i * 31 % shape.vocabulary();
    }
    KvCache cache = KvCache.rolling(shape, tokens.length);
    for (int round = 0; round < 2; round++) {
      base.logits(base.prefill(tokens, 0, cache, Cancellation.NEVER));
    }
    for (PredictedPrefill prediction : planner.predictions()) {
      int[] read = Arrays.copyOf(tokens, Math.min(tokens.length, prediction.longestPrompt()));
      prediction.prefill(read, 0, Anchors.DEFAULT, cache, Cancellation.NEVER);
    }
  }

  private PrefillPlanner planner(
      PrefillPlanner.Defaults defaults,
      boolean reads,
      Map<Quality, PrefillPlanner.Joined> predictors) {
    return new PrefillPlanner(
        directory, jlama.getModelType().toString(), shape, reads, defaults, predictors);
  }

  private Map<Quality, PrefillPlanner.Joined> predictors(
      Builder b, PrefillEngine base, BaseFingerprint mark) {
    Map<Quality, PrefillPlanner.Joined> found = new EnumMap<>(Quality.class);
    if (!b.predict) {
      return found;
    }
    if (b.predictor != null) {
      // the user's own serves whatever quality a request asks for
      PredictorFile file = Predictors.fromFile(b.predictor, mark, siblings);
      PrefillPlanner.Joined own = new PrefillPlanner.Joined(file, base);
      for (Quality quality : Quality.values()) {
        found.put(quality, own);
      }
      return found;
    }
    for (Quality quality : Quality.values()) {
      Predictors.find(directory, mark, quality, siblings)
          .ifPresent(file -> found.put(quality, new PrefillPlanner.Joined(file, base)));
    }
    return found;
  }

  /**
   * Starts loading a model.
   *
   * @param directory a model folder that Jlama loads: config.json, safetensors, tokenizer.json
   */
  public static Builder builder(Path directory) {
    return new Builder(directory);
  }

  /** The folder that the model was loaded from. */
  public Path directory() {
    return directory;
  }

  /** The model's sizes. */
  public ModelShape shape() {
    return shape;
  }

  /** The tokenizer. */
  public KvpTokenizer tokenizer() {
    return tokenizer;
  }

  /** The prefill engine; empty for architectures that only Jlama's own prefill reads. */
  public Optional<PrefillEngine> engine() {
    return Optional.ofNullable(engine);
  }

  /** What predictors for this model are marked with; empty where there is no engine. */
  public Optional<BaseFingerprint> fingerprint() {
    return Optional.ofNullable(fingerprint);
  }

  /** The predictor that is used for a quality, if there is one. */
  public Optional<PredictorFile> predictor(Quality quality) {
    return planner.predictor(quality);
  }

  /**
   * Reads a predictor file for this model; a sibling that it names is closed with this model.
   *
   * @throws KvpException FILE_ACCESS or MALFORMED_FILE, PREDICTOR_MISMATCH if it is for another
   *     model, UNSUPPORTED where there is no engine
   */
  public PredictorFile readPredictor(Path file) {
    return Predictors.fromFile(file, requiredFingerprint(), siblings);
  }

  /** The predictor beside this model, or one that is bundled, whether it is in use or not. */
  public Optional<PredictorFile> findPredictor(Quality quality) {
    return Predictors.find(directory, requiredFingerprint(), quality, siblings);
  }

  /**
   * Opens another model as an auxiliary of this one; it is closed with this model.
   *
   * @param folder of a model with this one's tokenizer
   * @return the sibling, read by the paper's layer map
   * @throws KvpException PREDICTOR_MISMATCH if the tokenizers differ
   */
  public Auxiliary.Sibling sibling(Path folder) {
    Auxiliary.Sibling opened = siblings.open(folder);
    return opened.withMap(LayerMap.paper(opened.model().shape().layers(), shape.layers()));
  }

  private BaseFingerprint requiredFingerprint() {
    return fingerprint()
        .orElseThrow(() ->
            new KvpException(
                KvpException.Kind.UNSUPPORTED,
                "Models of type "
                    + jlama.getModelType()
                    + " can't be predicted; LLAMA, MISTRAL and QWEN2 can."));
  }

  /** Jlama's own model, for what this project does not cover; not safe for several threads. */
  public AbstractModel jlama() {
    return jlama;
  }

  /** The most positions of prompt and answer together. */
  public int usablePositions() {
    // Jlama shifts RoPE in every model that has it, whoever reads the prompt
    int most =
        jlama.getConfig().ropeFreqs.isEmpty()
            ? shape.contextLength()
            : Math.max(1, JlamaKvWriter.usablePositions(shape));
    return Math.min(most, contextLength);
  }

  /** Jlama's builder for prompts from messages, by the model's chat template. */
  public PromptSupport promptSupport() {
    return jlama
        .promptSupport()
        .orElseThrow(() ->
            new KvpException(
                KvpException.Kind.UNSUPPORTED,
                "The model in '" + directory + "' has no chat template; give a plain prompt."));
  }

  /** One user message as a prompt, by the model's chat template. */
  public String chatPrompt(String userMessage) {
    return chatPrompt(List.of(new ChatMessage(ChatMessage.Role.USER, userMessage)));
  }

  /**
   * A conversation as a prompt, by the model's chat template, with the begin of the answer. Calls
   * of tools are left out; {@code io.github.kvp4j.tools.ToolPrompt} has them. A special token that
   * a message spells out is text there ({@link KvpTokenizer#literal}).
   *
   * @throws KvpException UNSUPPORTED if there is no template, if it does not take such a
   *     conversation, or if it leaves a message out, as some do with system messages
   */
  public String chatPrompt(List<ChatMessage> conversation) {
    return ChatPrompts.render(promptSupport(), tokenizer, conversation);
  }

  /** The tokens of a prompt, as {@link #generate} reads it: begin-of-sequence token included. */
  public int[] encodePrompt(String prompt) {
    int[] tokens = tokenizer.encode(prompt);
    int bos = jlama.getConfig().bosToken;
    if (!addsBos || (tokens.length > 0 && tokens[0] == bos)) {
      return tokens;
    }
    int[] out = new int[tokens.length + 1];
    out[0] = bos;
    System.arraycopy(tokens, 0, out, 1, tokens.length);
    return out;
  }

  /** Answers a prompt. */
  public GenerateResult generate(GenerateRequest request) {
    return generate(request, part -> {});
  }

  /**
   * Answers a prompt, handing out text as it comes.
   *
   * @param request the prompt and how to answer
   * @param onText called on this thread with whole characters, never with an empty text
   * @throws KvpException for whatever the request, a file or the machine causes
   */
  public GenerateResult generate(GenerateRequest request, Consumer<String> onText) {
    long start = System.nanoTime();
    if (!lifecycle.readLock().tryLock()) {
      throw closed();
    }
    try {
      if (closing) {
        throw closed();
      }
      return answer(request, onText, start);
    } catch (OutOfMemoryError e) {
      throw new KvpException(
          KvpException.Kind.OUT_OF_MEMORY,
          "The memory of "
              + Runtime.getRuntime().maxMemory() / (1 << 20)
              + " MB is not enough for this request; start Java with a larger -Xmx.",
          e);
    } finally {
      lifecycle.readLock().unlock();
      if (closing) {
        close(); // a listener may have asked for it, and could not wait for its own request
      }
    }
  }

  private GenerateResult answer(GenerateRequest request, Consumer<String> onText, long start) {
    Cancellation cancellation = () -> closing || request.cancellation().isCancelled();
    int[] tokens = promptTokens(request.prompt());
    int limit = Math.min(request.maxNewTokens(), usablePositions() - tokens.length);
    // who gives a seed wants the same answer each time, to the last bit of what it is drawn from
    boolean reuses =
        request.reusesPrefix() && (request.seed() == null || request.temperature() == 0);
    // the last token has to run, so that there is something to answer from
    PrefixStore.Prefix prefix = prefixes.store().find(tokens, reuses ? tokens.length - 1 : 0);
    PrefillPlan plan = planner.choose(request, tokens.length, prefix.length());
    Sampler sampler =
        new Sampler(request.temperature(), request.topK(), request.topP(), request.seed());
    AnswerText text = new AnswerText(request.stopStrings(), onText);
    try (KvBufferCache.KvBuffer buffer =
        plan.mode() == KvpMode.OFF ? buffers.asJlamaDoes() : buffers.open()) {
      PromptReader.Read read =
          plan.mode() == KvpMode.OFF
              ? new PromptReader.Read(
                  decode.prefill(tokens, buffer, cancellation), 0, tokens.length, null)
              : Objects.requireNonNull(reader)
                  .read(tokens, plan, request, prefix, reuses, limit, buffer, cancellation);
      Refiner refiner = read.refiner();
      DecodeLoop.Outcome outcome =
          decode.run(
              read.logits(),
              tokens.length,
              limit,
              buffer,
              sampler,
              text,
              refiner == null ? given -> {} : refiner::between,
              cancellation);
      long end = System.nanoTime();
      if (refiner != null) {
        refiner.keep();
      }
      return new GenerateResult(
          outcome.text(),
          outcome.tokens(),
          outcome.reason(),
          tokens.length,
          read.reused(),
          tokens.length - read.exact(),
          read.exact() - read.reused(),
          plan.mode(),
          plan.reason(),
          outcome.firstTokenNanos() - start,
          end - start,
          refiner == null ? null : refiner.report(outcome.tokens().size(), end));
    }
  }

  private int[] promptTokens(String prompt) {
    int limit = usablePositions() - 1;
    // a text far beyond the context is refused before the work of tokenizing it
    if (tokenizer.atLeastTokens(prompt.length()) > limit) {
      throw new KvpException(
          KvpException.Kind.PROMPT,
          "The prompt has "
              + prompt.length()
              + " characters, more than "
              + tokenizer.atLeastTokens(prompt.length())
              + " tokens; the limit is "
              + limit
              + ".");
    }
    if (prompt.isEmpty()) {
      throw new KvpException(
          KvpException.Kind.PROMPT, "The prompt is empty; at least one character is needed.");
    }
    int[] tokens = encodePrompt(prompt);
    if (tokens.length > limit) {
      throw new KvpException(
          KvpException.Kind.PROMPT,
          "The prompt has "
              + tokens.length
              + " tokens; the limit is "
              + limit
              + ", the model's context less one for the answer.");
    }
    return tokens;
  }

  private KvpException closed() {
    return new KvpException(
        KvpException.Kind.CLOSED, "The model from '" + directory + "' was closed.");
  }

  /**
   * Cancels what is running, waits for it to stop, and releases the model; idempotent. Called by
   * the listener of a request, it does not wait: that request is cancelled, and its end releases
   * the model.
   */
  @Override
  public void close() {
    closing = true;
    if (lifecycle.getReadHoldCount() > 0) {
      return;
    }
    lifecycle.writeLock().lock();
    try {
      prefixes.close();
      buffers.close();
      siblings.close();
      jlama.close();
    } finally {
      lifecycle.writeLock().unlock();
    }
  }

  /** Collects what a model is loaded with. */
  public static final class Builder {
    private final Path directory;
    private KvpMode mode = KvpMode.AUTO;
    private Quality quality = Quality.FAITHFUL;
    private double minAgreement = MIN_AGREEMENT;
    private @Nullable Path predictor;
    private boolean predict = true;
    private boolean warmUp = true;
    private DType workingType = DType.I8;
    private boolean quantize;
    private @Nullable String kernels;
    private @Nullable Integer threads;
    private @Nullable Integer contextLength;
    private long prefixStoreBytes =
        Math.min(DEFAULT_PREFIX_STORE, Runtime.getRuntime().maxMemory() / 16);

    private Builder(Path directory) {
      this.directory = directory;
    }

    /** How prompts are read where a request says nothing; {@link KvpMode#AUTO} by default. */
    public Builder mode(KvpMode value) {
      this.mode = value;
      return this;
    }

    /** Which bundled predictor to use; {@link Quality#FAITHFUL} by default. */
    public Builder quality(Quality value) {
      this.quality = value;
      return this;
    }

    /**
     * The least measured quality that {@link KvpMode#AUTO} predicts with; below it prompts are read
     * exactly, and the answer's reason of mode says so. A predictor whose file has no figures is
     * below any. PREDICT, asked for by name, predicts with whatever there is.
     *
     * @param value share of tokens on which the predictor agreed with the exact base when it was
     *     measured, on running text or on copied spans, whichever was worse; 0 to 1, 0.5 by
     *     default; 0 asks for nothing
     */
    public Builder minAgreement(double value) {
      this.minAgreement = value;
      return this;
    }

    /** A predictor file; null = the one beside the model or a bundled one. */
    public Builder predictor(@Nullable Path file) {
      this.predictor = file;
      return this;
    }

    /** What Jlama rounds activations to while decoding; {@link DType#I8} by default. */
    public Builder workingQuantizedType(DType value) {
      this.workingType = value;
      return this;
    }

    /**
     * Whether Jlama decodes with weights that it rounds to four bits while loading; prompts are
     * read with the weights as they are in the file.
     */
    public Builder quantizeModelAtRuntime(boolean value) {
      this.quantize = value;
      return this;
    }

    /** Whether loading ends with a prefill that warms the JVM up; true by default. */
    public Builder warmUp(boolean value) {
      this.warmUp = value;
      return this;
    }

    /**
     * How much of the exact keys and values of prompts is kept on the heap, for prompts that begin
     * alike: a system prompt, a document, a running chat. Models on the same weights share what is
     * kept, bounded by the largest of their bounds; one with 0 takes no part.
     *
     * @param value bytes; 0 keeps nothing; by default 96 MiB, and a sixteenth of the heap at most
     */
    public Builder prefixStoreBytes(long value) {
      this.prefixStoreBytes = value;
      return this;
    }

    /**
     * How many threads compute; for decoding, which is Jlama's, the first model of the process to
     * say so decides.
     *
     * @param value 1 to 1024; null, the default, for what the system property {@code kvp.threads}
     *     says, or else one for each core, and for decoding Jlama's own choice
     */
    public Builder threads(@Nullable Integer value) {
      this.threads = value;
      return this;
    }

    /**
     * The most positions of prompt and answer together, for a smaller bound than the model's own.
     *
     * @param value 2 to the model's; null, the default, for the model's
     */
    public Builder contextLength(@Nullable Integer value) {
      this.contextLength = value;
      return this;
    }

    /**
     * Which kernels the prefill engine computes with.
     *
     * @param name {@code auto}, {@code vector}, {@code onednn} or {@code scalar}; null, the
     *     default, for what the system property {@code kvp.kernels} says, or else {@code auto}: the
     *     fastest that prove right on this machine
     */
    public Builder kernels(@Nullable String name) {
      this.kernels = name;
      return this;
    }

    /** Loads no predictor at all. */
    public Builder withoutPredictor() {
      this.predict = false;
      return this;
    }

    /** Loads the model. */
    public KvpModel build() {
      return new KvpModel(this);
    }
  }

  /** The anchors that a request uses where it says nothing. */
  public static Anchors defaultAnchors() {
    return Anchors.DEFAULT;
  }
}
