import type { Detector } from "./detector.ts";

/**
 * How much silence ends a segment by how long it is: `[speechMs, silenceMs]`, rising; the first entry counts whose
 * speechMs is not exceeded.
 */
export type SilenceSchedule = readonly (readonly [speechMs: number, silenceMs: number])[];

/** FunASR's for whole recordings (DEFAULT_SILENCE_SCHEDULE): what its `generate` goes by unless told otherwise. */
export const DEFAULT_SCHEDULE: SilenceSchedule = [
  [10_000, 2000],
  [20_000, 1000],
  [30_000, 800],
  [40_000, 600],
  [50_000, 400],
  [60_000, 200],
  [Number.POSITIVE_INFINITY, 100],
];

/** FunASR's for live sound (STREAMING_SILENCE_SCHEDULE). */
export const STREAMING_SCHEDULE: SilenceSchedule = [
  [5000, 2000],
  [10_000, 1500],
  [15_000, 1000],
  [30_000, 800],
  [45_000, 400],
  [Number.POSITIVE_INFINITY, 100],
];

/** Sets a detector's end silence at the beginning of each chunk, as FsmnVADStreaming.inference does. */
export class Scheduler {
  readonly #schedule: SilenceSchedule;
  readonly #chunkMs: number;
  readonly #speechNoiseThreshold: number | undefined;
  /** Chunks that began in speech count whole, from the last chunk on that told something. */
  #speechMs = 0;

  /** @param speechNoiseThreshold in place of what FunASR sets along with the silence */
  constructor(schedule: SilenceSchedule, chunkMs: number, speechNoiseThreshold?: number) {
    this.#schedule = schedule;
    this.#speechNoiseThreshold = speechNoiseThreshold;
    this.#chunkMs = chunkMs;
  }

  beginChunk(detector: Detector): void {
    if (detector.speaking || this.#speechMs > 0) this.#speechMs += this.#chunkMs;
    const entry = this.#schedule.find(([speechMs]) => this.#speechMs <= speechMs);
    if (entry) detector.setEndSilence(entry[1], this.#speechNoiseThreshold);
  }

  /** @param told whether something was told of the chunk */
  endChunk(told: boolean): void {
    if (told) this.#speechMs = 0;
  }
}
