/// <reference lib="esnext.disposable" preserve="true" />
import { extractFeatures } from "./audio/features.ts";
import { copyClip, MAX_SECONDS } from "./audio/pcm.ts";
import type { SoundInput } from "./audio/pieces.ts";
import { SenseVoiceError } from "./error.ts";
import type { SpeakerModel } from "./model/campplus/network.ts";
import type { VadModel } from "./model/fsmnVad/network.ts";
import type { ModelConfig } from "./model/sensevoice/config.ts";
import { PROMPT_ROWS, type Prompt } from "./model/sensevoice/prompt.ts";
import type { Recognizer } from "./model/sensevoice/recognizer.ts";
import type { Tokenizer } from "./model/sensevoice/tokenizer.ts";
import type { ModelWeights } from "./model/sensevoice/weights.ts";
import { checkNumber, checkSignal, type Device, expectObject, show, type Vad } from "./options.ts";
import { untilAborted } from "./pause.ts";
import { checkVoice, createActivity } from "./speech/activity.ts";
import { hearInBatches } from "./speech/batches.ts";
import { type Clip, createCutter } from "./speech/cut.ts";
import { detectSpeech } from "./speech/detect.ts";
import { type LiveSpeakers, listen, SpeechStream } from "./speech/live.ts";
import { createMerger, createSplitter, type Span } from "./speech/merge.ts";
import {
  BATCH_SECONDS,
  type BatchOptions,
  type DetectOptions,
  type LiveOptions,
  type RunOptions,
  type TranscribeOptions,
} from "./speech/options.ts";
import { checkRecognition, recognise } from "./speech/recognise.ts";
import { RunQueue } from "./speech/runQueue.ts";
import type { Segment } from "./speech/segment.ts";
import { checkLiveSpeakers, checkSpeakers, type SpokenTurn } from "./speech/speakerOptions.ts";
import { cut, type Hear, type PipelineOptions, transcribe } from "./speech/transcribe.ts";
import type { Transcript } from "./speech/transcript.ts";
import type { VoiceActivity } from "./speech/voiceActivity.ts";

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
  /** Loads CAM++, once; with `exact` in f32 whatever the recogniser's weights are. Rejects with a SenseVoiceError if there is none. */
  readonly loadSpeakers: (exact?: boolean) => Promise<SpeakerModel>;
}

/** A model on a device. Runs may overlap; they are computed in the order of the calls. Close it when done. */
export class Engine {
  readonly config: ModelConfig;
  /** How the linear weights are kept: `"f16"`, `"int8"`, … */
  readonly weights: string;
  readonly #parts: EngineParts;
  readonly #queue = new RunQueue();
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
    return (
      await untilAborted(this.#transcribe([copyClip(pcm, this.config.frontend.sampleRate)], options), options.signal)
    )[0];
  }

  /**
   * Transcribes any number of clips: the answers of one at a time, in the same order. Those of similar length are heard in
   * one pass; while it is computed, the next one is made ready.
   */
  async runBatch(clips: readonly Float32Array[], options: BatchOptions = {}): Promise<Transcript[]> {
    this.#checkRun(options);
    const { batchSeconds = BATCH_SECONDS, ...run } = options;
    checkNumber("batchSeconds", batchSeconds, 0, MAX_SECONDS);
    if (!Array.isArray(clips)) throw new SenseVoiceError(`[engine] clips: expected an array, got ${show(clips)}`);
    const sounds = clips.map((pcm) => copyClip(pcm, this.config.frontend.sampleRate));
    const hear = (batch: readonly Float32Array[]) => this.#transcribe(batch, run);
    const most = batchSeconds * this.config.frontend.sampleRate;
    return untilAborted(hearInBatches(sounds, most, hear, run.signal), run.signal);
  }

