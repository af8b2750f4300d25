import { OnlineFeatures, type OnlineRows } from "../audio/onlineFeatures.ts";
import { checkFinite, SAMPLE_RATE } from "../audio/pcm.ts";
import { SenseVoiceError } from "../error.ts";
import type { DetectorOptions } from "../model/fsmnVad/config.ts";
import { Detector } from "../model/fsmnVad/detector.ts";
import type { VadModel, VadStream } from "../model/fsmnVad/network.ts";
import { DEFAULT_SCHEDULE, Scheduler, type SilenceSchedule } from "../model/fsmnVad/schedule.ts";
import { createPause } from "../pause.ts";
import type { SpeechEvent, VoiceActivity } from "./voiceActivity.ts";

/** What FunASR reads a whole recording in. */
const OFFLINE_CHUNK_MS = 60_000;
/** Samples that are worked on at a time: 2 s are some milliseconds of work. */
const PIECE = 2 * SAMPLE_RATE;
const LIVE_PIECE = SAMPLE_RATE / 10;

export interface FsmnActivityOptions {
  /**
   * As FunASR does with a stream fed in chunks of so many milliseconds: what happened in a chunk is told at its end,
   * the beginning of speech also before its end is known. Unless given, as FunASR does with a whole recording:
   * segments are told once they have ended.
   */
  readonly chunkMs?: number;
  /** The segments of a whole recording, told every 100 ms: first that speech begins, then that it ends. */
  readonly live?: boolean;
  /** Silence that ends a segment, in milliseconds or by a schedule; FunASR's DEFAULT_SILENCE_SCHEDULE unless given. */
  readonly endSilence?: number | SilenceSchedule;
  /** In place of the model's own; a `speechNoiseThreshold` also of the one that a schedule brings. */
  readonly detector?: Partial<DetectorOptions>;
}

/**
 * FSMN-VAD, with FunASR's answers to the millisecond. Speech that begins within the last frames (`silenceToSpeechMs`)
 * of a stream is told without an end, as FunASR does.
 */
export class FsmnActivity implements VoiceActivity {
  readonly #features: OnlineFeatures;
  /** The network's memory is taken when there is sound. */
  readonly #open: () => VadStream;
  #stream: VadStream | undefined;
  readonly #detector: Detector;
  readonly #scheduler: Scheduler | undefined;
  readonly #streaming: boolean;
  readonly #live: boolean;
  readonly #chunk: number;
  readonly #pause = createPause();
  /** Samples that wait for the rest of their piece. */
  readonly #piece: Float32Array;
  #filled = 0;
  /** Samples of the current chunk that are worked on; undefined before a chunk. */
  #done: number | undefined;
  #told = false;
  #heard = 0;

  constructor(model: VadModel, given: FsmnActivityOptions = {}) {
    const { chunkMs, live = false, endSilence = DEFAULT_SCHEDULE, detector } = given;
    if (chunkMs !== undefined && !(Number.isInteger(chunkMs) && chunkMs >= 1 && chunkMs <= OFFLINE_CHUNK_MS)) {
      throw new SenseVoiceError(`[vad] chunkMs: expected an integer from 1 to ${OFFLINE_CHUNK_MS}, got ${chunkMs}`);
    }
    const { config, cmvn } = model;
    const fixed = typeof endSilence === "number" ? { maxEndSilenceMs: endSilence } : {};
    const options = { ...config.detector, ...detector, ...fixed };
    const ms = chunkMs ?? OFFLINE_CHUNK_MS;
    this.#streaming = chunkMs !== undefined;
    this.#live = live && !this.#streaming;
    this.#chunk = (ms * SAMPLE_RATE) / 1000;
    this.#piece = new Float32Array(Math.min(this.#live ? LIVE_PIECE : PIECE, this.#chunk));
    this.#features = new OnlineFeatures(config.frontend, cmvn);
    this.#detector = new Detector(options, config.frontend.frameShiftMs);
    const threshold = detector?.speechNoiseThreshold;
    this.#scheduler = typeof endSilence === "number" ? undefined : new Scheduler(endSilence, ms, threshold);
    this.#open = () => model.open();
  }

  /** See VoiceActivity.push. */
  async push(pcm: Float32Array): Promise<SpeechEvent[]> {
    const events: SpeechEvent[] = [];
    for (let at = 0; at < pcm.length; ) {
      const size = Math.min(this.#piece.length, this.#chunk - (this.#done ?? 0));
      const part = pcm.subarray(at, at + size - this.#filled);
      checkFinite(part, "audio", this.#heard);
      this.#heard += part.length;
      this.#piece.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === size) events.push(...(await this.#work(false)));
    }
    return events;
  }

  /** See VoiceActivity.finish. */
  async finish(): Promise<SpeechEvent[]> {
    const events = await this.#work(true);
    this.close();
    return events;
  }

  /** See VoiceActivity.close. */
  close(): void {
    this.#stream?.close();
  }

  /** Works on the samples of the piece. What it does depends on where a chunk or a piece ends, not on the pushes. */
  async #work(final: boolean): Promise<SpeechEvent[]> {
    if (this.#done === undefined) this.#scheduler?.beginChunk(this.#detector);
    const pcm = this.#piece.subarray(0, this.#filled);
    this.#filled = 0;
    this.#done = (this.#done ?? 0) + pcm.length;
    await this.#detect(await this.#features.push(pcm), false);
    if (final) await this.#detect(this.#features.finish(), true);
    await this.#pause();
    const ends = final || this.#done === this.#chunk;
    const events = this.#take(ends, final);
    this.#told ||= events.length > 0;
    if (!ends) return events;
    this.#scheduler?.endChunk(this.#told);
    this.#told = false;
    this.#done = undefined;
    return events;
  }

  #take(ends: boolean, final: boolean): SpeechEvent[] {
    if (this.#streaming) return ends ? this.#detector.takeEvents() : [];
    const events = this.#live ? this.#detector.takeEvents() : [];
    const segments = this.#detector.takeSegments(final);
    return [...events, ...segments.map(([start, end]): SpeechEvent => [this.#live ? -1 : start, end])];
  }

  async #detect({ features, decibels }: OnlineRows, final: boolean): Promise<void> {
    if (decibels.length === 0) return;
    this.#stream ??= this.#open();
    const silence = await this.#stream.silence(features);
    for (let i = 0; i < silence.length; i++) {
      this.#detector.accept(silence[i], decibels[i], final && i === silence.length - 1);
    }
  }
}
