/// <reference lib="esnext.disposable" preserve="true" />
import { extractFeatures } from "./audio/features.ts";
import { checkPcm, MAX_SECONDS } from "./audio/pcm.ts";
import { SenseVoiceError } from "./error.ts";
import type { ModelConfig } from "./model/sensevoice/config.ts";
import type { Recognizer } from "./model/sensevoice/recognizer.ts";
import type { Tags } from "./model/sensevoice/tags.ts";
import type { Tokenizer } from "./model/sensevoice/tokenizer.ts";
import type { ModelWeights } from "./model/sensevoice/weights.ts";
import type { Word } from "./model/sensevoice/words.ts";
import { checkSignal, type Device, expectObject, show } from "./options.ts";
import { untilAborted } from "./pause.ts";
import { checkRecognition, type RecogniseOptions, recognise } from "./speech/recognise.ts";

export interface RunOptions extends RecogniseOptions {
  /** Ends the run early; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

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
}

/** A model on a device. Runs may overlap; they are computed in the order of the calls. Close it when done. */
export class Engine {
  readonly config: ModelConfig;
  /** How the linear weights are kept: `"f16"`, `"int8"`, … */
  readonly weights: string;
  readonly #model: Recognizer;
  readonly #tokenizer: Tokenizer;
  readonly #cmvn: EngineParts["cmvn"];
  /** Resolves once the device is free for the next run. */
  #free: Promise<void> = Promise.resolve();
  #closed = false;

  /** @internal Use createEngine. */
  constructor({ model, config, tokenizer, cmvn, weights }: EngineParts) {
    this.config = config;
    this.weights = weights;
    this.#model = model;
    this.#tokenizer = tokenizer;
    this.#cmvn = cmvn;
  }

  /** What computes. */
  get device(): Exclude<Device, "auto"> {
    return this.#model.backend.name;
  }

  /** What the device calls itself: an adapter's name, say. */
  get deviceDescription(): string {
    return this.#model.backend.description;
  }

  /** Bytes of device memory held. */
  get memory(): number {
    return this.#model.backend.memory();
  }

  /**
   * Transcribes one clip.
   *
   * @param pcm mono samples at 16 kHz in [-1, 1]; `readAudio` makes them of a file. They are copied before the call
   *   returns, so the array can be used again at once
   * @throws SenseVoiceError on samples or options that are not as asked, or if the device fails
   */
  async run(pcm: Float32Array, options: RunOptions = {}): Promise<Transcript> {
    return (await this.runBatch([pcm], options))[0];
  }

  /** Transcribes several clips in one pass: the same answers as one at a time. */
  async runBatch(clips: readonly Float32Array[], options: RunOptions = {}): Promise<Transcript[]> {
    expectObject("options", options);
    checkRecognition(options, this.#tokenizer);
    checkSignal(options.signal);
    if (!Array.isArray(clips)) throw new SenseVoiceError(`[engine] clips: expected an array, got ${show(clips)}`);
    const sounds = clips.map((pcm) => this.#copyClip(pcm));
    this.#checkOpen(options.signal);
    if (sounds.length === 0) return [];
    return untilAborted(this.#transcribe(sounds, options), options.signal);
  }

  async #transcribe(clips: readonly Float32Array[], options: RunOptions): Promise<Transcript[]> {
    const { signal } = options;
    const before = this.#free;
    let release = () => {};
    this.#free = new Promise((resolve) => {
      release = resolve;
    });
    try {
      const start = performance.now();
      const features = [];
      for (const pcm of clips) {
        this.#checkOpen(signal);
        features.push(await extractFeatures(pcm, this.config.frontend, this.#cmvn));
      }
      await before;
      this.#checkOpen(signal);
      const featuresDone = performance.now();
      const parts = { model: this.#model, tokenizer: this.#tokenizer };
      const { utterances, encodeMs } = await recognise(features, parts, options, signal);
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
      before.then(release);
    }
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

  #checkOpen(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (this.#closed) throw new SenseVoiceError("[engine] the engine is closed: create a new one");
  }

  /** Gives the device back. Runs under way are rejected. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#model.backend.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