  async #transcribe(clips: readonly Float32Array[], options: RunOptions): Promise<Transcript[]> {
    const start = performance.now();
    return this.#onDevice(clips, options.signal, async (features, onRecorded) => {
      const featuresDone = performance.now();
      const { utterances, encodeMs } = await recognise(features, this.#parts, { ...options, onRecorded });
      this.#checkOpen(options.signal);
      const end = performance.now();
      const timings = {
        features: featuresDone - start,
        encode: encodeMs,
        decode: end - featuresDone - encodeMs,
        total: end - start,
      };
      const duration = (i: number) => clips[i].length / this.config.frontend.sampleRate;
      return utterances.map((utterance, i) => ({ ...utterance, duration: duration(i), timings }));
    });
  }

  /** Features of the clips, then what the device makes of them, in the order of the calls. */
  async #onDevice<R>(
    clips: readonly Float32Array[],
    signal: AbortSignal | undefined,
    use: (features: Prompt["features"][], onRecorded: () => void) => Promise<R>,
  ): Promise<R> {
    const prepare = async () => {
      const features = [];
      for (const pcm of clips) {
        this.#checkOpen(signal);
        features.push(await extractFeatures(pcm, this.config.frontend, this.#parts.cmvn));
      }
      return features;
    };
    return this.#queue.run(prepare, async (features, onRecorded) => {
      this.#checkOpen(signal);
      return use(features, onRecorded);
    });
  }

  /** The best token of each row of a sound, blanks included. */
  #bestTokens(pcm: Float32Array, signal?: AbortSignal): Promise<Float32Array> {
    return this.#onDevice([pcm], signal, async ([features], onRecorded) => {
      const prompt = { language: "auto", itn: false, features } as const;
      const { clips, release } = await this.#parts.model.recognize([prompt], { signal, onRecorded });
      release();
      return clips[0].ids.subarray(PROMPT_ROWS);
    });
  }

  /**
   * Transcribes a recording of any length: finds speech, cuts, recognises, all at once as the sound comes in. Memory
   * does not grow with the recording.
   *
   * @param source a path (an address in a browser), the bytes of a sound file, a Blob, samples (mono, 16 kHz), or a
   *   stream of bytes or of samples
   * @returns the segments in order; to stop early, leave the loop. Its return value is who speaks when, with `speakers`
   * @throws SenseVoiceError on a sound or options that are not as asked, or if the device fails; what was heard before
   *   comes first
   */
  transcribe(source: SoundInput, options: TranscribeOptions = {}): AsyncGenerator<Segment, SpokenTurn[] | undefined> {
    expectObject("options", options);
    const { mergeSeconds = 15, maxSegmentSeconds = 30, batchSeconds = BATCH_SECONDS, onProgress, ...run } = options;
    checkNumber("mergeSeconds", mergeSeconds, 0, MAX_SECONDS);
    checkNumber("batchSeconds", batchSeconds, 0, MAX_SECONDS);
    checkSpeakers(options);
    this.#checkRun(run);
    const activity = this.#createActivity({ ...options, maxSegmentSeconds }, "model");
    const merger = mergeSeconds > 0 ? createMerger(mergeSeconds * 1000) : createSplitter();
    const cutter = createCutter(activity, merger, maxSegmentSeconds * 1000);
    const pipeline = { batchMs: batchSeconds * 1000, signal: run.signal, onProgress };
    const begin = (timestamps?: boolean, onClip?: PipelineOptions["onClip"]) => {
      const hear: Hear = (clips) => this.runBatch(clips, { ...run, timestamps, batchSeconds });
      return transcribe(this.#parts.readSound(source), cutter, hear, { ...pipeline, onClip });
    };
    return options.speakers ? this.#withSpeakers((onClip) => begin(true, onClip), options) : begin(run.timestamps);
  }

  async *#withSpeakers(
    begin: (onClip: (clip: Clip) => Promise<void>) => AsyncGenerator<Segment>,
    options: TranscribeOptions,
  ): AsyncGenerator<Segment, SpokenTurn[]> {
    const model = await untilAborted(this.#parts.loadSpeakers(options.speakerMode === "funasr"), options.signal);
    const { withSpeakers } = await import("./speakers/recording.ts");
    return yield* withSpeakers(model, begin, options);
  }

  /**
   * The embedding of the one voice in a sound of any length, by which `transcribe` knows it again: see KnownPerson.
   *
   * @returns [192] of length 1
   * @throws SenseVoiceError as `transcribe` does, and if nobody speaks
   */
  async embedVoice(source: SoundInput, options: DetectOptions = {}): Promise<Float32Array> {
    expectObject("options", options);
    const { maxSegmentSeconds = 60, signal } = options;
    this.#checkRun({ signal });
    const activity = this.#createActivity({ ...options, maxSegmentSeconds }, "model");
    const model = await untilAborted(this.#parts.loadSpeakers(), signal);
    const { voiceOf } = await import("./speakers/voice.ts");
    const cutter = createCutter(activity, createSplitter(), maxSegmentSeconds * 1000);
    return untilAborted(voiceOf(model, cut(this.#parts.readSound(source), cutter), signal), signal);
  }

  /**
   * Transcribes live sound: `write` samples as they come, read results by `for await`. Partial results of what is
   * being said come again and again, then the final one; the final ones are those of `transcribe` with
   * `mergeSeconds: 0`, but for their speakers, who are told apart by what was heard so far.
   *
   * @throws SenseVoiceError on options that are not as asked
   */
  stream(options: LiveOptions = {}): SpeechStream {
    expectObject("options", options);
    const { maxSegmentSeconds = 30, partialSeconds = 0.4, continued, ...run } = options;
    checkNumber("partialSeconds", partialSeconds, 0, MAX_SECONDS);
    checkLiveSpeakers(options);
    this.#checkRun(run);
    const activity = this.#createActivity({ ...options, maxSegmentSeconds }, "energy", true);
    const cutter = createCutter(activity, createSplitter(), maxSegmentSeconds * 1000);
    const hear: Hear = (clips) => this.runBatch(clips, run);
    const hearTimed: Hear = (clips) => this.runBatch(clips, { ...run, timestamps: true });
    const loaded = options.speakers ? (continued?.speakers ?? this.#liveSpeakers(options)) : undefined;
    const speakers = loaded && { hearTimed, loaded };
    const listening = { partialMs: partialSeconds * 1000, signal: run.signal, speakers };
    return new SpeechStream((sound, onHeard) => listen(sound, cutter, hear, { ...listening, onHeard }), loaded);
  }

  async #liveSpeakers(options: LiveOptions): Promise<LiveSpeakers> {
    const [model, { OnlineVoices }] = await Promise.all([this.#parts.loadSpeakers(), import("./speakers/live.ts")]);
    return new OnlineVoices(model, options);
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
