/// <reference lib="esnext.disposable" preserve="true" />
import { extractFeatures } from "./audio/features.ts";
import { checkPcm, MAX_SECONDS } from "./audio/pcm.ts";
import type { SoundSource } from "./audio/pieces.ts";
import { SenseVoiceError } from "./error.ts";
import type { VadModel } from "./model/fsmnVad/network.ts";
import type { ModelConfig } from "./model/sensevoice/config.ts";
import { PROMPT_ROWS, type Prompt } from "./model/sensevoice/prompt.ts";
import type { Recognizer } from "./model/sensevoice/recognizer.ts";
import type { Tags } from "./model/sensevoice/tags.ts";
import type { Tokenizer } from "./model/sensevoice/tokenizer.ts";
import type { TokenLogProb } from "./model/sensevoice/tokenLogProbs.ts";
import type { ModelWeights } from "./model/sensevoice/weights.ts";
import type { Word } from "./model/sensevoice/words.ts";
import { checkNumber, checkSignal, type Device, expectObject, show, type Vad } from "./options.ts";
import { untilAborted } from "./pause.ts";
import { checkVoice, createActivity } from "./speech/activity.ts";
import { createCutter } from "./speech/cut.ts";
import { detectSpeech } from "./speech/detect.ts";
import { listen, SpeechStream } from "./speech/live.ts";
import { createMerger, createSplitter, type Span } from "./speech/merge.ts";
import type { DetectOptions, LiveOptions, RunOptions, TranscribeOptions } from "./speech/options.ts";
import { checkRecognition, recognise } from "./speech/recognise.ts";
import type { Segment } from "./speech/segment.ts";
import { type Hear, transcribe } from "./speech/transcribe.ts";
import type { VoiceActivity } from "./speech/voiceActivity.ts";

/** A sound, or where it is: a path or a `file:` URL in Node, an address in a browser. */
export type SoundInput = SoundSource | string | URL;

/** Milliseconds of wall time. */
export interface Timings {
  /** Sound to features. */
  readonly features: number;
  /** Encoder and CTC head. */
  readonly encode: number;
  /** Tokens to text, and word times. */
  readonly decode: number;
  readonly total: number;
}

export interface Transcript extends Tags {
  /** For people: tags taken out or turned into emoji, as FunASR's rich_transcription_postprocess does. */
  readonly text: string;
  /** What the model said, tags and all. */
  readonly raw: string;
  /** Token ids, repeats and blanks collapsed. */
  readonly tokens: readonly number[];
  /** null unless `timestamps` was asked for. */
  readonly words: readonly Word[] | null;
  /** Geometric mean of the probabilities of the text's tokens, in [0, 1]; 1 if nothing was said. */
  readonly confidence: number;
  /** The tokens of the text one by one, only if `logProbs` was asked for. */
  readonly logProbs?: readonly TokenLogProb[];
  /** Seconds of sound. */
  readonly duration: number;
  /** Of the whole batch, where there was one. */
  readonly timings: Timings;
}

/** A model on a device, and what is needed around it. */
export interface EngineParts {
  readonly model: Recognizer;
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  readonly cmvn: ModelWeights<unknown, unknown>["cmvn"];
  /** How the linear weights are kept: `"f16"`, `"int8"`, … */
  readonly weights: string;
  /** Makes mono samples at 16 kHz of whatever stands for sound where the engine runs. */
  readonly readSound: (source: SoundInput) => AsyncGenerator<Float32Array>;
  /** FSMN-VAD, if the model brings it or was given one. */
  readonly vad?: VadModel;
}

/** A model on a device. Runs may overlap; they are computed in the order of the calls. Close it when done. */
export class Engine {
  readonly config: ModelConfig;
  /** How the linear weights are kept: `"f16"`, `"int8"`, … */
  readonly weights: string;
  readonly #parts: EngineParts;
  /** Resolves once the device is free for the next run. */
  #free: Promise<void> = Promise.resolve();
  #closed = false;

  /** @internal Use createEngine. */
  constructor(parts: EngineParts) {
    this.config = parts.config;
    this.weights = parts.weights;
    this.#parts = parts;
  }

  /** What computes. */
  get device(): Exclude<Device, "auto"> {
    return this.#parts.model.backend.name;
  }

  /** What the device calls itself: an adapter's name, say. */
  get deviceDescription(): string {
    return this.#parts.model.backend.description;
  }

  /** Bytes of device memory held. */
  get memory(): number {
    return this.#parts.model.backend.memory();
  }

  /**
   * Transcribes one clip.
   *
   * @param pcm mono samples at 16 kHz in [-1, 1]; `readAudio` makes them of a file. They are copied before the call
   *   returns, so the array can be used again at once
   * @throws SenseVoiceError on samples or options that are not as asked, or if the device fails
   */
  async run(pcm: Float32Array, options: RunOptions = {}): Promise<Transcript> {
    this.#checkRun(options);
    return (await untilAborted(this.#transcribe([this.#copyClip(pcm)], options), options.signal))[0];
  }

  /** Transcribes several clips in one pass: the same answers as one at a time. */
  async runBatch(clips: readonly Float32Array[], options: RunOptions = {}): Promise<Transcript[]> {
    this.#checkRun(options);
    if (!Array.isArray(clips)) throw new SenseVoiceError(`[engine] clips: expected an array, got ${show(clips)}`);
    const sounds = clips.map((pcm) => this.#copyClip(pcm));
    if (sounds.length === 0) return [];
    return untilAborted(this.#transcribe(sounds, options), options.signal);
  }

  async #transcribe(clips: readonly Float32Array[], options: RunOptions): Promise<Transcript[]> {
    const { signal } = options;
    const { free, leave } = this.#queue();
    try {
      const start = performance.now();
      const features = await this.#features(clips, signal);
      await free;
      this.#checkOpen(signal);
      const featuresDone = performance.now();
      const { utterances, encodeMs } = await recognise(features, this.#parts, options, signal);
      this.#checkOpen(signal);
      const end = performance.now();
      const timings = {
        features: featuresDone - start,
        encode: encodeMs,
        decode: end - featuresDone - encodeMs,
        total: end - start,
      };
      const duration = (i: number) => clips[i].length / this.config.frontend.sampleRate;
      return utterances.map((utterance, i) => ({ ...utterance, duration: duration(i), timings }));
    } finally {
      leave();
    }
  }

  /** A place in the queue for the device: wait until it is free, leave it for the next in any case. */
  #queue(): { free: Promise<void>; leave: () => void } {
    const free = this.#free;
    let next = () => {};
    this.#free = new Promise((resolve) => {
      next = resolve;
    });
    return { free, leave: () => void free.then(next) };
  }

  async #features(clips: readonly Float32Array[], signal?: AbortSignal): Promise<Prompt["features"][]> {
    const features = [];
    for (const pcm of clips) {
      this.#checkOpen(signal);
      features.push(await extractFeatures(pcm, this.config.frontend, this.#parts.cmvn));
    }
    return features;
  }

  /** The best token of each row of a sound, blanks included. */
  async #bestTokens(pcm: Float32Array, signal?: AbortSignal): Promise<Float32Array> {
    const { free, leave } = this.#queue();
    try {
      const [features] = await this.#features([pcm], signal);
      await free;
      this.#checkOpen(signal);
      const prompt = { language: "auto", itn: false, features } as const;
      const { clips, release } = await this.#parts.model.recognize([prompt], { signal });
      release();
      return clips[0].ids.subarray(PROMPT_ROWS);
    } finally {
      leave();
    }
  }

  /**
   * Transcribes a recording of any length: finds speech, cuts, recognises, all at once as the sound comes in. Memory
   * does not grow with the recording.
   *
   * @param source a path (an address in a browser), the bytes of a sound file, a Blob, samples (mono, 16 kHz), or a
   *   stream of bytes or of samples
   * @returns the segments in order; to stop early, leave the loop
   * @throws SenseVoiceError on a sound or options that are not as asked, or if the device fails; what was heard before
   *   comes first
   */
  transcribe(source: SoundInput, options: TranscribeOptions = {}): AsyncGenerator<Segment> {
    expectObject("options", options);
    const { mergeSeconds = 15, maxSegmentSeconds = 30, batchSeconds = 60, onProgress, ...run } = options;
    checkNumber("mergeSeconds", mergeSeconds, 0, MAX_SECONDS);
    checkNumber("batchSeconds", batchSeconds, 0, MAX_SECONDS);
    this.#checkRun(run);
    const activity = this.#createActivity({ ...options, maxSegmentSeconds }, "model");
    const merger = mergeSeconds > 0 ? createMerger(mergeSeconds * 1000) : createSplitter();
    const cutter = createCutter(activity, merger, maxSegmentSeconds * 1000);
    const hear: Hear = (clips) => this.runBatch(clips, run);
    const pipeline = { batchMs: batchSeconds * 1000, signal: run.signal, onProgress };
    return transcribe(this.#parts.readSound(source), cutter, hear, pipeline);
  }

  /**
   * Transcribes live sound: `write` samples as they come, read results by `for await`. Partial results of what is
   * being said come again and again, then the final one; the final ones are those of `transcribe` with
   * `mergeSeconds: 0`.
   *
   * @throws SenseVoiceError on options that are not as asked
   */
  stream(options: LiveOptions = {}): SpeechStream {
    expectObject("options", options);
    const { maxSegmentSeconds = 30, partialSeconds = 0.4, ...run } = options;
    checkNumber("partialSeconds", partialSeconds, 0, MAX_SECONDS);
    this.#checkRun(run);
    const activity = this.#createActivity({ ...options, maxSegmentSeconds }, "energy", true);
    const cutter = createCutter(activity, createSplitter(), maxSegmentSeconds * 1000);
    const hear: Hear = (clips) => this.runBatch(clips, run);
    return new SpeechStream((sound, onHeard) => {
      return listen(sound, cutter, hear, { partialMs: partialSeconds * 1000, signal: run.signal, onHeard });
    });
  }

  /**
   * Finds out where somebody speaks in a recording of any length.
   *
   * @returns from when to when, in milliseconds from its start
   * @throws SenseVoiceError on a sound or options that are not as asked, or if the device fails
   */
  detectSpeech(source: SoundInput, options: DetectOptions = {}): AsyncGenerator<Span> {
    expectObject("options", options);
    const { maxSegmentSeconds = 60, signal } = options;
    this.#checkRun({ signal });
    const activity = this.#createActivity({ ...options, maxSegmentSeconds }, "model");
    return detectSpeech(this.#parts.readSound(source), activity, signal);
  }

  /** @param otherwise how speech is found unless the options or the model say */
  #createActivity(
    options: DetectOptions & { readonly maxSegmentSeconds: number },
    otherwise: Vad,
    live = false,
  ): VoiceActivity {
    checkVoice(options);
    const model = this.#parts.vad;
    const bestTokens = (pcm: Float32Array) => this.#bestTokens(pcm, options.signal);
    const maxSegmentMs = Math.round(options.maxSegmentSeconds * 1000);
    return createActivity(options.vad ?? (model ? "fsmn" : otherwise), {
      ...options,
      model,
      bestTokens,
      maxSegmentMs,
      live,
    });
  }

  #copyClip(pcm: Float32Array): Float32Array {
    checkPcm(pcm);
    const seconds = pcm.length / this.config.frontend.sampleRate;
    if (seconds > MAX_SECONDS) {
      throw new SenseVoiceError(
        `[engine] sound: expected at most ${MAX_SECONDS} seconds, got ${Math.ceil(seconds * 1000) / 1000}: cut it first`,
      );
    }
    return new Float32Array(pcm); // of this realm
  }

  #checkRun(options: RunOptions): void {
    expectObject("options", options);
    checkRecognition(options, this.#parts.tokenizer);
    checkSignal(options.signal);
    this.#checkOpen(options.signal);
  }

  #checkOpen(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (this.#closed) throw new SenseVoiceError("[engine] the engine is closed: create a new one");
  }

  /** Gives the device back. Runs under way are rejected. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#parts.model.backend.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
